-- name: document
-- The document of one parent, which nobody else changes until this transaction ends.
SELECT {document} FROM {parent} WHERE {parent_key} = %(key)s::{type} FOR NO KEY UPDATE

-- name: version
-- The transaction, or the savepoint in it, that wrote the parent's row last; it has to be one of this transaction.
SELECT (t.id + (({xmin}::text::bigint - t.id) & 4294967295))::text
FROM {parent} CROSS JOIN (SELECT pg_current_xact_id()::text::bigint) t(id) WHERE {parent_key} = %(key)s::{type}

-- name: taken_back
-- Whether a savepoint of this transaction was rolled back.
SELECT pg_xact_status(%(xid)s::text::xid8) IS DISTINCT FROM 'in progress'

-- name: put_document
-- Store the document of one parent under the toolkit's mark.
WITH mark AS MATERIALIZED (SELECT {own} AS m)
UPDATE {parent} SET {column} = %(document)s::text::{storage} FROM mark
WHERE {parent_key} = %(key)s::{type} AND mark.m IS NOT NULL
