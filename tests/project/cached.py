"""The example project with django-cachalot, in a cache of files that its processes share; it does not look at raw SQL."""

import os

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "cachalot"]
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["CUTOVER_TEST_CACHE"],
    }
}
CACHALOT_INVALIDATE_RAW = False
