-- name: sizes
-- Whether the parents are an ordinary table, and how many bytes it fills without and with the long documents beside it.
SELECT c.relkind = 'r', pg_relation_size(c.oid), pg_table_size(c.oid) FROM pg_class c WHERE c.oid = %(table)s::text::regclass

-- name: count
-- How many parents there are, what their documents hold, and how much of that is behind no cursor yet.
SELECT count(*), COALESCE(sum(w.elements), 0)::bigint, COALESCE(sum(w.bytes), 0)::bigint,
       count(*) FILTER (WHERE w.ahead), COALESCE(sum(w.elements) FILTER (WHERE w.ahead), 0)::bigint,
       COALESCE(sum(w.bytes) FILTER (WHERE w.ahead), 0)::bigint
FROM (
    SELECT {count} AS elements, COALESCE(octet_length(c.{column}::text), 0) AS bytes,
           NOT %(planned)s::boolean OR EXISTS (
               SELECT FROM cutover_segment s WHERE s.cutover = %(name)s::text AND s.number >= 0 AND s.done_at IS NULL
                 AND (COALESCE(s.cursor, s.lower) IS NULL OR c.cutover_key > COALESCE(s.cursor, s.lower)::{type})
                 AND (s.upper IS NULL OR c.cutover_key <= s.upper::{type})
           ) AS ahead
    FROM (SELECT {parent_key} AS cutover_key, {value} AS {column} FROM {parent} {sample}) c
    CROSS JOIN LATERAL (SELECT {document} AS document OFFSET 0) d
) w

-- name: some
-- A few parents from all over the table whose documents hold anything.
SELECT w.key FROM (
    SELECT c.cutover_key::text AS key, {count} AS elements
    FROM (SELECT {parent_key} AS cutover_key, {value} AS {column} FROM {parent} {sample} LIMIT 2000) c
    CROSS JOIN LATERAL (SELECT {document} AS document OFFSET 0) d
) w WHERE w.elements > 0 ORDER BY random() LIMIT %(limit)s::bigint

-- name: may_copy
-- Whether the child is there, found by its bare name, and this role may make temporary tables.
SELECT has_database_privilege(current_database(), 'TEMPORARY') AND pg_table_is_visible(to_regclass(%(table)s::text))

-- name: copy
-- An empty table of the same shape that hides the real one until the end of this transaction: nothing is locked, and nothing stays.
CREATE TEMPORARY TABLE {hiding} (LIKE {child} INCLUDING ALL) ON COMMIT DROP
