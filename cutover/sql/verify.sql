-- name: chunk
-- The next parents in the order of their keys; those of which it can be said that both sides agree are one line, with the sums
-- of what was counted and the key of the last of them. One statement, and so one snapshot. Each document is unpacked once, the
-- rows of a parent are read once.
WITH cutover_measured AS MATERIALIZED (
    SELECT p.key, COALESCE(p.bytes, 0) AS bytes, {unreadable} AS unreadable{verdicts}
    FROM (
        SELECT {parent_key} AS key, {column} AS {column_name}, pg_column_size({column}) AS bytes
        FROM {parent}
        WHERE (%(after)s::{type} IS NULL OR {parent_key} > %(after)s::{type})
        ORDER BY {parent_key} LIMIT %(limit)s::bigint
    ) p
    CROSS JOIN LATERAL (SELECT {document} AS document OFFSET 0) c
    {lists}
    CROSS JOIN LATERAL (
        SELECT {rows}
        FROM (SELECT {hashes} FROM {child} WHERE {fk} = p.key ORDER BY {ordering} OFFSET 0) r
        OFFSET 0
    ) t
)
SELECT key, bytes, unreadable, 1::bigint AS parents{values} FROM cutover_measured WHERE NOT ({agree})
UNION ALL
SELECT (SELECT key FROM cutover_measured WHERE {agree} ORDER BY key DESC LIMIT 1), sum(bytes)::bigint, FALSE, count(*){sums}
FROM cutover_measured WHERE {agree} HAVING count(*) > 0
ORDER BY key

-- name: chunk_list
-- The hashes of one list in the order in which the rows are read, or sorted where their order says nothing; and their sum.
CROSS JOIN LATERAL (SELECT {list} AS list OFFSET 0) {l}
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg({aggregated}), '{{}}') AS hashes, COALESCE(sum({summed}), 0) AS checksum
    FROM (
        SELECT COALESCE({hash}, 0) AS hash
        FROM {elements}(CASE jsonb_typeof({l}.list) WHEN 'array' THEN {l}.list ELSE '[]' END) {numbered} OFFSET 0
    ) h
    OFFSET 0
) {j}

-- name: chunk_rows
-- The hashes of the rows that a stream shows, of all that stand; how many do not, and how many make no element.
COALESCE(array_agg(r.{hash}) FILTER (WHERE r.{shown} AND r.stands), '{{}}') AS {rows},
    count(*) FILTER (WHERE r.{shown} AND NOT r.stands) AS {after_json},
    count(*) FILTER (WHERE r.{shown} AND r.{hash} IS NULL) AS {broken}

-- name: chunk_verdict
-- Whether the sides agree; how many elements, their checksum; how many rows, how many of them within the cap, how many that
-- stand for no element.
CASE WHEN {odd} OR t.{broken} > 0 OR {j}.hashes <> {view} THEN FALSE {doubts} ELSE TRUE END AS {agree},
    cardinality({j}.hashes)::bigint AS {elements}, {j}.checksum AS {checksum}, cardinality(t.{rows})::bigint AS {standing},
    {kept}::bigint AS {kept_rows}, t.{after_json} AS {later}

-- name: chunk_values
-- What is told of one parent.
{agree}, {elements}, {checksum}, {standing}, {kept_rows}, {later}

-- name: chunk_sums
-- What is told of all that agree together.
TRUE, sum({elements})::bigint, sum({checksum}), sum({standing})::bigint, sum({kept_rows})::bigint, sum({later})::bigint

-- name: within_cap
-- The hashes of the newest rows, as many as the list takes.
t.{rows}[{first}:{last}]

-- name: sorted
-- The hashes of all rows without their order.
ARRAY(SELECT {hash} FROM unnest(t.{rows}) u(hash) ORDER BY u.hash)

-- name: doubt_equal
-- More rows than the list takes, and equal ones among them: which of them a distinct list shows is for `exact` to say.
WHEN cardinality(t.{rows}) > {cap}
    AND cardinality(t.{rows}) > (SELECT count(DISTINCT u.hash) FROM unnest(t.{rows}) u(hash)) THEN FALSE

