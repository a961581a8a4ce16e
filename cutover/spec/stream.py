"""A stream: one JSON list, seen as a view over the rows of the child table."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover.codecs import Codec
from cutover.errors import DeclarationError


@dataclass(frozen=True)
class Key:
    """A step of a path that is any key of an object; the key itself goes into `column` of the row."""

    column: str


Path = tuple[str | Key, ...]


@dataclass(frozen=True)
class Stream:
    """One JSON list: where it lives, how an element looks, and what the legacy writer does to it.

    Args:
        name: the name of the stream; also its path, unless one is given.
        codec: how one element maps to the columns of a row.
        path: keys from the root of the document to the list; `()` is the root itself; at most one step is a `Key`.
        where: a `Q` over the child model; only these rows show in the stream. None shows all.
        newest_first: whether new elements go to the head of the list.
        cap: the largest number of elements that the legacy writer keeps, or None.
        distinct: whether the legacy writer skips an element that the list already holds.
        fill: columns for a row that is made from an element of this stream alone, where the codec cannot give them all.
            Without it such an element, when no other stream brings its row, is quarantined.
    """

    name: str
    codec: Codec
    path: Path | None = None
    where: object | None = None
    newest_first: bool = False
    cap: int | None = None
    distinct: bool = False
    fill: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise DeclarationError(f"Stream name {self.name!r} is no identifier.", hint="Use letters, digits and _.")
        if self.cap is not None and self.cap < 1:
            raise DeclarationError(f"Stream {self.name} has cap {self.cap}.", hint="Give a cap of 1 or more, or None.")
        if sum(isinstance(step, Key) for step in self.steps) > 1:
            raise DeclarationError(
                f"Stream {self.name} has more than one Key in its path.",
                hint="Keep one; declare a stream per other key.",
            )

    @property
    def steps(self) -> Path:
        return (self.name,) if self.path is None else tuple(self.path)

    @property
    def key(self) -> Key | None:
        return next((step for step in self.steps if isinstance(step, Key)), None)
