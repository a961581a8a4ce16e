from django.db import migrations

from cutover.operations import EnsureIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0002_job_logs_watch")]

    operations = [
        EnsureIndex("job_logs"),
    ]
