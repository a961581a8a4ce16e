"""The case that the project was made from: a job with its log lines in a JSON column, and the table they move to."""

from django.db import models

from cutover.fields import PositionField


def empty_logs() -> dict[str, list[str]]:
    return {"stdout": [], "stderr": []}


class Job(models.Model):
    name = models.CharField(max_length=100, default="")
    progress = models.IntegerField(default=0)
    logs = models.JSONField(null=True, default=empty_logs)


class JobLog(models.Model):
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_entries", db_constraint=False)
    position = PositionField()
    created_at = models.DateTimeField(null=True)
    level = models.CharField(max_length=10)
    message = models.TextField()
