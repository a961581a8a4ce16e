import uuid

import django.db.models.deletion
from django.db import migrations, models

import cutover.fields
import project.shapes.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("code", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("profile", project.shapes.models.PlainJSONField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("events", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="Ticket",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("history", project.shapes.models.TextJSONField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", cutover.fields.PositionField()),
                ("kind", models.CharField(max_length=20)),
                ("count", models.IntegerField(null=True)),
                ("at", models.DateTimeField(null=True)),
                ("extra", models.JSONField(default=dict)),
                (
                    "device",
                    models.ForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.CASCADE, to="shapes.device"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", cutover.fields.PositionField()),
                ("kind", models.TextField()),
                ("value", models.TextField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.CASCADE, to="shapes.account"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", cutover.fields.PositionField()),
                ("field", models.CharField(max_length=30)),
                ("amount", models.IntegerField(null=True)),
                (
                    "ticket",
                    models.ForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.CASCADE, to="shapes.ticket"
                    ),
                ),
            ],
        ),
    ]
