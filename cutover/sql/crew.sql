-- name: enter
-- Sign a worker on; those that have been silent for too long are signed off.
WITH gone AS (
    DELETE FROM cutover_worker
    WHERE cutover = %(name)s::text AND seen_at < clock_timestamp() - %(seconds)s::float8 * interval '1 second'
)
INSERT INTO cutover_worker (cutover, name, host, pid, segment, waiting, since, seen_at)
VALUES (%(name)s::text, %(worker)s::text, %(host)s::text, %(pid)s::int, NULL, '', clock_timestamp(), clock_timestamp())
RETURNING id

-- name: say
-- What a worker does, or what it waits for; it is alive.
UPDATE cutover_worker
SET segment = %(segment)s::int, waiting = %(waiting)s::text, seen_at = clock_timestamp(),
    since = CASE WHEN waiting = %(waiting)s::text THEN since ELSE clock_timestamp() END
WHERE id = %(id)s::bigint

-- name: leave
-- Sign a worker off.
DELETE FROM cutover_worker WHERE id = %(id)s::bigint

-- name: live
-- The workers that have been heard of, in the order in which they came.
SELECT id, name, host, pid, segment, waiting, since FROM cutover_worker
WHERE cutover = %(name)s::text AND seen_at > clock_timestamp() - %(seconds)s::float8 * interval '1 second' ORDER BY id

-- name: controls
-- The controls of a backfill.
SELECT target_seconds, rest, workers, set_by, set_at FROM cutover_control WHERE cutover = %(name)s::text

-- name: look
-- The controls of a backfill, how many of its workers came before this one, how many there are of all backfills, and whether
-- others are at work: a session of this database that runs a statement or has ended one within the last second, and has not the
-- name that our command line gives to its own (a pooler may have added an address). What a role may not see of others counts as
-- work; an autovacuum worker has no user.
SELECT c.target_seconds, c.rest, c.workers, c.set_by, c.set_at, w.before, w.workers, EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.pid <> ALL (%(own)s::int[])
      AND COALESCE(a.backend_type, 'client backend') = 'client backend'
      AND a.usesysid IS NOT NULL AND COALESCE(a.application_name, '') !~ '^cutover (backfill|status)\M'
      AND a.state IS DISTINCT FROM 'disabled' AND (a.state_change IS NULL OR a.state = 'active' OR a.state_change > clock_timestamp() - interval '1 second')
)
FROM (
    SELECT count(*) FILTER (WHERE cutover = %(name)s::text AND id < %(id)s::bigint) AS before, count(*) AS workers
    FROM cutover_worker
    WHERE seen_at > clock_timestamp() - %(seconds)s::float8 * interval '1 second'
) w LEFT JOIN cutover_control c ON c.cutover = %(name)s::text

-- name: change
-- Set some of the controls; NULL leaves one as it is. A target of 0 is the default, a rest of -1 too, 0 workers are any number.
INSERT INTO cutover_control (cutover, target_seconds, rest, workers, set_by, set_at, elements, seconds)
VALUES (%(name)s::text, NULLIF(%(target)s::float8, 0), NULLIF(%(rest)s::float8, -1), NULLIF(%(workers)s::int, 0),
        %(who)s::text, clock_timestamp(), 0, 0)
ON CONFLICT (cutover) DO UPDATE
SET target_seconds = NULLIF(COALESCE(%(target)s::float8, cutover_control.target_seconds), 0),
    rest = NULLIF(COALESCE(%(rest)s::float8, cutover_control.rest), -1),
    workers = NULLIF(COALESCE(%(workers)s::int, cutover_control.workers), 0),
    set_by = excluded.set_by, set_at = excluded.set_at

-- name: measured
-- Add to what chunks have held and taken.
INSERT INTO cutover_control (cutover, set_by, elements, seconds)
VALUES (%(name)s::text, '', %(elements)s::bigint, %(took)s::float8)
ON CONFLICT (cutover) DO UPDATE
SET elements = cutover_control.elements + excluded.elements, seconds = cutover_control.seconds + excluded.seconds

-- name: speed
-- What chunks have held and taken.
SELECT elements, seconds FROM cutover_control WHERE cutover = %(name)s::text AND elements > 0
