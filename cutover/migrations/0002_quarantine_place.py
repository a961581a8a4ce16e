"""The quarantine says where an element stood, and why it was waived. Nullable: the release before this one inserts as well."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0001_initial")]

    operations = [
        migrations.AddField("Quarantine", "path", models.TextField(null=True)),
        migrations.AddField("Quarantine", "list_index", models.IntegerField(null=True)),
        migrations.AddField("Quarantine", "waived_why", models.TextField(null=True)),
    ]
