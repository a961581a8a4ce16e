-- name: keys
-- The next parents in the order of their keys.
SELECT {key} FROM {table} WHERE %(after)s::{type} IS NULL OR {key} > %(after)s::{type}
ORDER BY {key} LIMIT %(limit)s::bigint

-- name: write
-- Put documents into the column, with the toolkit's mark.
WITH mark AS MATERIALIZED (SELECT {own} AS m)
UPDATE {table} SET {column} = v.document::{storage}
FROM unnest(%(keys)s::{type}[], %(documents)s::text[]) v(key, document), mark
WHERE {key} = v.key AND mark.m IS NOT NULL

-- name: stamp
-- Say that these rows stand for an element of the JSON list; the order stays, for only the lowest bit changes.
UPDATE {child} SET {position} = {position} | 1
WHERE {child_key} = ANY (%(keys)s::{child_type}[]) AND {position} >= 0 AND {position} & 1 = 0

-- name: column_documents
-- The documents that the column holds, for some parents.
SELECT {key}, {column}::text FROM {table} WHERE {key} = ANY (%(keys)s::{type}[])

-- name: strip
-- Remove the claimed lists from the next parents in the order of their keys, with the toolkit's mark: how many were looked
-- at, how large they were, and the last key.
WITH mark AS MATERIALIZED (SELECT {own} AS m), taken AS (
    SELECT {key} AS key, {document} AS document FROM {table}
    WHERE %(after)s::{type} IS NULL OR {key} > %(after)s::{type}
    ORDER BY {key} LIMIT %(limit)s::bigint FOR NO KEY UPDATE
), stripped AS (
    SELECT key, document, {stripped} AS rest FROM taken
), written AS (
    UPDATE {table} SET {column} = {rest} FROM stripped s, mark
    WHERE {key} = s.key AND s.document IS NOT NULL AND s.rest IS DISTINCT FROM s.document AND mark.m IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM taken), (SELECT COALESCE(sum(pg_column_size(document)), 0)::bigint FROM taken),
       (SELECT key FROM taken ORDER BY key DESC LIMIT 1), (SELECT count(*) FROM written)

-- name: residue
-- Among the next parents: how many, the last key, and one whose document has something that no stream claims.
SELECT count(*), (array_agg(t.key ORDER BY t.key DESC))[1], (array_agg(t.key) FILTER (WHERE t.rest))[1]
FROM (
    SELECT {key} AS key, ({stripped}) IS NOT NULL AND ({stripped}) NOT IN ('{{}}'::jsonb, 'null'::jsonb) AS rest
    FROM {table} WHERE %(after)s::{type} IS NULL OR {key} > %(after)s::{type}
    ORDER BY {key} LIMIT %(limit)s::bigint
) t
