-- name: create
-- The oracle of the demonstration: every line that was committed, and what JSON held when the last legacy process had ended.
CREATE TABLE demo_line (
    id bigserial PRIMARY KEY,
    job_id bigint NOT NULL,
    text text NOT NULL,
    message text NOT NULL,
    level text NOT NULL,
    process text NOT NULL,
    before boolean NOT NULL DEFAULT false,
    started timestamptz NOT NULL DEFAULT transaction_timestamp(),
    ended timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX demo_line_by_job ON demo_line (job_id, id);
CREATE INDEX demo_line_by_text ON demo_line (job_id, text);
CREATE TABLE demo_baseline (job_id bigint PRIMARY KEY, stdout jsonb NOT NULL, stderr jsonb NOT NULL);
-- A line that was said before the baseline and again after it has its place from before.
CREATE VIEW demo_since AS SELECT * FROM demo_line l
WHERE NOT before AND NOT EXISTS (SELECT FROM demo_line b WHERE b.job_id = l.job_id AND b.text = l.text AND b.before);
CREATE TABLE demo_disorder (since timestamptz NOT NULL, until timestamptz NOT NULL DEFAULT '9999-01-01');

-- name: disorder
-- From here on some lines go past the buffer while others wait in it: who comes first is not decided when they are written.
INSERT INTO demo_disorder (since) VALUES (%(since)s::timestamptz)

-- name: oldest_transaction
-- When the oldest transaction of this database that is open began. Its oath is not to be seen yet.
SELECT coalesce(min(xact_start), clock_timestamp()) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()

-- name: all_flushed_before
-- A time before which every line since dual write has its row. (How long a line was in Redis before it waited for its parent, nobody keeps.)
SELECT least(now(), min(l.started)) FROM demo_line l
WHERE NOT l.before AND l.started >= %(dual_since)s::timestamptz
  AND NOT EXISTS (SELECT FROM jobs_joblog r WHERE r.job_id = l.job_id AND r.message = l.message)

-- name: order
-- All that was written until then has its place now.
UPDATE demo_disorder SET until = clock_timestamp() WHERE until = '9999-01-01'

-- name: begin
-- The time at which the transaction of a line began.
SELECT transaction_timestamp()

-- name: swear
-- One line, in the transaction that wrote it.
INSERT INTO demo_line (job_id, text, message, level, process)
VALUES (%(job_id)s::bigint, %(text)s::text, %(message)s::text, %(level)s::text, %(process)s::text)

-- name: make_job
-- A job with a history from before.
INSERT INTO jobs_job (name, progress, logs) VALUES (%(name)s::text, 0, %(logs)s::text::jsonb)

-- name: baseline
-- What JSON holds now; from here on nothing may be lost.
INSERT INTO demo_baseline (job_id, stdout, stderr)
SELECT id, coalesce(logs -> 'stdout', '[]'), coalesce(logs -> 'stderr', '[]') FROM jobs_job

-- name: mark_before
-- The lines that are older than the baseline; run in the snapshot of `baseline`.
UPDATE demo_line SET before = true

-- name: legacy
-- Lines written before the baseline, and those of them that are gone though the cap did not cut them: a list that is not
-- full, or that shows an older line, has lost what is newer.
WITH written AS (
    SELECT job_id, text, min(id) AS id FROM demo_line WHERE before GROUP BY job_id, text
), oldest_shown AS (
    SELECT b.job_id, min(l.id) AS id
    FROM demo_baseline b JOIN demo_line l ON l.job_id = b.job_id AND l.text = b.stdout ->> -1
    GROUP BY b.job_id
), shown AS (
    SELECT DISTINCT b.job_id, e.text FROM demo_baseline b, jsonb_array_elements_text(b.stdout) e (text)
)
SELECT count(*), count(*) FILTER (
    WHERE s.text IS NULL AND (jsonb_array_length(b.stdout) < %(cap)s::int OR o.id IS NULL OR w.id > o.id)
)
FROM written w
JOIN demo_baseline b USING (job_id)
LEFT JOIN shown s USING (job_id, text)
LEFT JOIN oldest_shown o USING (job_id)

-- name: baseline_taken
-- Whether the last legacy process has ended.
SELECT EXISTS (SELECT FROM demo_baseline)

-- name: baseline_of
-- The history of one job, or no row for a job that was made later.
SELECT stdout, stderr FROM demo_baseline WHERE job_id = %(job_id)s::bigint

-- name: written_to
-- The newest lines of one job since the baseline. More than the cap, so that a view that is not full is seen to be short.
SELECT text, message, level, started FROM demo_since
WHERE job_id = %(job_id)s::bigint ORDER BY id DESC LIMIT %(limit)s::int

-- name: written
-- All lines since the baseline.
SELECT job_id, text, message, level, started FROM demo_since ORDER BY id DESC

-- name: ended
-- When a line had its place; NULL for one that is history.
SELECT max(greatest(l.ended, (SELECT max(d.until) FROM demo_disorder d WHERE l.ended BETWEEN d.since AND d.until)))
FROM demo_since l WHERE l.job_id = %(job_id)s::bigint AND l.text = %(text)s::text

-- name: times
-- How often an element was written.
SELECT count(*) FROM demo_line
WHERE job_id = %(job_id)s::bigint AND (text = %(text)s::text OR message = %(text)s::text)

-- name: count
-- All lines, and those since the baseline.
SELECT count(*), count(*) FILTER (WHERE NOT before) FROM demo_line

-- name: now
-- The clock of the database.
SELECT clock_timestamp()

-- name: dropped
-- Whether the column is gone.
SELECT NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = 'jobs_job'::regclass AND attname = 'logs' AND NOT attisdropped
)

