-- name: quarantined
-- What is in quarantine for some parents, and whether it is known where it stood.
SELECT id, stream, parent_key, digest, occurrence, path IS NOT NULL FROM cutover_quarantine
WHERE cutover = %(name)s::text AND stream = ANY(%(streams)s::text[]) AND parent_key = ANY(%(keys)s::text[])

-- name: quarantine
-- Put elements into quarantine; those that are there stay as they are, with what was said about them.
INSERT INTO cutover_quarantine
    (cutover, stream, parent_key, digest, occurrence, path, list_index, element, reason, at, waived_by)
SELECT %(name)s::text, u.stream, u.parent_key, u.digest, u.occurrence, u.path, u.list_index, u.element, u.reason,
       clock_timestamp(), ''
FROM unnest(%(streams)s::text[], %(keys)s::text[], %(digests)s::text[], %(occurrences)s::int[], %(paths)s::text[],
            %(indexes)s::int[], %(elements)s::text[], %(reasons)s::text[])
     u(stream, parent_key, digest, occurrence, path, list_index, element, reason)
ON CONFLICT (cutover, stream, parent_key, digest, occurrence) DO UPDATE
SET reason = excluded.reason, path = COALESCE(cutover_quarantine.path, excluded.path),
    list_index = CASE WHEN cutover_quarantine.path IS NULL THEN excluded.list_index ELSE cutover_quarantine.list_index END
WHERE cutover_quarantine.reason <> excluded.reason OR cutover_quarantine.path IS NULL

-- name: stand
-- Where elements of one stream stand in their lists, from 0, and their text. An element that is not there any more is left out.
WITH cutover_asked AS MATERIALIZED (
    SELECT u.number, u.parent_key, u.key, (u.element::jsonb)::text AS shape, u.nth
    FROM unnest(%(numbers)s::int[], %(keys)s::text[], %(list_keys)s::text[], %(elements)s::text[], %(occurrences)s::int[])
         u(number, parent_key, key, element, nth)
),
cutover_parents AS MATERIALIZED (
    SELECT {parent_key}::text AS parent_key, {document} AS document
    FROM {parent} WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[])
),
cutover_listed AS (
    SELECT p.parent_key, l.key, l.ordinal, l.element::text AS shape,
           row_number() OVER (PARTITION BY p.parent_key, l.key, l.element::text ORDER BY l.age {first}) AS nth
    FROM cutover_parents p CROSS JOIN LATERAL {elements} l
    WHERE l.element::text IN (SELECT shape FROM cutover_asked)
)
SELECT a.number, l.ordinal - 1, l.shape FROM cutover_asked a
JOIN cutover_listed l ON l.parent_key = a.parent_key AND l.shape = a.shape AND l.nth = a.nth
 AND COALESCE(l.key, '') = COALESCE(a.key, '')

-- name: unreadable
-- The documents of some parents that jsonb cannot hold, as the column has them.
SELECT {parent_key}::text, {column}::text FROM {parent}
WHERE {parent_key} = ANY(%(keys)s::text[]::{type}[]) AND {column} IS NOT NULL AND {document} IS NULL

-- name: document
-- The document of one parent as the column has it, or NULL; no row where the parent is gone.
SELECT {column}::text FROM {parent} WHERE {parent_key} = %(key)s::text::{type}

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

-- name: count_waived
-- How many elements in quarantine are waived.
SELECT count(*) FROM cutover_quarantine WHERE cutover = %(name)s::text AND waived_at IS NOT NULL

-- name: list_quarantined
-- The elements in quarantine, oldest first: all, those that are open, or those with these ids; long ones cut.
SELECT id, stream, parent_key, occurrence, path, list_index, left(element, %(cut)s::int), char_length(element), reason, at,
       waived_by, waived_at, COALESCE(waived_why, '')
FROM cutover_quarantine
WHERE cutover = %(name)s::text AND (%(waived)s::boolean OR waived_at IS NULL)
  AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
ORDER BY id LIMIT %(limit)s::bigint

-- name: parents
-- The parents of elements in quarantine that are still there, in the order of their keys.
SELECT {parent_key}::text FROM {parent} WHERE {parent_key} IN (
    SELECT q.parent_key::{type} FROM cutover_quarantine q
    WHERE q.cutover = %(name)s::text AND q.id = ANY(%(ids)s::bigint[])
) ORDER BY {parent_key}

-- name: open_ids
-- The ids of all that are open.
SELECT id FROM cutover_quarantine WHERE cutover = %(name)s::text AND waived_at IS NULL ORDER BY id

-- name: waive
-- Say who takes the loss of open elements upon himself, and why; without ids, of all of them.
UPDATE cutover_quarantine
SET waived_by = %(who)s::text, waived_at = clock_timestamp(), waived_why = NULLIF(%(why)s::text, '')
WHERE cutover = %(name)s::text AND waived_at IS NULL AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
RETURNING id

-- name: unwaive
-- Take a waiver back; without ids, all of them.
UPDATE cutover_quarantine SET waived_by = '', waived_at = NULL, waived_why = NULL
WHERE cutover = %(name)s::text AND waived_at IS NOT NULL AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
RETURNING id

-- name: known_ids
-- Which of these are in quarantine, and whether they are waived.
SELECT id, waived_at IS NOT NULL FROM cutover_quarantine WHERE cutover = %(name)s::text AND id = ANY(%(ids)s::bigint[])
