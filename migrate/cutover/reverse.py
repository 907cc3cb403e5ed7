"""How does a change in the new system get back to the old one? The way back: opened, tried, and gone.

`open` notes how both systems hold a cohort's records, before anything is switched. `canary` proves that one
change comes back, and takes it back on both sides. From then on `round` keeps what changes (`reverse:
journal`) or brings it back at once (`reverse: live`); `migrate.cutover.returning` brings all of it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from migrate.clock import stamp
from migrate.cutover import reverse_steps, trail
from migrate.cutover.echoes import know
from migrate.cutover.machine import Cutover
from migrate.cutover.reverse_artifacts import copied
from migrate.cutover.reverse_plan import BackEntry, BackField
from migrate.cutover.reverse_side import ANCHOR, NEW, Side, alone, opened
from migrate.cutover.trail import Event
from migrate.engine import identifier, text
from migrate.errors import MigrateError, SystemRefused, UsageError
from migrate.held import held
from migrate.journal import CROSSWALK
from migrate.ledger import BatchRow
from migrate.ledger.tables import batches
from migrate.load import Loading, RecordProtocol
from migrate.load.context import Progress, no_progress
from migrate.load.work import Item, Known, RecordWork, digest_of, image
from migrate.plan.needs import written_fields
from migrate.types import Kind
from migrate.workspace import Workspace

CANARY, CAME_BACK = "way back canary", "way back canary came back"
TRIES = 8  # looks for a change that the new system's index may not tell yet
PHASE = "canary"


@dataclass(frozen=True)
class Rounded:
    """What a round did. `mode`: journal (only kept) or live. `step`: None where nothing had changed.

    `written`: records of the old system that were written; `listed`: changes that weren't.
    """

    mode: str
    step: int | None
    changes: int = 0


@dataclass(frozen=True)
class Canary:
    """A change that came back: of which record and field."""

    object: str
    id: str
    old_object: str
    old_id: str
    field: str


def prepare(workspace: Workspace) -> list[Any]:
    """Make in the old system the fields that new records are known by there; what was made, or is there.

    Raises:
        SystemRefused: the old system refused one.
    """
    from migrate.stages.prepare import prepare as run

    with opened(workspace) as side:
        side.ready()
        return run(side.workspace)


def open(cutover: Cutover, *, who: str) -> None:
    """Make the way back able to take every change that the new system sees from now on.

    Makes the key fields in the old system where they are missing. May be called again after a kill: what was
    anchored for this switch stays.

    Raises:
        Parked, SystemRefused: a system.
    """
    workspace = cutover.workspace
    prepare(workspace)
    with opened(workspace) as side, alone(side):
        _finish(cutover, side)
        begun = cutover.last("switching")
        marks = [each for each in side.marks() if each.kind == ANCHOR and each.cohort == cutover.cohort]
        if begun is not None and marks and marks[-1].at >= begun.at:
            return
        number = reverse_steps.anchor(side, cutover.cohort, who)
    trail.append(workspace.ledger, who, "way back opened", cohort=cutover.cohort, step=number)


def round(cutover: Cutover, *, who: str = "", progress: Progress = no_progress) -> Rounded:
    """Keep what has changed in the new system, or bring it back at once, as the plan says.

    What is kept is the new system's records as they are now: a later look goes on from there. Nothing hangs
    on it but how much the last step has to read.

    Raises:
        UsageError: the cohort isn't switched.
        Parked, SystemRefused, InDoubt: a system; what was done is kept.
    """
    cutover.need("switched", "reversing")
    reverse = cutover.workspace.plan.model.cutover.reverse
    with opened(cutover.workspace) as side, alone(side):
        if reverse.mode == "journal":
            side.ready()
            side.look_new(links=False)
            return Rounded("journal", None)
        reverse_steps.deliver(side, progress)  # what a killed process left
        step = reverse_steps.plan(side, objects=reverse.live, who=who or trail.actor())
        if step is not None:
            reverse_steps.deliver(side, progress)
        know(side)
        return Rounded("live", step, side.changes(step) if step is not None else 0)


# -- the canary -----------------------------------------------------------------------------------


def canary(workspace: Workspace, cohort: str) -> Canary:
    """Change one text of one record in the new system, see it come back to the old one, take it back on both.

    Raises:
        UsageError: no field of the plan can be tried.
        MigrateError: it didn't come back; the record is as it was, as far as that could be done.
    """
    cutover = Cutover(workspace, cohort)
    with opened(workspace) as side, alone(side):
        side.ready()
        side.ids()
        event = _event(cutover) or _choose(cutover, side)
        tried = _Tried(cutover, side, event)
        try:
            tried.go()
        except MigrateError:
            tried.restore()
            raise
        trail.append(
            workspace.ledger, trail.actor(), CAME_BACK, cohort=cohort, canary=event.digest,
            object=tried.each.object, field=tried.field.name,
        )  # fmt: skip
        return tried.told


def _event(cutover: Cutover) -> Event | None:
    """The canary of the switch under way, if one was begun and hasn't come back."""
    begun = cutover.last("switching")
    found = None
    for each in trail.events(cutover.workspace.ledger, (CANARY, CAME_BACK), cutover.cohort):
        if begun is None or each.number > begun.number:
            found = each if each.what == CANARY else None
    return found


