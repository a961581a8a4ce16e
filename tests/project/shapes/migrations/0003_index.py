from django.db import migrations

from cutover.operations import EnsureIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("shapes", "0002_watch")]

    operations = [
        EnsureIndex("device_events"),
        EnsureIndex("account_tags"),
        EnsureIndex("ticket_history"),
    ]
