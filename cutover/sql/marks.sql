-- name: dirty
-- Marks that the backfill has not visited yet, oldest first.
SELECT id, parent_key, operation FROM cutover_mark
WHERE cutover = %(name)s::text AND visited_at IS NULL AND id > %(after)s::bigint
ORDER BY id LIMIT %(limit)s::int

-- name: count_dirty
-- How many marks wait for a visit.
SELECT count(*) FROM cutover_mark WHERE cutover = %(name)s::text AND visited_at IS NULL

-- name: visited
-- Say that these marks, by their own ids, have been visited.
UPDATE cutover_mark SET visited_at = clock_timestamp() WHERE id = ANY(%(ids)s::bigint[]) AND visited_at IS NULL

-- name: writers
-- Who wrote to the JSON column behind the toolkit's back since a time: application, role, how often, last when.
SELECT application_name, db_user, count(*), max(at) FROM cutover_mark
WHERE cutover = %(name)s::text AND at > %(since)s::timestamptz AND (operation = 'UPDATE' OR NOT %(updates)s::boolean)
GROUP BY application_name, db_user ORDER BY max(at) DESC

-- name: forget
-- Remove marks that were visited before a time.
DELETE FROM cutover_mark WHERE cutover = %(name)s::text AND visited_at < %(before)s::timestamptz
