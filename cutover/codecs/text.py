"""Elements that are lines of text, such as log lines: a template with fields, read from left to right.

There is one way to read a line: a time has a fixed width, any other field ends where its separator first occurs, the
last one takes the rest. No regular expression decides, so both languages agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable, kind_of
from cutover.codecs.compiled import DECODED, Compiled
from cutover.codecs.form import TextForm
from cutover.codecs.kinds import Kind
from cutover.codecs.moment import check_zone, moment
from cutover.codecs.reader import Reader
from cutover.codecs.template import Field, parse
from cutover.codecs.textforms import text_form

# JSON that is no string begins with one of -0-9tfn{[, and digits at its beginning go on as numbers and lists do.
_NO_OTHER_JSON = re.compile(r"[^-0-9tfn{\[]|\[?[0-9]+[^0-9.,eE\]]")


class Text(Compiled):
    """`Text("[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}", tz="UTC")`: each element is a string.

    `tz` is UTC or an IANA name: the zone whose clock the times show; a column with time zone needs it. `{{` and `}}`
    stand for braces. Raises ValueError for a template that would not tell where a field ends.
    """

    textual: ClassVar[bool] = True
    _forms: Mapping[str, TextForm]
    _ends: list[tuple[str, str | None, Callable[[object, str | None], bool]]]

    def __init__(self, template: str, tz: str | None = None) -> None:
        check_zone(tz)
        self._template = template
        self._tz = tz
        self._items = parse(template)
        self.columns = tuple(item.name for item in self._items if isinstance(item, Field))

    def __repr__(self) -> str:
        return f"Text({self._template!r}, tz={self._tz!r})"

    def _fit(self, kinds: Mapping[str, Kind]) -> None:
        fields = [item for item in self._items if isinstance(item, Field)]
        self._forms = {field.name: self._form(field, kind_of(field.name, kinds)) for field in fields}
        self._ends = [(field.name, field.separator, self._forms[field.name].certain) for field in fields]

    def _form(self, field: Field, kind: Kind) -> TextForm:
        if field.clock is not None:
            return moment(field.name, kind, field.clock.format, self._tz)
        form = text_form(field.name, kind)
        if form is None:
            wanted = "write its format after a colon" if kind.family == "time" else "a template takes no such column"
            raise ValueError(f"{field.name} is a column of type {kind.sql_type}; {wanted}.")
        return form

    def _read(self, element: object) -> dict[str, object]:
        if not isinstance(element, str):
            raise Undecodable("the element is not a string", element)
        row: dict[str, object] = {}
        rest = element
        for item in self._items:
            if isinstance(item, str):
                rest = _without(item, rest, element)
            else:
                piece, rest = _cut(item, rest, element)
                row[item.name] = self._forms[item.name].read(piece)
        if rest:
            raise Undecodable(f"text is left after {self._template}, {rest[:20]!r}", element)
        return row

    def encode(self, row: Mapping[str, object]) -> object:
        """The line of text. Raises ValueError if a field is None or has no text."""
        self._column_names()
        return "".join(item if isinstance(item, str) else self._written(item, row) for item in self._items)

    def _written(self, field: Field, row: Mapping[str, object]) -> str:
        value = row[field.name]
        if value is None:
            raise ValueError(f"{field.name} is NULL; an element cannot be written without it.")
        return self._forms[field.name].write(value) + (field.separator or "")

    def certain(self, row: Mapping[str, object]) -> bool:
        """Each field ends where it should, and its text is one that is read back."""
        for name, separator, certain in self._ends:  # noqa: SIM110 - a generator takes longer than what it asks
            if not certain(row[name], separator):
                return False
        return True

    def _walk(self, element: sql.Composable) -> tuple[list[sql.Composable], dict[str, sql.Composable]]:
        """The conditions on the text of a jsonb string, and the piece of it that each field takes."""
        return self._walk_text(sql.SQL("(({}) #>> '{{}}')").format(element))

    def _walk_text(self, text: sql.Composable) -> tuple[list[sql.Composable], dict[str, sql.Composable]]:
        reader = Reader(text)
        pieces = {}
        for item in self._items:
            if isinstance(item, str):
                reader.literal(item)
            elif item.clock is not None:
                pieces[item.name] = reader.fixed(item.clock.width)
            else:
                pieces[item.name] = reader.until(item.separator)
        reader.end()
        return reader.conditions, pieces

    def _fits_sql(self, element: sql.Composable) -> sql.Composable:
        conditions, pieces = self._walk(element)
        conditions += [self._forms[name].fits_sql(piece) for name, piece in pieces.items()]
        return sql.SQL("CASE WHEN jsonb_typeof({}) = 'string' THEN {} ELSE false END").format(
            element, sql.SQL(" AND ").join(conditions)
        )

    def _columns_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        _, pieces = self._walk(element)
        return {
            name: sql.SQL("CASE WHEN jsonb_typeof({}) = 'string' AND {} THEN {} END").format(
                element, self._forms[name].safe_sql(piece), self._forms[name].read_sql(piece)
            )
            for name, piece in pieces.items()
        }

    def decoding_sql(self, element: sql.Composable) -> sql.Composable:
        """Step by step, each over the one before: the text, its pieces, the columns, and the proof."""
        conditions, pieces = self._walk_text(_TEXT)
        cut = {name: quote.identifier(f"cutover_piece_{number}") for number, name in enumerate(pieces)}
        decoded = self._decoded_sql()
        # A piece that is safe to read is never read as NULL.
        read = [sql.SQL("{} IS NOT NULL").format(column) for column in decoded.values()]
        within = [self._forms[name].within_sql(column) for name, column in decoded.items()]
        proof = sql.SQL('{} COLLATE "C" = cutover_text').format(self.text_sql(DECODED))
        parts: dict[str, sql.Composable] = {
            "element": element,
            "conditions": sql.SQL(" AND ").join(conditions),
            "pieces": sql.SQL("").join(sql.SQL(", {} AS {}").format(pieces[name], cut[name]) for name in cut),
            "columns": self._listed_sql(
                {
                    name: sql.SQL("CASE WHEN cutover_good AND {} THEN {} END").format(
                        self._forms[name].safe_sql(piece), self._forms[name].read_sql(piece)
                    )
                    for name, piece in cut.items()
                }
            ),
            "decoded": sql.SQL(", ").join(decoded.values()),
            "read": sql.SQL(" AND ").join([sql.SQL("cutover_good"), *read]),
            "proof": sql.SQL(" AND ").join([proof, *(each for each in within if each is not None)]),
            "alias": quote.identifier(DECODED),
        }
        return sql.SQL(_STEPS).format(**parts)

    def direct_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        """The pieces of the text, each as its column."""
        _, pieces = self._walk_text(element)
        return {name: self._forms[name].direct_sql(piece) for name, piece in pieces.items()}

    def proof_sql(self, element: sql.Composable, columns: Mapping[str, sql.Composable]) -> sql.Composable:
        """Whether the columns, written out, are the text: that says that every literal and separator was there."""
        parts = self._joined({name: self._forms[name].back_sql(column) for name, column in columns.items()})
        within = [self._forms[name].within_sql(column) for name, column in columns.items()]
        tests = [sql.SQL("{} = {}").format(sql.SQL(" || ").join(parts), element), *within]
        return sql.SQL(" AND ").join(test for test in tests if test is not None)

    @property
    def json_type(self) -> str:
        """Each element is a string."""
        return "string"

    @property
    def unmistakable(self) -> bool:
        """Whether the template begins as no JSON but a string does: `[2026-01-02` is neither a list nor a number."""
        first, second = (*self._items, "")[:2]
        begins = first if isinstance(first, str) else ""
        time = second if begins else first
        if isinstance(time, Field) and time.clock is not None:
            begins += time.clock.write(datetime(2026, 1, 2))  # noqa: DTZ001 - any time will do
        return _NO_OTHER_JSON.match(begins) is not None

    def encode_sql(self, alias: str) -> sql.Composable:
        """The line as a jsonb string; NULL where `encode` raises ValueError."""
        return sql.SQL("to_jsonb({})").format(self.text_sql(alias))

    def text_sql(self, alias: str) -> sql.Composable:
        """The line."""
        names = self._column_names()
        written = {name: form.write_sql(quote.identifier(alias, names[name])) for name, form in self._forms.items()}
        return sql.SQL("({})").format(sql.SQL(" || ").join(self._joined(written)))

    def _joined(self, written: Mapping[str, sql.Composable]) -> list[sql.Composable]:
        """The pieces of the line in their order; the first one is text, so that `||` joins texts."""
        parts: list[sql.Composable] = []
        for item in self._items:
            if isinstance(item, str):
                parts.append(quote.literal(item))
                continue
            parts.append(written[item.name])
            if item.separator is not None:
                parts.append(quote.literal(item.separator))
        parts[0] = sql.SQL("({})::text").format(parts[0])
        return parts


_TEXT = sql.SQL("cutover_text")
_STEPS = """(
    SELECT {decoded}, CASE WHEN {read} THEN coalesce({proof}, false) ELSE false END AS cutover_ok
    FROM (
        SELECT cutover_text, cutover_good, {columns} FROM (
            SELECT cutover_text, jsonb_typeof({element}) = 'string' AND {conditions} AS cutover_good{pieces}
            FROM (SELECT ({element}) #>> '{{}}' AS cutover_text OFFSET 0) AS cutover_read OFFSET 0
        ) AS cutover_cut OFFSET 0
    ) AS {alias}
)"""


def _without(literal: str, rest: str, element: str) -> str:
    if not rest.startswith(literal):
        raise Undecodable(f"{literal!r} is not where the template has it", element)
    return rest[len(literal) :]


def _cut(field: Field, rest: str, element: str) -> tuple[str, str]:
    """The piece of the text that the field takes, and what is left behind it and its separator."""
    if field.clock is not None:
        return rest[: field.clock.width], rest[field.clock.width :]
    if field.separator is None:
        return rest, ""
    piece, found, left = rest.partition(field.separator)
    if not found:
        raise Undecodable(f"{field.separator!r} does not follow {field.name}", element)
    return piece, left
