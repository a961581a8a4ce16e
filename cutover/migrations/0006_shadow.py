"""What shadow reads have found: a difference per list, and how many reads were compared."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0005_buffer")]

    operations = [
        migrations.CreateModel(
            name="Shadow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cutover", models.CharField(max_length=30)),
                ("parent_key", models.TextField()),
                ("stream", models.TextField()),
                ("list_key", models.TextField(default="")),
                ("number", models.IntegerField()),
                ("json_element", models.TextField(null=True)),
                ("row_element", models.TextField(null=True)),
                ("phase", models.SmallIntegerField()),
                ("times", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("cutover", "parent_key", "stream", "list_key"), name="cutover_shadow_once_v1"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="ShadowCount",
            fields=[
                ("cutover", models.CharField(max_length=30, primary_key=True, serialize=False)),
                ("compared", models.BigIntegerField()),
                ("since", models.DateTimeField()),
            ],
        ),
    ]