-- name: doubt_cap
-- More rows than the list takes, and no order to tell which of them it shows.
WHEN cardinality(t.{rows}) > {cap} THEN FALSE

-- name: doubt_type
-- An element of another type that reads like one of the stream: "[1]" and [1] have one text.
WHEN {l}.list @? {other} THEN FALSE

-- name: exact
-- Both sides of some parents counted and summed, for streams of which `chunk` could not say that they agree.
WITH cutover_chunk AS MATERIALIZED (
    SELECT {parent_key} AS key, {document} AS document FROM {parent} WHERE {parent_key} = ANY(%(keys)s::{type}[])
)
SELECT c.key, s.* FROM cutover_chunk c CROSS JOIN LATERAL ({stream}) s

-- name: stream
-- One stream of one parent. The order is a sum of products, so that it tells two orders of the same elements apart.
SELECT j.elements AS json_elements, j.checksum AS json_checksum, j.ordered AS json_ordered,
       t.elements AS table_elements, t.checksum AS table_checksum, t.ordered AS table_ordered,
       t.rows, t.kept, t.after_json, t.broken, {odd} AS odd
FROM (
    SELECT count(*) AS elements, COALESCE(sum(e.hash), 0) AS checksum, COALESCE(sum((e.hash >> 32) * e.rank), 0) AS ordered
    FROM {elements} e
) j CROSS JOIN (
    SELECT count(*) FILTER (WHERE r.compared) AS elements,
           COALESCE(sum(r.hash) FILTER (WHERE r.compared), 0) AS checksum,
           COALESCE(sum((r.hash >> 32) * r.rank) FILTER (WHERE r.compared), 0) AS ordered,
           COALESCE(sum(r.copies) FILTER (WHERE r.stands), 0) AS rows,
           COALESCE(sum(r.copies) FILTER (WHERE r.compared), 0) AS kept,
           COALESCE(sum(r.copies) FILTER (WHERE NOT r.stands), 0) AS after_json,
           COALESCE(sum(r.copies) FILTER (WHERE r.hash IS NULL), 0) AS broken
    FROM (SELECT hash, stands, copies, rank, stands AND hash IS NOT NULL AND {within_cap} AS compared FROM {rows} n) r
) t

-- name: elements
-- The elements of a stream by their hashes, numbered from the newest.
(SELECT e.key, {hash} AS hash, e.age AS rank FROM {elements} e)

-- name: distinct_elements
-- The same, where equal elements are one.
(SELECT key, hash, row_number() OVER (PARTITION BY key ORDER BY {shown_age}) AS rank
 FROM (SELECT e.key, {hash} AS hash, e.age FROM {elements} e) a GROUP BY key, hash)

-- name: table_rows
-- The rows that a stream shows by the hashes of their elements, numbered from the newest; NULL for one that makes none.
(SELECT {key} AS key, {hash} AS hash, {stands} AS stands, 1::bigint AS copies,
        row_number() OVER (PARTITION BY {key}, {stands} ORDER BY {newest_first}) AS rank
 FROM {child} WHERE {fk} = c.key AND ({shown}))

-- name: distinct_rows
-- The same, where equal rows are one.
(SELECT key, hash, stands, count(*) AS copies,
        row_number() OVER (PARTITION BY key, stands ORDER BY {shown_age}) AS rank
 FROM (SELECT key, hash, stands, rank AS age FROM {rows} m) a GROUP BY key, hash, stands)

-- name: keys
-- The next parents in the order of their keys, for codecs that have no SQL.
SELECT {parent_key} FROM {parent} WHERE (%(after)s::{type} IS NULL OR {parent_key} > %(after)s::{type})
ORDER BY {parent_key} LIMIT %(limit)s::bigint

-- name: visits
-- Whether the backfill has been at some parents, and whether it has to come again.
SELECT c.key, {visited}, {dirty} FROM unnest(%(keys)s::{type}[]) c(key)

