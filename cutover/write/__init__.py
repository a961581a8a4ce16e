"""Writing: append, replace, clear, and a logging handler. Each does what the phase asks, in one statement or transaction."""

from cutover.write.append import Outcome, append, extend

__all__ = ["Outcome", "append", "extend"]
