"""The buffer: how far its streams have been moved into rows, and the entries that cannot become rows yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cutover", "0004_crew"),
    ]

    operations = [
        migrations.CreateModel(
            name="BufferFallback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(db_index=True, max_length=30)),
                ("host", models.TextField()),
                ("pid", models.IntegerField()),
                ("lines", models.BigIntegerField()),
                ("reason", models.TextField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="BufferEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("shard", models.SmallIntegerField()),
                ("writer", models.CharField(max_length=32)),
                ("number", models.BigIntegerField()),
                ("parent_key", models.TextField()),
                ("payload", models.TextField()),
                ("state", models.CharField(max_length=7)),
                ("doubtful", models.BooleanField(default=False)),
                ("reason", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["cutover", "shard", "id"],
                        name="cutover_bufferentry_wait_v1",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cutover", "shard", "writer", "number"), name="cutover_bufferentry_once_v1"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BufferShard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("shard", models.SmallIntegerField()),
                ("token", models.CharField(max_length=32)),
                ("told", models.BooleanField(default=False)),
                ("flushed_id", models.TextField(default="")),
                ("flushed_at", models.DateTimeField(null=True)),
                ("entries", models.BigIntegerField(default=0)),
                ("lost", models.BigIntegerField(default=0)),
                ("forgotten", models.IntegerField(default=0)),
                ("forgotten_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("cutover", "shard"), name="cutover_buffershard_once_v1")
                ],
            },
        ),
        migrations.CreateModel(
            name="BufferWriter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("shard", models.SmallIntegerField()),
                ("writer", models.CharField(max_length=32)),
                ("number", models.BigIntegerField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("cutover", "shard", "writer"), name="cutover_bufferwriter_once_v1")
                ],
            },
        ),
    ]
