-- name: documents
-- The documents of some parents. Put together with `lists` by UNION ALL, it is one statement and so one snapshot.
SELECT NULL::integer, {parent_key}, NULL::text, {document}, NULL::text, NULL::text
FROM {parent} WHERE {parent_key} = {any_of_keys}

-- name: lists
-- The newest rows of some parents as one stream shows them: a JSON list for each parent and dynamic key, and which rows stand.
-- The limit is a subquery: PostgreSQL then takes it for a tenth of the rows, and so the index in order. With the number itself it
-- compares that with the rows of an average parent, and reads and sorts all rows of one that has a million.
SELECT {number}::integer, k.key, r.list_key, '[' || r.elements || ']', r.stands, r.broken
FROM {keys} k(key)
CROSS JOIN LATERAL (
    SELECT e.list_key, string_agg(e.element, ',' ORDER BY e.age) AS elements,
           string_agg(e.stands, '' ORDER BY e.age) AS stands, min(e.pk) FILTER (WHERE e.element IS NULL) AS broken
    FROM (
        SELECT {list_key} AS list_key, ({element})::text AS element, {stands} AS stands, {pk}::text AS pk,
               row_number() OVER (ORDER BY {newest_first}) AS age
        FROM {child} WHERE {fk} = k.key AND ({shown}) ORDER BY {newest_first} LIMIT (SELECT {limit}::bigint)
    ) e
    GROUP BY e.list_key
) r

-- name: part
-- Some rows of one list as elements in their order, and their keys.
SELECT ({element})::text, {pk}::text FROM {child} WHERE {fk} = %(key)s::{type} AND ({shown})
ORDER BY {order} OFFSET (SELECT %(skip)s::bigint) LIMIT (SELECT %(limit)s::bigint)

-- name: once
-- The same of a list that shows equal elements once, at the place of the oldest of them.
SELECT e.element, min(e.pk) FROM (
    SELECT ({element})::text AS element, {pk}::text AS pk, row_number() OVER (ORDER BY {order}) AS age
    FROM {child} WHERE {fk} = %(key)s::{type} AND ({shown})
) e GROUP BY e.element ORDER BY {age} OFFSET %(skip)s::bigint LIMIT %(limit)s::bigint

-- name: batch
-- The next rows of one list as elements in their order, with where they stand.
SELECT ({element})::text, {pk}::text, {position}, {pk} FROM {child} WHERE {fk} = %(key)s::{type} AND ({shown}) AND {beyond}
ORDER BY {order} LIMIT %(limit)s

-- name: length
-- How many of the newest rows of one list there are, up to a limit, and how many different elements they are.
SELECT count(*), count(DISTINCT e.element) FROM (
    SELECT ({element})::text AS element FROM {child} WHERE {fk} = %(key)s::{type} AND ({shown})
    ORDER BY {order} LIMIT (SELECT %(limit)s::bigint)
) e

-- name: json_length
-- How many elements one list has in JSON; no row where there is no list.
SELECT jsonb_array_length(l.list) FROM {parent} CROSS JOIN LATERAL (SELECT {list}) l(list)
WHERE {parent_key} = %(key)s::{type} AND jsonb_typeof(l.list) = 'array'

-- name: json_part
-- The elements of one list in JSON between two places, which may be counted from its end as Python does.
SELECT e.value::text FROM {parent} CROSS JOIN LATERAL (SELECT {list}) l(list)
CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(l.list) WHEN 'array' THEN l.list ELSE '[]' END)
    WITH ORDINALITY e(value, place)
WHERE {parent_key} = %(key)s::{type}
    AND e.place > %(start)s::bigint + CASE WHEN %(start)s::bigint < 0 THEN jsonb_array_length(l.list) ELSE 0 END
    AND e.place <= COALESCE(%(stop)s::bigint + CASE WHEN %(stop)s::bigint < 0 THEN jsonb_array_length(l.list) ELSE 0 END,
                            jsonb_array_length(l.list))
ORDER BY e.place
