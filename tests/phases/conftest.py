"""Fixtures of these tests."""

import logging
from collections.abc import Iterator

import pytest

from roles import role

__all__ = ["role"]


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("application.job")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    for each in list(logger.handlers):
        logger.removeHandler(each)
        each.close()
