"""Does anything in the target stir when we write? One record of each entry goes ahead, alone.

For each entry of the plan and each operation (create, adopt, update) one real record is a batch of one: of
those that would go first, the one that holds most. It is read back at once, and again when the target's own
automations have had their time (`Limits.settle`). What they did is compared with what the plan accepts;
anything else stops the load before the second record of the entry. Entries share a wait where they can.

A canary is in the ledger before it is sent and until it was looked at, so a load that was killed in between
looks first. One that passed isn't flown again in the same attempt, against the same catalog.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from migrate.connector import ListsAutomations
from migrate.engine import text
from migrate.errors import CanaryStopped
from migrate.held import held
from migrate.ledger import Ledger
from migrate.ledger.canaries import PASSED, REFUSED, REFUSES, SENT, STOPPED, VOID, Canary, Effect, flown
from migrate.ledger.tables import canaries
from migrate.load.context import Loading, Tally
from migrate.load.cutting import Cutter
from migrate.load.effects import Watch, Written, judged
from migrate.load.work import RecordWork, crosswalk_table, digest_of
from migrate.plan.models import ObjectPlan

OPERATIONS = ("create", "adopt", "update")

Carry = Callable[[ObjectPlan, RecordWork], Tally]


def due(ledger: Ledger, attempt: int, catalog: str, plan: ObjectPlan, operations: Iterable[str]) -> list[str]:
    """Those of an entry's operations for which a load would fly a canary."""
    if plan.automations.waive:
        return []
    passed = {
        each.operation
        for each in flown(ledger, attempt)
        if each.entry == plan.name and each.catalog == catalog and each.state == PASSED
    }
    return [each for each in operations if each in OPERATIONS and each not in passed]


