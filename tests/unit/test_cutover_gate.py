"""Does the gate open for nothing but fresh evidence and signatures, and close when something changes?"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from migrate.cli import main
from migrate.connector import Rights
from migrate.cutover import excusing, freezing, keys, posts, trail
from migrate.cutover import gate as gates
from migrate.cutover.gates import rehearsed, way_back
from migrate.cutover.gates.calendar import problems
from migrate.cutover.gates.lines import GateLine
from migrate.cutover.machine import MoveRefused
from migrate.engine import Engine
from migrate.errors import Parked, UsageError
from migrate.ledger.leases import Lease
from migrate.ledger.tables import events
from migrate.plan import load_plan
from migrate.stages.discover import discover
from tests.unit.gate_case import ADA, BEN, MAX, TERMS, Case, public
from tests.unit.test_drift import with_picklists
from tests.unit.two_systems import TARGET


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("ready")
    with Engine(folders=[root], temp_dir=root / "spill") as engine:
        return Case(root / "w", engine)


@pytest.fixture
def case(tmp_path: Path, engine: Engine, ready: Case) -> Case:
    return ready.copied(tmp_path / "w", engine)


def test_a_drained_cohort_with_fresh_proof_is_verified_and_waits_for_signatures_alone(case: Case) -> None:
    found = case.gate()

    assert [each.id for each in found.red] == ["signatures"]
    assert found.lines[0].figure == f"{ADA}: link; {BEN}: key {keys.fingerprint(public(case.private))}"
    assert found.state == case.cutover.state == "verified"
    assert found.code in (case.workspace.storage.read(f"reports/{_report(case)}/index.html")[0]).decode()
    recorded = gates.last(case.cutover)
    assert recorded is not None
    assert recorded.evidence == found.evidence.digest
    assert list(recorded.facts["red"]) == ["signatures"]


class Drifting(Case):
    """The target's `tier` is a picklist to which the plan leads every company."""

    def picklist(self, *words: str) -> None:
        self.target.catalog = with_picklists(TARGET, "companies", tier=words)

    def plan(self, text: str) -> None:
        self.target.catalog = with_picklists(TARGET, "companies", tier=("gold=Gold", "silver=Silver"))
        (self.root / "tier.csv").write_text("source,count,target,note\nFirm 0,1,silver,\n", encoding="utf-8")
        mapped = text.replace(
            "{name: Name}",
            "{name: Name, tier: {from: Name, picklist: tier.csv, unmapped: default, default: gold}}",
        )
        super().plan(mapped)


def _report(case: Case) -> str:
    return str(json.loads(case.workspace.storage.read("reports/latest.json")[0])["folder"])