def _finish(cutover: Cutover, side: Side) -> None:
    """Take back a canary that a killed process left, of whatever switch."""
    found: dict[str, Event] = {}
    for each in trail.events(cutover.workspace.ledger, (CANARY, CAME_BACK), cutover.cohort):
        if each.what == CANARY:
            found[each.digest] = each
        else:
            found.pop(str(each.facts["canary"]), None)
    begun = cutover.last("switching")
    for event in found.values():
        if begun is None or event.number < begun.number:
            side.ready()
            side.ids()
            _Tried(cutover, side, event).restore()


def _choose(cutover: Cutover, side: Side) -> Event:
    """A record of the cohort and a text of it that nothing hangs on; written down before it is touched."""
    for each, field in _candidates(side):
        name = field.inputs[0]
        rows = side.workspace.engine.rows(
            f"""SELECT i.id, i.old_id, i.key FROM ids AS i
            JOIN {side.look(NEW, each.object)} AS n ON n._id = i.id
            WHERE i.object = {text(each.object)} AND i.entry = {text(each.name)} AND i.key IS NOT NULL
            AND i.key IN (SELECT key FROM {_cohort(side, cutover.cohort)})
            ORDER BY n.{identifier(name)} IS NULL, length(n.{identifier(name)}), i.id LIMIT 5"""
        )
        with closing(side.workspace.target()) as target:
            there = {
                r.asked for r in target.read_back(each.old, [field.name], ids=[r["old_id"] for r in rows])
            }
        for row in rows:
            if row["old_id"] in there:
                return trail.append(
                    cutover.workspace.ledger, trail.actor(), CANARY, cohort=cutover.cohort, entry=each.name,
                    key=row["key"], id=row["id"], old_id=row["old_id"], field=name,
                )  # fmt: skip
    raise UsageError(
        "No field can be tried on the way back: no record of the cohort has a plain text that comes back to "
        "the letter.",
        "Map one text field as it is (a description, a name).",
    )


def _cohort(side: Side, cohort: str) -> str:
    from migrate.cutover import homes

    files = homes.keys(side.forward, cohort)
    return copied(side, files)


def _candidates(side: Side) -> list[tuple[BackEntry, BackField]]:
    """Plain texts, those first on which least hangs."""
    found = []
    for each in side.entries:
        new, old = side.target.objects[each.object].fields, side.source.objects[each.old].fields
        for field in each.fields:
            one = field.inverse
            if one.form != "field" or one.rule is not None or field.entries or one.guarded:
                continue
            here, there = new[one.field], old[field.name]
            texts = (Kind.STRING, Kind.TEXT)
            if here.kind not in texts or there.kind not in texts or here.unique or there.unique:
                continue
            if not here.updateable or not there.updateable or here.external_id or there.external_id:
                continue
            words = one.field.lower()
            if any(part in words for part in ("mail", "phone", "domain", "url", "website", "fax", "mobile")):
                continue
            rank = 0 if "descr" in words or "note" in words else 1 if "name" not in words else 2
            found.append((rank, here.kind is not Kind.TEXT, each, field))
    found.sort(key=lambda one: one[:2])
    return [(each, field) for _, _, each, field in found]


