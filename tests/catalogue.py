"""The schema of a database as sorted lines, for comparing: tables, columns, constraints, indexes, triggers, functions."""

from typing import Any

import psycopg

QUERY = """
SELECT 'table ' || c.oid::regclass || ' ' || COALESCE(obj_description(c.oid, 'pg_class'), '')
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT concat_ws(' ', 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
FROM pg_constraint k WHERE k.connamespace = 'public'::regnamespace AND k.contype <> 'n'
UNION ALL
SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled::text) FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT concat_ws(' ', 'function', p.oid::regprocedure, md5(p.prosrc), p.proacl, obj_description(p.oid, 'pg_proc'))
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
"""


def schema(connection: psycopg.Connection[Any]) -> list[str]:
    """Every line; what is made by the same statements has the same lines."""
    return sorted(line for (line,) in connection.execute(QUERY).fetchall())
