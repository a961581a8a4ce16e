"""A child table that was there before the cutover and has no positions; for a test under `isolate_apps`."""

from dataclasses import replace

from django.db import connections, models

from cutover.mapping import Binding, kinds, resolve
from project.jobs.models import Job
from stages import at_phase


def adopted() -> Binding:
    """job_logs with a child table that was there before and has no positions."""
    base = at_phase("job_logs", 2)

    class AdoptedLog(models.Model):
        job = models.ForeignKey(Job, on_delete=models.CASCADE, db_constraint=False, related_name="+")
        created_at = models.DateTimeField(null=True, auto_now_add=True)
        level = models.CharField(max_length=10)
        message = models.TextField()

        class Meta:
            app_label = "jobs"

    with connections["default"].schema_editor() as editor:
        editor.create_model(AdoptedLog)
    known = {each.name: kinds.kind(each, connections["default"]) for each in AdoptedLog._meta.concrete_fields}
    streams = [
        resolve.stream(base.cutover, each.spec, each.number, AdoptedLog, "default", known) for each in base.streams
    ]
    return replace(
        base,
        child=resolve.table(AdoptedLog, "default"),
        kinds=known,
        position=None,
        ordering=("created_at", "id"),
        streams=tuple(streams),
    )
