"""History by the thousand, with a parent here and there that takes several chunks, and both sides compared.

The statements that compare know nothing of the toolkit but the tables.
"""

import random
from dataclasses import dataclass

import psycopg
from psycopg import sql

# For each cutover: the elements of JSON as (parent, columns ...), then the rows in the same shape.
JSON_SIDE = {
    "device_events": """
        SELECT d.id::text, e.v->>'kind', (e.v->>'count')::int, e.v - 'kind' - 'count' - 'at'
        FROM shapes_device d CROSS JOIN LATERAL jsonb_array_elements(d.events) e(v)
    """,
    "ticket_history": """
        SELECT t.id::text, e.v->>0, (e.v->>1)::int, '{}'::jsonb
        FROM shapes_ticket t CROSS JOIN LATERAL jsonb_array_elements(t.history::jsonb->'changes'->'items') e(v)
    """,
}
TABLE_SIDE = {
    "device_events": "SELECT device_id::text, kind, count, extra FROM shapes_event",
    "ticket_history": "SELECT ticket_id::text, field, amount, '{}'::jsonb FROM shapes_change",
}
COMPARE = """
    WITH json_side AS ({json}), table_side AS ({table})
    SELECT (SELECT count(*) FROM (SELECT * FROM json_side EXCEPT ALL SELECT * FROM table_side) a),
           (SELECT count(*) FROM (SELECT * FROM table_side EXCEPT ALL SELECT * FROM json_side) b),
           (SELECT count(*) FROM json_side), (SELECT count(*) FROM table_side)
"""
INSERTS = {
    "device_events": """
        INSERT INTO shapes_device (id, events)
        SELECT lpad(to_hex(%(first)s + n), 32, '0')::uuid, COALESCE((
            SELECT jsonb_agg(jsonb_build_object('kind', 'h' || k % 3, 'count', k / 2, 'note', n % 5) ORDER BY k)
            FROM generate_series(1, CASE WHEN n % 5000 = 4999 THEN 4000 ELSE (n * 7919) % %(most)s END) k), '[]')
        FROM generate_series(1, %(parents)s) n
    """,
    "ticket_history": """
        INSERT INTO shapes_ticket (id, history)
        SELECT %(first)s + n, jsonb_build_object('changes', jsonb_build_object('items', COALESCE((
            SELECT jsonb_agg(jsonb_build_array('h' || k % 3, k / 2) ORDER BY k)
            FROM generate_series(1, (n * 7919) % %(most)s) k), '[]')))::text
        FROM generate_series(1, %(parents)s) n
    """,
}


@dataclass(frozen=True)
class Sides:
    """What the comparison of multisets over all parents has found.

    Attributes:
        lost: elements of JSON that have no row of their own.
        doubled: rows that no element is left for.
        elements, rows: how many there are of each.
    """

    lost: int
    doubled: int
    elements: int
    rows: int

    @property
    def equal(self) -> bool:
        return (self.lost, self.doubled) == (0, 0)


def compared(connection: "psycopg.Connection[object]", name: str) -> Sides:
    """Both sides of a cutover in one snapshot."""
    parts = {"json": sql.SQL(JSON_SIDE[name]), "table": sql.SQL(TABLE_SIDE[name])}
    row = connection.execute(sql.SQL(COMPARE).format(**parts)).fetchone()
    return Sides(*row)  # type: ignore[misc]


def history(uri: str, name: str, parents: int, *, first: int = 0, most: int = 40) -> None:
    """Parents with lists of up to `most` elements, some of them equal; nobody watches, so that they are no foreign writes."""
    with psycopg.connect(uri) as connection:
        connection.execute("SET session_replication_role = replica")
        text = INSERTS[name].replace("% %(most)s", "%% %(most)s").replace("% 3", "%% 3").replace("% 5", "%% 5")
        connection.execute(text, {"first": first, "parents": parents, "most": most})
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ANALYZE shapes_device, shapes_ticket")


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a run is to be repeated
