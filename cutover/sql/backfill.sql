-- name: difference
-- The elements of one stream that have no row, for some parents, with the position that each would take (pairing.places).
cutover_parents AS MATERIALIZED (
    SELECT {parent_key} AS parent_key, {document} AS document
    FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[])
),
cutover_listed AS MATERIALIZED (
    SELECT p.parent_key, l.key, l.element, l.element::text AS shape, l.age,
           row_number() OVER (PARTITION BY p.parent_key, l.key, l.element::text ORDER BY l.age {first}) AS nth
    FROM cutover_parents p CROSS JOIN LATERAL {elements} l WHERE {keyed}
),
cutover_standing AS MATERIALIZED (
    SELECT {fk} AS parent_key, {key} AS key, ({element})::text AS shape, {position} AS position,
           row_number() OVER (PARTITION BY {fk}, {key}, ({element})::text ORDER BY {newest_first}) AS nth
    FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {shown} AND {stands}
),
cutover_floor AS MATERIALIZED (
    SELECT {fk} AS parent_key, least(0, min({position})) AS floor
    FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) GROUP BY {fk}
),
cutover_paired AS (
    -- By windows and not by a join: where the planner thinks that a list is short, it joins by the parent alone, and that is
    -- quadratic in the length of the list.
    SELECT c.parent_key, c.key, c.element, c.nth, c.age, c.paired,
           max(c.position) OVER (PARTITION BY c.parent_key, c.key ORDER BY c.age DESC) AS below
    FROM (
        SELECT b.*, bool_or(b.is_row) OVER same AS paired, max(b.place) OVER same AS position
        FROM (
            SELECT parent_key, key, shape, nth, element, age, NULL::bigint AS place, FALSE AS is_row FROM cutover_listed
            UNION ALL
            SELECT parent_key, key, shape, nth, NULL, NULL, position, TRUE FROM cutover_standing
        ) b WINDOW same AS (PARTITION BY b.parent_key, b.key, b.shape, b.nth)
    ) c WHERE NOT c.is_row AND {counted}
),
cutover_missing AS MATERIALIZED (
    SELECT m.parent_key, m.key, m.element, m.nth, m.age,
           COALESCE(m.below, COALESCE(f.floor, 0) - row_number() OVER (
               PARTITION BY m.parent_key, m.key, m.below IS NULL ORDER BY m.age)) AS place
    FROM cutover_paired m LEFT JOIN cutover_floor f ON f.parent_key = m.parent_key
    WHERE NOT m.paired
)

-- name: missing
-- The same without a change: elements without a row, and documents with something else where the list should be.
WITH {difference}
SELECT 'missing', parent_key::text, key, element::text, nth FROM cutover_missing
UNION ALL SELECT 'misplaced', parent_key::text, NULL, document::text, NULL FROM cutover_parents p WHERE {misplaced}

-- name: fill
-- Insert a row for every element without one, oldest first; what cannot become a row comes back.
WITH {difference},
cutover_candidates AS MATERIALIZED (
    SELECT {row}.*, (cutover_ok AND COALESCE({shown}, FALSE)) AS cutover_fits FROM (
        SELECT {columns}, m.parent_key AS cutover_parent, m.key AS cutover_key, m.element AS cutover_element,
               m.nth AS cutover_nth, m.age AS cutover_age, d.ok AS cutover_ok
        FROM cutover_missing m CROSS JOIN LATERAL (SELECT {decoded} FROM {decoding} x OFFSET 0) d
    ) AS {row}
),
cutover_inserted AS (
    INSERT INTO {child} ({names})
    SELECT {names} FROM cutover_candidates WHERE cutover_fits ORDER BY cutover_parent, cutover_key, cutover_age DESC
    RETURNING 1
)
SELECT CASE WHEN cutover_ok THEN 'not shown' ELSE 'undecodable' END, cutover_parent::text, cutover_key,
       cutover_element::text, cutover_nth
FROM cutover_candidates WHERE NOT cutover_fits
UNION ALL SELECT 'misplaced', parent_key::text, NULL, document::text, NULL FROM cutover_parents p WHERE {misplaced}
UNION ALL SELECT 'inserted', NULL, NULL, NULL, count(*) FROM cutover_inserted

