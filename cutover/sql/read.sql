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