-- name: table
-- Every element that must have a row, with its rows; and every row that must not be. `newer` counts the lines that may have
-- stood before it in JSON when the backfill had ended: those that had their place after it was begun. An element of the time
-- of JSON alone may have been cut by the cap.
WITH shown AS (
    SELECT job_id,
           '[' || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '] ' || level || ' ' || message AS text,
           count(*) AS rows
    FROM jobs_joblog WHERE created_at IS NOT NULL GROUP BY 1, 2
), since AS (
    SELECT job_id, text, count(*) AS times, min(started) AS started,
           max(greatest(ended, (SELECT max(until) FROM demo_disorder d WHERE l.ended BETWEEN d.since AND d.until))) AS placed
    FROM demo_since l GROUP BY job_id, text
), moments AS (
    SELECT s.*, is_start, count(*) FILTER (WHERE NOT is_start AND started < %(backfilled)s::timestamptz) OVER (
        PARTITION BY job_id ORDER BY at DESC, is_start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS placed_later
    FROM since s, LATERAL (VALUES (false, placed), (true, started)) m (is_start, at)
), counted AS (
    SELECT job_id, text, times, started, placed_later - (started < %(backfilled)s::timestamptz)::int AS newer
    FROM moments WHERE is_start
), per_job AS (
    SELECT job_id, count(*) AS lines FROM since WHERE started < %(backfilled)s::timestamptz GROUP BY job_id
), history AS (
    SELECT b.job_id, e.text, count(*) AS times, min(e.n) - 1 + coalesce(min(p.lines), 0) AS newer
    FROM demo_baseline b LEFT JOIN per_job p USING (job_id),
         LATERAL jsonb_array_elements_text(b.stdout) WITH ORDINALITY e (text, n)
    GROUP BY b.job_id, e.text
), expected AS (
    SELECT job_id, text, sum(times) AS times, min(newer) AS newer, bool_and(json_alone) AS json_alone
    FROM (
        SELECT job_id, text, times, newer, started < %(dual_since)s::timestamptz AS json_alone FROM counted
        UNION ALL
        SELECT job_id, text, times, newer, true FROM history
    ) both_kinds
    GROUP BY job_id, text
), judged AS (
    SELECT e.text IS NOT NULL AS known, coalesce(r.rows, 0) AS rows, coalesce(e.times, 0) AS times,
           e.json_alone AND e.newer >= %(cap)s::int AS may_be_cut, job_id, text
    FROM expected e FULL JOIN shown r USING (job_id, text)
)
SELECT count(*) FILTER (WHERE known AND NOT (rows = 0 AND may_be_cut)),
       coalesce(sum(rows), 0)::bigint,
       count(*) FILTER (WHERE known AND rows = 0 AND NOT may_be_cut),
       count(*) FILTER (WHERE known AND rows = 0 AND may_be_cut),
       coalesce(sum(rows - times) FILTER (WHERE rows > times), 0)::bigint,
       array_agg(job_id || ': ' || left(text, 128)) FILTER (WHERE (known AND rows = 0 AND NOT may_be_cut) OR rows > times)
FROM judged

-- name: swapped
-- Lines that one process wrote to one job one after the other, and whose rows stand the other way round. Those that JSON alone
-- has had, or that were written in a disorder, have no order of their own.
WITH told AS (
    SELECT l.id, l.job_id, l.process, r.position
    FROM demo_since l JOIN jobs_joblog r ON r.job_id = l.job_id AND r.message = l.message AND r.level = l.level
    WHERE l.started >= %(dual_since)s::timestamptz
      AND NOT EXISTS (SELECT FROM demo_disorder d WHERE l.ended >= d.since AND l.started <= d.until)
      AND NOT EXISTS (SELECT FROM demo_line m WHERE m.job_id = l.job_id AND m.text = l.text AND m.id <> l.id)
), followed AS (
    SELECT position, lag(position) OVER (PARTITION BY job_id, process ORDER BY id) AS before FROM told
)
SELECT count(*) FILTER (WHERE position < before), count(before) FROM followed

-- name: stderr
-- Errors of the history that have no row. The list of errors has no cap.
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM jobs_joblog r
    WHERE r.job_id = b.job_id AND r.message = e.text AND r.level IN ('ERROR', 'CRITICAL')
))
FROM demo_baseline b, jsonb_array_elements_text(b.stderr) e (text)

-- name: first_job
-- The hot job.
SELECT min(id) FROM jobs_job
