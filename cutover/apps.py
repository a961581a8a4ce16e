"""The Django app: find the declarations and put the attributes on the models; the work is done by other modules."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from cutover.errors import DeclarationError


class CutoverConfig(AppConfig):
    name = "cutover"
    verbose_name = "Cutover"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        autodiscover_modules("cutovers")
        from cutover import checks

        checks.register_all()
        install()


def install() -> None:
    """Put the attribute and the guard on every declared model that still has its field.

    A declaration that does not fit its models is told by the checks; a process must be able to start and say so.
    """
    from cutover import mapping, read, spec
    from cutover.write import saving

    for name in spec.names():
        try:
            binding = mapping.bind(name)
        except DeclarationError:
            continue
        read.install(binding)
        saving.install(binding)
