"""What does the target hold of these records right now? Values, who wrote them, and who linked to them.

Reads only. Records are read in as few calls as the target's limits allow: links in lots of a thousand,
values in the batches in which they will be written, histories only where stamps or values ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrate.catalog import Catalog, Field
from migrate.connector import ExplainsLinks, Held, KeepsHistory, Link, ListsAutomations, Target, Version
from migrate.engine import text
from migrate.plan.needs import written_fields
from migrate.workspace import Workspace
from migrate_rollback import judging
from migrate_rollback.deeds import quoted
from migrate_rollback.model import Row, Verdict
from migrate_rollback.worklist import chunks

GOING = ("created", "side", "stray")  # of our making, or of an automation's because of us


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

    def schema(self, object: str) -> dict[str, Field]:
        """The catalog's fields of an object."""
        return self.catalog.objects[object].fields

    def records(self, object: str, rows: Sequence[Row]) -> dict[str, Held]:
        """The records of these rows, by the id that was asked for."""
        names = dict.fromkeys([*self.fields(object), *(name for row in rows for name in row.written)])
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
        records = self.records(object, rows)
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
        records |= self._whole(object, rows, histories or {})
        found = []
        for row in rows:
            record = records.get(row.id)
            if row.action == "delete":
                # Of some objects a target keeps no history, though it does of others.
                told = histories.get(row.id) if histories is not None and row.id in whole else None
                verdict = judging.judge_delete(
                    row, record, fields, told, foreign.get(row.id, []), schema, self._given(object)
                )
            else:
                told = late_histories.get(row.id) if late_histories is not None else None
                verdict = judging.judge_restore(row, record, schema, told)
            found.append((row, record, verdict))
        self._note(object, [(row, verdict) for row, _, verdict in found])
        return found

    def _whole(
        self, object: str, rows: Sequence[Row], histories: dict[str, list[Version]]
    ) -> dict[str, Held]:
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

    def _given(self, object: str) -> dict[str, str]:
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
        for lot in chunks(rows, 1000):
            values = ", ".join(f"({quoted(row)})" for row in lot)
            self.workspace.engine.run(f"INSERT INTO undo_looked VALUES {values}")

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

        Args:
            found: all their links, where they were just read.
        """
        ids = [row.id for row in rows if not row.forced]
        if found is None:
            found = self.links(object, ids) if ids else []
        going = self.ends([link.right for link in found], ("created", "side", "stray"))
        if any(row.kind == "side" for row in rows):
            going |= self.ends([link.right for link in found], ("adopted",))
        known = self._known(ids)
        stays, freed = self._looked(found)
        left = self._references([link for link in found if (link.right_object, link.right) in going])
        refer = self._refer(found)
        unknown = [
            link
            for link in found
            # What hangs under a record by such a link goes with it: it must not take along what is held.
            if (link.cascades and ((link.right_object, link.right) in stays or _named(link) in refer))
            or (
                _named(link) not in freed | refer
                and not _ours(link, known)
                and ((link.right_object, link.right) not in going or self._by_others(link, left))
            )
        ]
        if unknown and isinstance(self.target, ExplainsLinks):
            explained = self.target.made_by_automation(unknown)
            unknown = [link for link in unknown if link not in explained]
        by_id: dict[str, list[Link]] = {}
        for link in unknown:
            by_id.setdefault(link.left, []).append(link)
        return by_id

    def _by_others(self, link: Link, left: dict[tuple[str, str], str | None]) -> bool:
        """Whether a link between two records of ours, which no journal knows, can't be our doing.

        A reference is a value of the record that holds it: ours is as we left it. A link beside the records
        is somebody's, where both are of objects that the plan loads; what automations hang under a record
        of ours (a task) they link by themselves.

        Args:
            left: what `_references` found.
        """
        if (link.right, link.label) in left:
            return left[link.right, link.label] != link.left
        planned = {each.target for each in self.workspace.plan.model.objects}
        return {link.left_object, link.right_object} <= planned and not self._is_reference(link)

    def _is_reference(self, link: Link) -> bool:
        schema = self.catalog.objects.get(link.right_object)
        field = schema.fields.get(link.label) if schema else None
        return field is not None and bool(field.references)

    def _references(self, links: Sequence[Link]) -> dict[tuple[str, str], str | None]:
        """By record of ours and field: the record that we left it naming, for links that are references."""
        found: dict[tuple[str, str], str | None] = {}
        by_label: dict[str, list[str]] = {}
        for link in links:
            if self._is_reference(link):
                by_label.setdefault(link.label, []).append(link.right)
        for label, ids in by_label.items():
            for lot in chunks(list(dict.fromkeys(ids)), 5000):
                rows = self.workspace.engine.rows(
                    f"""SELECT id, "after"[{text(label)}] AS named FROM undo_records
                    WHERE id IN ({quoted(list(lot))})"""
                )
                found.update({(row["id"], label): row["named"] for row in rows})
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

    def _known(self, ids: Sequence[str]) -> dict[tuple[str, str, str, str], set[tuple[str, str]]]:
        """Labels, with who made them (link or side), of each pair that we or an automation linked."""
        listed = quoted(list(ids))
        rows = self.workspace.engine.rows(
            f"""SELECT lo, "left", ro, "right", label, kind FROM undo_links
            WHERE "left" IN ({listed}) OR "right" IN ({listed})"""
        )
        found: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}
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


# Marks that a target may put on a pair by itself when anybody links it: a plan's words for them.
BY_ITSELF = frozenset({"default", "primary"})


def _named(link: Link) -> tuple[str, str, str]:
    """The far end, and the field of it that refers to the near one (or the label)."""
    return link.right_object, link.right, link.label


def _ours(link: Link, known: dict[tuple[str, str, str, str], set[tuple[str, str]]]) -> bool:
    forward = known.get((link.left_object, link.left, link.right_object, link.right))
    backward = known.get((link.right_object, link.right, link.left_object, link.left), set())
    # Seen from its other end a label may have another name; it is compared at the end that we wrote.
    if forward is None or any(kind == "link" for _, kind in backward):
        return bool(backward)
    return link.label in BY_ITSELF or link.label in {label for label, _ in forward}
