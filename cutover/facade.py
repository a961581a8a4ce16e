"""What an application calls: `job_logs = use("job_logs")`, then `job_logs.append(job, level="INFO", message="...")`.

It only names things: it finds the binding when it is first needed, so that it can stand at the top of any module, and passes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models

from cutover import conf, flush, mutation, read, write
from cutover.mapping import Binding, bind, held, path, value
from cutover.read import Lists
from cutover.write import Outcome, deferring, refusals
from cutover.write.rewrite import whole

T = TypeVar("T")


def use(name: str) -> Facade:
    """The cutover of that name; whether there is one is asked at the first use."""
    return Facade(name)


@dataclass(frozen=True)
class Facade:
    """One cutover for the application. A parent is an instance or its key."""

    name: str

    @property
    def binding(self) -> Binding:
        return bind(self.name)

    def append(self, parent: Any, **fields: Any) -> Outcome:
        """Write one row, given by field name. Raises as `cutover.write.extend`."""
        return self.after(parent, write.append(self.binding, parent, fields))

    def extend(self, parent: Any, rows: Sequence[Mapping[str, Any]]) -> Outcome:
        """Write rows, oldest first, all or none of them. Raises as `cutover.write.extend`."""
        return self.after(parent, write.extend(self.binding, parent, rows))

    def replace(self, parent: Any, **streams: Sequence[Any] | Mapping[str, Sequence[Any]]) -> None:
        """Make lists hold these elements: `replace(job, stderr=[...])`; under a Key by key, `tags={"color": [...]}`.

        Lists that are not named stay. Raises as `cutover.write.replace`.
        """
        self.drain(parent)
        with whole(self.binding.alias):
            for stream, elements in streams.items():
                by_key = elements if isinstance(elements, Mapping) else {None: elements}
                for key, each in by_key.items():
                    write.replace(self.binding, parent, stream, each, key)
        write.changed(self.binding, parent)
        self.after(parent, None)

    def clear(self, parent: Any, *streams: str) -> None:
        """Empty lists, or all of them where none is named. Raises as `cutover.write.replace`."""
        self.drain(parent)
        with whole(self.binding.alias):
            for stream in streams or (None,):
                write.clear(self.binding, parent, stream)
        write.changed(self.binding, parent)
        self.after(parent, None)

    def drain(self, parent: Any) -> None:
        """What waits in the buffer is older than a rewrite: it goes first."""
        flush.drain(self.binding, str(refusals.parent_value(self.binding, parent)))

    @contextmanager
    def mutating(self, parent: Any) -> Iterator[Any]:
        """`with ... as document:` changes the document in place, as old code does; the difference is saved at the end.

        The parent is locked meanwhile. Raises as `cutover.mutation.mutating`.
        """
        if not (isinstance(parent, models.Model) and parent._state.adding):
            self.drain(parent)
        with mutation.mutating(self.binding, parent) as document:
            yield document
        write.changed(self.binding, parent)

    @contextmanager
    def locked(self, key: Any) -> Iterator[Any]:
        """`with ... as job:` in the place of a transaction that begins with `select_for_update().get(pk=...)`.

        Its document is changed as in `mutating`. Raises as that, and Model.DoesNotExist.
        """
        self.drain(key)
        with mutation.locked(self.binding, key) as instance:
            yield instance
        write.changed(self.binding, key)

    def after(self, parent: Any, outcome: T) -> T:
        """An instance reads anew after a write, unless its document was changed in memory."""
        if isinstance(parent, models.Model) and not deferring.covers(self.binding, parent):
            held.forget(self.binding, parent)
        return outcome

    def prefetch(self, parents: Iterable[models.Model]) -> None:
        """Load what the attribute of these instances shows, in a constant number of queries."""
        read.prefetch(self.binding, list(parents))

    def lists(self, parent: Any) -> Lists:
        """Parts of the lists of a parent: `lists(job).stdout[:20]`, `len(lists(job).stdout)`; JSON values."""
        return Lists(self.binding, parent.pk if isinstance(parent, models.Model) else parent)

    def plain(self, parent: models.Model) -> Any:
        """What the attribute of an instance shows, as JSON values, whatever the class of the field makes of them."""
        binding = self.binding
        shown = getattr(parent, held.attname(binding), None)
        if binding.field is None:
            return shown
        found = value.plain(binding, shown)
        return found if isinstance(binding.field, models.JSONField) else json.loads(path.dump(found))

    def read(self, parent: Any, *, unflushed: bool = False) -> Any:
        """The document of a parent as the phase has it; `unflushed`: with what still waits in the buffer."""
        if unflushed and conf.redis_url() is not None:
            return flush.unflushed(self.binding, parent.pk if isinstance(parent, models.Model) else parent)
        return read.read(self.binding, parent.pk if isinstance(parent, models.Model) else parent)
