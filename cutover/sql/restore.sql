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
    WHERE %(after)s::text IS NULL OR {key} > %(after)s::text::{type}
    ORDER BY {key} LIMIT %(limit)s::bigint FOR NO KEY UPDATE
), stripped AS (
    SELECT key, document, {stripped} AS rest FROM taken
), written AS (
    UPDATE {table} SET {column} = {rest} FROM stripped s, mark
    WHERE {key} = s.key AND s.document IS NOT NULL AND s.rest IS DISTINCT FROM s.document AND mark.m IS NOT NULL
    RETURNING 1
)
SELECT count(*), COALESCE(sum(pg_column_size(document)), 0)::bigint, (array_agg(key ORDER BY key DESC))[1]::text FROM taken

-- name: strip_reached
-- How far the removal is; with the documents in one transaction.
INSERT INTO cutover_mending (cutover, work, epoch, cursor, worker, parents, elements, left_alone)
VALUES (%(name)s::text, 'strip', %(epoch)s::int, %(cursor)s::text, '', %(parents)s::bigint, 0, 0)
ON CONFLICT (cutover, work) DO UPDATE
SET epoch = excluded.epoch, cursor = excluded.cursor,
    parents = CASE WHEN cutover_mending.epoch = excluded.epoch THEN cutover_mending.parents ELSE 0 END + excluded.parents

-- name: strip_cursor
-- How far it is in this epoch.
SELECT cursor FROM cutover_mending WHERE cutover = %(name)s::text AND work = 'strip' AND epoch = %(epoch)s::int

-- name: strip_forget
-- It begins anew.
DELETE FROM cutover_mending WHERE cutover = %(name)s::text AND work = 'strip'

-- name: residue
-- Among the next parents: how many, the last key, and one whose document has something that no stream claims.
SELECT count(*), (array_agg(t.key ORDER BY t.key DESC))[1], (array_agg(t.key) FILTER (WHERE t.rest))[1]
FROM (
    SELECT {key} AS key, ({stripped}) IS NOT NULL AND ({stripped}) NOT IN ('{{}}'::jsonb, 'null'::jsonb) AS rest
    FROM {table} WHERE %(after)s::{type} IS NULL OR {key} > %(after)s::{type}
    ORDER BY {key} LIMIT %(limit)s::bigint
) t

-- name: any_residue
-- Whether any document has something that no stream claims.
EXISTS (SELECT FROM {table} WHERE ({stripped}) IS NOT NULL AND ({stripped}) NOT IN ('{{}}'::jsonb, 'null'::jsonb))
