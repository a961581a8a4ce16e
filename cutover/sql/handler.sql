-- name: constrained
-- Whether a column is part of a foreign key in the database, so that an insert locks the row that it refers to.
SELECT EXISTS (
    SELECT FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    WHERE k.contype = 'f' AND k.conrelid = to_regclass(%(relation)s::text) AND a.attname = %(column)s::text
)

-- name: locked_by_us
-- Whether the last who locked this row is the transaction that asks: itself, or a savepoint of it that is open.
SELECT EXISTS (
    SELECT FROM {parent} JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = {locker}
    WHERE {parent_key} = %(key)s::{type} AND l.pid = pg_backend_pid() AND l.granted
)
