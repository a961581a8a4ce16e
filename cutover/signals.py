"""What the toolkit tells an application: that rows, or lists, of a cutover have changed by SQL that the ORM does not see.

`changed` is sent after the commit, in the process that wrote. Sender: the parent model. Arguments: `name` of the cutover, the
`tables` that were written, `keys` of the parents (None where they are not known, as in a backfill), the database `using`.
"""

from django.dispatch import Signal

changed = Signal()
