"""What a cutover changes in the schema: the watch trigger, the index, the constraint, the archive, the column itself.

Nothing here decides whether a change may be made; that is asked in `cutover.operations`.
"""
