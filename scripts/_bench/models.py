"""The tables of those who know no cutover: a job with its lines in JSON, and the child table that the case proposes (A).

Tables of their own, so that no trigger, no descriptor and no sequence of the toolkit is in their way.
"""

from django.db import models


def empty_logs() -> dict[str, list[str]]:
    return {"stdout": [], "stderr": []}


class Task(models.Model):
    name = models.CharField(max_length=100, default="")
    progress = models.IntegerField(default=0)
    logs = models.JSONField(null=True, default=empty_logs)

    class Meta:
        app_label = "bench"


class Line(models.Model):
    """Proposal A, as it stands in the case: with a foreign key in the database."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="lines")
    level = models.CharField(max_length=10)
    message = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "bench"
        indexes = [models.Index(fields=["task", "-created_at"], name="bench_line_newest")]


class LooseLine(models.Model):
    """The same without the constraint."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="loose_lines", db_constraint=False)
    level = models.CharField(max_length=10)
    message = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "bench"
        indexes = [models.Index(fields=["task", "-created_at"], name="bench_loose_newest")]
