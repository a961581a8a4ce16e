"""The settings of the example project, for workers whose leases are to end soon."""

import os

from project import settings as example
from project.settings import *  # noqa: F403

CUTOVER_LEASE_SECONDS = float(os.environ.get("LEASE_SECONDS", example.CUTOVER_LEASE_SECONDS))
