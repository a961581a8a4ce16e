"""A cutover bound to its models: tables, columns, and the SQL that reads and writes a document and its rows.

Nothing here runs a query.
"""

from cutover.mapping.binding import Binding, BoundStream, Table
from cutover.mapping.resolve import bind, forget

__all__ = ["Binding", "BoundStream", "Table", "bind", "forget"]
