"""The example project of the tests, with the defaults that a project would have."""

from project.settings import *  # noqa: F403

CUTOVER_LEASE_SECONDS = 5
