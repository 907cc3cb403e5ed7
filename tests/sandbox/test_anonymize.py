"""An anonymised extract judges like the original, holds nobody of it, and a leak in it is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.blobs import StoredBlobs
from migrate.demo.generated import generated
from migrate.demo.nasty import nasty
from migrate.demo.run import environment, prepare_folder, sandboxes
from migrate.demo.shape import Sizes
from migrate.errors import UsageError
from migrate.plan import load_plan
from migrate.stages.anonymize import anonymize, look_again
from migrate.stages.anonymize.beside import write_plan
from migrate.stages.anonymize.cipher import Cipher
from migrate.stages.anonymize.leaks import EMAIL, NAMED, NUMBER
from migrate.stages.anonymize.pseudonyms import Pseudonyms
from migrate.stages.discover import discover
from migrate.stages.extract import extract
from migrate.stages.prepare import prepare
from migrate.workspace import Workspace
from tests.harness.twinned import judged

pytestmark = pytest.mark.long

SMALL = Sizes(accounts=8, parents=2, opportunities=20, companies=10, known=3, contacts=6)
KEY = b"the key of these tests, thrown away"
CREDENTIALS = {"LEGACY_TOKEN": "none", "NEW_TOKEN": "none"}  # nothing is asked of any system


@dataclass
class Case:
    """An extract of a small org, and what was made of it."""

    real: Workspace
    made: Path
    leaks: tuple[Any, ...]

    def table(self, root: Path, object: str) -> pa.Table:
        """A source object's rows."""
        return pa.concat_tables(
            pq.read_table(path)
            for path in sorted((root / f".migrate/stage/source/{object}/g0000").glob("*.parquet"))
        )


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    root = tmp_path_factory.mktemp("anonymize")
    prepare_folder(root / "real", "salesforce-to-hubspot")
    with sandboxes(root, generated(SMALL)) as (salesforce, hubspot):
        workspace = Workspace(root / "real", environment(salesforce, hubspot))
        discover(workspace)
        prepare(workspace)
        extract(workspace)
        workspace.close()
    real = Workspace(root / "real", CREDENTIALS)
    found = anonymize(real, root / "made", key=KEY)
    yield Case(real, Path(found.folder), found.leaks)
    real.close()


def test_nothing_of_anybody_is_left(case: Case) -> None:
    assert case.leaks == ()
    mails = set(case.table(case.real.root, "Contact")["Email"].to_pylist()) - {None}
    assert mails
    assert not mails & set(case.table(case.made, "Contact")["Email"].to_pylist())


def test_rows_nulls_lengths_references_and_picklists_are_as_they_were(case: Case) -> None:
    for object in ("Account", "Contact", "Opportunity", "OpportunityContactRole"):
        old, new = case.table(case.real.root, object), case.table(case.made, object)
        assert old.schema == new.schema
        for name in old.schema.names:
            before, after = old[name].to_pylist(), new[name].to_pylist()
            assert [each is None for each in before] == [each is None for each in after], name
            if isinstance(next((each for each in before if each is not None), None), str):
                assert [len(each or "") for each in before] == [len(each or "") for each in after], name
            assert len(set(map(str, before))) == len(set(map(str, after))), name
    accounts = set(case.table(case.made, "Account")["Id"].to_pylist())
    assert set(case.table(case.made, "Contact")["AccountId"].to_pylist()) <= accounts | {None}
    stages = [case.table(root, "Opportunity")["StageName"] for root in (case.real.root, case.made)]
    assert stages[0] == stages[1]


def test_the_validators_say_the_same_of_it(case: Case, tmp_path: Path) -> None:
    made = Workspace(case.made, CREDENTIALS)
    try:
        original, anonymous = judged(case.real, tmp_path / "real"), judged(made, tmp_path / "made")
    finally:
        made.close()
    assert len(original["checks"]) > 20
    assert any(each["figures"].get("likely duplicates at the source") for each in original["checks"].values())
    assert anonymous == original


@pytest.mark.parametrize(
    ("what", "column"), [(EMAIL, "Description"), (NUMBER, "Title"), (NAMED, "Description")]
)
def test_a_leak_in_a_part_is_found_and_not_told(case: Case, tmp_path: Path, what: str, column: str) -> None:
    planted = shutil.copytree(case.made, tmp_path / "planted")
    row = case.table(case.real.root, "Contact").to_pylist()[0]
    secret = {EMAIL: row["Email"].upper(), NUMBER: row["Phone"], NAMED: row["LastName"]}[what]
    path = next((planted / ".migrate/stage/source/Contact/g0000").glob("*.parquet"))
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    words = pa.array([f"ask ({secret}), please"] + [None] * (table.num_rows - 1), table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), words), path)

    found = look_again(case.real, planted)

    assert {each.what for each in found} >= {what}
    assert all(f"column `{column}`" in each.place for each in found)
    assert not any(secret.lower() in str(each).lower() for each in found)


def test_a_leak_in_a_map_a_file_or_the_plan_is_found(case: Case, tmp_path: Path) -> None:
    planted = shutil.copytree(case.made, tmp_path / "planted")
    row = case.table(case.real.root, "Contact").to_pylist()[1]
    with (planted / "owners.csv").open("a") as out:
        out.write(f",,{row['LastName']},true,,\n")
    with (planted / "plan.yaml").open("a") as out:
        out.write(f"# ask {row['FirstName']} {row['LastName']}\n")
    with StoredBlobs(planted / ".migrate/blobs").writer() as blob:
        blob.write(f"Dear {row['LastName']}, to {row['Email']}".encode())
        name = blob.finish().name

    places = {(each.place.partition("/")[0], each.what) for each in look_again(case.real, planted)}

    assert {("owners.csv", NAMED), ("plan.yaml", NAMED), (".migrate", NAMED), (".migrate", EMAIL)} <= places
    assert name


