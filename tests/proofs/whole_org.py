"""Which two plans move a whole Salesforce org into HubSpot and out again, into another org?

Written for whatever the first org holds: every createable field that has a value there. Standard properties
take what they are for; every other field gets a property of its own (`x_...`), of its own kind. References
become associations with a label of their own, and references again. Texts that HubSpot's longest property
can't hold go in pieces.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from migrate.catalog import Catalog, Field
from migrate.plan.maps import PICKLIST_COLUMNS, write_csv
from migrate.types import Kind

LONGEST = 60_000  # characters of a piece; HubSpot's properties hold 65,536
GUARD = "\u00b6"  # ends a piece, so that no blank stands at its edge
Row = dict[str, Any]
KEY, BACK_KEY = "migration_key", "Migration_Key__c"
USERS = frozenset({"OwnerId", "CreatedById", "LastModifiedById"})
AUDIT = ("CreatedDate", "LastModifiedDate")


@dataclass(frozen=True)
class Way:
    """One object's way there and back.

    `standard`: Salesforce field -> HubSpot property. `where`: which records it is the way of. `part`: where
    several ways share a source object. `constant`: properties that HubSpot demands, as expressions, and that
    aren't brought back. `without`: fields that aren't moved. `gathers`: properties that list files.
    """

    source: str
    target: str
    standard: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    part: str | None = None
    constant: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    gathers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The entry's name in the plan there."""
        return f"{self.source}~{self.part}" if self.part else self.source

    @property
    def custom(self) -> bool:
        """Whether HubSpot has no such object yet."""
        return self.target.startswith("p_")


MAIN = (
    Way("Account", "companies", {"Name": "name", "Phone": "phone", "BillingCity": "city",
                                 "NumberOfEmployees": "numberofemployees", "AnnualRevenue": "annualrevenue"}),
    Way("Contact", "contacts", {"Email": "email", "FirstName": "firstname", "LastName": "lastname",
                                "Phone": "phone", "Title": "jobtitle"}),
    Way("Opportunity", "deals", {"Name": "dealname", "Amount": "amount"},
        constant={"pipeline": "'default'", "dealstage": "'appointmentscheduled'"}),
)  # fmt: skip


_DAY = "CAST(ActivityDate AS TIMESTAMP) AT TIME ZONE 'UTC'"
ACTIVITIES = (
    Way("Task", "calls", {"Subject": "hs_call_title"}, part="call", where="TaskSubtype = 'Call'",
        constant={"hs_timestamp": f"coalesce({_DAY}, CreatedDate)", "hs_call_status": "'COMPLETED'",
                  "hs_call_body": "text_to_html(Description)"}),
    Way("Task", "tasks", {"Subject": "hs_task_subject"}, where="TaskSubtype <> 'Call'",
        constant={"hs_timestamp": f"coalesce({_DAY}, CreatedDate)", "hs_task_status": "'COMPLETED'",
                  "hs_task_body": "text_to_html(Description)"}),
    Way("Event", "meetings", {"Subject": "hs_meeting_title", "Location": "hs_meeting_location"},
        constant={"hs_timestamp": "StartDateTime", "hs_meeting_start_time": "StartDateTime",
                  "hs_meeting_end_time": "EndDateTime", "hs_meeting_body": "text_to_html(Description)"},
        without=("ActivityDateTime", "ActivityDate", "DurationInMinutes")),
    Way("EmailMessage", "emails", {"Subject": "hs_email_subject"},
        constant={"hs_timestamp": "coalesce(MessageDate, CreatedDate)",
                  "hs_email_direction": "CASE WHEN Incoming THEN 'INCOMING_EMAIL' ELSE 'EMAIL' END",
                  "hs_email_html": {"from": "HtmlBody", "oversize": "cut"},
                  "hs_email_text": {"from": "TextBody", "oversize": "cut"},
                  "hs_email_headers": "email_headers(FromAddress, FromName, people(ToAddress), "
                                      "people(CcAddress), people(BccAddress))"},
        gathers={"hs_attachment_ids": {"Attachment~mail": "ParentId"}},
        without=("ActivityId", "IsClientManaged")),
)  # fmt: skip
# What Salesforce does by itself when such a record is made (Object Reference, "EmailMessage"; Help, "Set
# Audit Fields": a task about a record doesn't keep the last change's date).
BY_ITSELF: dict[str, dict[str, Any]] = {
    "Account": {"name": "Activities of its contacts", "links": ["Task"]},
    "Contact": {"name": "Receivers of e-mails", "makes": ["EmailMessageRelation"],
                "links": ["EmailMessageRelation"]},
    "Task": {"name": "Last change of a task", "changes": ["LastModifiedDate"]},
    "EmailMessage": {
        "name": "Enhanced e-mail", "makes": ["Task", "EmailMessageRelation"],
        "links": ["Task", "EmailMessageRelation"],
    },
}  # fmt: skip
FILE = "files"
FILES = ("Account", "Contact")  # on whose records files hang
_ACTIVE = frozenset(way.target for way in ACTIVITIES)


