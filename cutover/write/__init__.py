"""Writing: append, replace, clear, and a logging handler. Each does what the phase asks, in one statement or transaction."""

from cutover.write.append import Outcome
from cutover.write.handler import LogHandler
from cutover.write.rewrite import clear, replace
from cutover.write.route import append, changed, extend

__all__ = ["LogHandler", "Outcome", "append", "changed", "clear", "extend", "replace"]
