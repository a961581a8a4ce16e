-- name: document
-- The document of one parent, which nobody else changes until this transaction ends.
SELECT {document} FROM {parent} WHERE {parent_key} = %(key)s::{type} FOR NO KEY UPDATE

-- name: put_document
-- Store the document of one parent under the toolkit's mark.
WITH mark AS MATERIALIZED (SELECT {own} AS m)
UPDATE {parent} SET {column} = %(document)s::text::{storage} FROM mark
WHERE {parent_key} = %(key)s::{type} AND mark.m IS NOT NULL