-- name: visited
-- Whether the backfill has been at a parent.
(EXISTS (SELECT FROM cutover_ledger l WHERE l.name = %(name)s::text AND l.backfilled_at IS NOT NULL)
 OR EXISTS (SELECT FROM cutover_segment g WHERE g.cutover = %(name)s::text AND g.number >= 0
            AND (g.lower IS NULL OR c.key > g.lower::{type}) AND (g.upper IS NULL OR c.key <= g.upper::{type})
            AND (g.done_at IS NOT NULL OR c.key <= g.cursor::{type})))

-- name: dirty
-- Whether a foreign write waits for the backfill at a parent.
(c.key::text IN (SELECT m.parent_key FROM cutover_mark m WHERE m.cutover = %(name)s::text AND m.visited_at IS NULL))

-- name: quarantined
-- What is in quarantine of some parents.
SELECT parent_key, stream, element, waived_at IS NOT NULL FROM cutover_quarantine
WHERE cutover = %(name)s::text AND parent_key = ANY(%(keys)s::text[]) ORDER BY id

-- name: between
-- Whether rows lie between the keys of parents that follow each other, behind one key and up to another: then their parents are
-- gone. Both bounds are in the index's condition, so it reads no row of a parent that is there, where `next_orphans` reads all.
WITH cutover_keys AS MATERIALIZED (
    SELECT %(after)s::{type} AS key
    UNION ALL SELECT {parent_key} FROM {parent}
    WHERE {parent_key} > %(after)s::{type} AND (%(upto)s::{type} IS NULL OR {parent_key} <= %(upto)s::{type})
)
SELECT EXISTS (
    SELECT FROM (SELECT key, lead(key) OVER (ORDER BY key) AS following FROM cutover_keys) p CROSS JOIN LATERAL (
        SELECT {fk} FROM {child} WHERE {fk} > p.key AND {fk} < p.following ORDER BY {fk} LIMIT 1) r
) OR EXISTS (
    SELECT FROM (
        SELECT {fk} AS key FROM {child} WHERE {fk} > (SELECT key FROM cutover_keys ORDER BY key DESC LIMIT 1)
        ORDER BY {fk} LIMIT 1) r
    WHERE %(upto)s::{type} IS NULL OR r.key <= %(upto)s::{type}
)

-- name: next_orphans
-- The next parents that are gone and have rows, between two keys, and how many rows.
SELECT {fk} AS key, count(*) FROM {child}
WHERE (%(after)s::{type} IS NULL OR {fk} > %(after)s::{type}) AND (%(upto)s::{type} IS NULL OR {fk} <= %(upto)s::{type})
  AND {fk} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} WHERE {parent_key} = {fk})
GROUP BY {fk} ORDER BY {fk} LIMIT %(limit)s::bigint

-- name: orphans_among
-- Which of these parents are gone and have rows, and how many rows.
SELECT {fk} AS key, count(*) FROM {child}
WHERE {fk} = ANY(%(keys)s::{type}[]) AND NOT EXISTS (SELECT FROM {parent} WHERE {parent_key} = {fk})
GROUP BY {fk} ORDER BY {fk}

-- name: lock_free
-- Lock those of some parents that nobody else has locked, in the order of their keys, and wait for none.
SELECT {parent_key} FROM {parent} WHERE {parent_key} = ANY(%(keys)s::{type}[])
ORDER BY {parent_key} FOR NO KEY UPDATE SKIP LOCKED

-- name: delete_rows
-- Delete rows by their own keys.
DELETE FROM {child} WHERE {pk} = ANY(%(pks)s::{pk_type}[])

-- name: forget_segments
-- Forget what the backfill has done.
DELETE FROM cutover_segment WHERE cutover = %(name)s::text

-- name: write_lists
-- Put lists into the document of a parent whose lock is held; nothing where one of them has no place there.
WITH mark AS MATERIALIZED (SELECT {mark} AS m)
UPDATE {parent} SET {column_name} = d.stored
FROM mark, (SELECT {stored} AS stored FROM {document} z) d
WHERE {parent_key} = %(key)s::{type} AND mark.m IS NOT NULL