def ways(catalog: Catalog, objects: Mapping[str, int]) -> list[Way]:
    """The ways of everything that the org holds.

    Args:
        objects: how many records it has of each.
    """
    custom = [
        Way(name, f"p_{name.removesuffix('__c').lower()}")
        for name, schema in catalog.objects.items()
        if schema.custom and objects.get(name)
    ]
    standard = [way for way in MAIN if objects.get(way.source)]
    return [*standard, *custom, *(way for way in ACTIVITIES if objects.get(way.source))]


class Plans:
    """Both plans for one org.

    Args:
        catalog: of the first org.
        records: what it holds, by object.
    """

    def __init__(self, catalog: Catalog, records: Mapping[str, list[Row]]) -> None:
        self.catalog = catalog
        self.filled = {
            name: {column for row in rows for column, value in row.items() if value not in (None, "")}
            for name, rows in records.items()
        }
        self.records = records
        counts = {name: len(rows) for name, rows in records.items()}
        self.ways = ways(catalog, counts)
        self.targets = {way.source: way.target for way in self.ways}

    def movable(self, way: Way) -> list[Field]:
        """The fields of an object that go there and back."""
        return [
            each
            for each in self.catalog.objects[way.source].fields.values()
            if (each.name in AUDIT or each.createable)
            and each.name in self.filled[way.source]
            and each.name not in (*USERS, *way.without)
            and not each.calculated
        ]

    def there(self, folder: Path) -> None:
        """Write the plan into HubSpot."""
        self.maps: dict[str, list[str]] = {}
        entries = [self._there(way) for way in self.ways]
        if self.records.get("Attachment") and self.records.get("EmailMessage"):
            mail = _entry("Attachment", FILE, KEY, {"name": "Name", "content": "Body"}, {})
            entries.insert(0, mail | {"part": "mail", "where": "starts_with(ParentId, '02s')"})
        _write(folder, "salesforce", "hubspot", entries, self.maps)

    def back(self, folder: Path) -> None:
        """Write the plan out of HubSpot into another org."""
        self.maps = {}
        entries = [self._back(way) for way in self.ways]
        _write(folder, "hubspot", "salesforce", [*entries, *self._files()], self.maps)

    # -- there --------------------------------------------------------------------------------

    def _there(self, way: Way) -> dict[str, Any]:
        fields: dict[str, Any] = dict(way.constant)
        if self.records.get("Attachment"):
            fields |= {name: {"gather": dict(theirs)} for name, theirs in way.gathers.items()}
        create: dict[str, Any] = {}
        links: list[dict[str, Any]] = []
        for each in self.movable(way):
            if each.references:
                links += self._links(way, each)
            elif each.name in way.standard:
                fields[way.standard[each.name]] = each.name
            elif pieces := _pieces(each):
                for number, piece in enumerate(pieces):
                    cut = f"substring({each.name}, {number * LONGEST + 1}, {LONGEST})"
                    fields[piece] = f"nullif({cut}, '') || '{GUARD}'"
                    create[piece] = {"kind": "text", "label": f"{each.label} {number + 1}"}
            else:
                fields[_property(each)] = self._mapped(way, each, each.name)
                create[_property(each)] = self._created(way, each)
        if "OwnerId" in self.catalog.objects[way.source].fields:
            fields["hubspot_owner_id"] = {
                "from": "OwnerId", "owner": "owners.csv", "inactive": STAND_IN, "former": FORMER,
            }  # fmt: skip
        entry = _entry(way.source, way.target, KEY, fields, create) | {"links": links}
        if way.source in FILES:
            entry["files"] = {"attachments": True}
        if way.part:
            entry["part"] = way.part
        if way.where:
            entry["where"] = way.where
        if way.custom:
            label = self.catalog.objects[way.source].label
            entry["create_object"] = {"label": label, "plural": f"{label}s", "name_field": "x_name"}
        return entry

    def _links(self, way: Way, each: Field) -> list[dict[str, Any]]:
        links = []
        for name in self.ends(each):
            link: dict[str, Any] = {"to": self.targets[name], "via": each.name, "label": label(way, each)}
            if self.targets[name] == way.target:
                link["inverse"] = f"{label(way, each)} of"
            links.append(link)
        return links

    def ends(self, each: Field) -> list[str]:
        """The objects that a reference leads to, of those that are moved."""
        return [name for name in each.references if name in self.targets]

    def _created(self, way: Way, each: Field) -> dict[str, Any]:
        kind = _KINDS.get(each.kind, "string")
        made: dict[str, Any] = {"kind": kind, "label": each.label}
        if kind in ("picklist", "multipicklist"):
            made["options"] = self._options(way, each)
        return made

    def _mapped(self, way: Way, each: Field, name: str) -> Any:
        """Where a value comes from: a picklist through a map, since old rows hold values of no list."""
        if each.kind not in (Kind.PICKLIST, Kind.MULTIPICKLIST):
            return name
        file = f"picklists/{way.name}.{each.name}.csv"
        self.maps[file] = self._options(way, each)
        return {"from": name, "picklist": file}

    def _options(self, way: Way, each: Field) -> list[str]:
        """Values that stand in records, and those that the list knows."""
        seen = [row.get(each.name) for row in self.records[way.source]]
        values = [part for value in seen if value for part in str(value).split(";")]
        return list(dict.fromkeys([*values, *(option.value.strip() for option in each.options)]))

    # -- files -------------------------------------------------------------------------------

    def _files(self) -> list[dict[str, Any]]:
        """Every file as a version of a document, and a link of it to each record that it hung on."""
        if not self.records.get("Attachment") and not self.records.get("ContentVersion"):
            return []
        version = _entry(FILE, "ContentVersion", BACK_KEY, {
            "Title": "left(name, 255)", "PathOnClient": "name", "VersionData": "content",
        }, {}) | {"insert_only": ["PathOnClient", "VersionData"]}  # fmt: skip
        document = {"from": "file", "reference": FILE, "id": "ContentDocumentId"}
        link = {"ShareType": "'V'", "Visibility": "'AllUsers'", "ContentDocumentId": document}
        found = [version]
        for part, where, end, entries in (
            (
                "records",
                "activity_object = 'notes' AND record_object IN ('companies', 'contacts')",
                "record",
                ["companies", "contacts"],
            ),
            ("messages", "activity_object = 'emails'", "activity", ["emails"]),
        ):
            if not set(entries) <= set(self.targets.values()):
                continue
            to: Any = entries if len(entries) > 1 else entries[0]
            fields = {**link, "LinkedEntityId": {"from": end, "reference": to}}
            entry = _entry("attachments", "ContentDocumentLink", BACK_KEY, fields, {})
            del entry["key"]  # such a link can carry none
            found.append(entry | {
                "part": part, "where": where,
                "dedupe": {"on": [f"file || '-' || {end}"], "keep": "oldest", "losers": "merge"},
                "insert_only": ["ContentDocumentId", "LinkedEntityId"],
            })  # fmt: skip
        return found

    # -- back ---------------------------------------------------------------------------------

    def _back(self, way: Way) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        create: dict[str, Any] = {}
        related: dict[str, Any] = {}
        for each in self.movable(way):
            if each.references:
                if not self.ends(each):
                    continue
                found: dict[str, Any] = {}
                for there in self.ends(each):
                    name = f"to_{each.name}_{there}".lower()
                    found |= self._related(way, each, there, name)
                related |= found
                names = list(found)
                origin = names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"
                entries = [name for there in self.ends(each) for name in self._entries(there)]
                to = entries[0] if len(entries) == 1 else entries
                fields[each.name] = {"from": origin, "reference": to}
            elif each.name in way.standard:
                fields[each.name] = _exact(each, way.standard[each.name])
            elif pieces := _pieces(each):
                cut = (f"coalesce(left({piece}, length({piece}) - 1), '')" for piece in pieces)
                fields[each.name] = f"nullif({' || '.join(cut)}, '')"
            else:
                fields[each.name] = self._mapped(way, each, _exact(each, _property(each)))
            if each.custom:
                create[each.name] = self._made(way, each)
        if "OwnerId" in self.catalog.objects[way.source].fields:
            fields["OwnerId"] = {"from": "hubspot_owner_id", "owner": "owners.csv", "inactive": STAND_IN}
        if way.source == "EmailMessage":
            fields["IsClientManaged"] = "true"  # else Salesforce takes no file on a message that was sent
        entry = _entry(way.target, way.source, BACK_KEY, fields, create)
        entry["insert_only"] = [name for name in (*AUDIT, "IsClientManaged") if name in fields]
        if related:
            entry["related"] = related
        if way.source in BY_ITSELF:
            entry["automations"] = {"accept": [BY_ITSELF[way.source]]}
        if way.custom:
            label = self.catalog.objects[way.source].label
            entry["create_object"] = {"label": label, "plural": f"{label}s", "name_field": "Name"}
        return entry

    def _entries(self, source: str) -> list[str]:
        return [way.target for way in self.ways if way.source == source]

    def _related(self, way: Way, each: Field, there: str, name: str) -> dict[str, Any]:
        """The other end of the association that the reference became."""
        left, right = way.target, self.targets[there]
        here, text = f"label = '{label(way, each)}'", f"label = '{label(way, each)} of'"
        if left == right:  # read from the lower id, with the label as it reads from there
            pair = f"{left}_to_{left}"
            return {
                name: {"of": pair, "by": "left", "where": here, "take": "min(right)"},
                f"{name}_back": {"of": pair, "by": "right", "where": text, "take": "min(left)"},
            }
        pair, mine, other = self.pairs(left, right)
        return {name: {"of": pair, "by": mine, "where": here, "take": f"min({other})"}}

    def pairs(self, left: str, right: str) -> tuple[str, str, str]:
        """The association object of a pair, and its fields for the two ends."""
        if f"{left}_to_{right}" in self.associations:
            return f"{left}_to_{right}", "left", "right"
        return f"{right}_to_{left}", "right", "left"

    associations: frozenset[str] = frozenset()  # of the middle's catalog, before `back`

    def _made(self, way: Way, each: Field) -> dict[str, Any]:
        made = self._created(way, each) | {"kind": str(each.kind)}
        if each.kind is Kind.REFERENCE:
            made["reference"] = next(name for name in each.references if name in self.targets)
        for key in ("length", "precision", "scale"):
            value = getattr(each, key)
            if value is not None and not (key == "length" and each.kind in _UNSIZED):
                made[key] = value
        return made


