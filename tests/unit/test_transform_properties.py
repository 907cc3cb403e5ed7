"""Whatever the data: every record has one end, reruns agree, and memory has a bound."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.transform_case import World, day

PLAN = """
- source: Account
  target: companies
  where: Name <> 'skip'
  dedupe: {on: ["lower(trim(Website))"], keep: fullest}
  match: [domain]
  fields:
    name: Name
    domain: Website
    size: CAST(Size AS BIGINT)
    industry: {from: Industry, picklist: ind.csv}
    owner: {from: OwnerId, owner: owners.csv, former: former_owner}
  links:
    - {to: companies, via: ParentId, label: parent}
- source: Contact
  target: contacts
  fields: {email: Email}
  links:
    - {to: companies, via: AccountId, label: primary}
"""
MAPS = {
    "ind_csv": "source,count,target,note\nTech,1,Technology,\n",
    "owners_csv": (
        "source_id,source_email,source_name,active,target_email,note\nU1,ann@x.test,Ann,true,ann@x.test,\n"
    ),
}


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


ACCOUNTS = st.lists(
    st.fixed_dictionaries({
        "Name": some("skip", "one", "x" * 30), "Website": some("", "a.test", " A.test", "b.test", "c.test"),
        "Size": some("1", "x"), "Industry": some("Tech", "Odd", ""), "OwnerId": some("U1", "U2", "U9"),
        "ParentId": some("A0", "A1", "A2", "A77"),
        "Created": st.sampled_from([day(1), day(2)]), "Stamp": st.sampled_from([day(3), day(4)]),
    }),
    max_size=12,
)  # fmt: skip
CONTACTS = st.lists(
    st.fixed_dictionaries({"Email": some("a@x", "A@x ", "b@x"), "AccountId": some("A0", "A1", "A2")}),
    max_size=6,
)


def numbered(letter: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": f"{letter}{number}", **row} for number, row in enumerate(rows)]


@pytest.mark.long
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(accounts=ACCOUNTS, contacts=CONTACTS, later=ACCOUNTS)
def test_every_record_has_one_end_in_every_generation_and_reruns_agree(
    accounts: list[dict[str, Any]], contacts: list[dict[str, Any]], later: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        plan = world.plan(PLAN, **MAPS)
        world.snapshot("companies", [{"_id": "1", "domain": "a.test"}, {"_id": "2", "domain": "c.test"},
                                     {"_id": "3", "domain": "c.test"}])  # fmt: skip
        world.extract("Account", numbered("A", accounts))
        world.extract("Contact", list(reversed(numbered("C", contacts))))

        for generation in (0, 1):
            counts = world.transform(plan, generation)  # raises Defect where the identity breaks
            for object, count in counts.items():
                stages = ("ready", "merged", "skipped", "rejects", "full", "matches")
                found = {stage: world.rows(stage, object, generation) for stage in stages}
                named = {stage: {row["_key"] for row in rows} for stage, rows in found.items()}
                assert count.extracted == count.ready + count.merged + count.skipped + count.rejected
                assert count.ready == len(found["full"]) == len(named["full"])
                ends = [named["full"], named["merged"], named["skipped"], named["rejects"]]
                assert sum(map(len, ends)) == len(set().union(*ends)) == count.extracted
                assert {row["survivor"] for row in found["merged"]} <= named["full"]
                link = count.link
                assert link.found == link.staged + link.skipped + link.folded + link.rejected
            before = {(s, o): world.digest(s, o, generation) for o in counts for s in stages}
            again = world.transform(plan, generation)
            assert again == counts
            assert before == {(s, o): world.digest(s, o, generation) for o in counts for s in stages}
            world.extract("Account", [row | {"Stamp": day(9)} for row in numbered("A", later)], generation=1)


@pytest.mark.slow
def test_two_hundred_thousand_records_fit_in_bounded_memory(tmp_path: Path) -> None:
    """The process's own peak, less what it had before, stays under twice DuckDB's limit."""
    done = subprocess.run(
        [sys.executable, "-c", _BIG, str(tmp_path)], capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    grown, ready = map(int, done.stdout.split())
    assert ready == 194_000
    assert grown < 2 * 192 * 1024, f"{grown / 1024:.0f} MB"


_BIG = """
import sys, pathlib
from tests.unit.transform_case import World, day
import pyarrow as pa
world = World(pathlib.Path(sys.argv[1]))
plan = world.plan('''
- source: Contact
  target: contacts
  dedupe: {on: ["lower(trim(Email))"], keep: fullest}
  fields: {email: Email, lastname: LastName, phone: Phone}
''')
schema = world.source.objects["Contact"]
from migrate.store import Manifest
from migrate.types import arrow_type
names = [(n, arrow_type(f.kind, f.precision, f.scale)) for n, f in schema.fields.items()]
types = pa.schema([("_id", pa.string()), *names])
folder = "source/Contact/g0000"
with world.store.writer(folder, types) as writer:
    for start in range(0, 200_000, 10_000):
        rows = [
            {"_id": f"C{i:06}", "Id": f"C{i:06}", "Email": f"user{i % 194_000}@x.test",
             "LastName": f"Name {i}", "Phone": "5" * 200, "Stamp": day(0), "Created": day(0)}
            for i in range(start, start + 10_000)
        ]
        writer.write(pa.Table.from_pylist(rows, types))
world.store.publish(Manifest(folder, "source", "Contact", 0, 200_000, tuple(writer.parts)))
def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
counts = world.transform(plan, memory="192MB")
print(status("VmHWM") - before, counts["Contact"].ready)
"""
