"""The drop as one statement of SQL, for those who pipe what `sqlmigrate` prints into psql: it refuses by itself there too.

It asks what `conditions` asks, but for three things: it looks for no element without a row (the backfill and the verification
have, and nobody has written since), it cannot read an archive that is a file, and of a table without parents it moves no ledger.
"""

from collections.abc import Iterable

from psycopg import sql

from cutover import db, fleet
from cutover.codecs.quote import literal
from cutover.mapping import Binding
from cutover.operations import conditions
from cutover.phase import Phase
from cutover.schema import intact, manifest, names, residue, watch
from cutover.schema.column import Place
from cutover.schema.locks import TIMEOUT
from cutover.sql import query
from cutover.verify.result import BLOCKS


def drop(place: Place, name: str, binding: Binding | None, waiver: str) -> str:
    """The statement; `binding` is None where the cutover is not declared any more, and then the residue is not asked for."""
    removals = [sql.SQL("{};").format(each) for each in watch.script_back(name, place.table)]
    parts: dict[str, sql.Composable] = {
        **place.parts,
        "table_text": literal(names.text(place.table)),
        "column_text": literal(place.column),
        "cutover": literal(name),
        "timeout": literal(f"{int(TIMEOUT.total_seconds() * 1000)}ms"),
        "last_phase": literal(int(Phase.BACKFILL_AND_DROP)),
        "stop_phase": literal(int(Phase.STOP_JSON_WRITES)),
        "phases": array(phase.name for phase in Phase),
        "blocking": array(BLOCKS[Phase.BACKFILL_AND_DROP]),
        "manifest_text": literal(names.text(manifest.table(name))),
        "waived": sql.SQL("true" if conditions.waived(waiver) else "false"),
        "damaged": intact.damaged(name),
        "residue": sql.SQL("false") if binding is None else residue.anywhere(binding),
        "seconds": literal(fleet.until_gone().total_seconds()),
        "fact": literal(f"{place} stays as it is: "),
        "removals": sql.SQL(" ").join(removals),
    }
    return db.render(query("guard", "drop", **parts))


def array(values: Iterable[str]) -> sql.Composed:
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(map(literal, values)))