def test_the_same_key_gives_the_same_extract_and_no_key_is_kept(case: Case, tmp_path: Path) -> None:
    again = Path(anonymize(case.real, tmp_path / "again", key=KEY).folder)
    assert case.table(again, "Contact") == case.table(case.made, "Contact")
    other = Path(anonymize(case.real, tmp_path / "other").folder)
    assert case.table(other, "Contact") != case.table(case.made, "Contact")
    for path in (path for path in again.rglob("*") if path.is_file()):
        assert KEY not in path.read_bytes()


def test_the_plan_leads_to_no_real_system(case: Case) -> None:
    plan = (case.made / "plan.yaml").read_text()
    assert "revenue.operations@example.com" in (case.real.root / "plan.yaml").read_text()
    assert "revenue.operations" not in plan
    catalogs = "".join(path.read_text() for path in (case.made / ".migrate/catalog").glob("*.json"))
    assert case.real.catalog("source").tenant not in catalogs


PEOPLE = """\
cutover:
  window: 10 working days
  freeze: {allow: [Ada Abbas]}
  sign:
    - {name: Ada Abbas, email: ada@northgate.example, by: key, key: "ssh-ed25519 AAAA"}
    - {name: Ben Okafor, email: ben@northgate.example, by: link}
  people: [{name: Max Weber, email: max@northgate.example, role: operator}]
  notify: {webhook: "env:HOOK"}
  hooks:
    - name: form
      do: {command: [curl, "https://northgate.example/hook"]}
      undo: {command: ["true"]}
"""


def test_people_of_the_plan_get_pseudonyms_and_nothing_leads_outside(tmp_path: Path) -> None:
    source, made = tmp_path / "source", tmp_path / "made"
    prepare_folder(source, "salesforce-to-hubspot")
    made.mkdir()
    plan = source / "plan.yaml"
    plan.write_text(plan.read_text().replace("cutover: {window: 10 working days}\n", PEOPLE))

    write_plan(Pseudonyms(Cipher(KEY)), load_plan(plan), made)

    text, cutover = (made / "plan.yaml").read_text(), load_plan(made / "plan.yaml").model.cutover
    for word in ("Abbas", "Okafor", "Weber", "northgate", "ssh-ed25519", "curl", "HOOK"):
        assert word not in text, word
    assert [each.by for each in cutover.sign] == ["link", "link"]
    assert cutover.sign[0].name == cutover.freeze.allow[0]
    assert cutover.people[0].role == "operator"
    assert (cutover.hooks, cutover.notify) == ([], None)


@pytest.mark.long
def test_the_worst_org_keeps_lengths_nulls_and_groups_and_leaks_nothing(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "real", "salesforce-to-hubspot")
    with sandboxes(tmp_path, generated(SMALL)) as (salesforce, hubspot):
        salesforce.control.post("/seed", nasty())
        plan = tmp_path / "real" / "plan.yaml"
        plan.write_text(f"{plan.read_text()}\narchive: [Task, Event, EmailMessage, Visit__c, Member__c]\n")
        real = Workspace(tmp_path / "real", environment(salesforce, hubspot))
        discover(real)
        extract(real)
    found = anonymize(real, tmp_path / "made", key=KEY)
    real.close()
    assert found.leaks == ()
    looked = 0
    for old in sorted((tmp_path / "real/.migrate/stage").rglob("*.parquet")):
        before = pq.read_table(old)
        after = pq.read_table(tmp_path / "made" / old.relative_to(tmp_path / "real"))
        assert before.schema == after.schema
        for name in before.schema.names:
            one, other = before[name].to_pylist(), after[name].to_pylist()
            assert [each is None for each in one] == [each is None for each in other]
            if any(isinstance(each, str) for each in one):
                looked += len(one)
                assert [len(each or "") for each in one] == [len(each or "") for each in other], name
                assert _groups(one) == _groups(other), name
    assert looked > 3_000


def _groups(values: list[str | None]) -> list[int]:
    """Each value's group, as they come, without regard to capitals and blanks around."""
    known: dict[str | None, int] = {}
    return [known.setdefault(each and each.strip().lower(), len(known)) for each in values]


def test_a_folder_that_is_there_is_left_alone(case: Case) -> None:
    with pytest.raises(UsageError, match="is there already"):
        anonymize(case.real, case.made)


def test_the_command_says_what_it_looked_for_and_ends_with_1_at_a_leak(case: Case, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, dict[str, Any]]:
        call = [sys.executable, "-m", "migrate", "-w", str(case.real.root), "--json", *words]
        done = subprocess.run(call, capture_output=True, env=os.environ | CREDENTIALS, check=False)
        return done.returncode, json.loads(done.stdout)

    code, done = run("anonymize", str(tmp_path / "out"))
    assert (code, done["result"]["leaks"]) == (0, [])
    assert done["result"]["looked"]["names"] > 50
    with (tmp_path / "out" / "owners.csv").open("a") as out:
        out.write(f",{case.table(case.real.root, 'Contact')['Email'][0]},,true,,\n")
    code, found = run("anonymize", str(tmp_path / "out"), "--scan")
    assert (code, {each["place"] for each in found["leaks"]}) == (1, {"owners.csv"})
