-- name: digest
-- The checksum of one document with its key, SQL NULL told from an empty text.
encode(sha256(convert_to({key}::text || COALESCE(E'\n' || {document}::text, ''), getdatabaseencoding())), 'hex')

-- name: checksum
-- That of a chunk: over the checksums of its documents, in an order that is the same in every database.
encode(sha256(convert_to(string_agg({digest}, '' ORDER BY {key}::text COLLATE "C"), 'SQL_ASCII')), 'hex')

-- name: create
-- An empty archive with the types and collations of the parent's columns.
CREATE TABLE {archive} AS SELECT 0 AS chunk, {pk} AS key, {column} AS document FROM {table} WITH NO DATA

-- name: create_typed
-- An empty archive for what a file holds, when the column is gone.
CREATE TABLE {archive} (chunk integer NOT NULL, key {type} NOT NULL, document {storage})

-- name: add_key
-- Its key.
ALTER TABLE {archive} ADD PRIMARY KEY (key)

-- name: drop
-- Remove it.
DROP TABLE IF EXISTS {archive}

-- name: create_manifest
-- What each chunk held when it was read from the column, and where it is in the file, if it is in one.
CREATE TABLE {manifest} (
    number integer PRIMARY KEY, last_key text NOT NULL, parents bigint NOT NULL, size_bytes bigint NOT NULL,
    checksum text NOT NULL, file_from bigint, file_bytes bigint, file_checksum text
)

-- name: comment
-- What is known of the whole: the epoch, whether it is complete, and its file.
COMMENT ON TABLE {manifest} IS {text}

-- name: chunks
-- The manifest.
SELECT number, last_key, parents, file_from, file_bytes, file_checksum FROM {manifest} ORDER BY number

-- name: fill
-- The next parents in the order of their keys, each with its document as it is, SQL NULL included, and their line in the manifest:
-- the checksum is that of the column's documents, not of what was stored.
WITH source AS MATERIALIZED (
    SELECT {pk} AS key, {column} AS document FROM {table}
    WHERE %(after)s::text IS NULL OR {pk} > %(after)s::text::{type}
    ORDER BY {pk} LIMIT %(limit)s::bigint
), stored AS (
    INSERT INTO {archive} (chunk, key, document) SELECT %(number)s::int, key, document FROM source
)
INSERT INTO {manifest} (number, last_key, parents, size_bytes, checksum)
SELECT %(number)s::int, (array_agg(key ORDER BY key DESC))[1]::text, count(*),
       COALESCE(sum(pg_column_size(document)), 0)::bigint, {checksum}
FROM source HAVING count(*) > 0
RETURNING parents, size_bytes, last_key

-- name: next
-- The next parents in the order of their keys: how many, how large, the last of them, and their checksum.
SELECT count(*), COALESCE(sum(pg_column_size(document)), 0)::bigint, (array_agg(key ORDER BY key DESC))[1]::text, {checksum}
FROM (
    SELECT {pk} AS key, {column} AS document FROM {table}
    WHERE %(after)s::text IS NULL OR {pk} > %(after)s::text::{type}
    ORDER BY {pk} LIMIT %(limit)s::bigint
) source

-- name: copy_out
-- The same parents, with the number of their chunk, for a file.
COPY (
    SELECT %(number)s::int, {pk}::text, {column}::text FROM {table}
    WHERE (%(after)s::text IS NULL OR {pk} > %(after)s::text::{type}) AND {pk} <= %(last)s::text::{type} ORDER BY {pk}
) TO STDOUT

-- name: note
-- A chunk that is in the file.
INSERT INTO {manifest} (number, last_key, parents, size_bytes, checksum, file_from, file_bytes, file_checksum)
VALUES (%(number)s::int, %(last)s::text, %(parents)s::bigint, %(size)s::bigint, %(checksum)s::text, %(file_from)s::bigint,
        %(file_bytes)s::bigint, %(file_checksum)s::text)

-- name: copy_in
-- What a file holds, back into a table.
COPY {archive} (chunk, key, document) FROM STDIN

-- name: damaged
-- The chunks of the table that are not what the manifest says: how many, and the first of them.
SELECT count(*), min(COALESCE(m.number, n.chunk)) FROM {manifest} m
FULL JOIN (
    SELECT r.chunk, count(*) AS parents, {checksum} AS checksum
    FROM (SELECT a.chunk, a.key, {digest} AS digest FROM {archive} a) r GROUP BY r.chunk
) n ON n.chunk = m.number
WHERE n.checksum IS DISTINCT FROM m.checksum OR n.parents IS DISTINCT FROM m.parents

-- name: documents
-- The documents of some parents.
SELECT key, document::text FROM {archive} WHERE key = ANY (%(keys)s::{type}[])
