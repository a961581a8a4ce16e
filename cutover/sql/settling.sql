-- name: running
-- The transactions of this database that run now, by their virtual ids (any role may see all of them); without this one,
-- vacuums and replication.
SELECT l.pid, l.virtualxid, a.application_name, a.usename::text, a.xact_start, a.state, left(a.query, 200)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND l.pid <> pg_backend_pid()
  AND l.pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
  AND l.pid NOT IN (SELECT pid FROM pg_stat_replication WHERE pid IS NOT NULL)
  AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
ORDER BY a.xact_start NULLS LAST, l.pid

-- name: prepared
-- The prepared transactions of this database: they hold no virtual id and land later.
SELECT gid, owner::text, prepared FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
