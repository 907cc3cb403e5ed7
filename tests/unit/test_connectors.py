"""Connectors come through entry points, ours and anyone else's alike."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import migrate.connectors as connectors
import migrate.plugins as plugins
from migrate.clock import SandboxClock
from migrate.connector import ENTRY_POINTS, ExplainsLinks, KeepsHistory, Settings
from migrate.errors import UsageError


def settings(**credentials: str) -> Settings:
    return Settings("new", credentials, {}, SandboxClock(datetime(2026, 5, 1, tzinfo=UTC), 1.0))


def test_a_connector_is_found_by_its_type_and_tells_what_more_it_can() -> None:
    connector = connectors.connect("hubspot", settings(token="pat-na1-x"))
    connector.close()
    assert connector.type == "hubspot"
    assert isinstance(connector, KeepsHistory)
    assert isinstance(connector, ExplainsLinks)


def test_an_unknown_type_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"Installed: .*hubspot"):
        connectors.load("pipedrive")


def test_a_broken_package_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("acme", "migrate_acme_that_is_not_there:Acme", ENTRY_POINTS)
    monkeypatch.setattr(plugins, "entry_points", lambda **_: EntryPoints([broken]))
    with pytest.raises(UsageError) as caught:
        connectors.load("acme")
    assert "`acme` (migrate_acme_that_is_not_there:Acme) can't be loaded" in str(caught.value).splitlines()[0]


def test_a_missing_token_names_the_variable() -> None:
    with pytest.raises(UsageError, match="<PREFIX>TOKEN"):
        connectors.connect("hubspot", settings())
