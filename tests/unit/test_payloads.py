"""The sample payloads are what the product sends, and name nobody."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from migrate.cutover import hooks, watching
from migrate.cutover.statements import FORMAT, SAYS, Statement
from migrate.cutover.trail import Event

PAGE = Path(__file__).resolve().parents[2] / "docs" / "payloads.md"
SECTION = re.compile(r"^## ([^\n]+)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
OPEN_HOSTS = re.compile(r"(?:^|[.@])(?:example(?:\.com|\.org|\.net)?|test|[a-z-]+\.example)$")


def sections() -> dict[str, str]:
    return dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))


def sample(title: str) -> dict[str, Any]:
    """The JSON of a section."""
    found: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", sections()[title], re.DOTALL)[0])
    return found


def keys_of(function: Any) -> set[str]:
    """Keys of the one dictionary that a function writes down."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    [found] = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    return {str(each.value) for each in found.keys if isinstance(each, ast.Constant)}


def test_the_samples_of_the_cutover_have_the_keys_that_are_sent() -> None:
    step = sample("Cutover: a step of the switch, as a webhook gets it")
    alert = sample("Cutover: an alert")
    assert set(step) == keys_of(hooks.document)
    assert set(alert) == keys_of(watching._body)
    assert (step["event"], alert["event"]) == (hooks.EVENT, watching.EVENT)
    signed = sample("Cutover: what a key signs")
    assert set(signed) == {each.name for each in fields(Statement)}
    assert (signed["format"], signed["says"]) == (FORMAT, SAYS)
    assert list(signed) == sorted(signed)
    assert set(sample("Cutover: a move in the trail")) == {each.name for each in fields(Event)}


def test_there_are_samples_of_both_vendors_and_of_the_cutover() -> None:
    titles = sections()
    for word in ("Salesforce", "HubSpot", "Cutover"):
        assert any(title.startswith(word) for title in titles), word


@pytest.mark.parametrize("title", sorted(sections()))
def test_no_sample_holds_a_secret_or_a_person_s_address(title: str) -> None:
    body = sections()[title]
    for address in re.findall(r"[\w.+-]+@([\w.-]+\w)", body):
        assert OPEN_HOSTS.search(address), address
    for name in ("client_secret", "access_token", "signature", "authorization", "password"):
        for value in re.findall(rf'{name}["=: ]+([^"&\s,]+)', body, re.IGNORECASE):
            assert len(value) < 12 or "…" in value, (name, value)
    assert not re.search(r"[0-9a-f]{40,}|eyJ[\w-]{20,}|pat-[a-z0-9-]{20,}", body)