def test_a_workspace_on_s3_is_told_before_anybody_signs_that_it_can_not_switch(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutover = case.cutover
    monkeypatch.setattr(cutover.workspace.place, "remote", "s3://bucket/acme")

    [line] = way_back.lines(cutover)

    assert (line.id, line.ok, line.overridable) == ("way-back", False, False)
    assert "this workspace is on S3" in line.words
    assert "migrate restore" in line.remedy


def test_a_look_writes_nothing(case: Case) -> None:
    before = trail.head(case.workspace.ledger)

    assert not gates.look(case.cutover).passed

    assert trail.head(case.workspace.ledger) == before
    assert case.cutover.state == "drained"


def test_with_everybody_s_signature_the_cohort_is_approved_and_may_switch(case: Case) -> None:
    case.signed()

    assert case.cutover.state == "approved"
    assert case.gate().passed
    approval = gates.approval(case.cutover)
    assert approval.evidence == gates.current(case.cutover).digest
    assert len(approval.signatures) == 2
    case.cutover.move("switching", who=MAX, approval=approval.document())


def test_nothing_moves_on_without_a_gate(case: Case) -> None:
    with pytest.raises(MoveRefused, match="never asked"):
        case.cutover.move("verified", who=MAX)


def test_a_gate_that_has_grown_old_opens_nothing(case: Case) -> None:
    case.signed()
    case.clock.sleep(31 * 60)

    with pytest.raises(MoveRefused, match="may be 30 minutes old"):
        case.cutover.move("switching", who=MAX)

    case.gate()
    case.cutover.move("switching", who=MAX)


def test_a_switch_uses_its_approval_up(case: Case) -> None:
    case.signed()
    case.cutover.move("switching", who=MAX)
    case.moved("frozen")
    case.drained()

    assert case.gate().state == "verified"
    assert set(case.standing().values()) == {"the switch has used it"}


# -- each line ------------------------------------------------------------------------------------


def test_another_write_after_the_validation_makes_it_stale(case: Case) -> None:
    case.source.put("Account", "0019", Name="Late")
    case.move(delta=True)

    assert "validation" in case.red()
    case.clock.sleep(60)
    case.validate()
    assert "validation" not in case.red()


def test_somebody_who_writes_after_the_freeze_is_named_and_holds_the_gate_shut(case: Case) -> None:
    case.source.put("Account", "0019", Name="Late")

    lines = {each.id: each for each in gates.look(case.cutover).red}
    assert "0019" in lines["frozen"].words
    assert "thaw" in lines["frozen"].remedy


def test_a_validation_before_the_drain_or_older_than_the_bound_is_stale(case: Case) -> None:
    case.clock.sleep(13 * 3600)
    assert "validation" in case.red()
    case.validate()
    assert "validation" not in case.red()
    case.clock.sleep(60)
    case.moved("frozen")
    freezing.drain(case.cutover, who="max")
    assert "validation" in case.red()


def test_a_record_that_somebody_changed_in_the_target_is_a_red_line_of_its_check(case: Case) -> None:
    case.target.edit(case.there("Account", "0011").id, "name", "Other")
    case.clock.sleep(60)
    case.validate()

    assert any(each.startswith("check:rows") for each in case.red())


def test_the_plan_that_is_signed_is_the_one_that_was_loaded(case: Case) -> None:
    case.plan("- source: Account\n  target: companies\n  fields: {name: upper(Name)}\n")

    assert "plan" in case.red()
    with pytest.raises(UsageError, match="can't be overridden"):
        case.gate()
        gates.override(case.cutover, ["plan"], who=ADA, reason="it is fine")


def test_a_rehearsal_of_another_plan_or_too_long_ago_doesn_t_count(case: Case) -> None:
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    assert "rehearsal" in case.red()

    digest = case.workspace.plan.digest
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan=digest, clean=False, lost=2)
    assert "rehearsal" in case.red()
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan=digest, clean=True)
    assert "rehearsal" not in case.red()
    case.clock.sleep(15 * 86_400)
    assert "rehearsal" in case.red()


@pytest.mark.parametrize(
    "cohorts_or_way_back",
    ["cohorts: [{name: pilot, where: \"Account: Name < 'M'\"}, {name: all}]", "reverse: live"],
)
def test_a_rehearsal_of_other_cohorts_or_another_way_back_doesn_t_count(
    case: Case, cohorts_or_way_back: str
) -> None:
    plan = case.workspace.plan
    trail.append(
        case.workspace.ledger, "max", "cutover rehearsed", plan=plan.digest, played=plan.played, clean=True
    )
    assert gates_line(case, "rehearsal").ok

    path = case.root / "plan.yaml"
    path.write_text(path.read_text().replace("cutover:\n", f"cutover:\n  {cohorts_or_way_back}\n"))

    assert case.workspace.plan.digest == plan.digest
    assert "other cohorts, or of another way back" in gates_line(case, "rehearsal").words


def gates_line(case: Case, id: str) -> GateLine:
    (found,) = rehearsed.lines(case.cutover)
    assert found.id == id
    return found


def test_somebody_who_writes_to_the_target_holds_the_gate_shut(case: Case) -> None:
    workspace = case.workspace
    Lease.take(workspace.ledger, "new", 600)
    with workspace.ledger.write() as tx:
        tx.sql.execute(sa.text("UPDATE leases SET pid = 1, host = 'elsewhere'"))

    assert "lease" in case.red()


