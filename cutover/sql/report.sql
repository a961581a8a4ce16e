-- name: estimate
-- About how many rows a table has, as the planner believes; -1 where it was never analysed.
SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%(relation)s::text)
