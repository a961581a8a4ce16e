-- name: quarantined
-- What is in quarantine for some parents.
SELECT id, stream, parent_key, digest, occurrence FROM cutover_quarantine
WHERE cutover = %(name)s::text AND stream = ANY(%(streams)s::text[]) AND parent_key = ANY(%(keys)s::text[])

-- name: quarantine
-- Put elements into quarantine; those that are there stay, with what was said about them.
INSERT INTO cutover_quarantine (cutover, stream, parent_key, digest, occurrence, element, reason, at, waived_by)
SELECT %(name)s::text, u.stream, u.parent_key, u.digest, u.occurrence, u.element, u.reason, clock_timestamp(), ''
FROM unnest(%(streams)s::text[], %(keys)s::text[], %(digests)s::text[], %(occurrences)s::int[], %(elements)s::text[],
            %(reasons)s::text[]) u(stream, parent_key, digest, occurrence, element, reason)
ON CONFLICT (cutover, stream, parent_key, digest, occurrence) DO UPDATE SET reason = excluded.reason
WHERE cutover_quarantine.reason <> excluded.reason

-- name: acquit
-- Take elements out of quarantine.
DELETE FROM cutover_quarantine WHERE id = ANY(%(ids)s::bigint[])

-- name: acquit_gone
-- Take the elements of parents that are gone out of quarantine.
DELETE FROM cutover_quarantine q WHERE q.cutover = %(name)s::text
  AND NOT EXISTS (SELECT FROM {parent} WHERE {parent_key} = q.parent_key::{type})

-- name: count_quarantined
-- How many elements are in quarantine and not waived.
SELECT count(*) FROM cutover_quarantine WHERE cutover = %(name)s::text AND waived_at IS NULL

-- name: list_quarantined
-- The elements in quarantine, oldest first.
SELECT id, stream, parent_key, occurrence, element, reason, at, waived_by, waived_at FROM cutover_quarantine
WHERE cutover = %(name)s::text AND (%(waived)s::boolean OR waived_at IS NULL) ORDER BY id LIMIT %(limit)s::bigint

-- name: waive
-- Say who takes the loss of elements upon himself; without ids, of all of them.
UPDATE cutover_quarantine SET waived_by = %(who)s::text, waived_at = clock_timestamp()
WHERE cutover = %(name)s::text AND waived_at IS NULL AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