def test_a_trail_that_somebody_touched_holds_the_gate_shut(case: Case) -> None:
    workspace = case.workspace
    with workspace.ledger.write() as tx:
        tx.sql.execute(events.update().where(events.c.number == 2).values(who="eve"))

    assert "trail" in case.red()


def test_a_rollback_that_doesn_t_fit_into_the_window_holds_it_shut(tmp_path: Path, engine: Engine) -> None:
    case = Case(tmp_path / "w", engine, TERMS + "  window: 1 hour\n")

    assert "window" in case.red()


def test_a_load_whose_own_window_is_over_holds_nobody_who_took_his_time(case: Case) -> None:
    case.clock.sleep(40 * 86_400)

    assert "window" not in case.red()


def test_too_few_signers_or_one_person_twice_hold_it_shut(tmp_path: Path, engine: Engine) -> None:
    one = Case(tmp_path / "one", engine, sign="  sign: [{name: Ada, email: ada@example.com}]\n")
    twice = Case(
        tmp_path / "twice", engine,
        sign="  sign: [{name: Ada, email: ada@x.test}, {name: A. Lovelace, email: ADA+crm@x.test}]\n",
    )  # fmt: skip

    assert "signers" in one.red()
    lines = {each.id: each for each in gates.look(twice.cutover).red}
    assert "the same person" in lines["signers"].words


def test_days_without_a_switch_are_those_of_the_plan_s_zone(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        """version: 1
source: {system: old, type: salesforce, credentials: "env:OLD_"}
target: {system: new, type: hubspot, credentials: "env:NEW_"}
calendar: {zone: Pacific/Auckland}
objects: [{source: Account, target: companies, fields: {name: Name}}]
cutover:
  window: 5 days
  calendar:
    blackout: [{from: 2026-12-24, to: 2026-12-26, why: holidays}]
    contract_ends: 2027-01-31
    api_ends: 2027-01-29
""",
        encoding="utf-8",
    )
    plan = load_plan(tmp_path / "plan.yaml").model

    def at(day: int, hour: int, month: int = 12, year: int = 2026) -> list[str]:
        return problems(plan, datetime(year, month, day, hour, tzinfo=UTC))

    assert at(23, 10) == []  # still the 23rd in Auckland
    assert "holidays" in at(23, 12)[0]  # already the 24th there
    assert "holidays" in at(26, 10)[0]
    assert at(26, 12) == []
    assert "API ends on 2027-01-29" in at(25, 0, 1, 2027)[0]
    assert len(at(27, 0, 1, 2027)) == 2


def test_a_field_or_a_picklist_that_went_after_the_rehearsal_is_red_and_once_mended_green(
    tmp_path: Path, engine: Engine
) -> None:
    case = Drifting(tmp_path / "w", engine)
    assert "drift" not in case.red()

    case.picklist("gold=Gold")  # silver is gone
    lines = {each.id: each for each in gates.look(case.cutover).red}
    assert "silver" in lines["drift"].words
    assert "migrate discover" in lines["drift"].remedy
    discover(case.workspace)  # by itself it mends nothing
    assert {"drift", "check"} <= set(case.red())
    case.picklist("gold=Gold", "silver=Silver")
    discover(case.workspace)
    assert "drift" not in case.red()

    fields = case.target.catalog.objects["companies"].fields
    del fields["tier"]
    assert "drift" in case.red()


def test_what_was_red_for_a_while_and_is_mended_is_verified_again_without_another_validation(
    case: Case,
) -> None:
    case.gate()
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    case.clock.sleep(60)
    assert case.gate().state == "drained"

    trail.append(
        case.workspace.ledger, "max", "cutover rehearsed", plan=case.workspace.plan.digest, clean=True
    )
    assert case.gate().state == "verified"


