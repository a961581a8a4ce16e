"""The bench as a Django app, so that it can have models."""

from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "_bench"
    label = "bench"
    default_auto_field = "django.db.models.BigAutoField"
