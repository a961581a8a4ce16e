from django.db import migrations

from cutover.operations import InstallWatch


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("cutover", "0001_initial"), ("shapes", "0001_initial")]

    operations = [InstallWatch("device_events"), InstallWatch("account_tags"), InstallWatch("ticket_history")]
