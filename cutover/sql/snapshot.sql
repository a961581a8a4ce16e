-- name: documents
-- The documents of some parents. Put together with `rows` by UNION ALL, it is one statement and so one snapshot.
SELECT {parent_key}, {document}, NULL::bigint AS age, {nothing} FROM {parent} WHERE {parent_key} = ANY(%(keys)s::{type}[])

-- name: rows
-- The rows of some parents, the newest.
SELECT k.key, NULL, r.age, {columns} FROM unnest(%(keys)s::{type}[]) k(key)
CROSS JOIN LATERAL (
    SELECT {values}, row_number() OVER (ORDER BY {newest_first}) AS age FROM {child}
    WHERE {fk} = k.key AND ({shown}) ORDER BY {newest_first} LIMIT {limit}::bigint
) r

-- name: lock
-- Lock some parents against each other's writers, in the order of their keys; the next statement sees what came before.
SELECT {parent_key} FROM {parent} WHERE {parent_key} = ANY(%(keys)s::{type}[]) ORDER BY {parent_key} FOR NO KEY UPDATE