def test_posts_that_wait_are_in_nobody_s_way_and_those_that_were_refused_are(
    tmp_path: Path, engine: Engine
) -> None:
    intake = "  intake: [{name: form, object: Account, door: form, during: buffer, most: 10}]\n"
    case = Case(tmp_path / "w", engine, TERMS + intake)
    door = case.workspace.plan.model.cutover.intake[0]

    def line() -> GateLine:
        return next(each for each in gates.look(case.cutover).lines if each.id == "intake")

    assert line().ok
    with closing(posts.opened(case.workspace)) as kept:
        taken = [kept.take(door, {"name": f"Firm {number}"}).id for number in range(8)]
    assert (line().ok, line().figure) == (True, "8 received, 8 wait, 0 refused")
    with closing(posts.opened(case.workspace)) as kept:
        kept.take(door, {"name": "Firm 9"})
    assert "nearly full" in line().words
    with closing(posts.opened(case.workspace)) as kept:
        kept.assign(["form"], "target")
        kept.settle([(taken[0], "refused", "k", "", "the name is taken")])
    assert not line().ok
    assert "1 posts were refused" in line().words


def test_a_system_that_is_away_is_red_and_no_crash(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise Parked("new", "it doesn't answer")

    monkeypatch.setattr(case.target, "discover", away)

    lines = {each.id: each for each in gates.look(case.cutover).red}
    assert {"drift", "quota"} <= set(lines)
    assert "doesn't answer" in lines["drift"].words


@pytest.mark.parametrize(
    ("left", "need", "said"), [(10, 0, "less than 20%"), (500, 600, "take up to 600"), (700, 600, "")]
)
def test_a_quota_has_to_last_for_a_delta_and_a_rollback(
    case: Case, monkeypatch: pytest.MonkeyPatch, left: int, need: int, said: str
) -> None:
    told = {"projection": {"steps": [{"id": "rollback", "calls": {"high": need}, "seconds": {"high": 60}}]}}
    case.workspace.storage.write("cutover/rehearsals/r.json", json.dumps(told).encode())
    digest = case.workspace.plan.digest
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan=digest, clean=True, file="r.json")
    monkeypatch.setattr(
        case.target, "rights", lambda *_, **__: Rights("max", (), (), (), calls_left=left, calls_max=1000)
    )

    lines = {each.id: each for each in gates.look(case.cutover).lines}
    assert lines["quota"].ok == (not said)
    assert said in lines["quota"].words
    assert f"{left} of 1,000" in lines["quota"].figure


def test_a_switch_asks_the_gate_once_more_and_is_refused_by_what_changed_since(case: Case) -> None:
    case.signed()
    case.source.put("Account", "0019", Name="Late")

    with pytest.raises(MoveRefused, match="0019"):
        gates.must_pass(case.cutover, who=MAX)
    assert case.cutover.state == "drained"


# -- waivers and overrides ------------------------------------------------------------------------


def test_an_override_needs_name_reason_and_red_lines_and_is_void_once_the_evidence_changes(
    case: Case,
) -> None:
    case.target.edit(case.there("Account", "0011").id, "name", "Other")
    case.clock.sleep(60)
    case.validate()
    found = case.gate()
    (line,) = [each.id for each in found.red if each.id.startswith("check:rows")]
    red = [each.id for each in found.red if each.id != "signatures"]
    for who, reason, lines in (
        ("", "why", [line]),
        (ADA, " ", [line]),
        ("Eve", "why", [line]),
        (ADA, "why", []),
    ):
        with pytest.raises(UsageError):
            gates.override(case.cutover, lines, who=who, reason=reason)
    with pytest.raises(UsageError, match="isn't a red line"):
        gates.override(case.cutover, ["drift"], who=ADA, reason="why")

    gates.override(case.cutover, red, who=ADA, reason="renamed by hand, on purpose")
    opened = case.gate()

    assert opened.state == "verified"
    assert {each.state for each in opened.lines if each.id in red} == {"overridden"}
    case.clock.sleep(60)
    case.validate()  # another report: other evidence
    assert line in [each.id for each in case.gate().red]
    assert case.cutover.state == "drained"
    assert [each.reason for each in excusing.all_of(case.cutover)] == ["renamed by hand, on purpose"]