class Canaries:
    """The canaries of one load.

    Args:
        plans: all entries of the plan.
        carry: carries a batch to its settlement and counts it.
    """

    def __init__(self, loading: Loading, plans: Sequence[ObjectPlan], carry: Carry) -> None:
        self.loading, self.carry = loading, carry
        self.plans = {each.name: each for each in plans}
        self.catalog = loading.catalog.digest()
        self.watch = Watch(loading, {each.target: each.key.field for each in plans})
        self._passed = {
            (each.entry, each.operation)
            for each in flown(loading.ledger, loading.attempt)
            if each.catalog == self.catalog and each.state == PASSED
        }

    # -- what a former process left -------------------------------------------------------------

    def resume(self) -> None:
        """Look at what was sent and not looked at; ask the plan again about what stopped a former load.

        Raises:
            CanaryStopped: something stirred that the plan doesn't accept.
        """
        waiting = []
        for each in flown(self.loading.ledger, self.loading.attempt):
            plan = self.plans.get(each.entry)
            if plan is None:
                continue
            effects = self._judge(plan, each.effects)
            if each.state == STOPPED and all(effect.accepted for effect in effects):
                quiet = not any(effect.does == REFUSES for effect in effects)
                self._keep(each, PASSED if quiet else REFUSED, effects=effects)
                if quiet and each.catalog == self.catalog:
                    self._passed.add((each.entry, each.operation))
            elif each.state == SENT and (known := self._landed(each)) is not None:
                waiting.append(known)
        if waiting:
            self._look(waiting)

    # -- flying -------------------------------------------------------------------------------

    def ahead(self, plans: Sequence[ObjectPlan], *, sample: bool) -> None:
        """Send the first record of every entry that has one to send, parents first; then wait once for all.

        Raises:
            CanaryStopped: something stirred that the plan doesn't accept. Nothing else was sent.
        """
        works: list[Canary] = []
        marks: dict[str, Any] = {}
        for plan in plans:
            for first in self._firsts(plan, sample):
                marks = marks or self.watch.marks(each.target for each in plans)
                works += self._send(plan, first, marks)
            if works:
                crosswalk_table(self.loading)
        self._look(works)
        if works:
            crosswalk_table(self.loading)

    def guard(self, plan: ObjectPlan, works: Iterable[RecordWork]) -> Iterator[RecordWork]:
        """The same works, but no operation's second record before its canary has passed.

        Raises:
            CanaryStopped: something stirred that the plan doesn't accept.
        """
        for work in works:
            rest: RecordWork | None = work
            while rest is not None and self._needed(plan, rest) and (picked := self._pick(plan, rest)):
                first, rest = picked
                self._look(self._send(plan, first, self.watch.marks([plan.target])))
            if rest is not None:
                yield rest

    def _needed(self, plan: ObjectPlan, work: RecordWork) -> bool:
        return (
            work.operation in OPERATIONS
            and plan.automations.waive is None
            and (plan.name, work.operation) not in self._passed
        )

    def _firsts(self, plan: ObjectPlan, sample: bool) -> Iterator[RecordWork]:
        """The first record of each operation in the first part that has anything to be sent."""
        cutter = Cutter(self.loading, plan, sample=sample)
        for manifest in cutter.manifests():
            seen: set[str] = set()
            part = ""
            for work in cutter.pending(manifest):
                if part not in ("", work.batch.part):
                    break
                part = work.batch.part
                if work.operation in seen or not self._needed(plan, work):
                    continue
                if (picked := self._pick(plan, work)) is not None:
                    seen.add(work.operation)
                    yield picked[0]
            if part:
                return  # generations in order: what a later one brings is guarded when it is its turn

    def _pick(self, plan: ObjectPlan, work: RecordWork) -> tuple[RecordWork, RecordWork | None] | None:
        """The record of a work that holds most, so that automations find what they need, and the rest.

        Of updates it is the one that changes most; None where none changes anything.
        """
        weights = [sum(value is not None for value in item.values.values()) for item in work.items]
        if work.operation == "update":
            schema = self.loading.catalog.objects[plan.target].fields
            names = [name for name in work.items[0].values if name in schema]
            ids = [str(item.id) for item in work.items]
            now = {each.asked: each for each in self.loading.target.read_back(plan.target, names, ids=ids)}
            weights = [
                sum(held(schema[n].held, item.values.get(n)) != record.values.get(n) for n in names)
                if (record := now.get(str(item.id)))
                else 0
                for item in work.items
            ]
        if not any(weights):
            return None
        chosen = weights.index(max(weights))
        rest = [item for index, item in enumerate(work.items) if index != chosen]
        return _part(work, [work.items[chosen]]), _part(work, rest) if rest else None

    def _send(self, plan: ObjectPlan, work: RecordWork, marks: dict[str, Any]) -> list[Canary]:
        """Send one record; empty where the target refused it, for there is nothing to look at then."""
        item = work.items[0]
        facts = dict(marks)
        if work.operation != "create":
            facts |= self.watch.before(plan.target, str(item.id))
        canary = Canary(
            plan.name, work.operation, self._next(plan, work.operation), SENT, plan.target, item.key,
            item.id if work.operation != "create" else None, "", self.catalog, work.batch.id, facts, (),
        )  # fmt: skip
        self._keep(canary, SENT)
        self.loading.canary = True
        try:
            self.carry(plan, work)
        finally:
            self.loading.canary = False
        landed = self._landed(canary)
        if landed is None or landed.target_id is None:
            return []
        stamp = self.watch.stamp(plan.target, landed.target_id)
        landed = replace(landed, facts={**landed.facts, "stamp": stamp})
        self._keep(landed, SENT)
        return [landed]

    def _landed(self, canary: Canary) -> Canary | None:
        """The canary with its target id; None where it wasn't written, which the ledger is then told.

        Raises:
            CanaryStopped: a rule of the target refused it, and the plan doesn't accept that.
        """
        rows = self.loading.workspace.engine.rows(
            f"""SELECT outcome, target_id, reason FROM {self.loading.journal.source()}
            WHERE batch = {text(canary.batch)} AND key = {text(canary.key)} AND kind = 'record'
            AND outcome IN ('done', 'refused', 'conflict', 'held') ORDER BY seq DESC LIMIT 1"""
        )
        if not rows:
            self._keep(canary, VOID)  # never sent
            return None
        if rows[0]["outcome"] == "done":
            return replace(canary, target_id=str(rows[0]["target_id"]))
        code = str(rows[0]["reason"]).partition(":")[0]
        target = self.loading.target
        if not (isinstance(target, ListsAutomations) and target.by_rule(code)):
            self._keep(canary, REFUSED)
            return None
        effects = self._judge(self.plans[canary.entry], [Effect(REFUSES, code)])
        if all(each.accepted for each in effects):
            self._keep(canary, REFUSED, effects=effects)
            return None
        self._keep(canary, STOPPED, effects=effects)
        raise self._stopped([replace(canary, effects=tuple(effects))])

    def _look(self, sent: Sequence[Canary]) -> None:
        """Wait, look again, decide.

        Raises:
            CanaryStopped: something stirred that the plan doesn't accept.
        """
        if not sent:
            return
        self.loading.pause(self.loading.target.limits.settle)
        stopped = []
        for canary in sent:
            written = Written(
                canary.object, canary.batch, canary.key, str(canary.target_id),
                canary.operation == "create", canary.facts,
            )  # fmt: skip
            effects = self._judge(self.plans[canary.entry], self.watch.effects(written))
            quiet = all(each.accepted for each in effects)
            self._keep(canary, PASSED if quiet else STOPPED, effects=effects)
            if quiet:
                self._passed.add((canary.entry, canary.operation))
            else:
                stopped.append(replace(canary, effects=tuple(effects)))
        if stopped:
            raise self._stopped(stopped)

    # -- books --------------------------------------------------------------------------------

    @staticmethod
    def _judge(plan: ObjectPlan, effects: Iterable[Effect]) -> list[Effect]:
        return judged(effects, plan.automations.accept)

    def _next(self, plan: ObjectPlan, operation: str) -> int:
        query = sa.select(sa.func.max(canaries.c.number)).where(
            canaries.c.attempt == self.loading.attempt,
            canaries.c.entry == plan.name,
            canaries.c.operation == operation,
        )
        return int(self.loading.ledger.value(query) or 0) + 1

    def _keep(self, canary: Canary, state: str, *, effects: Sequence[Effect] = ()) -> None:
        with self.loading.ledger.write(self.loading.lease) as tx:
            tx.put(
                canaries,
                attempt=self.loading.attempt,
                entry=canary.entry,
                operation=canary.operation,
                number=canary.number,
                catalog=canary.catalog,
                state=state,
                object=canary.object,
                batch=canary.batch,
                key=canary.key,
                target_id=canary.target_id,
                at=canary.at or tx.at,
                facts=json.dumps(canary.facts),
                found=json.dumps([each.document() for each in effects]),
            )

    def _stopped(self, stopped: Sequence[Canary]) -> CanaryStopped:
        return CanaryStopped(
            self.loading.system,
            tuple(
                (
                    f"the first `{each.entry}` to {each.operation} ({each.object} "
                    f"{each.target_id or 'refused'}, {each.key})",
                    tuple(str(effect) for effect in each.effects if not effect.accepted),
                )
                for each in stopped
            ),
        )


def _part(work: RecordWork, items: Sequence[Any]) -> RecordWork:
    rows = tuple(item.row for item in items)
    name = hashlib.sha256(f"{work.batch.id} {rows}".encode()).hexdigest()[:20]
    batch = replace(work.batch, id=name, rows=rows, payload=digest_of(items))
    return replace(work, batch=batch, items=tuple(items))
