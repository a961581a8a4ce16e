from django.db import migrations

from cutover.operations import InstallWatch


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("cutover", "0001_initial"), ("jobs", "0001_initial")]

    operations = [InstallWatch("job_logs")]
