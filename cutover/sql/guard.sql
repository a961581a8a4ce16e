-- name: drop
-- The drop as `sqlmigrate` shows it: one statement that asks what the operation asks, and refuses. It looks twice, before it has
-- the lock and with it; what takes long is asked before.
DO $cutover$
DECLARE
    reasons text[] := '{{}}';
    entry record;
    checked record;
    archive text;
    since timestamptz;
    without_parents boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING MESSAGE = 'The drop has to run at READ COMMITTED.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({table_text}) AND attname = {column_text}
                   AND NOT attisdropped) THEN
        RETURN;
    END IF;
    PERFORM set_config('lock_timeout', {timeout}, true);
    FOR look IN 1..2 LOOP
        without_parents := NOT EXISTS (SELECT FROM {table});
        SELECT l.phase, l.epoch, l.settled_at, l.backfilled_at INTO entry
        FROM cutover_ledger l WHERE l.name = {cutover} FOR NO KEY UPDATE;
        IF NOT without_parents AND entry.phase IS DISTINCT FROM {last_phase} THEN
            reasons := reasons || format('%s is at %s', {cutover}, ({phases}::text[])[COALESCE(entry.phase, 0) + 1]);
        ELSIF NOT without_parents THEN
            IF entry.settled_at IS NULL THEN
                reasons := reasons || 'the last move is not settled'::text;
            END IF;
            IF entry.backfilled_at IS NULL
               OR EXISTS (SELECT FROM cutover_segment s WHERE s.cutover = {cutover} AND s.number >= 0 AND s.done_at IS NULL) THEN
                reasons := reasons || 'the backfill is not complete'::text;
            END IF;
            IF EXISTS (SELECT FROM cutover_mark m WHERE m.cutover = {cutover} AND m.visited_at IS NULL) THEN
                reasons := reasons || 'foreign writes wait for a visit of their parents'::text;
            END IF;
            IF EXISTS (SELECT FROM cutover_quarantine q WHERE q.cutover = {cutover} AND q.waived_at IS NULL) THEN
                reasons := reasons || 'elements are in quarantine'::text;
            END IF;
            SELECT max(t.at) INTO since FROM cutover_transition t
            WHERE t.cutover = {cutover} AND t.to_phase = {stop_phase} AND t.from_phase < t.to_phase;
            SELECT v.started_at, v.found INTO checked FROM cutover_verification v
            WHERE v.cutover = {cutover} AND v.finished_at IS NOT NULL ORDER BY v.id DESC LIMIT 1;
            IF checked.started_at IS NULL OR since IS NULL OR checked.started_at < since THEN
                reasons := reasons || 'no verification has been finished since the end of JSON writes'::text;
            ELSIF EXISTS (SELECT FROM jsonb_each_text(checked.found) f
                          WHERE f.key = ANY ({blocking}::text[]) AND f.value::bigint > 0) THEN
                reasons := reasons || 'the last verification found a loss'::text;
            ELSIF EXISTS (SELECT FROM cutover_mark m WHERE m.cutover = {cutover} AND m.at > since
                          AND m.at >= checked.started_at) THEN
                reasons := reasons || 'foreign writes came after the last verification'::text;
            END IF;
            archive := obj_description(to_regclass({manifest_text}), 'pg_class');
            IF NOT {waived} AND (archive IS NULL OR archive::json ->> 'complete' <> 'true'
                                 OR (archive::json ->> 'epoch')::int <> entry.epoch) THEN
                reasons := reasons || 'the documents are not archived'::text;
            ELSIF NOT {waived} AND look = 1 AND archive::json ->> 'file' = '' THEN
                IF (SELECT d.chunks FROM ({damaged}) d(chunks, number)) > 0 THEN
                    reasons := reasons || 'the archive is damaged'::text;
                END IF;
            END IF;
            IF look = 1 AND ({residue}) THEN
                reasons := reasons || 'the column holds something that no stream claims'::text;
            END IF;
        END IF;
        IF EXISTS (SELECT FROM cutover_process p WHERE p.cutover = {cutover} AND (p.has_field OR p.phase <> {last_phase})
                   AND p.seen_at > clock_timestamp() - {seconds} * interval '1 second') THEN
            reasons := reasons || 'live processes still have the field or read the column'::text;
        END IF;
        IF reasons <> '{{}}' THEN
            RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = {fact} || array_to_string(reasons, '; ') || '.',
                HINT = 'See `cutover status` and the runbook, "What if the drop refuses". Nothing was changed.';
        END IF;
        IF look = 1 THEN
            LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
        END IF;
    END LOOP;
    IF NOT without_parents THEN
        UPDATE cutover_ledger SET dropped_at = clock_timestamp() WHERE name = {cutover};
    END IF;
    {removals}
    ALTER TABLE {table} DROP COLUMN {column};
END
$cutover$
