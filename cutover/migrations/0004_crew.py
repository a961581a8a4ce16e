"""The workers of a backfill say what they wait for, and how gently they go can be changed while they run."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0003_mending")]

    operations = [
        migrations.CreateModel(
            name="Control",
            fields=[
                ("cutover", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("target_seconds", models.FloatField(null=True)),
                ("rest", models.FloatField(default=0)),
                ("workers", models.IntegerField(null=True)),
                ("set_by", models.TextField(default="")),
                ("set_at", models.DateTimeField(null=True)),
                ("elements", models.BigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(db_index=True, max_length=30)),
                ("name", models.TextField()),
                ("host", models.TextField()),
                ("pid", models.IntegerField()),
                ("segment", models.IntegerField(null=True)),
                ("waiting", models.TextField()),
                ("since", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
        ),
    ]
