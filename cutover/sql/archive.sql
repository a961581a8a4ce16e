-- name: create
-- An empty archive with the types and collations of the parent's columns.
CREATE TABLE {archive} AS SELECT {pk} AS key, {column} AS document FROM {table} WITH NO DATA

-- name: add_key
-- Its key.
ALTER TABLE {archive} ADD PRIMARY KEY (key)

-- name: drop
-- Remove it.
DROP TABLE IF EXISTS {archive}

-- name: comment
-- What is known of it: the epoch, and whether it is complete.
COMMENT ON TABLE {archive} IS {text}

-- name: last
-- How far it is: its last key. (An output column `key` would be what ORDER BY sorts, as text.)
SELECT key::text AS last FROM {archive} ORDER BY key DESC LIMIT 1

-- name: fill
-- The next parents in the order of their keys, each with its document as it is, SQL NULL included.
WITH taken AS (
    INSERT INTO {archive} (key, document)
    SELECT {pk}, {column} FROM {table}
    WHERE %(after)s::text IS NULL OR {pk} > %(after)s::text::{type}
    ORDER BY {pk} LIMIT %(limit)s::bigint
    RETURNING key, document
)
SELECT count(*), COALESCE(sum(pg_column_size(document)), 0)::bigint,
       (SELECT key::text AS last FROM taken ORDER BY key DESC LIMIT 1) FROM taken

-- name: documents
-- The documents of some parents.
SELECT key, document::text FROM {archive} WHERE key = ANY (%(keys)s::{type}[])
