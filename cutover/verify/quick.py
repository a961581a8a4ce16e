"""The statement that most parents need alone: it says of whole lists that both sides agree, or that it cannot say.

Note [No false agreement]
    It says that they agree only where what `exact` counts is equal: no row makes no element, nothing but a list stands in the
    list's place, each element has the type that the rows make (where the text alone could mistake it), and
    * where order counts: the hashes of the list and those of the newest rows that stand, as many as the cap takes, are one and
      the same array. Then the two are one list, but for a collision of 64 bits, and what is made of both alike is equal too:
      so equal elements of a distinct list are counted as often as they stand there. Where rows lie beyond the cap of a distinct
      list, no two rows may be equal, or it would show some of those beyond.
    * where it does not: both are one and the same sorted array, without repetition where the list is distinct; and there are no
      more rows than the cap takes.
    Anything else is undecided and is counted by `exact`, so a reason to doubt costs time and is never an alarm.
"""

from collections.abc import Iterable
from functools import cache

from psycopg import sql

from cutover import db
from cutover.codecs.quote import literal
from cutover.mapping import Binding, BoundStream, document, rows
from cutover.sql import query
from cutover.verify import hashes

SETTINGS = ("enable_memoize", "enable_sort")
"""To be off: a cache of what was made of a document is all cost where documents differ, and for the few rows that the planner
expects of a parent it would sort rather than read the index in its order."""

FIRST = 4  # values of parents: key, bytes, whether the document is unreadable, and how many parents they are
VALUES = 6  # of each stream: agree, elements, checksum, rows, kept, after_json


def streams(binding: Binding) -> list[BoundStream]:
    """Those that it measures: with a dynamic key a parent has several lists, whose rows do not lie together."""
    return [stream for stream in binding.streams if stream.key_field is None]


def in_order(binding: Binding, stream: BoundStream) -> bool:
    """Whether the order of a stream can be compared: not in a table ordered by time; and a distinct list that shows rows
    of another has the order in which that one brought them."""
    return binding.position is not None and (stream.number == 0 or not stream.distinct)


@cache
def statement(binding: Binding) -> str:
    """Takes `after` and `limit`; rows of FIRST values, and VALUES for each stream. Parents that agree are one row together."""
    column = sql.Identifier("p", binding.column)
    stored = document.stored_document(binding, "p")
    unreadable = sql.SQL("({} IS NOT NULL AND c.document IS NULL)").format(column)
    measured = streams(binding)
    whole = sql.SQL("NOT unreadable" if len(measured) == len(binding.streams) else "FALSE")
    hashed: list[sql.Composable] = [sql.SQL("{} AS stands").format(rows.stands(binding))]
    for stream in measured:
        parts = names(stream) | {"shown_sql": stream.shown, "hash_sql": hashes.of_row(binding, stream)}
        hashed.append(
            sql.SQL("({shown_sql}) AS {shown}, CASE WHEN {shown_sql} THEN {hash_sql} END AS {hash}").format(**parts)
        )
    counted: list[sql.Composable] = [query("verify", "chunk_rows", **names(stream)) for stream in measured]
    return db.render(
        query(
            "verify",
            "chunk",
            parent=binding.parent.identifier,
            parent_key=binding.parent.key,
            type=binding.parent.type,
            column=binding.parent.column(binding.column),
            column_name=sql.Identifier(binding.column),
            # #> '{}' gives what it is given, unpacked: once, and not again for each list that is taken out of it.
            document=sql.SQL("{} #> '{{}}'").format(stored) if binding.storage == "jsonb" else stored,
            unreadable=sql.SQL("FALSE") if binding.storage == "jsonb" else unreadable,
            verdicts=listed(verdict(binding, stream) for stream in measured),
            agree=sql.SQL(" AND ").join([whole, *(results(stream)["agree"] for stream in measured)]),
            values=listed(query("verify", "chunk_values", **results(stream)) for stream in measured),
            sums=listed(query("verify", "chunk_sums", **results(stream, but="agree")) for stream in measured),
            lists=sql.SQL("\n").join(list_sql(binding, stream) for stream in measured),
            rows=sql.SQL(", ").join(counted or [sql.SQL("count(*)")]),
            hashes=sql.SQL(", ").join(hashed),
            child=binding.child.identifier,
            fk=rows.parent_key(binding),
            ordering=rows.newest_first(binding) if newest_first(binding) else rows.oldest_first(binding),
        )
    )


