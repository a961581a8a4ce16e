-- name: lag
-- Replicas that are further behind than they should be (an ordinary role may not see the lag, and waits for none).
SELECT COALESCE(NULLIF(application_name, ''), client_addr::text, pid::text), extract(epoch FROM replay_lag)::float8
FROM pg_stat_replication WHERE replay_lag > %(seconds)s::float8 * interval '1 second' ORDER BY replay_lag DESC

-- name: archiver
-- Whether the archiving of WAL fails: what it keeps fills the disk.
SELECT last_failed_wal FROM pg_stat_archiver
WHERE last_failed_time > COALESCE(last_archived_time, '-infinity') AND current_setting('archive_mode') <> 'off'

-- name: blocked
-- How many sessions wait for a lock that this transaction holds.
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
