-- name: relation_exists
-- Whether a relation of this name is there.
SELECT to_regclass(%(relation)s::text) IS NOT NULL

-- name: column
-- One column as the catalogue has it: its type, whether it may be NULL, its default.
SELECT format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass(%(relation)s::text) AND a.attname = %(column)s::text AND NOT a.attisdropped

-- name: columns
-- The names of all columns of a table.
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = to_regclass(%(relation)s::text) AND a.attnum > 0 AND NOT a.attisdropped

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
-- Who holds a lock on one of these tables that conflicts with the one wanted. An ordinary role does not see state, age and query
-- of other roles' sessions (application, role and whether it vacuums it does), and a prepared transaction has no session.
SELECT DISTINCT ON (l.pid, p.gid) l.pid, a.application_name, COALESCE(a.usename::text, p.owner::text), a.state,
       extract(epoch FROM clock_timestamp() - COALESCE(a.xact_start, p.prepared))::float8, left(a.query, 1000), p.gid,
       EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = l.pid), l.mode
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
    AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT to_regclass(t.name)::oid FROM unnest(%(relations)s::text[]) t(name))
  AND l.mode = ANY (%(modes)s::text[])
ORDER BY l.pid, p.gid, l.mode

-- name: create_index
-- Blocks no writer (SHARE UPDATE EXCLUSIVE); waits for older transactions; an interruption leaves an INVALID index.
CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {table} ({columns})

-- name: drop_index
-- Blocks no writer; waits for older transactions.
DROP INDEX CONCURRENTLY IF EXISTS {index}

-- name: add_foreign_key
-- SHARE ROW EXCLUSIVE on both tables, without a scan.
ALTER TABLE {table} ADD CONSTRAINT {constraint} FOREIGN KEY ({fk}) REFERENCES {parent} ({pk})
DEFERRABLE INITIALLY DEFERRED NOT VALID

-- name: validate_constraint
-- SHARE UPDATE EXCLUSIVE on the table and ROW SHARE on the other, while it scans.
ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}

-- name: drop_constraint
-- ACCESS EXCLUSIVE on both tables.
ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}

-- name: count_orphans
-- Rows whose parent is gone.
SELECT count(*) FROM {table}
WHERE {fk} IS NOT NULL AND NOT EXISTS (SELECT FROM {parent} WHERE {key} = {fk})

-- name: set_default
-- ACCESS EXCLUSIVE, without a scan.
ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}

-- name: drop_default
-- ACCESS EXCLUSIVE, without a scan.
ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT

-- name: drop_not_null
-- ACCESS EXCLUSIVE, without a scan.
ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL

-- name: add_not_null_check
-- ACCESS EXCLUSIVE, without a scan.
ALTER TABLE {table} ADD CONSTRAINT cutover_not_null_v1 CHECK ({column} IS NOT NULL) NOT VALID

-- name: validate_not_null_check
-- SHARE UPDATE EXCLUSIVE, while it scans.
ALTER TABLE {table} VALIDATE CONSTRAINT cutover_not_null_v1

-- name: drop_not_null_check
-- ACCESS EXCLUSIVE, without a scan.
ALTER TABLE {table} DROP CONSTRAINT IF EXISTS cutover_not_null_v1

-- name: set_not_null
-- ACCESS EXCLUSIVE; without a scan, for the constraint proves it.
ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL, DROP CONSTRAINT cutover_not_null_v1

-- name: add_column
-- ACCESS EXCLUSIVE, without a rewrite: the default is a constant.
ALTER TABLE {table} ADD COLUMN {column} {type} {default} {null}

-- name: drop_column
-- ACCESS EXCLUSIVE, without a rewrite.
ALTER TABLE {table} DROP COLUMN {column}

-- name: lock
-- A lock of a table until the end of the transaction; whoever wants it waits as long as its lock_timeout says.
LOCK TABLE {table} IN {mode} MODE

-- name: hold
-- The phase of a cutover, held until the end of the transaction; a runner that moves it waits.
SELECT phase, epoch FROM cutover_ledger WHERE name = %(name)s::text FOR NO KEY UPDATE

-- name: finish
-- A database without parents has nothing to move: it is at the end at once.
INSERT INTO cutover_ledger
    (name, phase, epoch, came_from, moved_at, settled_at, backfilled_at, dropped_at, paused, driver)
VALUES (%(name)s::text, 5, 1, 0, clock_timestamp(), clock_timestamp(), clock_timestamp(), clock_timestamp(), false, '')
ON CONFLICT (name) DO UPDATE
SET came_from = cutover_ledger.phase, phase = 5, epoch = cutover_ledger.epoch + 1, moved_at = clock_timestamp(),
    settled_at = clock_timestamp(), backfilled_at = clock_timestamp(), dropped_at = clock_timestamp()
RETURNING epoch, came_from

-- name: unfinish
-- Back to where a database without parents was before `finish`, if nobody has moved since.
UPDATE cutover_ledger
SET phase = came_from, came_from = phase, epoch = epoch + 1, moved_at = clock_timestamp(), settled_at = clock_timestamp(),
    backfilled_at = NULL, dropped_at = NULL
WHERE name = %(name)s::text AND epoch = (
    SELECT epoch FROM cutover_transition WHERE cutover = %(name)s::text AND who = %(who)s::text ORDER BY id DESC LIMIT 1
)
RETURNING epoch, phase
