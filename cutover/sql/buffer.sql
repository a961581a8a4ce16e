-- name: ensure
-- Make the row of a stream that has none.
INSERT INTO cutover_buffershard (cutover, shard, token, told, flushed_id, entries, lost, forgotten)
VALUES (%(name)s::text, %(shard)s::int, replace(gen_random_uuid()::text, '-', ''), false, '', 0, 0, 0)
ON CONFLICT (cutover, shard) DO NOTHING

-- name: claim
-- Hold the row of a stream until the end of the transaction; no row where somebody else has it.
SELECT token FROM cutover_buffershard
WHERE cutover = %(name)s::text AND shard = %(shard)s::int FOR UPDATE SKIP LOCKED

-- name: marks
-- How far the entries of some writers have been moved.
SELECT writer, number FROM cutover_bufferwriter
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND writer = ANY(%(writers)s::text[])

-- name: apart
-- Entries of some writers that stand in PostgreSQL. A writer counts for each stream by itself.
SELECT writer, number FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND writer = ANY(%(writers)s::text[])

-- name: met
-- Entries that were seen in the stream as well, and have been taken out of it.
UPDATE cutover_bufferentry e SET doubtful = false
FROM unnest(%(writers)s::text[], %(numbers)s::bigint[]) u(writer, number)
WHERE e.cutover = %(name)s::text AND e.shard = %(shard)s::int AND e.writer = u.writer AND e.number = u.number

-- name: advance_marks
-- Say how far the entries of some writers have been moved.
INSERT INTO cutover_bufferwriter (cutover, shard, writer, number, seen_at)
SELECT %(name)s::text, %(shard)s::int, u.writer, u.number, clock_timestamp()
FROM unnest(%(writers)s::text[], %(numbers)s::bigint[]) u(writer, number)
ON CONFLICT (cutover, shard, writer) DO UPDATE SET number = excluded.number, seen_at = excluded.seen_at

-- name: advance
-- Say what was moved out of a stream.
UPDATE cutover_buffershard
SET flushed_id = CASE WHEN %(id)s::text = '' THEN flushed_id ELSE %(id)s::text END, flushed_at = clock_timestamp(),
    entries = entries + %(entries)s::bigint, lost = lost + %(lost)s::bigint
WHERE cutover = %(name)s::text AND shard = %(shard)s::int

-- name: told
-- Redis is about to be told the token: for the first time, or because it has forgotten.
UPDATE cutover_buffershard
SET told = true, forgotten = forgotten + CASE WHEN told THEN 1 ELSE 0 END,
    forgotten_at = CASE WHEN told THEN clock_timestamp() ELSE forgotten_at END
WHERE cutover = %(name)s::text AND shard = %(shard)s::int

-- name: prune
-- Forget writers that have been silent for long, what is void for as long, and old lines about a Redis that was gone.
WITH cutover_writers AS (
    DELETE FROM cutover_bufferwriter WHERE cutover = %(name)s::text AND seen_at < clock_timestamp() - %(age)s::interval
), cutover_void AS (
    DELETE FROM cutover_bufferentry
    WHERE cutover = %(name)s::text AND state = 'void' AND at < clock_timestamp() - %(age)s::interval
)
DELETE FROM cutover_bufferfallback WHERE cutover = %(name)s::text AND at < clock_timestamp() - %(age)s::interval

-- name: waiting_parents
-- Whose entries wait in PostgreSQL, and how many.
SELECT parent_key, count(*) FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND state = 'waiting' GROUP BY parent_key

-- name: standing
-- The streams of which entries wait in PostgreSQL, and the ids of those of them that may be in Redis too.
SELECT shard, COALESCE(array_agg(id) FILTER (WHERE doubtful), '{{}}') FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND state = 'waiting' GROUP BY shard

-- name: waiting
-- The oldest entries that wait for some parents, in their order.
SELECT id, writer, number, parent_key, payload, doubtful FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND state = 'waiting' AND parent_key = ANY(%(keys)s::text[])
ORDER BY id LIMIT %(limit)s::int

-- name: there
-- Which of these parents are there, by their places in the list.
SELECT u.place FROM unnest(%(keys)s::text[]) WITH ORDINALITY u(key, place)
JOIN {parent} ON {parent_key} = u.key::{type}

-- name: free
-- Which of these parents are there and locked by nobody; ours until the end of the transaction.
SELECT u.place FROM unnest(%(keys)s::text[]) WITH ORDINALITY u(key, place)
JOIN {parent} ON {parent_key} = u.key::{type}
FOR {strength} OF {alias} SKIP LOCKED

