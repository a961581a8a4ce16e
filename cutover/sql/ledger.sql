-- name: installed
-- Whether the ledger's table is there.
SELECT to_regclass('cutover_ledger') IS NOT NULL

-- name: read
-- The entry of one cutover, and whether this transaction could write safely beside it.
SELECT l.phase, l.epoch, l.came_from, l.moved_at, l.settled_at, l.backfilled_at, l.dropped_at, l.paused, l.driver,
       l.driver_until, n.now,
       current_setting('transaction_read_only') = 'off' AND current_setting('transaction_isolation') = 'read committed'
FROM (SELECT clock_timestamp() AS now) n LEFT JOIN cutover_ledger l ON l.name = %(name)s::text

-- name: start
-- Make the entry of a cutover that has not started.
INSERT INTO cutover_ledger (name, phase, epoch, came_from, moved_at, settled_at, paused, driver)
VALUES (%(name)s::text, 0, 0, 0, clock_timestamp(), clock_timestamp(), false, '')
ON CONFLICT (name) DO NOTHING

-- name: move
-- Move to another phase, if nobody has moved since the epoch was read.
UPDATE cutover_ledger
SET phase = %(to)s::smallint, came_from = phase, epoch = epoch + 1, moved_at = clock_timestamp(), settled_at = NULL
WHERE name = %(name)s::text AND epoch = %(epoch)s::int
RETURNING epoch

-- name: record
-- Write a move into the history.
INSERT INTO cutover_transition (cutover, epoch, from_phase, to_phase, at, who, why, gates, waived)
VALUES (%(name)s::text, %(epoch)s::int, %(from)s::smallint, %(to)s::smallint, clock_timestamp(), %(who)s::text,
        %(why)s::text, %(gates)s::text::jsonb, '[]'::jsonb)

-- name: settle
-- Say that every transaction from before the move has ended.
UPDATE cutover_ledger SET settled_at = clock_timestamp()
WHERE name = %(name)s::text AND epoch = %(epoch)s::int AND settled_at IS NULL

-- name: record_settled
-- The same in the history, with those who were not waited for.
UPDATE cutover_transition SET settled_at = clock_timestamp(), waived = %(waived)s::text::jsonb
WHERE cutover = %(name)s::text AND epoch = %(epoch)s::int

-- name: set_backfilled
-- Say that the backfill is complete.
UPDATE cutover_ledger SET backfilled_at = clock_timestamp() WHERE name = %(name)s::text

-- name: reset_backfilled
-- Say that it is not.
UPDATE cutover_ledger SET backfilled_at = NULL WHERE name = %(name)s::text

-- name: set_dropped
-- Say that the column is gone.
UPDATE cutover_ledger SET dropped_at = clock_timestamp() WHERE name = %(name)s::text

-- name: reset_dropped
-- Say that the column is back.
UPDATE cutover_ledger SET dropped_at = NULL WHERE name = %(name)s::text

-- name: pause
-- Ask the backfill to stop, or let it go on.
UPDATE cutover_ledger SET paused = %(paused)s::boolean WHERE name = %(name)s::text

-- name: take_wheel
-- Become the one who moves this cutover, if nobody else is or has stopped saying so.
UPDATE cutover_ledger
SET driver = %(driver)s::text, driver_until = clock_timestamp() + %(seconds)s::float * interval '1 second'
WHERE name = %(name)s::text AND (driver IN ('', %(driver)s::text) OR driver_until < clock_timestamp())

-- name: leave_wheel
-- Stop being the one.
UPDATE cutover_ledger SET driver = '', driver_until = NULL WHERE name = %(name)s::text AND driver = %(driver)s::text

-- name: history
-- All moves, oldest first.
SELECT epoch, from_phase, to_phase, at, who, why, gates, settled_at, waived
FROM cutover_transition WHERE cutover = %(name)s::text ORDER BY epoch, id

-- name: since_phase
-- When the cutover last came forward into a phase.
SELECT max(at) FROM cutover_transition
WHERE cutover = %(name)s::text AND to_phase = %(phase)s::smallint AND from_phase < to_phase
