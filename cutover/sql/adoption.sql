-- name: newest_position
-- The newest position of any row, and the newest that the toolkit's sequence can have given.
SELECT (SELECT max({position}) FROM {child}), s.last_value * 2 + CASE WHEN s.is_called THEN 1 ELSE -1 END
FROM cutover_position_v1 s

-- name: positions
-- How many rows are history, were written together with JSON, and were written alone.
SELECT count(*) FILTER (WHERE {position} < 0), count(*) FILTER (WHERE {position} >= 0 AND {position} & 1 = 1),
       count(*) FILTER (WHERE {position} >= 0 AND {position} & 1 = 0)
FROM {child}
