"""In the console a person signs for themselves, on what stands now, once; and nobody else does."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrate.cutover import signing, trail
from migrate.engine import Engine
from tests.harness.console import Served, own_token, serving
from tests.unit.gate_case import ADA, BEN, MAX, Case

SURE = {"sure": "yes", "cohort": "all"}


@pytest.fixture
def case(tmp_path: Path, engine: Engine) -> Case:
    made = Case(tmp_path / "w", engine)
    made.gate(request=True)
    return made


@pytest.fixture
def served(case: Case) -> Iterator[Served]:
    with serving(case.root) as made:
        yield made


def code(case: Case) -> str:
    return case.gate().code


def signed(case: Case) -> list[str]:
    return [each.who for each in trail.events(case.workspace.ledger, signing.SIGNED)]


def test_who_is_logged_in_signs_with_their_name_and_the_reports_code(case: Case, served: Served) -> None:
    ada = served.come(ADA)
    page = ada.get("/sign").text
    assert "Asked for by Max Operator" in page
    assert "What the way back loses" in page
    assert case.gate().code not in page  # it stands on the report's first page, to be read first

    answer = ada.send(
        "/sign/link", {**ada.form("/sign", "/sign/link"), **SURE, "name": ADA, "code": code(case)}
    )

    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/sign?signed=missing"
    assert case.standing() == {ADA: ""}
    [event] = trail.events(case.workspace.ledger, signing.SIGNED)
    assert (event.who, event.facts["kind"], event.facts["via"]) == (ADA, "link", "the console")
    assert "sign/link" not in ada.get("/sign").text


@pytest.mark.long
def test_what_isnt_typed_as_it_stands_signs_nothing(case: Case, served: Served) -> None:
    ada = served.come(ADA)
    form = {**ada.form("/sign", "/sign/link"), **SURE, "name": ADA, "code": code(case)}
    for typed, words in (
        ({"name": BEN}, "Nobody signs for another"), ({"code": "AAA-AAA-AAA"}, "code"),
        ({"sure": ""}, "Tick the box"), ({"cohort": "another"}, "another"),
    ):  # fmt: skip
        answer = ada.send("/sign/link", {**form, **typed})
        assert answer.status_code == 400, typed
        assert words in answer.text
    assert signed(case) == []


def test_nobody_signs_twice_nor_what_has_changed(case: Case, served: Served) -> None:
    ada = served.come(ADA)
    form = {**ada.form("/sign", "/sign/link"), **SURE, "name": ADA, "code": code(case)}
    assert ada.send("/sign/link", form).status_code == 303
    assert ada.send("/sign/link", form).status_code == 400
    assert signed(case) == [ADA]

    case.validate()
    assert case.standing() == {ADA: "the evidence has changed since"}
    assert ada.send("/sign/link", form).status_code == 400
    assert signed(case) == [ADA]
    assert "void" in ada.get("/sign").text


def test_the_requester_and_an_operator_sign_nothing(case: Case, served: Served) -> None:
    operator = served.come(MAX)
    assert "/sign/link" not in operator.get("/sign").text
    for path in ("/sign/link", "/sign/key"):
        form = {"_form": own_token(operator, path), **SURE, "name": ADA, "code": code(case)}
        assert operator.send(path, form).status_code == 403
    assert signed(case) == []


@pytest.mark.long
def test_a_key_signs_where_it_is_and_the_console_takes_the_signature(case: Case, served: Served) -> None:
    ben = served.come(BEN)
    form = ben.form("/sign", "/sign/key")
    content = base64.b64decode(form["statement"])
    proof = base64.b64encode(case.private.sign(content)).decode()

    wrong = ben.send("/sign/key", {**form, "proof": base64.b64encode(b"x" * 64).decode()})
    assert wrong.status_code == 400
    assert signed(case) == []

    answer = ben.send("/sign/key", {**form, "proof": proof})
    assert answer.status_code == 303, answer.text
    assert case.standing() == {BEN: ""}


@pytest.mark.long
def test_nobody_hands_in_anothers_statement(case: Case, served: Served) -> None:
    ada, content = served.come(ADA), case.statement(BEN)
    proof = base64.b64encode(case.private.sign(content)).decode()
    form = {
        "_form": own_token(ada, "/sign/key"), "cohort": "all", "proof": proof,
        "statement": base64.b64encode(content).decode(),
    }  # fmt: skip
    answer = ada.send("/sign/key", form)
    assert answer.status_code == 400
    assert "another person" in answer.text
    assert signed(case) == []


@pytest.mark.long
def test_a_window_that_is_set_is_counted_down_to_and_gives_the_runbook_its_times(
    case: Case, served: Served
) -> None:
    operator = served.come(MAX)
    case.moved("holding")
    run = served.ended(operator.do("/", "window", {"at": "2099-12-04 18:00", "until": "2099-12-06 20:00"}))
    assert run.state == "done", run
    page = operator.get("/").text
    assert "The freeze" in page
    assert "People work again" in page
    assert "4 Dec 2099, 18:00 UTC" in page
    book = operator.get("/runbook").text
    assert re.search(r"18:00", book)
    assert "Freeze" in book
    assert 'href="/runbook/0"' in book
    whole = operator.get("/runbook/0")
    assert whole.status_code == 200
    assert "Runbook of the cutover: all" in whole.text
    assert "4 Dec" in whole.text
    policy = whole.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-downloads;")
    assert "allow-same-origin" not in policy
    assert operator.get("/runbook/1").status_code == 404

    served.ended(operator.do("/runbook", "tick", runbook="cutover all", step="Freeze"))
    assert "1 of" in operator.get("/runbook").text
    wrong = served.ended(operator.do("/", "window", {"at": "2099-12-04 18:00", "until": "2099-12-03 20:00"}))
    assert wrong.state == "failed"
    assert "ends before it begins" in wrong.message
