-- name: take
-- Become the one who mends, if nobody else does or he has been silent for too long; where the last one was, unless the ledger
-- has moved since.
INSERT INTO cutover_mending AS m (cutover, work, epoch, worker, token, leased_until, parents, elements, left_alone)
VALUES (%(name)s::text, %(work)s::text, %(epoch)s::int, %(worker)s::text, gen_random_uuid(),
        clock_timestamp() + %(seconds)s::float8 * interval '1 second', 0, 0, 0)
ON CONFLICT (cutover, work) DO UPDATE
SET token = excluded.token, worker = excluded.worker, leased_until = excluded.leased_until, epoch = excluded.epoch,
    cursor = CASE WHEN m.epoch = excluded.epoch AND NOT %(fresh)s::boolean THEN m.cursor END,
    parents = CASE WHEN m.epoch = excluded.epoch AND NOT %(fresh)s::boolean THEN m.parents ELSE 0 END,
    elements = CASE WHEN m.epoch = excluded.epoch AND NOT %(fresh)s::boolean THEN m.elements ELSE 0 END,
    left_alone = CASE WHEN m.epoch = excluded.epoch AND NOT %(fresh)s::boolean THEN m.left_alone ELSE 0 END
WHERE m.leased_until IS NULL OR m.leased_until < clock_timestamp()
RETURNING id, token, cursor, parents, elements, left_alone

-- name: holder
-- Who mends, and until when nobody else may.
SELECT worker, leased_until FROM cutover_mending
WHERE cutover = %(name)s::text AND work = %(work)s::text AND leased_until IS NOT NULL

-- name: lock
-- Keep everybody else from mending until the end of the transaction; nothing where somebody has taken over.
SELECT FROM cutover_mending WHERE id = %(id)s::bigint AND token = %(token)s::uuid FOR UPDATE

-- name: advance
-- Say what was done, and hold it for longer.
UPDATE cutover_mending
SET cursor = COALESCE(%(cursor)s::text, cursor), parents = parents + %(parents)s::bigint,
    elements = elements + %(elements)s::bigint, left_alone = left_alone + %(left)s::bigint,
    leased_until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = %(id)s::bigint AND token = %(token)s::uuid
RETURNING parents, elements, left_alone

-- name: release
-- Let it go; where it is done, the next one begins anew.
UPDATE cutover_mending
SET token = NULL, leased_until = NULL, worker = '', cursor = CASE WHEN %(done)s::boolean THEN NULL ELSE cursor END,
    parents = CASE WHEN %(done)s::boolean THEN 0 ELSE parents END,
    elements = CASE WHEN %(done)s::boolean THEN 0 ELSE elements END,
    left_alone = CASE WHEN %(done)s::boolean THEN 0 ELSE left_alone END
WHERE id = %(id)s::bigint AND token = %(token)s::uuid

-- name: ledger
-- The ledger's entry, held still until the end of the transaction.
SELECT phase, epoch FROM cutover_ledger WHERE name = %(name)s::text FOR SHARE

-- name: segments
-- Keep the backfill from some parents until the end of the transaction.
SELECT g.id FROM cutover_segment g WHERE g.cutover = %(name)s::text AND EXISTS (
    SELECT FROM unnest(%(keys)s::{type}[]) c(key) WHERE (g.lower IS NULL OR c.key > g.lower::{type})
      AND (g.upper IS NULL OR c.key <= g.upper::{type})
) ORDER BY g.id FOR SHARE OF g

-- name: insert_rows
-- Insert rows in their order, which is the order of their keys.
INSERT INTO {child} ({columns}) VALUES {rows}

-- name: update_rows
-- Give rows other values.
UPDATE {child} SET {assignments} FROM (VALUES {rows}) v(pk, {names}) WHERE {pk} = v.pk

-- name: delete_orphans
-- Delete the rows of parents that are gone.
DELETE FROM {child} WHERE {fk} = ANY(%(keys)s::{type}[]) AND NOT EXISTS (SELECT FROM {parent} WHERE {parent_key} = {fk})
RETURNING {fk}