def test_who_signed_before_an_override_has_signed_something_else(case: Case) -> None:
    case.signed()
    recorded = gates.last(case.cutover)
    assert recorded is not None
    excusing.override(
        case.cutover, [GateLine("quota", "red", "Little is left.", about="x")], ["quota"],
        str(recorded.facts["core"]), who=ADA, reason="it is renewed at midnight",
    )  # fmt: skip

    assert set(case.standing().values()) == {"the evidence has changed since"}


def test_missing_signatures_can_be_overridden_by_name_and_the_others_stand(case: Case) -> None:
    case.gate(request=True)
    case.by_link(case.invited())
    case.gate()
    gates.override(case.cutover, ["signatures"], who=ADA, reason="Ben is on a plane until Monday")

    assert case.gate().state == "approved"
    assert case.standing() == {ADA: ""}
    assert len(gates.approval(case.cutover).overrides) == 1


def test_a_waiver_covers_what_was_red_until_its_day_and_nothing_that_comes_later(case: Case) -> None:
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    case.gate()
    day = f"{case.clock.now() + timedelta(days=2):%Y-%m-%d}"
    with pytest.raises(UsageError, match="can't be waived"):
        gates.waive(case.cutover, "lease", who=ADA, reason="why", until=day)
    gates.waive(case.cutover, "rehearsal", who=ADA, reason="only a label changed", until=day)
    assert "rehearsal" not in case.red()

    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="1" * 64)
    assert "rehearsal" in case.red()
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    assert "rehearsal" not in case.red()
    case.clock.sleep(4 * 86_400)
    assert "rehearsal" in case.red()


def test_the_report_names_who_signs_and_every_override_for_ever(case: Case) -> None:
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    case.gate()
    gates.override(case.cutover, ["rehearsal"], who=ADA, reason="only a label changed since")
    case.clock.sleep(60)
    case.validate()

    sections = json.loads(case.workspace.storage.read(f"reports/{_report(case)}/report.json")[0])["screen"]
    (told,) = [each for each in sections if each["id"] == "signatures"]
    assert told["verdict"] == "warn"
    tables = {each["title"]: each["rows"] for each in told["tables"]}
    assert [row[0] for row in tables["Who signs"]] == [ADA, BEN]
    assert tables["Red lines that were overridden"][0][1:] == [
        ADA,
        "all",
        "rehearsal",
        "only a label changed since",
    ]
    assert "rehearsal" in case.red()  # of other evidence: void


def test_the_commands_take_no_decision_without_name_and_reason(
    tmp_path: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(tmp_path / "w", engine, TERMS + "  gate: {fresh: 500 weeks, rehearsal: 500 weeks}\n")
    trail.append(case.workspace.ledger, "max", "cutover rehearsed", plan="0" * 64)
    case.gate()

    def told(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["-w", str(case.root), "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    lines = ("override", "--yes", "--lines", "rehearsal")
    assert told(*lines, "--reason", "why")[0] == 2  # user@host is nobody of the plan's
    assert told(*lines, "--as", ADA)[0] == 2
    assert told("override", "--yes", "--lines", "plan", "--as", ADA, "--reason", "why")[0] == 2
    code, done = told(*lines, "--as", ADA, "--reason", "a label")
    assert (code, done["lines"], done["who"]) == (0, ["rehearsal"], ADA)
    assert case.gate().state == "verified"

    waive = ("cutover", "waive", "rehearsal", "--as", ADA, "--until", "2099-01-01")
    assert told(*waive)[0] == 2
    code, refused = told(*waive, "--reason", "why")
    assert (code, "isn't red" in refused["message"]) == (2, True)  # it is overridden by now
    code, link = told("cutover", "invite", ADA)
    assert (code, len(link["token"])) == (0, 43)
    assert told("cutover", "invite", BEN)[0] == 2
    assert told("approve", "--statement", str(case.root / "plan.yaml"))[0] == 2