def _property(field: Field) -> str:
    return "x_" + field.name.removesuffix("__c").lower()


def _exact(each: Field, name: str) -> str:
    """A number as the org holds it: HubSpot's numbers don't say how many digits they have."""
    if each.kind is Kind.INT:
        return f"CAST(round({name}, 0) AS BIGINT)"
    if each.kind not in (Kind.DECIMAL, Kind.MONEY):
        return name
    return f"CAST(round({name}, {each.scale or 0}) AS DECIMAL({each.precision or 38},{each.scale or 0}))"


def _pieces(each: Field) -> list[str]:
    """Properties of a text that one can't hold; none where one can."""
    if each.kind is not Kind.TEXT or (each.length or 0) <= LONGEST:
        return []
    return [f"{_property(each)}_{number}" for number in range(-(-int(each.length or 0) // LONGEST))]


def label(way: Way, each: Field) -> str:
    """The label of the association that a reference becomes; HubSpot gives activities none of their own."""
    if way.target in _ACTIVE:
        return "default"
    return f"{way.source.removesuffix('__c')} {each.name.removesuffix('__c')}"


STAND_IN = "ops@nasty.example"  # owns there what nobody owns any more
FORMER = "x_former_owner"
_KINDS = {
    Kind.PICKLIST: "picklist", Kind.MULTIPICKLIST: "multipicklist", Kind.TEXT: "text", Kind.BOOL: "bool",
    Kind.INT: "int", Kind.DECIMAL: "decimal", Kind.MONEY: "decimal", Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
}  # fmt: skip
_UNSIZED = (Kind.PICKLIST, Kind.MULTIPICKLIST, Kind.REFERENCE, Kind.BOOL)


def _entry(
    source: str, target: str, key: str, fields: Mapping[str, Any], create: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "source": source, "target": target, "key": {"field": key}, "fields": dict(fields),
        "create": dict(create),
    }  # fmt: skip


def _write(
    folder: Path, source: str, target: str, entries: list[dict[str, Any]], maps: Mapping[str, list[str]]
) -> None:
    plan = {
        "version": 1,
        "source": {"system": "legacy", "type": source, "credentials": "env:LEGACY_", "clock": "sandbox"},
        "target": {"system": "new", "type": target, "credentials": "env:NEW_", "clock": "sandbox",
                   "longest_call": 2},
        "objects": entries,
    }  # fmt: skip
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.width = 4096
    yaml.dump(plan, text)
    (folder / "picklists").mkdir(parents=True, exist_ok=True)
    for file, values in maps.items():
        rows: list[tuple[object, ...]] = [(value, "", value, "") for value in values]
        (folder / file).write_text(write_csv(PICKLIST_COLUMNS, rows), encoding="utf-8")
    (folder / "plan.yaml").write_text(text.getvalue(), encoding="utf-8")
