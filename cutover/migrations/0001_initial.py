"""The toolkit's own tables, the sequence of positions, and the reading of text as JSON."""

from django.db import migrations, models

# One sequence for every position, without a cache: a cached sequence hands numbers out in blocks, and rows that are written
# one after the other would not be in order.
POSITION = "CREATE SEQUENCE cutover_position_v1 AS bigint CACHE 1"

# Text as jsonb, NULL where it is no JSON or no JSON that jsonb can hold (NUL, lone surrogates, depth).
JSONB = """
CREATE FUNCTION cutover_jsonb_v1(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN value::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
    RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(POSITION, "DROP SEQUENCE cutover_position_v1"),
        migrations.RunSQL(JSONB, "DROP FUNCTION cutover_jsonb_v1(text)"),
        migrations.CreateModel(
            name="Ledger",
            fields=[
                ("name", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("phase", models.SmallIntegerField()),
                ("epoch", models.IntegerField()),
                ("came_from", models.SmallIntegerField()),
                ("moved_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("backfilled_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                ("paused", models.BooleanField(default=False)),
                ("driver", models.TextField(default="")),
                ("driver_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(db_index=True, max_length=30)),
                ("epoch", models.IntegerField()),
                ("from_phase", models.SmallIntegerField()),
                ("to_phase", models.SmallIntegerField()),
                ("at", models.DateTimeField()),
                ("who", models.TextField()),
                ("why", models.TextField()),
                ("gates", models.JSONField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("waived", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(db_index=True, max_length=30)),
                ("epoch", models.IntegerField()),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("cursor", models.TextField(null=True)),
                ("parents", models.BigIntegerField(default=0)),
                ("json_elements", models.BigIntegerField(default=0)),
                ("table_elements", models.BigIntegerField(default=0)),
                ("json_checksum", models.TextField(default="")),
                ("table_checksum", models.TextField(default="")),
                ("found", models.JSONField(default=dict)),
                ("examples", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Mark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("parent_key", models.TextField()),
                ("operation", models.CharField(max_length=6)),
                ("application_name", models.TextField()),
                ("db_user", models.TextField()),
                ("phase", models.SmallIntegerField()),
                ("at", models.DateTimeField()),
                ("visited_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("visited_at__isnull", True)),
                        fields=["cutover", "id"],
                        name="cutover_mark_dirty_v1",
                    ),
                    models.Index(fields=["cutover", "at"], name="cutover_mark_at_v1"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Process",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("host", models.TextField()),
                ("pid", models.IntegerField()),
                ("flags", models.CharField(max_length=5)),
                ("phase", models.SmallIntegerField()),
                ("has_field", models.BooleanField()),
                ("version", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("cutover", "host", "pid"), name="cutover_process_once_v1")
                ],
            },
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("stream", models.TextField()),
                ("parent_key", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("occurrence", models.IntegerField()),
                ("element", models.TextField()),
                ("reason", models.TextField()),
                ("at", models.DateTimeField()),
                ("waived_by", models.TextField(default="")),
                ("waived_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cutover", "stream", "parent_key", "digest", "occurrence"),
                        name="cutover_quarantine_once_v1",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("number", models.IntegerField()),
                ("lower", models.TextField(null=True)),
                ("upper", models.TextField(null=True)),
                ("cursor", models.TextField(null=True)),
                ("token", models.UUIDField(null=True)),
                ("worker", models.TextField(default="")),
                ("leased_until", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("parents", models.BigIntegerField(default=0)),
                ("elements", models.BigIntegerField(default=0)),
                ("estimate", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("cutover", "number"), name="cutover_segment_once_v1")],
            },
        ),
    ]
