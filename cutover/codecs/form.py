"""The two shapes of a form: one column as a piece of text, and one column as a JSON value.

A form knows one column and one way to write it, in Python and in SQL. It does not know where in the element it stands,
and it never sees None: whether a null may stand there is for the codec to say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from psycopg import sql


class TextForm(ABC):
    """One column as text."""

    @abstractmethod
    def read(self, text: str) -> object:
        """The value that the text stands for. Raises Undecodable."""

    @abstractmethod
    def write(self, value: object) -> str:
        """The text of a value. Raises ValueError if it has none."""

    def certain(self, value: object, separator: str | None) -> bool:  # noqa: ARG002 - what a form knows, it says itself
        """Whether the text of the value, with the separator behind it, is known to be read back as the same text."""
        return False

    @abstractmethod
    def fits_sql(self, text: sql.Composable) -> sql.Composable:
        """Whether `read` succeeds; total, never NULL for text that is not NULL."""

    @abstractmethod
    def read_sql(self, text: sql.Composable) -> sql.Composable:
        """The value; may raise where `safe_sql` is false, so it stands inside a CASE."""

    def safe_sql(self, text: sql.Composable) -> sql.Composable:
        """A condition under which `read_sql` does not raise; cheaper than `fits_sql` where that is dear."""
        return self.fits_sql(text)

    @abstractmethod
    def write_sql(self, column: sql.Composable) -> sql.Composable:
        """The text; NULL where `write` raises, and for NULL."""

    def writes_sql(self, column: sql.Composable) -> sql.Composable | None:  # noqa: ARG002  # most take every value
        """Whether `write_sql` is not NULL, for a column that is not; None where it never is."""
        return None

    def direct_sql(self, text: sql.Composable) -> sql.Composable:
        """`read_sql`, as fast as it can be; it may raise for text that does not fit. DateStyle is ISO."""
        return self.read_sql(text)

    def back_sql(self, column: sql.Composable) -> sql.Composable:
        """The text from which `direct_sql` made the column, as fast as it can be, or another. DateStyle is ISO."""
        return self.write_sql(column)

    def within_sql(self, column: sql.Composable) -> sql.Composable | None:
        """What has to hold of a column beside that its text comes back; None for nothing."""
        del column
        return None


def ends_at(text: str, separator: str | None) -> bool:
    """Whether the separator first occurs at the end of the text, where it stands behind it."""
    return separator is None or (text + separator).index(separator) == len(text)


class JsonForm(ABC):
    """One column as a JSON value that is not null."""

    @abstractmethod
    def read(self, value: object) -> object:
        """The value that the JSON stands for. Raises Undecodable."""

    @abstractmethod
    def write(self, value: object) -> object:
        """The JSON of a value. Raises ValueError if it has none."""

    @abstractmethod
    def fits_sql(self, value: sql.Composable) -> sql.Composable:
        """Whether `read` succeeds; total, never NULL for jsonb that is not NULL."""

    @abstractmethod
    def read_sql(self, value: sql.Composable) -> sql.Composable:
        """The value; may raise where `safe_sql` is false, so it stands inside a CASE."""

    def safe_sql(self, value: sql.Composable) -> sql.Composable:
        """A condition under which `read_sql` does not raise; cheaper than `fits_sql` where that is dear."""
        return self.fits_sql(value)

    @abstractmethod
    def write_sql(self, column: sql.Composable) -> sql.Composable:
        """The jsonb; NULL where `write` raises, and for NULL."""

    def writes_sql(self, column: sql.Composable) -> sql.Composable | None:  # noqa: ARG002  # most take every value
        """Whether `write_sql` is not NULL, for a column that is not; None where it never is."""
        return None

    def member_sql(self, column: sql.Composable) -> sql.Composable:
        """What `jsonb_build_object` makes the same JSON of, and quicker, where `writes_sql` holds."""
        return self.write_sql(column)

    def direct_sql(self, value: sql.Composable) -> sql.Composable:
        """`read_sql`, as fast as it can be; it may raise for a value that does not fit. DateStyle is ISO."""
        return sql.SQL("CASE WHEN {} THEN {} END").format(self.safe_sql(value), self.read_sql(value))

    def proof_sql(self, value: sql.Composable, column: sql.Composable) -> sql.Composable:
        """Whether the value fits and comes back from the column; NULL is no. DateStyle is ISO."""
        return sql.SQL("{} AND ({})::text = ({})::text").format(self.fits_sql(value), self.write_sql(column), value)
