-- name: append
-- Write some rows to one parent, as far as the fence lets it: the lists, the rows, or both. One row tells what became of it.
WITH {parts}
SELECT EXISTS (SELECT FROM cutover_fence), EXISTS (SELECT FROM cutover_parent), v.bad, v.misfit, v.hidden, {written}
FROM (SELECT 1) one LEFT JOIN cutover_verdict v ON TRUE

-- name: fence
-- Part: one row if the ledger has not moved since the decision.
cutover_fence AS MATERIALIZED (
    SELECT 1 AS open
    WHERE COALESCE((SELECT epoch FROM cutover_ledger WHERE name = %(name)s::text), 0) = %(epoch)s::int
)

-- name: no_fence
-- Part: the same before there is a ledger.
cutover_fence AS MATERIALIZED (SELECT 1 AS open)

-- name: locked_parent
-- Part: the parent, its row locked against other writers of the document until the end of the transaction.
cutover_parent AS MATERIALIZED (
    SELECT {parent_key} AS pk, {column} IS NOT NULL AS present, {document} AS document
    FROM {parent} WHERE {parent_key} = %(key)s::{type} AND EXISTS (SELECT FROM cutover_fence)
    FOR NO KEY UPDATE OF {alias}
)

-- name: parent
-- Part: the parent, without a lock and without its document.
cutover_parent AS MATERIALIZED (
    SELECT {parent_key} AS pk FROM {parent} WHERE {parent_key} = %(key)s::{type} AND EXISTS (SELECT FROM cutover_fence)
)

-- name: mark
-- Part: the toolkit's mark on this statement.
cutover_mark AS MATERIALIZED (SELECT {own} AS mark)

-- name: no_mark
-- Part: the same before there is a watch trigger.
cutover_mark AS MATERIALIZED (SELECT '' AS mark)

-- name: item
-- Part: the rows to write, in their order, under the name of the child table; and in which streams each of them shows.
cutover_item AS MATERIALIZED (
    SELECT {alias}.cutover_n, {selected}
    FROM (
        SELECT r.cutover_n, %(key)s::{type} AS {fk}, {values}
        FROM jsonb_to_recordset(%(items)s::text::jsonb) AS r(cutover_n int, {definitions})
    ) AS {alias}
)

-- name: stream
-- Part: one list of the document, the elements that it gains, and the document with them.
{list} AS MATERIALIZED (
    SELECT v.fits, CASE WHEN v.fits AND jsonb_typeof(v.list) = 'array' THEN v.list ELSE '[]'::jsonb END AS list
    FROM (SELECT {fits} AS fits, {list_at} AS list FROM {before} d) v
), {gain} AS MATERIALIZED (
    SELECT i.cutover_n, i.{element} AS element FROM cutover_item i CROSS JOIN {list} l
    WHERE i.{shown} AND i.{element} IS NOT NULL AND l.fits AND {is_new}
), {after} AS MATERIALIZED (
    SELECT d.pk, CASE WHEN g.list IS NULL THEN d.document ELSE {with_list} END AS document
    FROM {before} d CROSS JOIN {list} l
    CROSS JOIN (SELECT jsonb_agg(element ORDER BY {order}) AS list FROM {gain}) g
)