class _Tried:
    """One canary: a text with a mark at its end goes out in the new system and must come back."""

    def __init__(self, cutover: Cutover, side: Side, event: Event) -> None:
        self.cutover, self.side, self.event = cutover, side, event
        self.each = next(one for one in side.entries if one.name == event.facts["entry"])
        name = str(event.facts["field"])
        self.field = next(one for one in self.each.fields if one.inputs == (name,))
        self.new_name, self.key = name, str(event.facts["key"])
        self.id, self.old_id = str(event.facts["id"]), str(event.facts["old_id"])

    @property
    def told(self) -> Canary:
        """For the switch's record."""
        return Canary(self.each.object, self.id, self.each.old, self.old_id, self.field.name)

    @property
    def mark(self) -> str:
        """What is added, and told apart from what people write."""
        return f"way back {self.event.digest[:8]}"

    def go(self) -> None:
        """Out, back, and as it was.

        Raises:
            MigrateError: it didn't come back, or somebody wrote to the record meanwhile.
        """
        before = self._first()
        marked = f"{before} {self.mark}" if before else self.mark
        if self._state("home") is None:  # else a former process saw it come, and took it home
            self._write("out", before, marked)
            self._must_come(marked)
        self._write("home", marked, before)
        self._must_come(before)

    def restore(self) -> None:
        """Put the record back as it was, on both sides, where the mark still stands."""
        with closing(self.side.forward.target()) as target:
            there = target.read_back(self.each.object, [self.new_name], ids=[self.id])
        now = there[0].values.get(self.new_name) if there else None
        if now is not None and now.endswith(self.mark):
            before = now.removesuffix(self.mark).removesuffix(" ") or None
            self._write("home", now, before)
            self._must_come(before)
        trail.append(
            self.cutover.workspace.ledger, trail.actor(), CAME_BACK, cohort=self.cutover.cohort,
            canary=self.event.digest, restored=True,
        )  # fmt: skip

    def _first(self) -> str | None:
        """The text before the mark: as the journal has it, if a former process has begun."""
        forward = self.side.forward
        rows = forward.engine.rows(
            f"""SELECT "before" FROM {forward.journal.source()} WHERE batch = {text(self._batch("out"))}
            AND outcome = 'intent' LIMIT 1"""
        )
        if rows:
            return image(rows[0]["before"]).get(self.new_name)
        with closing(forward.target()) as target:
            found = target.read_back(self.each.object, [self.new_name], ids=[self.id])
        if not found:
            raise SystemRefused(
                forward.system("target").system, f"{self.each.object} {self.id} went away", "Switch again."
            )
        return found[0].values.get(self.new_name)

    def _batch(self, way: str) -> str:
        return f"canary-{self.event.digest[:12]}-{way}"

    def _state(self, way: str) -> str | None:
        """How far its batch came; None: it wasn't begun."""
        found: str | None = self.side.forward.ledger.value(
            sa.select(batches.c.state).where(batches.c.id == self._batch(way))
        )
        return found

    def _write(self, way: str, before: str | None, value: str | None) -> None:
        """Write the text in the new system, by the load protocol, once."""
        forward, name, state = self.side.forward, self._batch(way), self._state(way)
        if state not in (None, "intent"):
            return
        plan = next(each for each in forward.plan.model.objects if each.name == self.each.forward)
        attempt = forward.ledger.attempt()
        with (
            closing(forward.target()) as target,
            Loading(forward, target, forward.guarded(), attempt, PHASE) as loading,
        ):
            known = self._known(forward, before)
            item = Item(0, self.key, known.version, self.id, {self.new_name: value}, known)
            row = BatchRow(
                name, attempt, loading.system, PHASE, "canary", "-", (0,), self.each.object, "update",
                digest_of([item]), stamp(forward.clock.now()),
            )  # fmt: skip
            protocol = RecordProtocol(
                loading, self.each.object, written_fields(plan), always=[self.new_name], only=[self.new_name]
            )
            tally = protocol.run(RecordWork(row, plan, "update", (item,), doubt=state == "intent"))
        if tally["update"] != 1:
            raise SystemRefused(
                forward.system("target").system,
                f"the canary's {self.each.object} {self.id} couldn't be changed: "
                + ", ".join(f"{n} {w}" for w, n in tally.items() if n and not w.startswith("_")),
                "`migrate dead-letters list` says why; switch again.",
            )

    def _known(self, forward: Workspace, before: str | None) -> Known:
        journal = f"(SELECT * FROM {forward.journal.source()} WHERE key = {text(self.key)})"
        rows = forward.engine.rows(f"SELECT * FROM ({CROSSWALK.format(journal=journal)})")
        row = rows[0]
        after = image(row["after"]) | {self.new_name: before}
        return Known(
            row["target_id"], row["origin"], after, row["version"] or "", row["stamp"] or "",
            image(row["before"]), row["adopted"] or "",
        )  # fmt: skip

    def _must_come(self, value: str | None) -> None:
        """Bring the change back until the old system holds it.

        Raises:
            SystemRefused: it never does.
        """
        rules = self.side.source.objects[self.each.old].fields[self.field.name].held
        wanted = held(rules, value)
        for number in range(TRIES):
            if number:
                self.side.forward.clock.sleep(2.0**number)
            reverse_steps.plan(
                self.side, only=[self.id], objects=[self.each.object], tried=self.field.name,
                who=trail.actor(),
            )  # fmt: skip
            reverse_steps.deliver(self.side)
            with closing(self.side.workspace.target()) as old:
                found = old.read_back(self.each.old, [self.field.name], ids=[self.old_id])
            if found and found[0].values.get(self.field.name) == wanted:
                return
        raise SystemRefused(
            self.side.workspace.system("target").system,
            f"a change of {self.each.object} {self.id} didn't come back to {self.each.old} {self.old_id}",
            "Look at `migrate cutover status`; the record's owner may have written to it meanwhile.",
        )
