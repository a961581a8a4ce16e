"""A rest that nobody has set is the default, which is none while nobody else is at work; 0 is none at all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0006_shadow")]

    operations = [
        migrations.AlterField(model_name="control", name="rest", field=models.FloatField(null=True)),
        migrations.RunSQL(
            "UPDATE cutover_control SET rest = NULL WHERE rest = 0",
            "UPDATE cutover_control SET rest = 0 WHERE rest IS NULL",
        ),
    ]
