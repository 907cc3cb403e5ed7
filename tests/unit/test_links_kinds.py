"""Is a reference that may lead to several kinds of record followed to each, and to no other?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrate.catalog import ObjectSchema
from migrate.types import Kind
from tests.unit.transform_case import SOURCE, TARGET, World, fields, of

_TASK = ObjectSchema(
    name="Task", label="Task", stamp="Stamp", created="Created",
    fields=SOURCE.objects["Deal"].fields | fields(
        WhatId=of("WhatId", Kind.REFERENCE, references=("Account", "Deal", "Campaign")),
    ),
)  # fmt: skip
_WHO = ObjectSchema(
    name="Who", label="Who", stamp="Stamp", created="Created",
    fields=SOURCE.objects["Role"].fields | fields(
        TaskId=of("TaskId", Kind.REFERENCE, references=("Task", "Deal")),
        RelationId=of("RelationId", Kind.REFERENCE, references=("Contact", "Account")),
    ),
)  # fmt: skip
PLAN = """
- {source: Account, target: companies, fields: {name: Name}}
- {source: Contact, target: contacts, fields: {lastname: LastName}}
- source: Task
  target: deals
  fields: {dealname: Name}
  links:
    - {to: companies, via: WhatId}
    - {to: contacts, through: Who, left: TaskId, right: RelationId}
"""


def world(tmp_path: Path, *, prefixes: bool) -> World:
    objects: dict[str, Any] = {**SOURCE.objects, "Task": _TASK, "Who": _WHO}
    if prefixes:
        for name, prefix in {"Account": "A", "Contact": "C", "Deal": "D", "Task": "T"}.items():
            objects[name] = objects[name].model_copy(update={"prefix": prefix})
    made = World(tmp_path, source=SOURCE.model_copy(update={"objects": objects}), target=TARGET)
    made.extract("Account", [{"Id": "A1", "Name": "a"}])
    made.extract("Contact", [{"Id": "C1", "LastName": "c"}])
    what = {"T1": "A1", "T2": "D7", "T3": "A9", "T4": None}
    made.extract("Task", [{"Id": id, "Name": id, "WhatId": to} for id, to in what.items()])
    made.extract(
        "Who",
        [{"Id": "W1", "TaskId": "T1", "RelationId": "C1"}, {"Id": "W2", "TaskId": "T1", "RelationId": "A1"},
         {"Id": "W3", "TaskId": "D5", "RelationId": "C1"}],
    )  # fmt: skip
    return made


def staged(made: World, name: str) -> set[tuple[str, str]]:
    return {(row["left"], row["right"]) for row in made.rows("links", name)}


def test_fault_e08_each_kind_is_followed_by_its_own_link_and_what_is_gone_stays_told(tmp_path: Path) -> None:
    made = world(tmp_path, prefixes=True)
    counts = made.transform(made.plan(PLAN))["Task"]
    # An account that is gone is still a link to be told; a deal is no company's link.
    assert staged(made, "Task.0") == {("fam.Task.T1", "fam.Account.A1"), ("fam.Task.T3", "fam.Account.A9")}
    assert staged(made, "Task.1") == {("fam.Task.T1", "fam.Contact.C1")}
    assert (counts.link.found, counts.link.staged, counts.link.skipped, counts.link.rejected) == (6, 3, 3, 0)


def test_without_prefixes_only_what_is_in_an_extract_is_linked(tmp_path: Path) -> None:
    made = world(tmp_path, prefixes=False)
    made.transform(made.plan(PLAN))
    assert staged(made, "Task.0") == {("fam.Task.T1", "fam.Account.A1")}
    assert staged(made, "Task.1") == {("fam.Task.T1", "fam.Contact.C1")}
