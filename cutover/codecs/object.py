"""A JSON object, its keys in columns. Unknown keys go into a JSON column, if there is one for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg import sql

from cutover.codecs import quote
from cutover.codecs.codec import Undecodable, kind_of
from cutover.codecs.compiled import Compiled
from cutover.codecs.kinds import Kind
from cutover.codecs.slot import Slot, slot_of
from cutover.codecs.time import Time, field_of


class Object(Compiled):
    """`Object({"msg": "message", "ts": Time("at")}, rest="extra")`: each element is an object.

    An absent key is SQL NULL. A key that holds null stays in `rest`, as unknown keys do; without `rest` both are
    undecodable. A value that does not fit its column is undecodable, never moved to `rest`.
    """

    _slots: Mapping[str, Slot]

    def __init__(self, keys: Mapping[str, str | Time], rest: str | None = None) -> None:
        self._keys = dict(keys)
        self._rest = rest
        self.columns = (*map(field_of, self._keys.values()), *([rest] if rest is not None else []))
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"{self!r} needs at least one column, and each only once.")

    def __repr__(self) -> str:
        return f"Object({self._keys!r}, rest={self._rest!r})"

    def _fit(self, kinds: Mapping[str, Kind]) -> None:
        self._slots = {key: slot_of(where, kinds) for key, where in self._keys.items()}
        if self._rest is not None and kind_of(self._rest, kinds).family != "json":
            raise ValueError(f"{self._rest} is of type {kinds[self._rest].sql_type}; the rest needs a JSON column.")

    def _read(self, element: object) -> dict[str, object]:
        if not isinstance(element, dict):
            raise Undecodable("the element is not an object", element)
        row = {slot.field: self._column(slot, element.get(key)) for key, slot in self._slots.items()}
        left = {key: value for key, value in element.items() if key not in self._slots or value is None}
        if self._rest is not None:
            row[self._rest] = left
        elif left:
            raise Undecodable(f"no column takes the key {next(iter(left))!r}", element)
        return row

    @staticmethod
    def _column(slot: Slot, value: object) -> object:
        if value is not None:
            return slot.form.read(value)
        if not slot.kind.nullable:
            raise Undecodable(f"{slot.field} takes no NULL and its key is not there, or holds", value)
        return None

    def encode(self, row: Mapping[str, object]) -> object:
        """The object of the columns that are not NULL, over the rest. Raises ValueError if one has no JSON value."""
        self._column_names()
        rest = None if self._rest is None else row[self._rest]
        element = dict(self._object(rest))
        for key, slot in self._slots.items():
            value = row[slot.field]
            if value is not None:
                element[key] = slot.form.write(value)
            elif not slot.kind.nullable:
                raise ValueError(f"{slot.field} is NULL; an element cannot be written without it.")
        return element

    def _object(self, rest: object) -> dict[str, object]:
        if rest is None:
            return {}
        if not isinstance(rest, dict):
            raise ValueError(f"{self._rest} is {rest!r}; the rest of an element is an object.")
        return rest

    def _fits_sql(self, element: sql.Composable) -> sql.Composable:
        conditions = [self._slot_fits_sql(slot, value) for slot, value in self._values_sql(element)]
        if self._rest is None:
            conditions.append(
                sql.SQL("(({}) - {}) = '{{}}'::jsonb").format(element, _names_sql(map(_key, self._slots)))
            )
        return sql.SQL("CASE WHEN jsonb_typeof({}) = 'object' THEN {} ELSE false END").format(
            element, sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
        )

    def _values_sql(self, element: sql.Composable) -> list[tuple[Slot, sql.Composable]]:
        return [(slot, _member_sql(element, key)) for key, slot in self._slots.items()]

    def _slot_fits_sql(self, slot: Slot, value: sql.Composable) -> sql.Composable:
        nullable = slot.kind.nullable
        return sql.SQL(
            "CASE WHEN {value} IS NULL THEN {absent} WHEN jsonb_typeof({value}) = 'null' THEN {null} ELSE {fits} END"
        ).format(
            value=value,
            absent=_boolean_sql(nullable),
            null=_boolean_sql(nullable and self._rest is not None),
            fits=slot.form.fits_sql(value),
        )

    def _columns_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        columns = {}
        for slot, value in self._values_sql(element):
            # nullif: in an object the null of a JSON column stays in the rest
            known = sql.SQL("nullif({}, 'null'::jsonb)").format(value) if slot.holds_json else value
            columns[slot.field] = slot.read_sql(known)
        if self._rest is not None:
            columns[self._rest] = self._rest_sql(element)
        return columns

    def direct_sql(self, element: sql.Composable) -> dict[str, sql.Composable]:
        """The members of the object, each as its column, and the rest."""
        columns = {}
        for slot, value in self._values_sql(element):
            columns[slot.field] = slot.form.direct_sql(sql.SQL("nullif({}, 'null'::jsonb)").format(value))
        if self._rest is not None:
            columns[self._rest] = self._rest_sql(element)
        return columns

    def proof_sql(self, element: sql.Composable, columns: Mapping[str, sql.Composable]) -> sql.Composable:
        """Whether each member comes back from its column; what no column takes is in the rest as it was."""
        tests = [sql.SQL("jsonb_typeof({}) = 'object'").format(element)]
        for slot, value in self._values_sql(element):
            absent = sql.SQL("({}) IS NULL").format(value)
            null = sql.SQL("jsonb_typeof({}) = 'null'").format(value)
            tests.append(
                sql.SQL("CASE WHEN {absent} THEN {nullable} WHEN {null} THEN {kept} ELSE {proof} END").format(
                    absent=absent,
                    null=null,
                    nullable=_boolean_sql(slot.kind.nullable),
                    kept=_boolean_sql(slot.kind.nullable and self._rest is not None),
                    proof=slot.form.proof_sql(value, columns[slot.field]),
                )
            )
        if self._rest is None:
            tests.append(sql.SQL("(({}) - {}) = '{{}}'::jsonb").format(element, _names_sql(map(_key, self._slots))))
        return sql.SQL("({})").format(sql.SQL(" AND ").join(tests))

    def _rest_sql(self, element: sql.Composable) -> sql.Composable:
        taken = [
            sql.SQL("CASE WHEN jsonb_typeof({}) <> 'null' THEN {} END").format(_member_sql(element, key), _key(key))
            for key in self._slots
        ]
        return sql.SQL("CASE WHEN jsonb_typeof({element}) = 'object' THEN ({element}) - {taken} END").format(
            element=element, taken=_names_sql(taken)
        )

    @property
    def json_type(self) -> str:
        """Each element is an object."""
        return "object"

    def encode_sql(self, alias: str) -> sql.Composable:
        """The object as jsonb; NULL where `encode` raises ValueError."""
        self._column_names()
        parts = [self._rest_or_empty_sql(alias), *(self._part_sql(key, alias) for key in self._slots)]
        exact = sql.SQL(" || ").join(parts)
        if not self._slots:
            return sql.SQL("({})").format(exact)
        full, built = self._built_sql(alias)
        return sql.SQL("(CASE WHEN {} THEN {} ELSE {} END)").format(full, built, exact)

    def _built_sql(self, alias: str) -> tuple[sql.Composable, sql.Composable]:
        """The object made in one go, and the condition for it: every column has a value, the rest is an object."""
        tests: list[sql.Composable] = []
        members = []
        for key, slot in self._slots.items():
            column = slot.column_sql(alias)
            tests.append(sql.SQL("NOT {}").format(_absent_sql(slot, column)))
            tests += [each for each in (slot.form.writes_sql(column),) if each is not None]
            members.append(sql.SQL("{}, {}").format(_key(key), slot.form.member_sql(column)))
        built: sql.Composable = sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(members))
        if self._rest is not None:
            rest = sql.SQL("{}::jsonb").format(quote.identifier(alias, self._column_names()[self._rest]))
            tests.append(sql.SQL("jsonb_typeof({}) = 'object'").format(rest))
            built = sql.SQL("{} || {}").format(rest, built)
        return sql.SQL(" AND ").join(tests), built

    def _rest_or_empty_sql(self, alias: str) -> sql.Composable:
        if self._rest is None:
            return sql.SQL("'{{}}'::jsonb").format()
        column = quote.identifier(alias, self._column_names()[self._rest])
        return sql.SQL(
            "CASE coalesce(jsonb_typeof({column}::jsonb), 'null') WHEN 'object' THEN {column}::jsonb"
            " WHEN 'null' THEN '{{}}'::jsonb END"
        ).format(column=column)

    def _part_sql(self, key: str, alias: str) -> sql.Composable:
        slot = self._slots[key]
        column = slot.column_sql(alias)
        # jsonb_set is strict: a value that cannot be written makes the whole NULL; jsonb_build_object would say null.
        part = sql.SQL("jsonb_set('{{}}'::jsonb, {}, {})").format(_names_sql([_key(key)]), slot.form.write_sql(column))
        absent = _absent_sql(slot, column)
        empty = sql.SQL("'{{}}'::jsonb").format() if slot.kind.nullable else sql.SQL("NULL::jsonb")
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(absent, empty, part)


def _absent_sql(slot: Slot, column: sql.Composable) -> sql.Composable:
    """Whether the column gives no member: NULL, or JSON null."""
    or_null = sql.SQL(" OR {}::jsonb = 'null'::jsonb").format(column) if slot.holds_json else sql.SQL("")
    return sql.SQL("({} IS NULL{})").format(column, or_null)


def _key(key: str) -> sql.Composable:
    return sql.SQL("{}::text").format(quote.literal(key))


def _member_sql(element: sql.Composable, key: str) -> sql.Composable:
    return sql.SQL("(({}) -> {})").format(element, _key(key))


def _names_sql(names: Iterable[sql.Composable]) -> sql.Composable:
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(names))


def _boolean_sql(value: bool) -> sql.SQL:
    return sql.SQL("true" if value else "false")
