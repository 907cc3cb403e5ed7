"""How do testers get their sheets? Chosen, read by id, written, and noted before they are given.

A sheet is in the ledger before its file has its name: a file that somebody can open is always known.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.clock import stamp
from migrate.errors import UsageError
from migrate.ledger.people import Handed, hand_out
from migrate.storage import space
from migrate_validators.evidence import Looked, Progress, no_progress
from migrate_validators.gathering import gathered, looking, must_be_whole
from migrate_validators.part import look_at_these
from migrate_validators.report import REPORTS
from migrate_validators.uat.choosing import Choice, choose, owner_field
from migrate_validators.uat.rows import lines
from migrate_validators.uat.workbooks import written

if TYPE_CHECKING:
    from migrate.catalog import Owner
    from migrate.workspace import Workspace
    from migrate_validators.evidence import Evidence

PER_USER = 10
PICKED = "picked"  # table of the records of all sheets


@dataclass(frozen=True)
class Sheet:
    """A sheet that was written."""

    file: Path
    tester: str
    records: int


@dataclass(frozen=True)
class Made:
    """All of them. `nobody`: owners of records that can't be testers, and why."""

    sheets: tuple[Sheet, ...]
    nobody: tuple[str, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        told = [{"file": str(s.file), "tester": s.tester, "records": s.records} for s in self.sheets]
        return {"sheets": told, "nobody": list(self.nobody)}

    def text(self) -> str:
        """For people."""
        rows = [f"{each.file}: {each.records:,} records for {each.tester}" for each in self.sheets]
        rows += [f"No sheet: {each}" for each in self.nobody]
        return "\n".join([*rows, "Next: give them out, and read them with `migrate uat read FILE…`."])


def sheets(
    workspace: Workspace,
    folder: Path,
    *,
    per_user: int = PER_USER,
    users: Sequence[str] = (),
    progress: Progress | None = None,
) -> Made:
    """Write a workbook for each tester: everybody who owns records in the target, or these.

    Args:
        folder: where the workbooks go; made if it isn't there. None that is there is overwritten.
        per_user: most records of one tester.
        users: e-mail addresses; none: all owners with an address that are active.

    Raises:
        Busy: another process looks at the target.
        UsageError: nobody owns a record, an address is nobody's, or a file is there already.
    """
    if per_user < 1:
        raise UsageError("A sheet of no record tests nothing.", "Give `--per-user` at least 1.")
    chosen = workspace.plan.chosen(())
    must_be_whole(workspace, chosen)
    with looking(workspace), closing(workspace.target()) as target:
        evidence = gathered(
            workspace, target, chosen, workspace.storage.below(REPORTS).below("uat"),
            progress=progress or no_progress, part=_Picked(),
        )  # fmt: skip
        with closing(evidence):
            people = {owner.id: owner for owner in evidence.target.owners}
            wanted = _wanted(people, users)
            choices = choose(evidence, per_user, wanted)
            nobody = _nobody(people, {one.owner for one in choices}, named=bool(users))
            testers = {id: people[id] for id in {one.owner for one in choices} - nobody.keys()}
            choices = [one for one in choices if one.owner in testers]
            _must_be_some(evidence, choices, users, nobody)
            return _write(workspace, evidence, folder, choices, testers, tuple(sorted(nobody.values())))


class _Picked:
    """The testers' records, which the target then gives by id."""

    because = "the records of the testers' sheets were read"

    def look_at(self, evidence: Evidence, wanted: Mapping[str, tuple[str, Sequence[str]]]) -> Looked:
        return look_at_these(evidence, f"{evidence.schema}.{PICKED}", wanted, self.because)


def _wanted(people: dict[str, Owner], users: Sequence[str]) -> set[str] | None:
    if not users:
        return None
    by_mail: dict[str, set[str]] = {}
    for owner in people.values():
        if owner.email:
            by_mail.setdefault(owner.email.lower(), set()).add(owner.id)
    for mail in users:
        if mail.lower() not in by_mail:
            known = ", ".join(sorted(by_mail)[:20])
            raise UsageError(f"No owner of the target has the address `{mail}`.", f"There are {known}.")
    return {id for mail in users for id in by_mail[mail.lower()]}


def _nobody(people: dict[str, Owner], owners: set[str], *, named: bool) -> dict[str, str]:
    """Owners who get no sheet, by id, each with why."""
    found = {}
    for id in owners:
        owner = people.get(id)
        if owner is None:
            found[id] = f"`{id}` is no owner that the target knows"
        elif owner.queue:
            found[id] = f"{owner.name or id} is a queue"
        elif not owner.email:
            found[id] = f"{owner.name or id} has no e-mail address"
        elif not owner.active and not named:
            found[id] = (
                f"{owner.name or owner.email} isn't active (`--user {owner.email}` makes a sheet anyway)"
            )
    return found


def _must_be_some(
    evidence: Evidence, choices: Sequence[Choice], users: Sequence[str], nobody: dict[str, str]
) -> None:
    if choices:
        return
    if users:
        raise UsageError(f"{', '.join(users)} own no record that was loaded.", "Name others with `--user`.")
    if nobody:
        raise UsageError("Nobody who owns records can be a tester.", "; ".join(sorted(nobody.values())) + ".")
    if not any(owner_field(evidence, each) for each in evidence.objects):
        raise UsageError(
            "The plan fills no owner, so nobody's records are known.",
            "Map an owner field (`owner: owners.csv`), load, and run this again.",
        )
    raise UsageError("No record with an owner has been loaded.", "Run `migrate load` first.")


def _write(
    workspace: Workspace,
    evidence: Evidence,
    folder: Path,
    choices: Sequence[Choice],
    testers: dict[str, Owner],
    nobody: tuple[str, ...],
) -> Made:
    names = _names(testers)
    for name in names.values():
        if (folder / name).exists():
            raise UsageError(
                f"{folder / name} is there already, perhaps with answers.",
                "Read it first (`migrate uat read`), or name another folder.",
            )
    _pick(evidence, choices)
    rows = lines(evidence, choices)
    at, attempt = stamp(workspace.clock.now()), evidence.attempt
    with space(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".sheets-{secrets.token_hex(4)}"
        aside.mkdir()
    try:
        handed, made = [], []
        for id, name in names.items():
            mail = str(testers[id].email).lower()
            sheet = f"S-{secrets.token_hex(10).upper()}"
            run = {"sheet": sheet, "attempt": attempt, "plan": evidence.plan.digest, "made": at}
            with space(aside):
                digest = written(aside / name, rows[id], tester=mail, run=run)
            records = len({(line.entry, line.key) for line in rows[id]})
            handed.append(Handed(sheet, mail, attempt, digest, records, at))
            made.append(Sheet(folder / name, mail, records))
        hand_out(workspace.ledger, handed, who="uat")
        for each in made:
            (aside / each.file.name).replace(each.file)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Made(tuple(sorted(made, key=lambda each: each.tester)), nobody)


def _names(testers: dict[str, Owner]) -> dict[str, str]:
    """A file name for each tester, out of their address."""
    found: dict[str, str] = {}
    for id, owner in sorted(testers.items(), key=lambda one: (str(one[1].email).lower(), one[0])):
        plain = re.sub(r"[^\w.@+-]", "_", str(owner.email).lower()).strip(".") or "tester"
        name, count = f"{plain}.xlsx", 1
        while name in found.values():
            count += 1
            name = f"{plain}-{count}.xlsx"
        found[id] = name
    return found


def _pick(evidence: Evidence, choices: Sequence[Choice]) -> None:
    targets = {each.name: each.target for each in evidence.objects}
    rows = [
        {"entry": one.entry, "key": one.key, "target_id": one.target_id, "object": targets[one.entry]}
        for one in choices
    ]
    evidence.texts(PICKED, rows, ("entry", "key", "target_id", "object"))
