"""Operations for migrations. Each asks the database before it acts, can be run again, and goes backwards.

What locks a busy table tries briefly and often (`cutover.schema.locks`); so migrations with these operations say
`atomic = False`.
"""

from cutover.operations.watch import InstallWatch, RemoveWatch

__all__ = ["InstallWatch", "RemoveWatch"]