-- name: direct
-- Fill what lists have beside their newest elements, which have rows, at the speed of a plain INSERT ... SELECT. It raises where
-- an element is none of the stream. It returns the parents with which nothing is amiss; for them how many rows it has
-- inserted, and how many elements are left to the next portion; and for that what the parent is like.
WITH {whole},
cutover_inserted AS (
    INSERT INTO {child} ({names})
    SELECT {names} FROM (
        SELECT {columns}, m.* FROM (
            SELECT l.parent_key AS cutover_parent, l.key AS cutover_key, e.value AS cutover_element, ({age}) AS cutover_age,
                   l.floor + l.have - ({age}) AS cutover_place, {decoded}
            FROM cutover_lists l CROSS JOIN LATERAL (
                SELECT value, ordinality FROM {each}(l.list) WITH ORDINALITY e(value, ordinality) {oldest_first}) e
            WHERE l.free AND l.done AND ({age}) > l.have AND ({age}) <= l.have + l.taken OFFSET 0
        ) m
    ) AS {row}
    WHERE CASE WHEN ({proof}) AND ({shown}) THEN TRUE ELSE 1 / (cutover_age * 0) = 1 END
    {ordered}
)
SELECT ARRAY(SELECT DISTINCT parent_key::text FROM cutover_lists WHERE done),
       s.inserted, s.left_over, {standing}
FROM (
    SELECT COALESCE(sum(taken), 0) AS inserted, COALESCE(sum(length - have - taken), 0) AS left_over
    FROM cutover_lists WHERE free AND done
) s

-- name: occupied
-- Which of some parents have rows that stand for something.
SELECT DISTINCT {fk}::text FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {stands}

-- name: piped
-- The rows that the lists of some parents become for which no row stands, oldest first, as COPY hands them on. It raises where
-- an element is none of the stream, where a list cannot be filled whole, and on a server where a transaction does not run.
COPY (
    SELECT {values} FROM (
        SELECT {columns}, m.* FROM (
            SELECT l.parent_key AS cutover_parent, l.key AS cutover_key, e.value AS cutover_element, ({age}) AS cutover_age,
                   -({age}) AS cutover_place, {decoded}
            FROM (
                SELECT p.parent_key, x.key, x.list, jsonb_array_length(x.list) AS length
                FROM unnest(%(keys)s::text[]::{type}[]) WITH ORDINALITY k(key, n)
                CROSS JOIN LATERAL (
                    SELECT {parent_key} AS parent_key, {document} #> '{{}}' AS document
                    FROM {parent} WHERE {parent_key} = k.key OFFSET 0) p
                CROSS JOIN LATERAL (
                    SELECT y.key, y.list FROM {lists} y WHERE jsonb_typeof(y.list) = 'array' OFFSET 0) x
                WHERE p.parent_key <> ALL (ARRAY(
                    SELECT DISTINCT {fk} FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {stands}))
                OFFSET 0
            ) l CROSS JOIN LATERAL (
                SELECT value, ordinality FROM {each}(l.list) WITH ORDINALITY e(value, ordinality) {oldest_first}) e
            WHERE l.length > 0 AND CASE WHEN {fillable} THEN TRUE ELSE 1 / (l.length * 0) = 1 END
              AND (SELECT CASE WHEN pg_is_in_recovery() OR pg_xact_status(%(transaction)s::text::xid8) <> 'in progress'
                          THEN 1 / (l.length * 0) = 1 ELSE TRUE END)
            OFFSET 0
        ) m
    ) AS {row}
    WHERE CASE WHEN ({proof}) AND ({shown}) THEN TRUE ELSE 1 / (cutover_age * 0) = 1 END
) TO STDOUT (FORMAT BINARY)

-- name: take_piped
-- Take rows as they are handed on.
COPY {child} ({names}) FROM STDIN (FORMAT BINARY)

-- name: transaction
-- The number of this transaction.
SELECT pg_current_xact_id()::text

