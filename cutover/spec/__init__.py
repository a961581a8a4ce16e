"""How a cutover is declared. Standard library only: what the declaration means for a database is `cutover.mapping`."""

from cutover.spec.declaration import Cutover
from cutover.spec.registry import declared, find, names, register
from cutover.spec.stream import Key, Stream

__all__ = ["Cutover", "Key", "Stream", "declared", "find", "names", "register"]
