"""How is what `prepare` made in a portal taken back, and who uses it?

An archived property leaves every read; its values stay in the archive, and a person brings both back in
HubSpot's pages for 90 days; its name is taken as long (known from practice, not read on a page of the
vendor's). A value that leaves a property's options leaves the records that hold it as they are. A label's
links lose the label. An object goes only while it has no live records, and keeps its name until it is
purged. Use is counted over the lists of records, which are read-after-write; search would lag.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import NewField, NewHelper, NewLabel, NewObject, NewOption, SchemaChange, Use
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.linking import REFUSALS, Linking
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.paths import STANDARD
from migrate.connectors.hubspot.portal import Portal, chunks
from migrate.connectors.hubspot.preparing import UNLABELLED, Preparing
from migrate.connectors.hubspot.reading import Reading
from migrate.connectors.hubspot.replies import error_body, problem

KEPT_DAYS = 90
GONE = Use(there=False)
Counts = Mapping[SchemaChange, int]


class Removing:
    """Takes back what is in the portal's schema because of us."""

    def __init__(
        self, portal: Portal, metadata: Metadata, reading: Reading, linking: Linking, preparing: Preparing
    ) -> None:
        self._portal, self._metadata, self._reading = portal, metadata, reading
        self._linking, self._preparing = linking, preparing

    def use(self, changes: Sequence[SchemaChange]) -> list[Use]:
        """One pass over the records of each object, however many of its properties are asked about."""
        self._metadata.forget()
        there = {change: self._there(change) for change in dict.fromkeys(changes)}
        counts = self._counted([change for change, use in there.items() if use.free])
        return [Use(there[change].there, counts.get(change, 0), there[change].why) for change in changes]

    def remove(self, change: SchemaChange) -> str:
        paths = self._portal.paths
        if isinstance(change, NewOption):
            return self._option_gone(change)
        reply: Reply | None
        if isinstance(change, NewField):
            reply = self._delete(paths.properties(change.object, f"/{change.name}"))
        elif isinstance(change, NewObject):
            reply = self._delete(paths.schemas(change.object))
        elif isinstance(change, NewHelper):
            reply = self._delete(paths.properties(change.object, f"/groups/{change.name}"))
        else:
            reply = self._unlabel(change)
        self._metadata.forget()
        return "removed" if reply is None or reply.status < 300 or reply.status == 404 else _refusal(reply)

    def _unlabel(self, change: NewLabel) -> Reply | None:
        """None where it isn't there any more. Pairs are parted at the custom object of the two."""
        left, right = change.left, change.right
        if change.label == UNLABELLED and left in STANDARD:
            left, right = right, left
        found = self._metadata.labels_anew(left, right)
        wire = next((each.wire for each in found if each.label == change.label), None)
        if wire is None:
            return None
        number = wire.rpartition(":")[2]
        if change.label == UNLABELLED:
            return self._delete(self._portal.paths.schemas(left, f"/associations/{number}"))
        return self._delete(self._portal.paths.associations(left, right, f"/labels/{number}"))

    # -- what is there ------------------------------------------------------------------------

    def _there(self, change: SchemaChange) -> Use:
        if isinstance(change, NewObject):
            there = self._preparing.type_id(change.object) is not None
            return Use(there, why=self._others_fields(change) if there else "")
        if isinstance(change, NewLabel):
            return Use(bool(self._labels(change)))
        if self._preparing.type_id(change.object) is None:
            return GONE  # the custom object itself isn't there any more
        if isinstance(change, NewHelper):
            return self._group(change)
        name = change.field if isinstance(change, NewOption) else change.name
        told = self._property(change.object, name)
        if told is None:
            return GONE
        fixed = told.get("modificationMetadata") or {}
        if isinstance(change, NewOption):
            values = {str(option["value"]) for option in told.get("options") or ()}
            own = "its values are HubSpot's own" if fixed.get("readOnlyOptions") else ""
            return Use(change.value in values, why=own)
        return Use(there=True, why="" if fixed.get("archivable", True) else "HubSpot doesn't archive it")

    def _property(self, object: str, name: str) -> Mapping[str, Any] | None:
        told: Mapping[str, Any] | None = self._portal.get_or_none(
            self._portal.paths.properties(object, f"/{name}"), 404
        )
        return told if told and not told.get("archived") else None

    def _others_fields(self, change: NewObject) -> str:
        told = self._portal.get(self._portal.paths.properties(change.object), archived="false")
        ours = {each.name for each in change.fields}
        own = [str(each["name"]) for each in told["results"] if not each.get("hubspotDefined")]
        others = sorted(set(own) - ours)
        return f"somebody has made fields in it: {', '.join(others[:5])}" if others else ""

    def _group(self, change: NewHelper) -> Use:
        path = self._portal.paths.properties(change.object, f"/groups/{change.name}")
        if self._portal.get_or_none(path, 404) is None:
            return GONE
        told = self._portal.get(self._portal.paths.properties(change.object), archived="false")
        within = sorted(each["name"] for each in told["results"] if each.get("groupName") == change.name)
        return Use(there=True, why=f"it holds {', '.join(within[:5])}" if within else "")

    def _labels(self, change: NewLabel) -> list[Any]:
        found = self._metadata.labels_anew(change.left, change.right)
        return [each for each in found if each.label == change.label]

    # -- who uses it --------------------------------------------------------------------------

    def _counted(self, changes: Sequence[SchemaChange]) -> Counts:
        counts: Counter[SchemaChange] = Counter()
        by_object: dict[str, list[SchemaChange]] = defaultdict(list)
        for change in changes:
            if not isinstance(change, NewHelper):
                by_object[change.left if isinstance(change, NewLabel) else change.object].append(change)
        for object, asked in by_object.items():
            self._sweep(object, asked, counts)
        return counts

    def _sweep(self, object: str, asked: Sequence[SchemaChange], counts: Counter[SchemaChange]) -> None:
        fields = [each for each in asked if isinstance(each, NewField)]
        options = [each for each in asked if isinstance(each, NewOption)]
        labels = [each for each in asked if isinstance(each, NewLabel)]
        names = sorted({each.name for each in fields} | {each.field for each in options})
        ids: list[str] = []
        for held in self._reading.sweep(object, names):
            for change in asked:
                counts[change] += isinstance(change, NewObject)
            for field in fields:
                counts[field] += bool(held.values.get(field.name))
            for option in options:
                counts[option] += option.value in (held.values.get(option.field) or "").split(";")
            if labels:
                ids.append(held.id)
                if len(ids) >= self._portal.limits.link_reads:
                    self._linked(ids, labels, counts)
                    ids = []
        self._linked(ids, labels, counts)

    def _linked(self, ids: Sequence[str], labels: Sequence[NewLabel], counts: Counter[SchemaChange]) -> None:
        for piece in chunks(list(ids), self._portal.limits.link_reads):
            for right in dict.fromkeys(each.right for each in labels):
                found = Counter(link.label for link in self._linking.read(labels[0].left, piece, right))
                for label in labels:
                    counts[label] += found[label.label] if label.right == right else 0

    # -- removing -----------------------------------------------------------------------------

    def _option_gone(self, change: NewOption) -> str:
        path = self._portal.paths.properties(change.object, f"/{change.field}")
        told = self._property(change.object, change.field)
        options = list((told or {}).get("options") or ())
        rest = [option for option in options if str(option["value"]) != change.value]
        if told is None or len(rest) == len(options):
            return "removed"
        reply = self._portal.http.call("PATCH", path, json={"options": rest}, write=True, ok=REFUSALS)
        self._metadata.forget()  # the list replaces the old one, so it carries every option that stays
        return "removed" if reply.status < 300 else _refusal(reply)

    def _delete(self, path: str) -> Reply:
        return self._portal.http.call("DELETE", path, write=True, ok=REFUSALS)


def _refusal(reply: Reply) -> str:
    said = problem(error_body(reply))
    return f"refused: {said.reason or said.code or reply.status}"