-- name: whole
-- Part: for each list how many of its newest elements are what all of its rows say (`have`), whether there are more of them to
-- be filled as they are (`free`), how many of those to take now, and whether all lists of its parent are so (`done`).
cutover_rows AS MATERIALIZED (
    SELECT {fk} AS parent_key, {key} AS key, count(*) AS length, {row_elements} AS elements
    FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {shown} AND {stands} GROUP BY 1, 2
),
cutover_lists AS MATERIALIZED (
    SELECT w.*, bool_and(w.fine) OVER all_lists AS done, {taken} AS taken
    FROM (
        SELECT p.parent_key, l.key, l.list, l.length, l.length > h.have AS free, h.have,
               CASE WHEN l.length > h.have
                    THEN (SELECT least(0, min({position})) FROM {child} WHERE {fk} = p.parent_key) END AS floor,
               CASE WHEN p.odd THEN FALSE WHEN COALESCE(l.length, 0) = 0 THEN TRUE
                    WHEN h.have > 0 AND {other} THEN FALSE
                    WHEN h.have = l.length THEN TRUE ELSE {fillable} END AS fine
        FROM (
            SELECT p.parent_key, p.document, p.unreadable OR {misplaced} OR {changed} AS odd
            FROM (SELECT {parent_key} AS parent_key, {document} #> '{{}}' AS document, {unreadable} AS unreadable
                  FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[]) OFFSET 0) p OFFSET 0
        ) p
        LEFT JOIN LATERAL (
            SELECT x.key, x.list, jsonb_array_length(x.list) AS length FROM (
                SELECT y.key, CASE jsonb_typeof(y.list) WHEN 'array' THEN y.list ELSE '[]'::jsonb END AS list
                FROM {lists} y OFFSET 0) x
        ) l ON TRUE
        LEFT JOIN cutover_rows r ON r.parent_key = p.parent_key AND r.key IS NOT DISTINCT FROM l.key
        CROSS JOIN LATERAL (SELECT least(COALESCE(r.length, 0), l.length) AS have) h
        OFFSET 0
    ) w WINDOW all_lists AS (PARTITION BY w.parent_key)
)

-- name: portion
-- Part: how many elements of a list to take, of as many as its parent has in a portion.
greatest(0, least(w.length - w.have, %(most)s::bigint + w.length - w.have
    - sum(w.length - w.have) OVER (PARTITION BY w.parent_key ORDER BY w.key ROWS UNBOUNDED PRECEDING)))

-- name: compared
-- Part: whether rows are other elements than the newest ones of a list.
r.elements[1:h.have] <> ARRAY(
    SELECT e.value::text FROM jsonb_array_elements(l.list) WITH ORDINALITY e(value, ordinality)
    ORDER BY ordinality {direction} LIMIT h.have)

-- name: standing
-- Part: the version of one parent; how many rows it has with those that the statement inserts, and how many of them stand; and
-- where its newest row is that is no history.
(SELECT {version} FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[])),
s.inserted + (SELECT count(*) FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[])),
s.inserted + (SELECT count(*) FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {shown} AND {stands}),
(SELECT greatest(0, max({position})) FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]))

-- name: changed
-- Part: whether a parent is another than it was, or has other rows.
EXISTS (SELECT 1 FROM {parent} WHERE {parent_key} = p.parent_key AND {version} <> %(version)s::text)
OR (SELECT count(*) <> %(rows)s::bigint OR count(*) FILTER (WHERE {shown} AND {stands}) <> %(standing)s::bigint
        OR greatest(0, max({position})) <> %(newest)s::bigint
    FROM {child} WHERE {fk} = p.parent_key)

-- name: short
-- Which of some parents have fewer rows that stand for something than elements, or a list that has to be looked at closely.
WITH {whole}
SELECT p.key FROM unnest(%(keys)s::text[]) p(key)
WHERE p.key NOT IN (SELECT parent_key::text FROM cutover_lists WHERE done)
   OR p.key IN (SELECT parent_key::text FROM cutover_lists WHERE free)

-- name: pour
-- What lists have beside their newest elements, which have rows, in slices, oldest first: parent, key, position of the oldest,
-- and the elements in the order of the list, as JSON. Lines without elements name the parents that need nothing more of this
-- stream. It raises where a transaction is given and does not run on this server.
WITH {whole}
SELECT to_json(d.parent_key::text)::text, NULL, 0::bigint, NULL
FROM (SELECT DISTINCT parent_key FROM cutover_lists WHERE done) d
WHERE (SELECT CASE WHEN %(transaction)s::text IS NULL THEN TRUE
                   WHEN pg_is_in_recovery() OR pg_xact_status(%(transaction)s::text::xid8) <> 'in progress'
                   THEN 1 / (pg_backend_pid() * 0) = 1 ELSE TRUE END) -- not a constant, which would be computed at once
UNION ALL (
    SELECT to_json(l.parent_key::text)::text, to_json(l.key)::text, ({place})::bigint,
           CASE WHEN l.length <= z.size AND l.have = 0 THEN l.list
                ELSE jsonb_path_query_array(l.list, '$[$first to $last]',
                                            jsonb_build_object('first', s.first, 'last', s.behind - 1)) END::text
    FROM cutover_lists l
    CROSS JOIN LATERAL (
        SELECT greatest(1, least(%(most)s::int, %(bytes)s::bigint * l.length / pg_column_size(l.list)))::int AS size) z
    CROSS JOIN LATERAL (
        SELECT first, least(first + z.size, {end}) AS behind FROM generate_series({begin}, {end} - 1, z.size) first
        ORDER BY first {oldest_first}) s
    WHERE l.free AND l.done
)

