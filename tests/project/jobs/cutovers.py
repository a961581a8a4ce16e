from django.db.models import Q

from cutover import Cutover, Stream, Text, register


@register
class JobLogs(Cutover):
    source = "jobs.Job.logs"
    target = "jobs.JobLog"
    parent = "job"
    streams = (
        Stream(
            "stdout",
            Text("[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}", tz="UTC"),
            where=Q(created_at__isnull=False),
            newest_first=True,
            cap=1000,
            distinct=True,
        ),
        Stream(
            "stderr",
            Text("{message}"),
            where=Q(level__in=("ERROR", "CRITICAL")),
            newest_first=True,
            distinct=True,
            fill={"level": "ERROR", "created_at": None},
        ),
    )
