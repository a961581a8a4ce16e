"""The ways to compare both sides; each runs in a process of its own and returns how many differences it found."""

from collections.abc import Callable
from functools import partial

from _bench import common
from cutover import verify
from cutover.mapping import bind

TABLES = {"job_logs": ("jobs_job", "jobs_joblog"), "device_events": ("shapes_device", "shapes_event")}
ELEMENTS = {
    "job_logs": "SELECT sum(jsonb_array_length(logs -> 'stdout') + jsonb_array_length(logs -> 'stderr')) FROM jobs_job",
    "device_events": "SELECT sum(jsonb_array_length(events)) FROM shapes_device",
}

# What somebody who knows exactly these tables would write: for each parent and list the number and the sum of the hashes.
STATEMENTS = {
    "job_logs": """
        SELECT count(*) FROM (
            SELECT id, o.n AS out_n, o.s AS out_s, e.n AS err_n, e.s AS err_s FROM jobs_job
            CROSS JOIN LATERAL (SELECT count(*) AS n, COALESCE(sum(hashtextextended(line, 0)), 0) AS s
                                FROM jsonb_array_elements_text(logs -> 'stdout') l(line)) o
            CROSS JOIN LATERAL (SELECT count(*) AS n, COALESCE(sum(hashtextextended(line, 0)), 0) AS s
                                FROM jsonb_array_elements_text(logs -> 'stderr') l(line)) e
        ) j FULL JOIN (
            SELECT job_id, count(*) AS out_n, sum(hashtextextended(@ || level || ' ' || message, 0)) AS out_s,
                   count(*) FILTER (WHERE level IN ('ERROR', 'CRITICAL')) AS err_n,
                   COALESCE(sum(hashtextextended(message, 0)) FILTER (WHERE level IN ('ERROR', 'CRITICAL')), 0) AS err_s
            FROM jobs_joblog GROUP BY job_id
        ) r ON r.job_id = j.id
        WHERE (j.out_n, j.out_s, j.err_n, j.err_s) IS DISTINCT FROM (r.out_n, r.out_s, r.err_n, r.err_s)
    """,
    "device_events": """
        SELECT count(*) FROM (
            SELECT id, e.n, e.s FROM shapes_device
            CROSS JOIN LATERAL (SELECT count(*) AS n, COALESCE(sum(hashtextextended(event, 0)), 0) AS s
                                FROM jsonb_array_elements_text(events) l(event)) e
        ) d FULL JOIN (
            SELECT device_id, count(*) AS n, sum(hashtextextended((extra || jsonb_build_object(
                       'kind', kind, 'count', count, 'at', @))::text, 0)) AS s
            FROM shapes_event GROUP BY device_id
        ) r ON r.device_id = d.id
        WHERE (d.n, d.s) IS DISTINCT FROM (r.n, r.s)
    """,
}
FORMATTED = {
    "job_logs": "to_char(created_at AT TIME ZONE 'UTC', '[YYYY-MM-DD HH24:MI:SS] ')",
    "device_events": """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""",
}
# Faster, and right only under DateStyle ISO and for times of whole seconds, as these are.
PRINTED = {
    "job_logs": "'[' || (created_at AT TIME ZONE 'UTC')::text || '] '",
    "device_events": "replace((at AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'",
}

# For the other tool: each side as a table of elements, with their places. It compares one list, so the first one.
VIEWS = {
    "job_logs": (
        """SELECT j.id AS parent, l.number, l.element FROM jobs_job j
           CROSS JOIN jsonb_array_elements_text(j.logs -> 'stdout') WITH ORDINALITY l(element, number)""",
        "SELECT job_id AS parent, -position AS number, @ || level || ' ' || message AS element FROM jobs_joblog",
    ),
    "device_events": (
        """SELECT d.id AS parent, l.number, l.element FROM shapes_device d
           CROSS JOIN jsonb_array_elements_text(d.events) WITH ORDINALITY l(element, number)""",
        # Lists of 200: their oldest element has the position -200, and is the first.
        """SELECT device_id AS parent, position + 201 AS number,
                  (extra || jsonb_build_object('kind', kind, 'count', count, 'at', @))::text AS element
           FROM shapes_event""",
    ),
}


def statement(name: str, *, times: dict[str, str]) -> int:
    """Both sides hashed by one statement; the parents that differ."""
    return int(common.sql(STATEMENTS[name].replace("@", times[name]))[0][0])


def verified(name: str) -> int:
    """The verification as the command line runs it."""
    *_, last = verify.run(bind(name), resume=False)
    return sum(last.result.found.values())


def other(name: str) -> int:
    """The other tool over views, by its hashes; its way by a join is slower (measured: three times)."""
    import reladiff
    from django.db import connection

    for view, select in zip(("bench_json", "bench_rows"), VIEWS[name], strict=True):
        common.sql(f"DROP VIEW IF EXISTS {view}")
        common.sql(f"CREATE VIEW {view} AS {select.replace('@', FORMATTED[name])}")
    known = connection.settings_dict
    given = {"dbname": known["NAME"], "user": known["USER"], "host": known["HOST"], "port": known["PORT"]}
    where = {"driver": "postgresql"} | {key: value for key, value in given.items() if value}
    tables = [reladiff.connect_to_table(where, view, ("parent", "number")) for view in ("bench_json", "bench_rows")]
    found = reladiff.diff_tables(*tables, extra_columns=("element",), algorithm=reladiff.Algorithm.HASHDIFF)
    return sum(1 for _ in found)


WAYS: dict[str, Callable[[str], int]] = {
    "statement": partial(statement, times=FORMATTED),
    "printed": partial(statement, times=PRINTED),
    "reladiff": other,
    "verify": verified,
}
