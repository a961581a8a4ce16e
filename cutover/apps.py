"""The Django app: find the declarations, and leave the rest to the modules that do the work."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CutoverConfig(AppConfig):
    name = "cutover"
    verbose_name = "Cutover"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        autodiscover_modules("cutovers")
