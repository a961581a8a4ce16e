"""Settings of the example project that the tests run on: one PostgreSQL database, named by `DATABASE_URL`."""

import os
from urllib.parse import parse_qs, unquote, urlsplit


def database(url: str) -> dict[str, object]:
    """Read a libpq URL, also one over a unix socket (`postgresql://user@/name?host=/directory`)."""
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or query.get("dbname", "postgres"),
        "USER": unquote(parts.username or query.get("user", "")),
        "PASSWORD": unquote(parts.password or query.get("password", "")),
        "HOST": query.get("host") or unquote(parts.hostname or ""),
        "PORT": query.get("port") or str(parts.port or ""),
    }


SECRET_KEY = "only for tests"  # noqa: S105 - signs nothing
DATABASES = {"default": database(os.environ.get("DATABASE_URL", "postgresql:///postgres"))}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "cutover",
    "project.jobs",
    "project.shapes",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
CUTOVER: dict[str, dict[str, bool]] = {}
CUTOVER_LEASE_SECONDS = 0.2
