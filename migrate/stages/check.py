"""Is this plan sound against these two catalogs?

Everything that is wrong is told in one run, each mistake with its place in the plan or in a map
beside it. What isn't wrong but costs records (values without a home, groups that collide in a
unique field) is listed with counts, once an extract is there to count in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from migrate.catalog import Catalog, ObjectSchema
from migrate.engine import Engine
from migrate.errors import PlanError, PlanMistake
from migrate.plan import ObjectPlan, Plan
from migrate.plan.expressions import suggest
from migrate.plan.mistakes import Keys
from migrate.plan.needs import expected
from migrate.sizes import parse_bytes
from migrate.stages.check_activity import check_activity, check_sync
from migrate.stages.check_around import check_around, collide
from migrate.stages.check_consent import ConsentCheck
from migrate.stages.check_distinct import check_distinct
from migrate.stages.check_fields import FieldCheck
from migrate.stages.check_links import LinkCheck
from migrate.stages.check_new import check_new
from migrate.stages.check_references import check_waves
from migrate.stages.check_together import check_together
from migrate.stages.check_values import Values
from migrate.stages.checked import (
    Checked,
    CheckedField,
    CheckedLink,
    CheckedObject,
    CheckedOwners,
    Collision,
    Combinations,
    ConsentCounts,
    Findings,
    PicklistCounts,
    Unmapped,
)
from migrate.stages.related import CheckedRelated, Related, extended
from migrate.types import Kind

__all__ = [
    "Checked",
    "CheckedField",
    "CheckedLink",
    "CheckedObject",
    "CheckedOwners",
    "Collision",
    "PicklistCounts",
    "Unmapped",
    "check",
]


def check(
    plan: Plan,
    source: Catalog,
    target: Catalog,
    counts: PicklistCounts | None = None,
    *,
    collisions: Sequence[Collision] = (),
    combinations: Combinations | None = None,
    consent: ConsentCounts | None = None,
    engine: Engine | None = None,
    connectors: Collection[str] | None = None,
    checks: Collection[str] | None = None,
) -> Checked:
    """Check a plan against the catalogs of both systems.

    Args:
        plan: from `load_plan`, or from `read_plan`, whose mistakes are then told with the others.
        counts: distinct values in the extract, from `count_values`; without it, unmapped values are
            known only as far as the maps list them.
        collisions: from `count_collisions`; they become warnings.
        combinations: from `count_combinations`; those that the target refuses become warnings.
        consent: from `count_consent`; opt-outs that the plan doesn't mention are mistakes.
        engine: asked for result types; default: one of its own.
        connectors, checks: known types of systems and ids of checks; default: the installed ones.

    Raises:
        PlanError: with every mistake in the plan and its maps.
    """
    findings = Findings(mistakes=list(plan.mistakes))
    try:
        target = expected(plan, target)
    except PlanError as error:  # a map that can't be read; told where the map is named, too
        findings.mistakes.extend(error.mistakes)
    own = engine is None
    engine = engine or Engine(threads=1)
    try:
        values = Values(plan, source, target, counts, findings)
        fields = FieldCheck(plan, source, target, engine, findings, values)
        objects = _Objects(plan, source, target, fields, LinkCheck(plan, source, target, fields, values))
        found = objects.all()
        opt_outs = ConsentCheck(plan, source, target, fields, values, consent).all(found)
        check_together(plan, found, combinations, findings)
        check_distinct(plan, found, counts, findings)
        check_waves(plan, target, findings)
    finally:
        if own:
            engine.close()
    check_sync(plan, findings)
    check_around(plan, source, target, findings, connectors, checks)
    collide(plan, findings, collisions)
    if findings.mistakes:
        raise PlanError(findings.mistakes)
    return Checked(
        plan,
        source,
        target,
        found,
        warnings=tuple(dict.fromkeys(findings.warnings)),
        unmapped=tuple(findings.unmapped),
        collisions=tuple(collisions),
        added=tuple(findings.added),
        labels=tuple(findings.labels),
        consent=opt_outs,
    )


class _Objects:
    def __init__(
        self, plan: Plan, source: Catalog, target: Catalog, fields: FieldCheck, links: LinkCheck
    ) -> None:
        self.plan, self.source, self.target, self.fields, self.links = plan, source, target, fields, links
        self.tell = fields.tell
        self.related = Related(plan, source, fields.engine, fields.findings.mistakes.append)

    def all(self) -> dict[str, CheckedObject]:
        self._one_key()
        found: dict[str, CheckedObject] = {}
        for index, each in enumerate(self.plan.model.objects):
            source = self._schema(("objects", index, "source"), each.source, self.source, "source")
            target = self._schema(("objects", index, "target"), each.target, self.target, "target")
            related = self.related.of(index, each)
            source = extended(source, related) if source is not None else None
            checked = self._object(index, each, source, target, related)
            if checked is not None:
                found[each.name] = checked
        return found

    def _one_key(self) -> None:
        """Entries that go to one target object share the field that holds the migration key."""
        first: dict[str, ObjectPlan] = {}
        for index, each in enumerate(self.plan.model.objects):
            other = first.setdefault(each.target, each)
            if other.key.field != each.key.field:
                self.tell(
                    self.plan.at("objects", index, "key"),
                    f"`{each.name}` and `{other.name}` go to `{each.target}`, with different key fields: "
                    f"`{each.key.field}` and `{other.key.field}`.",
                    "Give both the same `key: {field: …}`.",
                )

    def _schema(self, keys: Keys, name: str, of: Catalog, side: str) -> ObjectSchema | None:
        if name not in of.objects:
            self.tell(
                self.plan.at(*keys),
                f"`{name}` isn't an object of the {side}.",
                suggest(name, of.objects, "Its objects are"),
            )
        return of.objects.get(name)

    def _object(
        self,
        index: int,
        each: ObjectPlan,
        source: ObjectSchema | None,
        target: ObjectSchema | None,
        related: tuple[CheckedRelated, ...],
    ) -> CheckedObject | None:
        keys = ("objects", index)
        where, dedupe = None, []
        if source is not None and each.where is not None:
            where = self.fields.condition(each.where, (*keys, "where"), source.fields, source.name)
        if source is not None and each.dedupe is not None:
            for number, text in enumerate(each.dedupe.on):
                on = self.fields.expression(text, (*keys, "dedupe", "on", number), source.fields, source.name)
                if on is not None and self.fields.type_of(on, source.fields) is not None:
                    dedupe.append(on)
        fields = self.fields.fields(index, each, source, target)
        activity = check_activity(index, each, source, self.fields) if source is not None else None
        links = self.links.links(index, each, source)
        self._mapped(index, each, target)
        check_new(self.plan, index, each, self.target, self.tell)
        if target is not None:
            self._key(index, each, target)
        self._files(index, each)
        if source is None or target is None:
            return None
        return CheckedObject(each, source, target, fields, links, where, tuple(dedupe), related, activity)

    def _mapped(self, index: int, each: ObjectPlan, target: ObjectSchema | None) -> None:
        """Fields that are named again under `match` and `insert_only` must be mapped."""
        for name in each.create:
            if name not in each.fields:
                at = self.plan.at_key("objects", index, "create", name)
                self.tell(
                    at, f"`{name}` stands under `create`, but nothing fills it.", "Map it under `fields`."
                )
        for key, names in (("match", each.match), ("insert_only", each.insert_only)):
            for number, name in enumerate(names):
                at = self.plan.at("objects", index, key, number)
                if target is not None and name not in target.fields and name not in each.fields:
                    known = suggest(name, target.fields, "Its fields are")
                    self.tell(at, f"`{name}` isn't a field of `{target.name}`.", known)
                elif name not in each.fields and (each.name, name) not in self.plan.broken:
                    self.tell(
                        at, f"`{name}` stands under `{key}`, but nothing fills it.", "Map it under `fields`."
                    )

    def _key(self, index: int, each: ObjectPlan, target: ObjectSchema) -> None:
        at = self.plan.at("objects", index, "key")
        if not target.createable:
            where = self.plan.at("objects", index, "target")
            self.tell(
                where, f"Records of `{target.name}` can't be created in the target.", "Name another object."
            )
        if target.key_by == "none":
            self.tell(at, f"No record of `{target.name}` can carry a migration key.", "Name another object.")
        names = [name for name in (each.key.field, each.key.old_id, each.key.old_url) if name]
        if len(set(names)) < len(names):
            self.tell(at, "`key` names one field for two things.", "Give each of them a field of its own.")
            return
        if target.key_field is not None:
            self._closed(index, each, target, target.key_field)
        there = target.fields.get(each.key.field)
        if there is None:
            return
        if there.kind != Kind.STRING or there.calculated or not there.createable:
            at = self.plan.at("objects", index, "key", "field")
            self.tell(
                at,
                f"`{each.key.field}` can't hold the migration key: it isn't text that can be written.",
                "Name one that isn't there yet; `prepare` makes it.",
            )
        elif not (there.unique or there.external_id):
            at = self.plan.at("objects", index, "key", "field")
            self.tell(
                at,
                f"`{each.key.field}` can't hold the migration key: its values needn't be unique.",
                "Name one that isn't there yet; `prepare` makes it.",
            )
        for key, name in (("old_id", each.key.old_id), ("old_url", each.key.old_url)):
            old = target.fields.get(name) if name is not None else None
            if old and (old.kind not in (Kind.STRING, Kind.TEXT) or not old.createable or old.calculated):
                at = self.plan.at("objects", index, "key", key)
                self.tell(
                    at,
                    f"`{name}` can't hold it: it must be a text field that can be written.",
                    "Name another.",
                )

    def _closed(self, index: int, each: ObjectPlan, target: ObjectSchema, only: str) -> None:
        """A target object that takes no field of ours has one place for the key, and none for more."""
        for part, name in (
            ("field", each.key.field),
            ("old_id", each.key.old_id),
            ("old_url", each.key.old_url),
        ):
            if name and name not in target.fields:
                remedy = f"Write `field: {only}`, or leave it out." if part == "field" else "Leave it out."
                at = self.plan.at("objects", index, "key", part)
                self.tell(at, f"`{target.name}` takes no field of ours, such as `{name}`.", remedy)
        for name in each.create:
            if name not in target.fields:
                at = self.plan.at_key("objects", index, "create", name)
                self.tell(at, f"`{target.name}` takes no field of ours, such as `{name}`.", "Leave it out.")

    def _files(self, index: int, each: ObjectPlan) -> None:
        if each.files.max_bytes is not None:
            try:
                parse_bytes(each.files.max_bytes)
            except ValueError as error:
                at = self.plan.at("objects", index, "files", "max_bytes")
                self.tell(at, f"{error}.", "Write a number and a unit: `100MB`.")
        if each.files.attachments and not (self.source.files_in and self.target.files_out):
            side = "source" if not self.source.files_in else "target"
            self.fields.findings.warnings.append(
                PlanMistake(
                    self.plan.at("objects", index, "files"),
                    f"Files of `{each.name}` aren't moved: the {side} doesn't tell how they hang on records.",
                    "Write entries for them, or give the credential the right to see files.",
                )
            )
