"""Operations for migrations. Each asks the database before it acts, can be run again, and goes backwards.

What locks a busy table tries briefly and often (`cutover.schema.locks`), and each does so in a transaction of its own: the
migrations say `atomic = False`.
"""

from cutover.operations.archive import ArchiveColumn, StripClaimed
from cutover.operations.drop import DropColumn
from cutover.operations.forget import ForgetField
from cutover.operations.relax import RelaxColumn
from cutover.operations.rows import EnsureConstraint, EnsureIndex
from cutover.operations.table import EnsureTable
from cutover.operations.watch import InstallWatch, RefreshWatch, RemoveWatch

__all__ = [
    "ArchiveColumn",
    "DropColumn",
    "EnsureConstraint",
    "EnsureIndex",
    "EnsureTable",
    "ForgetField",
    "InstallWatch",
    "RefreshWatch",
    "RelaxColumn",
    "RemoveWatch",
    "StripClaimed",
]
