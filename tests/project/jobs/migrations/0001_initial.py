import django.db.models.deletion
from django.db import migrations, models

import cutover.fields
import project.jobs.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(default="", max_length=100)),
                ("progress", models.IntegerField(default=0)),
                ("logs", models.JSONField(default=project.jobs.models.empty_logs, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="JobLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", cutover.fields.PositionField()),
                ("created_at", models.DateTimeField(null=True)),
                ("level", models.CharField(max_length=10)),
                ("message", models.TextField()),
                (
                    "job",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log_entries",
                        to="jobs.job",
                    ),
                ),
            ],
        ),
    ]
