-- name: lag
-- The replica that is furthest behind, if it is further than it should be. One that has replayed everything is behind by nothing,
-- whatever was measured last.
SELECT COALESCE(NULLIF(application_name, ''), client_addr::text, pid::text), extract(epoch FROM replay_lag)::float8
FROM pg_stat_replication
WHERE replay_lag > %(seconds)s::float8 * interval '1 second' AND replay_lsn IS DISTINCT FROM pg_current_wal_lsn()
ORDER BY replay_lag DESC LIMIT 1

-- name: hidden_replicas
-- How many replicas there are whose lag this role may not see.
SELECT count(*) FROM pg_stat_replication WHERE state IS NULL

-- name: hidden_sessions
-- How many sessions there are of which this role may not see whether they are at work.
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state IS NULL AND backend_type IS NULL AND usesysid IS NOT NULL
  AND COALESCE(application_name, '') !~ '^cutover (backfill|status)\M'

-- name: archiver
-- Whether the archiving of WAL fails: what it keeps fills the disk.
SELECT last_failed_wal FROM pg_stat_archiver
WHERE last_failed_time > COALESCE(last_archived_time, '-infinity') AND current_setting('archive_mode') <> 'off'

-- name: may_see_backlog
-- Whether WAL is archived, and whether this role may count the files that wait for it.
SELECT current_setting('archive_mode') <> 'off', has_function_privilege('pg_ls_archive_statusdir()', 'execute')

-- name: backlog
-- How many files of WAL wait for the archiver.
SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%%.ready'

-- name: oldest
-- The oldest transaction of this database that keeps dead rows from being vacuumed. Of the sessions of other roles an ordinary
-- role does not see the start.
SELECT t.what, t.seconds FROM (
    SELECT 'pid ' || pid || COALESCE(NULLIF(' (' || application_name || ')', ' ()'), '') AS what,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND backend_type = 'client backend'
    UNION ALL
    SELECT 'prepared ' || gid, extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts WHERE database = current_database()
) t WHERE t.seconds > %(seconds)s::float8 ORDER BY t.seconds DESC LIMIT 1

-- name: blocked
-- How many sessions wait for a lock that this transaction holds; any role sees them all here.
SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
