-- name: function
-- The trigger function. It runs as its owner, for a writer may have no right to the toolkit's tables; its search_path is
-- fixed and pg_temp comes last, so that no caller can put another table in the way. What the phase says: before DUAL_WRITE
-- one mark a second and writer is enough (who writes?) and is not dirty, for the backfill visits every parent later.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, {schema}, pg_temp
AS $cutover$
DECLARE
    at_phase integer;
    changed boolean := true;
    writer text := current_setting('application_name');
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT {holds} THEN
            RETURN NULL;
        END IF;
    ELSE
        changed := {changed};
        IF NOT changed AND ("old".{pk} IS NOT DISTINCT FROM "new".{pk} OR NOT {holds}) THEN
            RETURN NULL;
        END IF;
    END IF;
    at_phase := COALESCE((SELECT l.phase FROM cutover_ledger l WHERE l.name = {cutover}), 0);
    IF changed AND at_phase >= {rejects_from} THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = {column_text}, CONSTRAINT = TG_NAME,
            MESSAGE = {fact} || "new".{pk}::text || '.',
            HINT = {hint};
    END IF;
    IF at_phase < 2 AND EXISTS (
        SELECT FROM cutover_mark m WHERE m.cutover = {cutover} AND m.at > clock_timestamp() - interval '1 second'
            AND m.application_name = writer AND m.db_user = session_user
            AND m.operation = TG_OP
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO cutover_mark (cutover, parent_key, operation, application_name, db_user, phase, at, visited_at)
    VALUES ({cutover}, "new".{pk}::text, TG_OP, writer, session_user, at_phase, clock_timestamp(),
            CASE WHEN at_phase < 2 THEN clock_timestamp() END);
    RETURN NULL;
END
$cutover$

-- name: update_trigger
-- Calls the function for a foreign update. The condition is here and not in the function so that a write of the toolkit
-- costs nearly nothing. No `UPDATE OF`: it would miss what another BEFORE trigger puts into the column.
-- Locks the table against writers (SHARE ROW EXCLUSIVE), for an instant.
CREATE OR REPLACE TRIGGER {trigger} AFTER UPDATE ON {table} FOR EACH ROW
WHEN ((current_setting('cutover.mark', true) IS DISTINCT FROM statement_timestamp()::text OR pg_trigger_depth() > 0)
    AND ("old".{column}{cast} IS DISTINCT FROM "new".{column}{cast} OR "old".{pk} IS DISTINCT FROM "new".{pk}))
EXECUTE FUNCTION {function}()

-- name: insert_trigger
-- Calls the function for a foreign insert with a document; the function looks whether it holds an element.
-- Locks the table against writers (SHARE ROW EXCLUSIVE), for an instant.
CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT ON {table} FOR EACH ROW
WHEN ((current_setting('cutover.mark', true) IS DISTINCT FROM statement_timestamp()::text OR pg_trigger_depth() > 0)
    AND "new".{column} IS NOT NULL)
EXECUTE FUNCTION {function}()

-- name: close
-- Only the triggers run the function; firing a trigger asks for no right to it.
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC

-- name: comment
-- The hash of the source, by which an outdated trigger is known.
COMMENT ON FUNCTION {function}() IS {text}

-- name: drop_trigger
-- Locks the table (ACCESS EXCLUSIVE), for an instant.
DROP TRIGGER IF EXISTS {trigger} ON {table}

-- name: drop_function
-- After its triggers.
DROP FUNCTION IF EXISTS {function}()
