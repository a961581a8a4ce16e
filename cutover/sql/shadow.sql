-- name: excused
-- Whether a parent may differ for a reason that is known: the backfill has to visit it, or it has an element in quarantine.
SELECT EXISTS (SELECT FROM cutover_mark WHERE cutover = %(name)s AND parent_key = %(key)s AND visited_at IS NULL)
    OR EXISTS (SELECT FROM cutover_quarantine WHERE cutover = %(name)s AND parent_key = %(key)s)

-- name: add
-- Keep a difference, or count it once more; the place moves as the list grows.
INSERT INTO cutover_shadow
    (cutover, parent_key, stream, list_key, number, json_element, row_element, phase, times, first_at, last_at)
VALUES (%(name)s, %(parent)s, %(stream)s, COALESCE(%(key)s::text, ''), %(number)s, %(json)s, %(row)s, %(phase)s, 1,
        clock_timestamp(), clock_timestamp())
ON CONFLICT (cutover, parent_key, stream, list_key) DO UPDATE
SET number = excluded.number, json_element = excluded.json_element, row_element = excluded.row_element,
    phase = excluded.phase, times = cutover_shadow.times + 1, last_at = clock_timestamp()

-- name: prune
-- Of the differences of a cutover only the newest stay.
DELETE FROM cutover_shadow WHERE cutover = %(name)s AND id NOT IN (
    SELECT id FROM cutover_shadow WHERE cutover = %(name)s ORDER BY last_at DESC, id DESC LIMIT %(most)s::integer
)

-- name: count
-- Add to the number of reads that were compared.
INSERT INTO cutover_shadowcount (cutover, compared, since) VALUES (%(name)s, %(number)s, now())
ON CONFLICT (cutover) DO UPDATE SET compared = cutover_shadowcount.compared + excluded.compared

-- name: summary
-- How many reads were compared, since when, how many differences are known, and when the last was seen.
SELECT COALESCE((SELECT compared FROM cutover_shadowcount WHERE cutover = %(name)s), 0),
       (SELECT since FROM cutover_shadowcount WHERE cutover = %(name)s), count(*), max(last_at)
FROM cutover_shadow WHERE cutover = %(name)s

-- name: newest
-- The differences that were seen last.
SELECT parent_key, stream, NULLIF(list_key, ''), number, json_element, row_element, phase, times, first_at, last_at
FROM cutover_shadow WHERE cutover = %(name)s ORDER BY last_at DESC, id DESC LIMIT %(limit)s::integer