-- name: is_new
-- Part of `stream`: whether the list does not hold the element; strings are looked up by the list itself.
CASE jsonb_typeof(i.{element}) WHEN 'string' THEN NOT l.list ? (i.{element} #>> '{{}}')
     ELSE NOT EXISTS (SELECT FROM jsonb_array_elements(l.list) held(value) WHERE held.value = i.{element}) END

-- name: is_new_string
-- Part of `stream`: the same where every element is a string.
NOT l.list ? (i.{element} #>> '{{}}')

-- name: is_first
-- Part of `stream`: whether no earlier item is the same element.
NOT EXISTS (
    SELECT FROM cutover_item o
    WHERE o.{shown} AND o.{element} = i.{element} AND o.cutover_n < i.cutover_n
)

-- name: verdict
-- Part: whether all of it can be written, and if not, why.
cutover_added AS MATERIALIZED ({added}), cutover_verdict AS MATERIALIZED (
    SELECT v.pk, v.bad, v.misfit, v.hidden, v.bad IS NULL AND v.misfit IS NULL AND v.hidden = 0 AS ok
    FROM (SELECT p.pk, {bad} AS bad, {misfit} AS misfit, {hidden} AS hidden FROM cutover_parent p) v
)

-- name: update
-- Part: the JSON leg.
cutover_update AS (
    UPDATE {parent} SET {column} = {stored}
    FROM {last} d CROSS JOIN cutover_verdict v CROSS JOIN cutover_mark m
    WHERE {parent_key} = d.pk AND v.ok AND m.mark IS NOT NULL AND ({gained})
    RETURNING 1
)

-- name: insert
-- Part: the row leg. The positions are drawn outside the sorted query, in its order, and after the parent's lock.
cutover_insert AS (
    INSERT INTO {child} ({fk}, {columns})
    SELECT i.pk, {values}
    FROM (
        SELECT v.pk, {selected} FROM cutover_item i
        JOIN cutover_added a ON a.cutover_n = i.cutover_n CROSS JOIN cutover_verdict v
        WHERE v.ok ORDER BY i.cutover_n
    ) i
    RETURNING 1
)

-- name: insert_alone
-- Insert one row of a parent that is there, if the ledger has not moved; nothing else is asked, for each part has to be planned.
INSERT INTO {child} ({fk}, {columns})
SELECT {parent_key}, {values}
FROM {parent} WHERE {parent_key} = %(key)s::{type}
AND EXISTS (SELECT FROM cutover_ledger WHERE name = %(name)s::text AND epoch = %(epoch)s::int)

-- name: counts
-- Whether an INSERT into a table says how many rows it wrote: no trigger and no rule can lead them elsewhere.
SELECT NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgrelid = to_regclass({table}) AND NOT tgisinternal AND (tgtype & 7 = 7 OR tgtype & 69 = 69)
) AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = to_regclass({table}) AND ev_type = '3')

-- name: open
-- Before rows are streamed in this transaction: is the ledger where it was, the parent there, COPY allowed; and their positions.
SELECT EXISTS (SELECT FROM cutover_ledger WHERE name = %(name)s::text AND epoch = %(epoch)s::int),
    EXISTS (SELECT FROM {parent} WHERE {parent_key} = %(key)s::{type}),
    NOT row_security_active({table}), ARRAY(SELECT {position} FROM generate_series(1, %(count)s::int))

-- name: stream_rows
-- Rows, as COPY brings them.
COPY {child} ({fk}, {columns}) FROM STDIN

-- name: claim
-- Lock the parent for a rewrite, if the ledger has not moved: is it where it was, and is the parent there.
WITH {fence}, cutover_parent AS MATERIALIZED (
    SELECT {parent_key} AS pk FROM {parent} WHERE {parent_key} = %(key)s::{type} AND EXISTS (SELECT FROM cutover_fence)
    FOR NO KEY UPDATE OF {alias}
)
SELECT EXISTS (SELECT FROM cutover_fence), EXISTS (SELECT FROM cutover_parent)

-- name: draw
-- New positions, ascending.
SELECT {position} FROM generate_series(1, %(count)s::int)

-- name: delete
-- Take rows away by their keys.
DELETE FROM {child} WHERE {pk} = ANY(%(pks)s::{type}[])

-- name: restamp
-- Give rows new positions.
UPDATE {child} SET {column} = s.position
FROM unnest(%(pks)s::{type}[], %(positions)s::bigint[]) s(pk, position) WHERE {pk} = s.pk

-- name: insert_rows
-- Insert rows at positions that were drawn before; their keys, in order.
WITH {item}
INSERT INTO {child} ({fk}, {columns})
SELECT %(key)s::{type}, {values} FROM cutover_item i ORDER BY i.cutover_n
RETURNING {pk}

-- name: edit_rows
-- Give rows other values by their keys.
WITH {item}
UPDATE {child} SET {assignments} FROM cutover_item i WHERE {pk} = (%(pks)s::{pk_type}[])[i.cutover_n + 1]

-- name: document
-- The document of a parent that is locked.
SELECT {column}::text FROM {parent} WHERE {parent_key} = %(key)s::{type}

-- name: set_lists
-- Put lists into a document that has a place for them, and leave the rest of it as it is.
WITH {mark}
UPDATE {parent} SET {column} = {stored} FROM cutover_mark m
WHERE {parent_key} = %(key)s::{type} AND m.mark IS NOT NULL

-- name: sees_others
-- Whether the next statement of this transaction sees what others have committed by then.
SELECT current_setting('transaction_isolation') = 'read committed'
