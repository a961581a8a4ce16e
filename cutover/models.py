"""The toolkit's own tables, in the application's database. Django knows their shape; the queries are in `cutover/sql`."""

from django.db import models


class Ledger(models.Model):
    """How far the fleet has come: one row per cutover. A cutover without a row has not started."""

    name = models.CharField(max_length=30, primary_key=True)
    phase = models.SmallIntegerField()
    epoch = models.IntegerField()  # counts the moves; the fence compares it
    came_from = models.SmallIntegerField()
    moved_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    backfilled_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)
    paused = models.BooleanField(default=False)
    driver = models.TextField(default="")
    driver_until = models.DateTimeField(null=True)


class Transition(models.Model):
    """The history of moves: append-only."""

    cutover = models.CharField(max_length=30, db_index=True)
    epoch = models.IntegerField()
    from_phase = models.SmallIntegerField()
    to_phase = models.SmallIntegerField()
    at = models.DateTimeField()
    who = models.TextField()
    why = models.TextField()
    gates = models.JSONField()
    settled_at = models.DateTimeField(null=True)
    waived = models.JSONField(default=list)


class Process(models.Model):
    """The fleet: a process that uses a cutover, as it last said."""

    cutover = models.CharField(max_length=30)
    host = models.TextField()
    pid = models.IntegerField()
    flags = models.CharField(max_length=5)
    phase = models.SmallIntegerField()
    has_field = models.BooleanField()
    version = models.TextField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("cutover", "host", "pid"), name="cutover_process_once_v1"),)


class Mark(models.Model):
    """A write to the JSON column that did not come from the toolkit, as the watch trigger saw it."""

    cutover = models.CharField(max_length=30)
    parent_key = models.TextField()
    operation = models.CharField(max_length=6)
    application_name = models.TextField()
    db_user = models.TextField()
    phase = models.SmallIntegerField()
    at = models.DateTimeField()
    visited_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(
                fields=("cutover", "id"), name="cutover_mark_dirty_v1", condition=models.Q(visited_at__isnull=True)
            ),
            models.Index(fields=("cutover", "at"), name="cutover_mark_at_v1"),
        )


class Segment(models.Model):
    """A range of parent keys for the backfill: its bounds, its cursor, and who holds it."""

    cutover = models.CharField(max_length=30)
    number = models.IntegerField()
    lower = models.TextField(null=True)  # exclusive; null is from the beginning
    upper = models.TextField(null=True)  # inclusive; null is to the end
    cursor = models.TextField(null=True)
    inside = models.TextField(null=True)  # JSON: how far in the parent behind the cursor, of which a portion is filled
    token = models.UUIDField(null=True)
    worker = models.TextField(default="")
    leased_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    parents = models.BigIntegerField(default=0)
    elements = models.BigIntegerField(default=0)
    estimate = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("cutover", "number"), name="cutover_segment_once_v1"),)


class Quarantine(models.Model):
    """An element that does not decode, kept as it is with the reason, and where it stood when it was found."""

    cutover = models.CharField(max_length=30)
    stream = models.TextField()
    parent_key = models.TextField()
    digest = models.CharField(max_length=64)
    occurrence = models.IntegerField()
    path = models.TextField(null=True)  # a jsonpath of PostgreSQL
    list_index = models.IntegerField(null=True)  # from 0, in the order of the list; null is no element of a list
    element = models.TextField()
    reason = models.TextField()
    at = models.DateTimeField()
    waived_by = models.TextField(default="")
    waived_at = models.DateTimeField(null=True)
    waived_why = models.TextField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("cutover", "stream", "parent_key", "digest", "occurrence"), name="cutover_quarantine_once_v1"
            ),
        )


class Verification(models.Model):
    """One comparison of both sides: how far it is, and what it found."""

    cutover = models.CharField(max_length=30, db_index=True)
    epoch = models.IntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    cursor = models.TextField(null=True)
    horizon = models.BigIntegerField(null=True)  # transactions with a lesser id had ended when it began
    parents = models.BigIntegerField(default=0)
    json_elements = models.BigIntegerField(default=0)
    table_elements = models.BigIntegerField(default=0)
    json_checksum = models.TextField(default="")
    table_checksum = models.TextField(default="")
    found = models.JSONField(default=dict)
    examples = models.JSONField(default=list)


