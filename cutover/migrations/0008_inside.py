"""A parent with more elements than a chunk holds is filled in portions: the cursor may stand inside of one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cutover", "0007_usual_rest")]

    operations = [migrations.AddField(model_name="segment", name="inside", field=models.TextField(null=True))]
