"""What an error in a chunk leads to, without a database."""

import psycopg
import pytest
from django.db import OperationalError

from cutover.backfill import attempts


def gone() -> OperationalError:
    """As Django raises it for a connection that somebody has ended."""
    error = OperationalError("terminating connection due to administrator command")
    error.__cause__ = psycopg.errors.AdminShutdown("terminating connection due to administrator command")
    return error


def test_a_new_connection_is_made_after_the_pause_and_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits could be ended meanwhile, and the work would be given up for losses that were none of its own."""
    told: list[str] = []
    monkeypatch.setattr(attempts, "pause", lambda number: told.append(f"pause {number}"))

    def question() -> str:
        told.append("asked")
        if told.count("asked") <= 3:
            raise gone()
        return "answer"

    assert attempts.answered(question, lambda: told.append("anew")) == "answer"
    assert told == ["asked", "anew", "asked", "pause 2", "anew", "asked", "pause 3", "anew", "asked"]


def test_what_ends_the_connection_each_time_is_given_up_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "pause", lambda _: None)

    def question() -> str:
        raise gone()

    with pytest.raises(attempts.CutoverError, match="lost 10 times over the same work: terminating connection"):
        attempts.answered(question, lambda: None)
