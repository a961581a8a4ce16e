-- name: sample
-- So many parents, at random, in the order of their keys.
SELECT key FROM (
    SELECT {parent_key} AS key FROM {parent} ORDER BY random() LIMIT %(limit)s::bigint
) drawn ORDER BY key

-- name: share
-- The next parents of a random share, in the order of their keys; each is asked once, for the pages do not overlap.
SELECT {parent_key} FROM {parent}
WHERE (%(after)s::{type} IS NULL OR {parent_key} > %(after)s::{type}) AND random() < %(share)s::float8
ORDER BY {parent_key} LIMIT %(limit)s::bigint

-- name: written
-- The next parents that a transaction from the horizon on has written, or whose rows it has. The ids of rows have 32 bits and
-- go round: one that is far too old may look new, never the other way.
SELECT key FROM (
    SELECT {parent_key} AS key FROM {parent}
    WHERE (%(after)s::{type} IS NULL OR {parent_key} > %(after)s::{type})
      AND (({parent_xmin}::text::bigint - %(horizon)s::bigint) & 4294967295) < 2147483648
    UNION
    SELECT {fk} FROM {child}
    WHERE (%(after)s::{type} IS NULL OR {fk} > %(after)s::{type})
      AND (({child_xmin}::text::bigint - %(horizon)s::bigint) & 4294967295) < 2147483648
) changed ORDER BY key LIMIT %(limit)s::bigint

-- name: existing
-- Which of these keys belong to a parent.
SELECT {parent_key} FROM {parent} WHERE {parent_key} = ANY(%(keys)s::{type}[])

-- name: horizon
-- From which transaction on writes may have come after a verification had begun, when that was, and the next transaction.
SELECT horizon, started_at, pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM cutover_verification
WHERE cutover = %(name)s::text AND finished_at IS NOT NULL AND horizon IS NOT NULL
  AND (%(before)s::timestamptz IS NULL OR started_at <= %(before)s::timestamptz)
ORDER BY id DESC LIMIT 1
