"""The example project of the tests, with the defaults that a project would have, and the bench's own tables."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "_bench.apps.BenchConfig"]
CUTOVER_LEASE_SECONDS = 5
