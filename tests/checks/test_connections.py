"""Connections that are kept: what Django's settings say of them."""

import pytest
from django.db import connections

from cutover.checks import check_connections


def settings_of(monkeypatch: pytest.MonkeyPatch, **more: object) -> list[str]:
    """The ids and facts of the check of connections, with more in the settings of the database."""
    monkeypatch.setitem(connections.settings, "default", {**connections.settings["default"], **more})
    return [f"{each.id} {each.msg}" for each in check_connections()]


@pytest.mark.parametrize("age", [60, None])
def test_w014_kept_connections_without_a_question(monkeypatch: pytest.MonkeyPatch, age: int | None) -> None:
    (said,) = settings_of(monkeypatch, CONN_MAX_AGE=age)
    assert said.startswith(f"cutover.W014 DATABASES['default'] has CONN_MAX_AGE = {age} and no CONN_HEALTH_CHECKS")


@pytest.mark.parametrize("more", [{}, {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}, {"CONN_HEALTH_CHECKS": True}])
def test_w014_is_silent_where_connections_are_asked_or_not_kept(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, object]
) -> None:
    assert settings_of(monkeypatch, **more) == []