-- name: copy
-- Pour rows in.
COPY {child} ({names}) FROM STDIN

-- name: count_history
-- How many rows of history a stream shows of some parents.
SELECT count(*) FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) AND {position} < 0 AND {shown}

-- name: next_keys
-- The next parents in the order of their keys, as far as what is stored of their documents goes (at least one); none of
-- the documents is read.
SELECT n.key, n.bytes FROM (
    SELECT {parent_key}::text AS key, COALESCE(pg_column_size({value}), 0) AS bytes, row_number() OVER o AS n,
           sum(COALESCE(pg_column_size({value}), 0)) OVER o AS stored
    FROM {parent} WHERE {range} WINDOW o AS (ORDER BY {parent_key}) ORDER BY {parent_key} LIMIT %(limit)s::bigint
) n WHERE n.n = 1 OR n.stored <= %(bytes)s::float8 ORDER BY n.n

-- name: uneven
-- Which of some parents have not as many standing rows as elements, in one of their streams; or a document that is none.
SELECT p.key, p.unreadable
FROM (SELECT {parent_key} AS parent_key, {parent_key}::text AS key, {document} #> '{{}}' AS document,
             {unreadable} AS unreadable
      FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[]) OFFSET 0) p
LEFT JOIN (SELECT {fk} AS parent_key, {counts} FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) GROUP BY 1) r
    ON r.parent_key = p.parent_key
WHERE p.unreadable OR {uneven}

-- name: place
-- Insert rows that were decoded in Python, in their order; return them as they stand, and the numbers of those not shown.
WITH cutover_candidates AS MATERIALIZED (
    SELECT {row}.*, COALESCE({shown}, FALSE) AS cutover_fits FROM (
        SELECT {columns}, u.cutover_n FROM unnest({arrays}) WITH ORDINALITY u({aliases}, cutover_n)
    ) AS {row}
),
cutover_inserted AS (
    INSERT INTO {child} ({names})
    SELECT {names} FROM cutover_candidates WHERE cutover_fits ORDER BY cutover_n RETURNING {returned}
)
SELECT NULL::bigint, {results} FROM cutover_inserted i
UNION ALL SELECT cutover_n, {nothing} FROM cutover_candidates WHERE NOT cutover_fits

-- name: floors
-- The position below which the history of some parents goes.
SELECT {fk}::text, least(0, min({position})) FROM {child} WHERE {fk} = ANY(%(keys)s::text[]::{type}[]) GROUP BY {fk}

-- name: reach
-- The next parents in the order of their keys, as far as the shares of the limits on parents, elements and bytes add up to one.
-- Long documents are read only as far as their stored bytes fit a chunk: those behind its end would be read for nothing.
SELECT w.key, {count} AS elements, w.bytes, w.readable,
       w.n = 1 OR w.n / %(parents)s::float8 + sum({count}) OVER o / %(elements)s::float8
                  + sum(w.bytes) OVER o / %(bytes)s::float8 <= 1 AS within, w.size, ARRAY[{lengths}]::bigint[]
FROM (
    SELECT c.n, c.key, {counts}, COALESCE(c.size, 0) + COALESCE({size}, 0) AS bytes,
           c.{column} IS NULL OR d.document IS NOT NULL AS readable, COALESCE(c.size, 0) AS size
    FROM (
        SELECT {parent_key}::text AS key, {value} AS {column}, pg_column_size({value}) AS size, row_number() OVER o AS n,
               sum(pg_column_size({value})) FILTER (WHERE pg_column_size({value}) >= %(long)s::int) OVER o AS stored
        FROM {parent} WHERE {range} WINDOW o AS (ORDER BY {parent_key}) ORDER BY {parent_key} LIMIT %(limit)s::bigint
    ) c CROSS JOIN LATERAL (SELECT {document} #> '{{}}' AS document OFFSET 0) d
    WHERE c.n = 1 OR COALESCE(c.stored, 0) <= %(stored)s::float8
) w WINDOW o AS (ORDER BY w.n) ORDER BY w.n

-- name: existing
-- Which of these keys belong to a parent.
SELECT {parent_key}::text FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[])