def newest_first(binding: Binding) -> bool:
    """Whether the rows are read in this order: that of the first list."""
    return binding.streams[0].newest_first


def names(stream: BoundStream) -> dict[str, sql.Composable]:
    """The names of what belongs to the stream."""
    parts = ("l", "j", "hash", "shown", "rows", "after_json", "broken")
    return {part: sql.Identifier(f"{part}_{stream.number}") for part in parts}


def results(stream: BoundStream, *, but: str = "") -> dict[str, sql.Composable]:
    """The names of VALUES, without one."""
    parts = ("agree", "elements", "checksum", "standing", "kept_rows", "later")
    return {part: sql.Identifier(f"{part}_{stream.number}") for part in parts if part != but}


def listed(parts: Iterable[sql.Composable]) -> sql.Composable:
    """More values of a SELECT."""
    return sql.SQL("").join(sql.SQL(", {}").format(part) for part in parts)


def list_sql(binding: Binding, stream: BoundStream) -> sql.Composable:
    summed = sql.SQL("DISTINCT h.hash" if stream.distinct and not in_order(binding, stream) else "h.hash")
    sorts = sql.SQL("" if in_order(binding, stream) else " ORDER BY h.hash")
    typed = stream.codec.json_type is not None
    text = sql.SQL("e.element" if typed else "e.element::text")
    turned = "WITH ORDINALITY e(element, ordinal) ORDER BY e.ordinal DESC"
    known = names(stream)
    return query(
        "verify",
        "chunk_list",
        list=document.list_at(stream, sql.Identifier("c", "document"), None),
        summed=summed,
        aggregated=sql.SQL("{}{}").format(summed, sorts),
        hash=hashes.of_text(text, sql.SQL("0")),
        elements=sql.SQL("jsonb_array_elements_text" if typed else "jsonb_array_elements"),
        numbered=sql.SQL("e(element)" if stream.newest_first == newest_first(binding) else turned),
        l=known["l"],
        j=known["j"],
    )


def verdict(binding: Binding, stream: BoundStream) -> sql.Composable:
    known = names(stream)
    return query(
        "verify",
        "chunk_verdict",
        odd=hashes.odd(stream, sql.Identifier("c", "document")),
        view=view(binding, stream),
        doubts=sql.SQL(" ").join(doubts(binding, stream)),
        kept=sql.SQL("cardinality({j}.hashes)" if in_order(binding, stream) else "cardinality(t.{rows})").format(
            **known
        ),
        **{part: known[part] for part in ("j", "rows", "broken", "after_json")},
        **results(stream),
    )


def view(binding: Binding, stream: BoundStream) -> sql.Composable:
    """The hashes of the rows that the list shows, in the order of those of the list."""
    found = names(stream)["rows"]
    if not in_order(binding, stream):
        unnested = sql.SQL("DISTINCT u.hash" if stream.distinct else "u.hash")
        return query("verify", "sorted", rows=found, hash=unnested)
    if stream.cap is None:
        return sql.SQL("t.{}").format(found)
    if newest_first(binding):
        return query("verify", "within_cap", rows=found, first=sql.SQL("1"), last=literal(stream.cap))
    first = sql.SQL("cardinality(t.{}) - {}").format(found, literal(stream.cap - 1))
    return query("verify", "within_cap", rows=found, first=first, last=sql.SQL("cardinality(t.{})").format(found))


def doubts(binding: Binding, stream: BoundStream) -> list[sql.Composable]:
    """What may make an agreement none: Note [No false agreement]."""
    known = names(stream)
    found: list[sql.Composable] = []
    if stream.cap is not None and not in_order(binding, stream):
        found.append(query("verify", "doubt_cap", rows=known["rows"], cap=literal(stream.cap)))
    elif stream.cap is not None and stream.distinct:
        found.append(query("verify", "doubt_equal", rows=known["rows"], cap=literal(stream.cap)))
    if stream.codec.json_type is not None and not stream.codec.unmistakable:
        other = f'strict $[*] ? (@.type() <> "{stream.codec.json_type}")'
        found.append(query("verify", "doubt_type", l=known["l"], other=literal(other)))
    return found
