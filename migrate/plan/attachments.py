"""Which entries does `files: {attachments: true}` stand for? Those that bring files to their records.

The source's catalog says how files hang on its records, the target's how it takes them; from both follow, for
each kind of file, an entry that makes the files and one whose records carry them to the records of the
entries that asked. An entry that stands in the plan by the same name is left as it is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from migrate.catalog import Catalog, FileSource, FileTarget
from migrate.errors import PlanMistake, Position
from migrate.plan.fields import FieldPlan
from migrate.plan.loading import Plan
from migrate.plan.models import KeyPlan, LinkPlan, ObjectPlan, RelatedPlan
from migrate.sizes import parse_bytes

FILE, CARRIER = "file", "note"  # parts


class Expanded(Plan):
    """A plan with the entries that its `files` stand for, at the end; each lies where it was asked for."""

    def __init__(
        self, written: Plan, extra: Sequence[ObjectPlan], asked: int, mistakes: Sequence[PlanMistake]
    ) -> None:
        model = written.model.model_copy(update={"objects": [*written.model.objects, *extra]})
        told = (*written.mistakes, *mistakes)
        super().__init__(written.path, model, written.tree, told, written.broken)
        self._written, self._asked = len(written.model.objects), asked
        self._extra = "\n".join(each.model_dump_json() for each in extra)

    def _place(self, keys: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if len(keys) > 1 and keys[0] == "objects" and isinstance(keys[1], int) and keys[1] >= self._written:
            return ("objects", self._asked, "files")
        return keys

    def at(self, *keys: str | int) -> Position:
        return super().at(*self._place(keys))

    def at_key(self, *keys: str | int) -> Position:
        place = self._place(keys)
        return super().at_key(*place) if place == keys else super().at(*place)

    def locate(self, *keys: str | int) -> Callable[[int], Position]:
        place = self._place(keys)
        if place == keys:
            return super().locate(*keys)
        at = super().at(*place)
        return lambda _offset: at

    @property
    def written(self) -> Sequence[ObjectPlan]:
        return self.model.objects[: self._written]

    @property
    def digest(self) -> str:
        """SHA-256 over the plan as written and the entries that it stands for."""
        return hashlib.sha256(f"{super().digest}\n{self._extra}".encode()).hexdigest()


def expanded(plan: Plan, source: Catalog, target: Catalog) -> Plan:
    """The plan with the entries that its `files` stand for; itself where nothing asks or is known.

    Its mistakes name the entries whose records the target doesn't let files hang on.
    """
    all_asking = [index for index, each in enumerate(plan.model.objects) if each.files.attachments]
    out = target.files_out
    if not all_asking or out is None or not source.files_in:
        return plan
    alone = {index for index in all_asking if not _takes(target, out, plan.model.objects[index])}
    mistakes = [_unlinked(plan, out, index) for index in sorted(alone)]
    asking = [index for index in all_asking if index not in alone]
    entries = [plan.model.objects[index] for index in asking]
    there = {each.name for each in plan.model.objects}
    made = [
        entry
        for kind in (source.files_in if entries else ())
        for entry in _Kind(kind, out, entries, plan, source, target).entries()
        if entry.name not in there
    ]
    return Expanded(plan, made, all_asking[0], mistakes) if made or mistakes else plan


def _takes(target: Catalog, out: FileTarget, each: ObjectPlan) -> bool:
    """Whether carriers are linked to the entry's records; an object that isn't there yet will be."""
    if each.target not in target.objects:
        return True
    return any((kind.left, kind.right) == (out.carrier, each.target) for kind in target.links)


def _unlinked(plan: Plan, out: FileTarget, index: int) -> PlanMistake:
    each = plan.model.objects[index]
    return PlanMistake(
        plan.at("objects", index, "files", "attachments"),
        f"Files of `{each.name}` can't hang on its records: the target links no `{out.carrier}` to "
        f"`{each.target}`.",
        f"Remove it, make the files in an entry of their own, and list them on the record: "
        f"`{out.carries}: {{gather: {{<entry of the files>: <its reference>}}}}`.",
    )


class _Kind:
    """The entries of one kind of file."""

    def __init__(
        self, kind: FileSource, out: FileTarget, asking: Sequence[ObjectPlan], plan: Plan,
        source: Catalog, target: Catalog,
    ) -> None:  # fmt: skip
        self.kind, self.out, self.asking, self.plan = kind, out, asking, plan
        self.source, self.target = source, target
        # Files belong to nobody's entry alone; where entries differ, the first one's rule holds for all.
        self.rule = next((each.files for each in asking if each.files.max_bytes), asking[0].files)
        self.content = source.objects[kind.object].fields[kind.content]

    def entries(self) -> list[ObjectPlan]:
        return [self._files(), self._carriers()]

    def _files(self) -> ObjectPlan:
        kind, out = self.kind, self.out
        constants = {**out.fields, **self.rule.fields}
        fields = {out.name: kind.name, out.content: kind.content, **constants}
        closed = self.target.objects[out.object].key_field
        conditions = [kind.where, self._hangs(kind.parent) if kind.parent else f"{RECORDS} > 0"]
        return ObjectPlan(
            source=kind.object,
            part=FILE,
            target=out.object,
            where=_all(conditions),
            key=KeyPlan(field=closed) if closed else self._key(),
            related={} if kind.parent else self._related(str(kind.by)),
            fields={name: FieldPlan(expression=text) for name, text in fields.items()},
            files=self.rule.model_copy(update={"attachments": False}),
        )

    def _carriers(self) -> ObjectPlan:
        kind, out = self.kind, self.out
        of_file = kind.parent is not None
        schema = self.source.objects[kind.object if of_file else str(kind.document)]
        file, reference = f"{kind.object}~{FILE}", "_id" if of_file else str(kind.by)
        fields = {
            out.at: FieldPlan(expression=kind.at),
            out.body: FieldPlan(expression=self._body() if of_file else f"html_escape({kind.title})"),
            out.carries: FieldPlan(gather={file: reference}),
        }
        if (owner := self._owner()) is not None and kind.owner in schema.fields:
            fields[str(out.owner)] = owner
        conditions = [kind.where if of_file else kind.documents]
        conditions.append(self._hangs(str(kind.parent)) if of_file else f"{RECORDS} > 0")
        if of_file and self.rule.oversize == "reject" and (size := self._large()):
            conditions.append(f"NOT coalesce({size}, false)")
        return ObjectPlan(
            source=schema.name,
            part=CARRIER,
            target=out.carrier,
            where=_all(conditions),
            key=self._key(),
            related={} if of_file else self._related(None),
            fields=fields,
            links=[self._link(each) for each in self.asking],
            files=self.rule.model_copy(update={"attachments": False}),
        )

    def _link(self, each: ObjectPlan) -> LinkPlan:
        kind = self.kind
        where = self._of(each, str(kind.parent or kind.right))
        if kind.parent is not None:
            return LinkPlan(to=each.target, entry=each.name, via=kind.parent, where=where)
        return LinkPlan(
            to=each.target, entry=each.name, through=kind.through, left=kind.left, right=kind.right,
            where=where,
        )  # fmt: skip

    def _of(self, each: ObjectPlan, reference: str) -> str | None:
        """A condition: a reference leads to records of this entry, as far as ids tell."""
        prefix = self.source.objects[each.source].prefix
        return f"starts_with({reference}, {_quoted(prefix)})" if prefix else None

    def _hangs(self, reference: str) -> str | None:
        """A condition: a reference leads to a record of one of the entries that asked."""
        found = [self._of(each, reference) for each in self.asking]
        known = [each for each in found if each is not None]
        return f"({' OR '.join(dict.fromkeys(known))})" if len(known) == len(found) else None

    def _related(self, equals: str | None) -> dict[str, RelatedPlan]:
        """How many of the records that asked a document is linked to."""
        kind = self.kind
        return {
            RECORDS: RelatedPlan(
                of=str(kind.through), by=str(kind.left), equals=equals,
                where=self._hangs(str(kind.right)), take=f"count({kind.right})",
            )
        }  # fmt: skip

    def _key(self) -> KeyPlan:
        """Carriers bear the key in the same field as the records that they go to."""
        return KeyPlan(field=self.asking[0].key.field)

    def _owner(self) -> FieldPlan | None:
        """The owner's map that an entry which asked uses, for the carriers, too."""
        name, by = self.out.owner, self.kind.owner
        known = next((e.fields[name] for e in self.asking if name in e.fields and e.fields[name].owner), None)
        if known is None or by is None:
            return None
        takers = {"owner": known.owner, "inactive": known.inactive, "nobody": known.nobody}
        return FieldPlan.model_validate({"from": by, **takers})

    def _large(self) -> str | None:
        """A condition: the file is larger than the plan takes."""
        size = self.content.size_in
        return f"{size} > {parse_bytes(self.rule.max_bytes)}" if size and self.rule.max_bytes else None

    def _body(self) -> str:
        """The file's name; of one that is too large also its size, and where it lies."""
        name = f"html_escape({self.kind.name})"
        large = self._large()
        if large is None or self.rule.oversize == "reject":
            return name
        said = f"{name} || ' (' || {self.content.size_in} || ' bytes, not moved)'"
        if self.rule.oversize == "link" and self.rule.archive:
            url = _quoted(self.rule.archive)
            for mark, value in (
                ("{sha256}", f"split_part({self.kind.content}, ':', 2)"),
                ("{bytes}", f"CAST({self.content.size_in} AS VARCHAR)"),
                ("{name}", f"replace({self.kind.name}, ' ', '%20')"),
            ):
                url = f"replace({url}, {_quoted(mark)}, coalesce({value}, ''))"
            said += f" || ' <a href=\"' || html_escape({url}) || '\">' || html_escape({url}) || '</a>'"
        return f"CASE WHEN {large} THEN {said} ELSE {name} END"


RECORDS = "linked_records"


def _all(conditions: Sequence[str | None]) -> str | None:
    found = [each for each in conditions if each]
    return " AND ".join(f"({each})" for each in found) if found else None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
