"""What the tables hold, made by SQL: deterministic, quick, in the shape of the cases that the project knows.

Lines have the shape of the log of a real job; about 85 characters each, 5 % of them errors, which stand in `stderr` as well.
No two elements of a list are equal.
"""

from collections.abc import Sequence

from psycopg import sql

from _bench import common

EVENTS_EACH = 200  # objects in the list of a device
EVENT_BYTES = 86  # the text of an object, roughly

# From the newest (1) to the oldest; the message has 40 to 80 characters.
LINES = """
    SELECT n, l.level, m.message,
           to_char(timestamp '2026-03-01' - n * interval '7 seconds', '[YYYY-MM-DD HH24:MI:SS] ')
           || l.level || ' ' || m.message AS line
    FROM generate_series(1, %(elements)s) n
    CROSS JOIN LATERAL (SELECT CASE WHEN n %% 20 = 7 THEN 'ERROR' WHEN n %% 20 = 13 THEN 'WARNING'
                                    WHEN n %% 4 = 0 THEN 'DEBUG' ELSE 'INFO' END AS level) l
    CROSS JOIN LATERAL (SELECT replace((ARRAY[
        'Processed image @.jpg, 14 detections kept of 31',
        'Batch @ was sent to the queue of the pipeline',
        'Result @ saved: classification moth_order_v3, 0.93 best score',
        'Worker asks for task @, 8 in flight, oldest for 12 s',
        'Stage "process" at @: 0.42 of the captures are done, "results" follows'
    ])[1 + (n + j.j) %% 5], '@', left(md5(j.j || ' ' || n), 8) || '-' || n) AS message) m
"""

JOBS = f"""
    INSERT INTO jobs_job (name, progress, logs)
    SELECT 'job ' || j.j, 0, d.logs FROM generate_series(1, %(parents)s) j(j) CROSS JOIN LATERAL (
        SELECT jsonb_build_object('stdout', COALESCE(jsonb_agg(x.line ORDER BY x.n), '[]'), 'stderr',
            COALESCE(jsonb_agg(x.message ORDER BY x.n) FILTER (WHERE x.level = 'ERROR'), '[]')) AS logs
        FROM ({LINES}) x
    ) d
"""  # noqa: S608 - both parts are written above

DEVICES = """
    INSERT INTO shapes_device (id, events)
    SELECT md5('device ' || d.d)::uuid, e.events
    FROM unnest(%(sizes)s::int[]) WITH ORDINALITY d(size, d) CROSS JOIN LATERAL (
        SELECT COALESCE(jsonb_agg(jsonb_build_object(
            'kind', (ARRAY['on', 'off', 'reading', 'alarm'])[1 + n %% 4], 'count', n,
            'at', to_char(timestamp '2026-01-01' + n * interval '3 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'by', 'operator ' || d.d %% 17) ORDER BY n), '[]') AS events
        FROM generate_series(1, d.size) n
    ) e
"""


def jobs(parents: int, elements: int) -> None:
    """Jobs with so many lines each, instead of those that are there. `elements` is 1,000 at most: the stream is capped."""
    forget()
    more_jobs(parents, elements)
    common.settle("jobs_job")


def more_jobs(parents: int, elements: int) -> None:
    """Jobs besides those that are there."""
    with_values(JOBS, {"parents": parents, "elements": elements})


def devices(sizes: Sequence[int]) -> None:
    """A device for each size, with so many objects, instead of those that are there; their keys are in no order."""
    forget()
    with_values(DEVICES, {"sizes": list(sizes)})
    common.settle("shapes_device")


def with_values(statement: str, values: dict[str, object]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def forget() -> None:
    """Everything goes: parents, rows, and what the toolkit has noted about them."""
    common.sql("TRUNCATE jobs_job, jobs_joblog, shapes_device, shapes_event, cutover_mark, cutover_quarantine")


def begin(name: str) -> None:
    """Before each way: no rows, a backfill that has not begun, marks of our own inserts forgotten, the disk at rest."""
    from cutover import backfill
    from cutover.mapping import bind

    binding = bind(name)
    parent, child = binding.parent.name, binding.child.name
    common.sql(f"TRUNCATE {child}, cutover_mark, cutover_quarantine RESTART IDENTITY")
    backfill.reset(binding)
    common.settle(parent, child)


def count_rows(name: str) -> int:
    from cutover.mapping import bind

    statement = sql.SQL("SELECT count(*) FROM {}").format(bind(name).child.identifier)
    return int(common.sql(statement)[0][0])


def expect(name: str, wanted: int, what: str) -> None:
    """A time is worth nothing where the work was not done. Raises RuntimeError."""
    count = count_rows(name)
    if count != wanted:
        raise RuntimeError(f"{what}: {count:,} rows of {name} are there; it should be {wanted:,}.")


def rows(name: str) -> tuple[object, ...]:
    """What the child holds, whatever the order and the keys of its rows: equal for ways that have done the same."""
    from cutover.mapping import bind

    child = bind(name).child
    statement = sql.SQL("SELECT count(*), sum(hashtextextended((to_jsonb(c) - {})::text, 0)) FROM {} c")
    return common.sql(statement.format(sql.Literal(child.pk), child.identifier))[0]
