"""The logging handler: records become rows of their parent, and what the streams make of them.

log_handler     what `logging` calls
records         a record as a line: its parent, its fields
kept            the lines that have not been written yet
delivery        how a line is written: on the caller's connection, or aside
aside           a connection of its own
inherited       connections that a fork has brought along
held            a log call while the parent's row is locked

None of them raises into the application, but for what is not theirs: an exception that a signal raises passes through.
"""

from cutover.write.handler.log_handler import LogHandler

__all__ = ["LogHandler"]
