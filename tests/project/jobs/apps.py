from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "project.jobs"
    label = "jobs"