-- name: awaited
-- The same for whoever waits; the queue for a row is served in the order of arrival.
SELECT u.place FROM unnest(%(keys)s::text[]) WITH ORDINALITY u(key, place)
JOIN {parent} ON {parent_key} = u.key::{type}
FOR {strength} OF {alias}

-- name: keep
-- Keep entries in PostgreSQL; one that stands there already has been seen now.
INSERT INTO cutover_bufferentry (cutover, shard, writer, number, parent_key, payload, state, doubtful, reason, at)
SELECT %(name)s::text, %(shard)s::int, u.writer, u.number, u.parent_key, u.payload, u.state, false, u.reason, clock_timestamp()
FROM unnest(%(writers)s::text[], %(numbers)s::bigint[], %(keys)s::text[], %(payloads)s::text[], %(states)s::text[],
            %(reasons)s::text[]) WITH ORDINALITY u(writer, number, parent_key, payload, state, reason, place)
ORDER BY u.place
ON CONFLICT (cutover, shard, writer, number) DO UPDATE SET doubtful = false

-- name: doubt
-- Keep an entry of which nobody knows whether Redis has it.
INSERT INTO cutover_bufferentry (cutover, shard, writer, number, parent_key, payload, state, doubtful, reason, at)
VALUES (%(name)s::text, %(shard)s::int, %(writer)s::text, %(number)s::bigint, %(key)s::text, %(payload)s::text, 'waiting', true,
        %(reason)s::text, clock_timestamp())
ON CONFLICT (cutover, shard, writer, number) DO NOTHING

-- name: done
-- Entries that have become rows; one that may still come out of Redis leaves its name behind.
WITH cutover_void AS (
    UPDATE cutover_bufferentry SET state = 'void', payload = '', reason = '', at = clock_timestamp()
    WHERE id = ANY(%(ids)s::bigint[]) AND doubtful
)
DELETE FROM cutover_bufferentry WHERE id = ANY(%(ids)s::bigint[]) AND NOT doubtful

-- name: never
-- Entries that came out of Redis after all.
DELETE FROM cutover_bufferentry WHERE id = ANY(%(ids)s::bigint[])

-- name: bury
-- Entries that cannot become rows.
UPDATE cutover_bufferentry e SET state = 'dead', reason = u.reason, at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) u(id, reason) WHERE e.id = u.id

-- name: give_up
-- Entries whose parent has not come in time.
UPDATE cutover_bufferentry SET state = 'dead', reason = %(reason)s::text, at = clock_timestamp()
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND state = 'waiting' AND parent_key = ANY(%(keys)s::text[])
  AND at < clock_timestamp() - %(patience)s::interval

-- name: fallback
-- Some lines were written past the buffer.
INSERT INTO cutover_bufferfallback (cutover, host, pid, lines, reason, at)
VALUES (%(name)s::text, %(host)s::text, %(pid)s::int, %(lines)s::bigint, %(reason)s::text, clock_timestamp())

-- name: totals
-- What was moved, lost and forgotten, over all streams.
SELECT COALESCE(sum(entries), 0)::bigint, COALESCE(sum(lost), 0)::bigint, COALESCE(max(forgotten), 0)::int,
       max(forgotten_at), max(flushed_at), EXISTS (SELECT FROM cutover_buffershard WHERE cutover = %(name)s::text)
FROM cutover_buffershard WHERE cutover = %(name)s::text

-- name: apart_totals
-- How many entries wait and how many are dead, and since when.
SELECT state, count(*), min(at) FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND state <> 'void' GROUP BY state

-- name: fallback_totals
-- How many lines went past the buffer within a day, the last time, and the last reason.
SELECT COALESCE(sum(lines), 0)::bigint, max(at), (array_agg(reason ORDER BY at DESC))[1] FROM cutover_bufferfallback
WHERE cutover = %(name)s::text AND at > clock_timestamp() - interval '1 day'

-- name: dead
-- The dead entries, oldest first.
SELECT id, parent_key, payload, reason, at FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND state = 'dead' ORDER BY id LIMIT %(limit)s::int

-- name: retry
-- Let dead entries wait again.
UPDATE cutover_bufferentry SET state = 'waiting', at = clock_timestamp()
WHERE cutover = %(name)s::text AND state = 'dead' AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))

-- name: discard
-- Take dead entries away; they are lost.
DELETE FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND state = 'dead' AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))

-- name: of_parent
-- The entries of a parent that wait in PostgreSQL, in their order.
SELECT id, writer, number, parent_key, payload, doubtful FROM cutover_bufferentry
WHERE cutover = %(name)s::text AND shard = %(shard)s::int AND state = 'waiting' AND parent_key = %(key)s::text ORDER BY id

-- name: shown
-- In which streams some rows show.
WITH {item} SELECT cutover_n, {flags} FROM cutover_item ORDER BY cutover_n
