"""Repairs and rehydrations know how far they are and who does them; a verification knows what was committed before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0002_quarantine_place")]

    operations = [
        migrations.AddField("verification", "horizon", models.BigIntegerField(null=True)),
        migrations.CreateModel(
            name="Mending",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("work", models.CharField(max_length=12)),
                ("epoch", models.IntegerField()),
                ("cursor", models.TextField(null=True)),
                ("token", models.UUIDField(null=True)),
                ("worker", models.TextField(default="")),
                ("leased_until", models.DateTimeField(null=True)),
                ("parents", models.BigIntegerField(default=0)),
                ("elements", models.BigIntegerField(default=0)),
                ("left_alone", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("cutover", "work"), name="cutover_mending_once_v1"),
                ],
            },
        ),
    ]
