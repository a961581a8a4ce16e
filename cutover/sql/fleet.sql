-- name: seen
-- Say that this process is alive, unless another thread of it is saying so in an open transaction. Never waits.
INSERT INTO cutover_process (cutover, host, pid, flags, phase, has_field, version, started_at, seen_at)
SELECT %(name)s::text, %(host)s::text, %(pid)s::int, %(flags)s::text, %(phase)s::smallint, %(has_field)s::boolean,
       %(version)s::text, clock_timestamp(), clock_timestamp()
WHERE pg_try_advisory_xact_lock(hashtext('cutover fleet ' || %(name)s::text || %(host)s::text), %(pid)s::int)
ON CONFLICT (cutover, host, pid) DO UPDATE
SET flags = excluded.flags, phase = excluded.phase, has_field = excluded.has_field, version = excluded.version,
    seen_at = excluded.seen_at

-- name: gone
-- Take a process that ends off the list.
DELETE FROM cutover_process WHERE cutover = %(name)s::text AND host = %(host)s::text AND pid = %(pid)s::int

-- name: live
-- The processes that were seen lately, and forget those not seen for a day.
SELECT host, pid, flags, phase, has_field, version, started_at, seen_at
FROM cutover_process
WHERE cutover = %(name)s::text AND seen_at > clock_timestamp() - %(seconds)s::float * interval '1 second'
ORDER BY host, pid

-- name: forget
-- Remove the processes that were not seen for a day.
DELETE FROM cutover_process WHERE seen_at < clock_timestamp() - interval '1 day'