-- name: first_document
-- The document of a parent, unless it is text that is no JSON.
(SELECT {document} AS document FROM {parent}
 WHERE {parent_key} = %(key)s::{type} AND ({column} IS NULL OR {document} IS NOT NULL))

-- name: next_document
-- The same with one more list, if the list has a place there.
(SELECT {with_list} AS document FROM {document} y WHERE {fits} OFFSET 0)

-- name: renumber
-- Draw new positions for some rows in the order given, each with the bit that it has.
UPDATE {child} SET {position_name} = d.drawn * 2 + (CASE WHEN {stands} THEN 1 ELSE 0 END)
FROM (SELECT u.pk, nextval('cutover_position_v1') AS drawn
      FROM (SELECT pk FROM unnest(%(pks)s::{pk_type}[]) WITH ORDINALITY w(pk, number) ORDER BY number OFFSET 0) u) d
WHERE {pk} = d.pk

-- name: stamp
-- Say of rows that JSON holds them now, or would but for its cap; their order stays.
UPDATE {child} SET {position_name} = {position} | 1 WHERE {pk} = ANY(%(pks)s::{pk_type}[]) AND {position} >= 0

-- name: without_json
-- Parents that have rows of which JSON knows nothing, in the order of their keys.
SELECT DISTINCT {fk} AS key FROM {child}
WHERE (%(after)s::{type} IS NULL OR {fk} > %(after)s::{type}) AND {alone} AND ({shown})
  AND EXISTS (SELECT FROM {parent} WHERE {parent_key} = {fk})
ORDER BY key LIMIT %(limit)s::bigint

-- name: count_without_json
-- How many rows there are of which JSON knows nothing, as far as a limit, and of how many parents.
SELECT count(*), count(DISTINCT counted.key) FROM (
    SELECT {fk} AS key FROM {child} WHERE {alone} AND ({shown}) AND EXISTS (SELECT FROM {parent} WHERE {parent_key} = {fk})
    LIMIT %(limit)s::bigint
) counted

-- name: now
-- The time of the database.
SELECT clock_timestamp()

-- name: begin
-- Begin a verification; the id and the time of the database. Transactions below the horizon have ended.
INSERT INTO cutover_verification
    (cutover, epoch, started_at, parents, json_elements, table_elements, json_checksum, table_checksum, found, examples,
     horizon)
VALUES (%(name)s::text, %(epoch)s::int, clock_timestamp(), 0, 0, 0, '0', '0', '{{}}'::jsonb, '[]'::jsonb,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
RETURNING id, started_at

-- name: forget_unfinished
-- Remove verifications that will not be finished.
DELETE FROM cutover_verification WHERE cutover = %(name)s::text AND finished_at IS NULL

-- name: unfinished
-- The verification that can go on.
SELECT id, epoch, started_at, finished_at, parents, json_elements, table_elements, json_checksum, table_checksum, found,
       examples, cursor
FROM cutover_verification
WHERE cutover = %(name)s::text AND epoch = %(epoch)s::int AND finished_at IS NULL ORDER BY id DESC LIMIT 1

-- name: latest
-- The verification that finished last.
SELECT id, epoch, started_at, finished_at, parents, json_elements, table_elements, json_checksum, table_checksum, found,
       examples
FROM cutover_verification WHERE cutover = %(name)s::text AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1

-- name: save
-- Store how far a verification is, unless somebody else has moved its cursor.
UPDATE cutover_verification
SET cursor = %(cursor)s::text, parents = %(parents)s::bigint, json_elements = %(json_elements)s::bigint,
    table_elements = %(table_elements)s::bigint, json_checksum = %(json_checksum)s::text,
    table_checksum = %(table_checksum)s::text, found = %(found)s::text::jsonb, examples = %(examples)s::text::jsonb,
    finished_at = CASE WHEN %(done)s::boolean THEN clock_timestamp() END
WHERE id = %(id)s::bigint AND cursor IS NOT DISTINCT FROM %(before)s::text AND finished_at IS NULL
RETURNING finished_at
