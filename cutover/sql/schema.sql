-- name: relation_exists
-- Whether a relation of this name is there.
SELECT to_regclass(%(relation)s::text) IS NOT NULL

-- name: column
-- One column as the catalogue has it: its type, whether it may be NULL, its default.
SELECT format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass(%(relation)s::text) AND a.attname = %(column)s::text AND NOT a.attisdropped

-- name: index_valid
-- Whether an index on this table under this name is valid; no row where there is none.
SELECT i.indisvalid AND i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(%(relation)s::text) AND c.relname = %(index)s::text

-- name: index_ready
-- Whether any whole and valid index of a table begins with these columns.
SELECT EXISTS (
    SELECT FROM pg_index i
    WHERE i.indrelid = to_regclass(%(relation)s::text) AND i.indisvalid AND i.indisready AND i.indpred IS NULL
      AND (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k(attnum, n)
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           WHERE k.n <= cardinality(%(columns)s::text[])) = %(columns)s::text[]
)

-- name: foreign_keys
-- The foreign keys from one column of a table to another table: their names, and whether they are validated.
SELECT k.conname, k.convalidated FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ALL (k.conkey)
WHERE k.contype = 'f' AND k.conrelid = to_regclass(%(relation)s::text) AND k.confrelid = to_regclass(%(parent)s::text)
  AND a.attname = %(column)s::text
ORDER BY k.convalidated DESC, k.conname

-- name: triggers
-- The triggers of a table that run a function of this name: their names, and whether they fire.
SELECT t.tgname, t.tgenabled IN ('O', 'A') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = to_regclass(%(relation)s::text) AND p.proname = %(function)s::text AND NOT t.tgisinternal
ORDER BY t.tgname

-- name: function_comment
-- The comment on the function that a trigger of the table runs.
SELECT obj_description(t.tgfoid, 'pg_proc') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = to_regclass(%(relation)s::text) AND p.proname = %(function)s::text LIMIT 1

-- name: relation_comment
-- The comment on a relation.
SELECT obj_description(to_regclass(%(relation)s::text), 'pg_class')

-- name: toolkit_schema
-- The schema that holds the toolkit's tables.
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('cutover_ledger')

-- name: any_row
-- Whether a table holds a row.
SELECT EXISTS (SELECT FROM {table})

-- name: blockers
-- Who holds a lock on one of these tables that conflicts with the one wanted. An ordinary role does not see the state of
-- other roles' sessions, and a prepared transaction has none.
SELECT DISTINCT ON (l.pid, p.gid) l.pid, a.application_name, COALESCE(a.usename::text, p.owner::text), a.state,
       COALESCE(a.xact_start, p.prepared), p.gid, a.backend_type, l.mode
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND l.virtualtransaction = '-1/' || p.transaction::text
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT to_regclass(t.name)::oid FROM unnest(%(relations)s::text[]) t(name))
  AND l.mode = ANY (%(modes)s::text[])
ORDER BY l.pid, p.gid, l.mode