class Mending(models.Model):
    """A repair or a rehydration: how far it is, and who does it. One at a time of each."""

    cutover = models.CharField(max_length=30)
    work = models.CharField(max_length=12)
    epoch = models.IntegerField()
    cursor = models.TextField(null=True)
    token = models.UUIDField(null=True)
    worker = models.TextField(default="")
    leased_until = models.DateTimeField(null=True)
    parents = models.BigIntegerField(default=0)
    elements = models.BigIntegerField(default=0)
    left_alone = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("cutover", "work"), name="cutover_mending_once_v1"),)


class Worker(models.Model):
    """A worker of a backfill, as it last said: what it does, or what it waits for."""

    cutover = models.CharField(max_length=30, db_index=True)
    name = models.TextField()
    host = models.TextField()
    pid = models.IntegerField()
    segment = models.IntegerField(null=True)
    waiting = models.TextField()
    since = models.DateTimeField()
    seen_at = models.DateTimeField()


class Control(models.Model):
    """How gently all workers of a backfill go, and what its chunks have held and taken so far."""

    cutover = models.CharField(max_length=30, primary_key=True)
    target_seconds = models.FloatField(null=True)  # null is the default
    rest = models.FloatField(null=True)  # share of the time
    workers = models.IntegerField(null=True)  # null is any number
    set_by = models.TextField(default="")
    set_at = models.DateTimeField(null=True)
    elements = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)


class BufferShard(models.Model):
    """A stream of the buffer: what was moved out of it. Its row is locked by whoever flushes it."""

    cutover = models.CharField(max_length=30)
    shard = models.SmallIntegerField()
    token = models.CharField(max_length=32)  # the same stands in Redis, unless Redis has forgotten
    told = models.BooleanField(default=False)  # whether Redis was told the token
    flushed_id = models.TextField(default="")
    flushed_at = models.DateTimeField(null=True)
    entries = models.BigIntegerField(default=0)
    lost = models.BigIntegerField(default=0)  # numbers that a writer gave and that never came
    forgotten = models.IntegerField(default=0)  # how often Redis had lost what it held
    forgotten_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("cutover", "shard"), name="cutover_buffershard_once_v1"),)


class BufferWriter(models.Model):
    """How far the entries of one writer have been moved out of a stream: the numbers of a writer ascend without a gap."""

    cutover = models.CharField(max_length=30)
    shard = models.SmallIntegerField()
    writer = models.CharField(max_length=32)
    number = models.BigIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("cutover", "shard", "writer"), name="cutover_bufferwriter_once_v1"),
        )


class BufferEntry(models.Model):
    """An entry of the buffer that cannot become a row yet, or ever; or that is known to come and must not any more.

    State: `waiting` for its parent, `dead` until somebody decides, `void` after it was written without having been read.
    """

    cutover = models.CharField(max_length=30)
    shard = models.SmallIntegerField()
    writer = models.CharField(max_length=32)
    number = models.BigIntegerField()
    parent_key = models.TextField()
    payload = models.TextField()
    state = models.CharField(max_length=7)
    doubtful = models.BooleanField(default=False)  # it may stand in the stream as well
    reason = models.TextField()
    at = models.DateTimeField()  # since when it waits, or has been in its state

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("cutover", "shard", "writer", "number"), name="cutover_bufferentry_once_v1"
            ),
        )
        indexes = (
            models.Index(
                fields=("cutover", "shard", "id"),
                name="cutover_bufferentry_wait_v1",
                condition=models.Q(state="waiting"),
            ),
        )


class BufferFallback(models.Model):
    """Lines that a process wrote past the buffer, because Redis did not take them."""

    cutover = models.CharField(max_length=30, db_index=True)
    host = models.TextField()
    pid = models.IntegerField()
    lines = models.BigIntegerField()
    reason = models.TextField()
    at = models.DateTimeField()


class Shadow(models.Model):
    """A list of a parent that a reader of JSON and one of rows would see differently, as shadow reads found it."""

    cutover = models.CharField(max_length=30)
    parent_key = models.TextField()
    stream = models.TextField()
    list_key = models.TextField(default="")
    number = models.IntegerField()
    json_element = models.TextField(null=True)
    row_element = models.TextField(null=True)
    phase = models.SmallIntegerField()
    times = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("cutover", "parent_key", "stream", "list_key"), name="cutover_shadow_once_v1"
            ),
        )


class ShadowCount(models.Model):
    """How many reads were compared."""

    cutover = models.CharField(max_length=30, primary_key=True)
    compared = models.BigIntegerField()
    since = models.DateTimeField()
