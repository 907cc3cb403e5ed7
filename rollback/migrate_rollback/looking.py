"""What does the target hold of these records right now? Values, who wrote them, and who linked to them.

Reads only. Records are read in as few calls as the target's limits allow: links in lots of a thousand,
values in the batches in which they will be written, histories only where stamps or values ask for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from migrate.catalog import Catalog, Field
from migrate.connector import (
    THEIRS,
    ExplainsLinks,
    Held,
    KeepsHistory,
    Link,
    ListsAutomations,
    Target,
    Version,
)
from migrate.engine import text
from migrate.plan.models import PlanModel
from migrate.plan.needs import written_fields
from migrate.workspace import Workspace
from migrate_rollback import judging
from migrate_rollback.deeds import quoted
from migrate_rollback.model import Row, Verdict, image
from migrate_rollback.worklist import chunks

GOING = ("created", "side", "stray")  # of our making, or of an automation's because of us
End = tuple[str, str]  # object and id
Pair = tuple[str, str, str, str]  # object and id of the left record, and of the right one
Known = dict[Pair, set[tuple[str, str]]]  # labels of a pair, with who made each (link or side)
# Marks that a target may put on a pair by itself when anybody links it: a plan's words for them.
BY_ITSELF = frozenset({"default", "primary"})


@dataclass
class Look:
    """A second look at records, with the engine's tables of `deeds` for what is ours. Thread safe."""

    workspace: Workspace
    target: Target
    catalog: Catalog
    _fields: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace.engine.run(
            "CREATE OR REPLACE TABLE undo_looked (object VARCHAR, id VARCHAR, what VARCHAR, field VARCHAR)"
        )

    def fields(self, object: str) -> list[str]:
        """Target fields that the plan writes on an object."""
        if object not in self._fields:
            names: dict[str, None] = {}
            for each in self.workspace.plan.model.objects:
                if each.target == object:
                    names.update(dict.fromkeys(written_fields(each)))
            self._fields[object] = list(names)
        return self._fields[object]

    def owner_field(self, object: str) -> str | None:
        """The field that says whose a record is."""
        return owner_field(self.workspace.plan.model, self.catalog, object)

    def schema(self, object: str) -> dict[str, Field]:
        """The catalog's fields of an object."""
        return self.catalog.objects[object].fields

    def records(self, object: str, rows: Sequence[Row], *, owner: bool = False) -> dict[str, Held]:
        """The records of these rows, by the id that was asked for.

        Args:
            owner: whose they are is read, too.
        """
        names = dict.fromkeys([*self.fields(object), *(name for row in rows for name in row.written)])
        if owner and (whose := self.owner_field(object)) is not None:
            names[whose] = None
        found = self.target.read_back(object, list(names), ids=[row.id for row in rows])
        return {record.asked: record for record in found}

    def versions(
        self, object: str, ids: Sequence[str], fields: Sequence[str] = ()
    ) -> dict[str, list[Version]] | None:
        """Histories by id; None where the target keeps none."""
        if not isinstance(self.target, KeepsHistory):
            return None
        return self.target.history(object, ids, fields) if ids else {}

    # -- judging ------------------------------------------------------------------------------

    def judge(
        self, object: str, rows: Sequence[Row], foreign: dict[str, list[Link]]
    ) -> list[tuple[Row, Held | None, Verdict]]:
        """What is to be done with each of these rows, as they stand now.

        Args:
            foreign: what `foreign` said of their links.
        """
        records = self.records(object, rows, owner=True)
        fields, schema = self.fields(object), self.schema(object)
        whole = [
            row.id
            for row in rows
            if row.action == "delete" and judging.asks_history(row, records.get(row.id), fields)
        ]
        late = {
            row.id: names
            for row in rows
            if row.action == "restore" and (names := judging.late_fields(row, records.get(row.id), schema))
        }
        histories = self.versions(object, whole)
        names = sorted({name for each in late.values() for name in each})
        late_histories = self.versions(object, list(late), names) if late else {}
        records |= self.whole(object, rows, histories or {})
        found = []
        for row in rows:
            record = records.get(row.id)
            if row.action == "delete":
                # Of some objects a target keeps no history, though it does of others.
                told = histories.get(row.id) if histories is not None and row.id in whole else None
                verdict = judging.judge_delete(
                    row, record, fields, told, foreign.get(row.id, []), schema, self.given(object)
                )
            else:
                told = late_histories.get(row.id) if late_histories is not None else None
                verdict = judging.judge_restore(row, record, schema, told)
            found.append((row, record, verdict))
        self._note(object, [(row, verdict) for row, _, verdict in found])
        return found

    def whole(self, object: str, rows: Sequence[Row], histories: dict[str, list[Version]]) -> dict[str, Held]:
        """Records of which only the last writer is told, with every field that anybody may write.

        A job of the vendor's that saved them last hides who wrote before it: then values must tell.
        """
        ids = [row.id for row in rows if row.action == "delete" and judging.hides(histories.get(row.id))]
        if not ids:
            return {}
        names = [name for name, field in self.schema(object).items() if field.updateable]
        more = [name for row in rows for name in row.after if name not in names]
        found = self.target.read_back(object, list(dict.fromkeys([*names, *more])), ids=ids)
        return {record.asked: record for record in found}

    def given(self, object: str) -> dict[str, str]:
        """What a record that we make gets in fields that we don't send."""
        return dict(self.target.given(object)) if isinstance(self.target, ListsAutomations) else {}

    def _note(self, object: str, told: Sequence[tuple[Row, Verdict]]) -> None:
        """Keep what stays and which references go, for the records on which these hang."""
        schema = self.schema(object)
        rows = [(object, row.id, "hold", "") for row, verdict in told if verdict.what == "hold"]
        rows += [
            (object, row.id, "restore", name)
            for row, verdict in told
            if verdict.what == "restore"
            for name in verdict.values
            if name in schema and schema[name].references
        ]
        self.workspace.engine.put("undo_looked", rows)

    # -- links --------------------------------------------------------------------------------

    def links(self, object: str, ids: Sequence[str]) -> list[Link]:
        """Every link from these records to anything."""
        return [
            link
            for other in self.target.linked_objects(object)
            for link in self.target.read_links(object, ids, other)
        ]

    def foreign(
        self, object: str, rows: Sequence[Row], found: Sequence[Link] | None = None
    ) -> dict[str, list[Link]]:
        """Links on these records that came from nobody of ours, by record.

        A link of somebody's between two records that we created holds both. A reference of a child that we
        created is somebody's where its field isn't as we left it, and the child is held or a person wrote
        there: a child that is looked at later than its parent. Of a record that goes by force only those
        links are told that would take along what is held.

        Args:
            found: all their links, where they were just read.
        """
        ids = [row.id for row in rows]
        forced = {row.id for row in rows if row.forced}
        if found is None:
            found = self.links(object, ids) if ids else []
        ends = [link.right for link in found]
        created, machines = self.ends(ends, ("created",)), self.ends(ends, ("side", "stray"))
        adopted = self.ends(ends, ("adopted",)) if any(row.kind == "side" for row in rows) else set()
        sides = {row.id for row in rows if row.kind == "side"}
        planned = {each.target for each in self.workspace.plan.model.objects}
        known = self._known(ids)
        stays, freed = self._looked(found)
        held_there = {
            (link.right_object, link.right)
            for link in found
            if link.label in self._field_names(link.right_object)
        }
        left = self._as_we_left(held_there & created)
        written = self._written_by_people(found, created - stays, left)
        elsewhere = self._labels_elsewhere(found, known)
        refer = self._refer(found)

        def theirs(link: Link) -> bool:
            end = (link.right_object, link.right)
            if link.cascades and (end in stays or _named(link) in refer):
                # What hangs under a record by such a link goes with it: it must not take along what is held.
                return True
            if link.left in forced:
                return False
            if _named(link) in freed | refer:
                return False
            if end in created | machines and link.label in self._field_names(link.right_object):
                # A reference is a value of the record that holds it: whose it is was told with that record.
                as_left = left.get(end, {}).get(link.label) == link.left
                return not as_left and (end in created & stays or _named(link) in written)
            beside = end in machines or (link.left in sides and end in created | adopted)
            if beside and not {link.left_object, link.right_object} <= planned:
                return False  # what an automation hangs under a record of ours (a task) it links by itself
            return not _ours(link, known, elsewhere)

        unknown = [link for link in found if theirs(link)]
        if unknown and isinstance(self.target, ExplainsLinks):
            explained = self.target.made_by_automation(unknown)
            unknown = [link for link in unknown if link not in explained]
        by_id: dict[str, list[Link]] = {}
        for link in unknown:
            by_id.setdefault(link.left, []).append(link)
        return by_id

    def _field_names(self, object: str) -> Collection[str]:
        schema = self.catalog.objects.get(object)
        return schema.fields if schema is not None else ()

    def _written_by_people(
        self, links: Sequence[Link], ends: Collection[End], left: Mapping[End, Mapping[str, str | None]]
    ) -> set[tuple[str, str, str]]:
        """References of records of ours, not looked at yet, that lead elsewhere than we left them because of
        a person. Where the target tells nobody's name, whoever it was may have been one."""
        asked: dict[tuple[str, str], list[str]] = {}
        for link in links:
            end = (link.right_object, link.right)
            if end not in ends or link.label not in self._field_names(link.right_object):
                continue
            writable = self.schema(link.right_object)[link.label].updateable
            if writable and left.get(end, {}).get(link.label) != link.left:
                asked.setdefault((link.right_object, link.label), []).append(link.right)
        found: set[tuple[str, str, str]] = set()
        for (object, name), ids in asked.items():
            told = self.versions(object, ids)  # by name the last to save would stand for who wrote the field
            for id in ids:
                versions = None if told is None else told.get(id, [])
                by_field = [each for each in versions or () if each.field == name]
                if not by_field or any(each.who in THEIRS for each in by_field):
                    found.add((object, id, name))
        return found

    def _as_we_left(self, ends: Collection[End]) -> dict[End, dict[str, str | None]]:
        """What we wrote on these records of ours."""
        found: dict[End, dict[str, str | None]] = {}
        for lot in chunks(sorted({id for _, id in ends}), 5000):
            rows = self.workspace.engine.rows(
                f"""SELECT object, id, "after" FROM undo_records WHERE id IN ({quoted(list(lot))})"""
            )
            found.update({(row["object"], row["id"]): image(row["after"]) for row in rows})
        return found

    def _labels_elsewhere(self, links: Sequence[Link], known: Known) -> dict[Pair, set[str]]:
        """Labels as the other end names them, of pairs that have a label here which isn't one of ours: it is
        ours by another name, or somebody's."""
        asked: dict[tuple[str, str], dict[str, None]] = {}
        for link in links:
            if link.label not in BY_ITSELF and _written_there(link, known):
                asked.setdefault((link.right_object, link.left_object), {})[link.right] = None
        found: dict[Pair, set[str]] = {}
        for (left, right), ids in asked.items():
            for lot in chunks(list(ids), self.target.limits.link_reads):
                for link in self.target.read_links(left, list(lot), right):
                    pair = (link.left_object, link.left, link.right_object, link.right)
                    found.setdefault(pair, set()).add(link.label)
        return found

    def _looked(self, links: Sequence[Link]) -> tuple[set[tuple[str, str]], set[tuple[str, str, str]]]:
        """Of what hangs there: records of ours that were looked at before and stay, and references of
        others' records that are put back."""
        stays: set[tuple[str, str]] = set()
        freed: set[tuple[str, str, str]] = set()
        for lot in chunks(list(dict.fromkeys(link.right for link in links)), 5000):
            listed = quoted(list(lot))
            for row in self.workspace.engine.rows(
                f"""SELECT object, id, what, field FROM undo_looked WHERE id IN ({listed})
                UNION SELECT object, id, 'hold', '' FROM undo_held WHERE id IN ({listed})"""
            ):
                if row["what"] == "hold":
                    stays.add((row["object"], row["id"]))
                else:
                    freed.add((row["object"], row["id"], row["field"]))
        return stays, freed

    def _refer(self, links: Sequence[Link]) -> set[tuple[str, str, str]]:
        """Of what hangs there: references that we wrote on records of ours which stay."""
        found: set[tuple[str, str, str]] = set()
        for lot in chunks(list(dict.fromkeys(link.right for link in links)), 5000):
            rows = self.workspace.engine.rows(
                f"SELECT object, id, field FROM undo_refs WHERE id IN ({quoted(list(lot))})"
            )
            found.update((row["object"], row["id"], row["field"]) for row in rows)
        return found

    def ends(self, ids: Sequence[str], roles: Sequence[str] = GOING) -> set[tuple[str, str]]:
        """Of these records, by object and id, those that the journal knows in one of these roles."""
        found: set[tuple[str, str]] = set()
        for lot in chunks(list(dict.fromkeys(ids)), 5000):
            rows = self.workspace.engine.rows(
                f"""SELECT object, id FROM undo_ends
                WHERE role IN ({quoted(list(roles))}) AND id IN ({quoted(list(lot))})"""
            )
            found.update((row["object"], row["id"]) for row in rows)
        return found

    def _known(self, ids: Sequence[str]) -> Known:
        """Labels, with who made them (link or side), of each pair that we or an automation linked."""
        listed = quoted(list(ids))
        rows = self.workspace.engine.rows(
            f"""SELECT lo, "left", ro, "right", label, kind FROM undo_links
            WHERE "left" IN ({listed}) OR "right" IN ({listed})"""
        )
        found: Known = {}
        for row in rows:
            pair = (row["lo"], row["left"], row["ro"], row["right"])
            found.setdefault(pair, set()).add((row["label"], row["kind"]))
        return found

    def ours_of_sides(self, object: str, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Which of an object's side records go with ours, and which are others' business.

        Where not all of ours goes, one must hang on a record that does.
        """
        links = self.links(object, ids) if ids else []
        whole = bool(self.workspace.engine.rows("SELECT whole FROM undo_whole")[0]["whole"])
        roles = ("created", "adopted", "side", "stray") if whole else ("created", "adopted", "stray")
        ours = self.ends([link.right for link in links], roles)
        mine, theirs = judging.sides_of_ours(ids, links, ours)
        if whole:
            return mine, theirs
        owned = self._owned(object, mine)
        hanging = {link.left for link in links if (link.right_object, link.right) in ours} | owned
        return [id for id in mine if id in hanging], theirs + [id for id in mine if id not in hanging]

    def _owned(self, object: str, ids: Sequence[str]) -> set[str]:
        """Side records that the vendor made with a record that goes."""
        rows = self.workspace.engine.rows(
            f"""SELECT id FROM undo_sides WHERE object = {text(object)} AND id IN ({quoted(list(ids))})
            AND owner IN (SELECT id FROM undo_ends WHERE role IN ('created', 'stray'))"""
        )
        return {row["id"] for row in rows}


def owner_field(plan: PlanModel, catalog: Catalog, object: str) -> str | None:
    """The field that says whose a record is: one that the plan fills, else the vendor's; None without one."""
    schema = catalog.objects.get(object)
    if schema is None:
        return None
    planned = [name for each in plan.objects if each.target == object for name in each.fields]
    own = [name for name, field in schema.fields.items() if field.updateable and not field.custom]
    return next(
        (name for name in (*planned, *own) if name in schema.fields and schema.fields[name].owner), None
    )


def _named(link: Link) -> tuple[str, str, str]:
    """The far end, and the field of it that refers to the near one (or the label)."""
    return link.right_object, link.right, link.label


def _written_there(link: Link, known: Known) -> bool:
    """Whether this pair was linked at its other end, by no label of that name."""
    backward = known.get((link.right_object, link.right, link.left_object, link.left), set())
    return bool(backward) and link.label not in {label for label, _ in backward}


def _ours(link: Link, known: Known, elsewhere: Mapping[Pair, set[str]]) -> bool:
    """Whether we, or an automation in our wave, made this link with this label.

    Args:
        elsewhere: labels as the other end names them, where `_written_there` said so.
    """
    there = (link.right_object, link.right, link.left_object, link.left)
    forward = known.get((link.left_object, link.left, link.right_object, link.right), set())
    backward = known.get(there, set())
    if not forward and not backward:
        return False
    if link.label in BY_ITSELF or link.label in {label for label, _ in forward | backward}:
        return True
    # Seen from its other end a label may have another name; it is compared at the end that we wrote.
    return there in elsewhere and elsewhere[there] <= BY_ITSELF | {label for label, _ in backward}