-- name: estimate
-- How many parents there are, roughly, how many pages they fill, and how many bytes with what is stored beside them.
SELECT greatest(c.reltuples, 0)::bigint, (pg_relation_size(c.oid) / 8192)::bigint, pg_table_size(c.oid), c.relkind = 'r'
FROM pg_class c WHERE c.oid = %(table)s::text::regclass

-- name: quantiles
-- The keys that cut the parents into parts of about the same size, and how many keys were looked at.
SELECT percentile_disc(%(fractions)s::float8[]) WITHIN GROUP (ORDER BY {parent_key})::{type}[]::text[], count(*)
FROM {parent} {sample}

-- name: lock_ledger
-- Only one plans.
SELECT name FROM cutover_ledger WHERE name = %(name)s::text FOR UPDATE

-- name: planned
-- How many segments there are.
SELECT count(*) FROM cutover_segment WHERE cutover = %(name)s::text

-- name: plan
-- Write the segments down; number -1 is the lane of the dirty parents.
INSERT INTO cutover_segment (cutover, number, lower, upper, worker, parents, elements, estimate)
SELECT %(name)s::text, u.number, u.lower, u.upper, '', 0, 0, CASE WHEN u.number < 0 THEN 0 ELSE %(estimate)s::bigint END
FROM unnest(%(numbers)s::int[], %(lowers)s::text[], %(uppers)s::text[]) u(number, lower, upper)

-- name: reset
-- Forget the segments.
DELETE FROM cutover_segment WHERE cutover = %(name)s::text

-- name: take
-- Lease the first segment that nobody holds, under a new token.
UPDATE cutover_segment
SET token = gen_random_uuid(), worker = %(worker)s::text,
    leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = (
    SELECT id FROM cutover_segment
    WHERE cutover = %(name)s::text AND (number = -1) = %(lane)s::boolean AND done_at IS NULL
      AND (leased_until IS NULL OR leased_until < clock_timestamp())
    ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, number, lower, upper, token

-- name: retake
-- Hold a segment that is still mine under a new token.
UPDATE cutover_segment
SET token = gen_random_uuid(), leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = %(id)s::bigint AND token = %(token)s::uuid
RETURNING id, number, lower, upper, token

-- name: prolong
-- Hold a segment for longer.
UPDATE cutover_segment SET leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = %(id)s::bigint AND token = %(token)s::uuid

-- name: release
-- Let a segment go.
UPDATE cutover_segment SET token = NULL, leased_until = NULL, worker = ''
WHERE id = %(id)s::bigint AND token = %(token)s::uuid

-- name: lock
-- Lock a segment that I hold, and read its cursor; a statement of its own, so that the next one sees what came before.
SELECT cursor, inside FROM cutover_segment WHERE id = %(id)s::bigint AND token = %(token)s::uuid FOR UPDATE

-- name: cover
-- Lock the segments in which some parents lie, whoever holds them: nobody else fills those parents meanwhile.
SELECT id FROM cutover_segment WHERE cutover = %(name)s::text AND id IN (
    SELECT s.id FROM {parent} JOIN cutover_segment s ON s.cutover = %(name)s::text AND s.number >= 0
      AND (s.lower IS NULL OR {parent_key} > s.lower::{type}) AND (s.upper IS NULL OR {parent_key} <= s.upper::{type})
    WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[])
) ORDER BY number FOR UPDATE

-- name: advance
-- Move the cursor of a segment with what was done, and hold it for longer.
UPDATE cutover_segment
SET cursor = COALESCE(%(cursor)s::text, cursor), inside = %(inside)s::text, parents = parents + %(parents)s::bigint,
    elements = elements + %(elements)s::bigint,
    done_at = CASE WHEN %(done)s::boolean THEN clock_timestamp() END,
    leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = %(id)s::bigint AND token = %(token)s::uuid

-- name: totals
-- How far all segments are.
SELECT COALESCE(sum(parents) FILTER (WHERE number >= 0), 0)::bigint, COALESCE(sum(estimate), 0)::bigint,
       COALESCE(sum(elements), 0)::bigint, count(*) FILTER (WHERE number >= 0),
       count(*) FILTER (WHERE number >= 0 AND done_at IS NOT NULL)
FROM cutover_segment WHERE cutover = %(name)s::text

-- name: newest_mark
-- The number of the newest foreign write.
SELECT COALESCE(max(id), 0) FROM cutover_mark WHERE cutover = %(name)s::text
