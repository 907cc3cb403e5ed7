"""How do the simulators' stores and logs say who wrote what? One reader, one set of words for each vendor.

Read from the sandbox's SQLite file, beside the running server: its tables of records and links, and `_log`,
the accepted writes. Nothing here knows a connector.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrate.sandbox.salesforce.org_automations import PLATFORM
from migrate.sandbox.salesforce.seed import ADMIN_USER

Place = tuple[str, str]  # object and id
Records = Mapping[Place, Mapping[str, Any]]

OURS, PERSON, PROGRAM, MACHINE = "ours", "person", "program", "machine"
THEIRS = frozenset({PERSON, PROGRAM})
HUBSPOT_APP = "app:7001"


@dataclass(frozen=True)
class Write:
    """One accepted write. `before` and `after` are whole records, empty where there is none."""

    seq: int
    who: str
    op: str
    place: Place
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    note: str


@dataclass
class Store:
    """Live records with their values, and pairs of linked records with how many types of link each has."""

    records: dict[Place, dict[str, Any]] = field(default_factory=dict)
    ties: Counter[frozenset[Place]] = field(default_factory=Counter)


@dataclass(frozen=True)
class Words:
    """What differs between the vendors.

    `key`: the field of the migration key. `us`: the load's own actor. `stamps`: set with every write.
    `drawn`: fields that follow from others. `quiet`: objects that aren't data. `references`: whether a record
    names another one in a value, instead of by a link beside it. `cascades`: (object, field) of references
    whose record goes with the one that it names.
    """

    key: str
    us: str
    who: Callable[[str], str]
    store: Callable[[Path], Store]
    stamps: frozenset[str]
    drawn: Callable[[str], bool]
    quiet: Callable[[str], bool]
    references: bool = False
    cascades: frozenset[tuple[str, str]] = frozenset()

    def difference(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Fields that differ, without stamps and what is drawn from others; no value is None."""
        return {
            name: (one.get(name), other.get(name))
            for name in one.keys() | other.keys()
            if name not in self.stamps and not self.drawn(name) and one.get(name) != other.get(name)
        }

    def pair(self, write: Write) -> tuple[frozenset[Place], int]:
        """The pair that a link's log line is about, and how many types of link."""
        left, left_id, right, right_id = write.place[1].split("/")
        types = (write.after or write.before)["types"]
        return frozenset(((left, left_id), (right, right_id))), len({tuple(each) for each in types})

    def refers(self, child: Place, parent: Place, records: Records) -> bool:
        """Whether a record hangs under another; links beside records hang at both their ends."""
        return not self.references or parent[1] in records[child].values()

    def takes_along(self, parent: Place, child: Place, records: Records) -> bool:
        """Whether deleting `parent` deletes `child`."""
        return any(
            records[child].get(name) == parent[1] for object, name in self.cascades if object == child[0]
        )

    def writes(self, data: Path, after: int = 0) -> Iterator[Write]:
        """Accepted writes of records and links, in order."""
        query = "SELECT seq, actor, op, object, id, before, after, note FROM _log WHERE seq > ? ORDER BY seq"
        with closing(_opened(data)) as sql:
            for seq, actor, op, object, id, before, after_, note in sql.execute(query, (after,)):
                if op not in ("schema", "file") and not self.quiet(object):
                    yield Write(
                        seq, self.who(actor), op, (object, id), json.loads(before or "{}"),
                        json.loads(after_ or "{}"), note,
                    )  # fmt: skip


def unseen(words: Words, data: Path) -> set[Place]:
    """What the newest call of ours wrote: where its answer was cut off, we don't know that it landed."""
    query = """SELECT object, id FROM _log WHERE op IN ('create', 'update') AND actor = ? AND request > 0
        AND request = (SELECT max(request) FROM _log WHERE actor = ?)"""
    with closing(_opened(data)) as sql:
        return set(sql.execute(query, (words.us, words.us)))


def last(data: Path) -> int:
    """Number of the newest accepted write."""
    with closing(_opened(data)) as sql:
        return int(sql.execute("SELECT coalesce(max(seq), 0) FROM _log").fetchone()[0])


def _opened(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(data / 'store.db').resolve().as_uri()}?mode=ro", uri=True)


# -- HubSpot ----------------------------------------------------------------------------------


def _hubspot_who(actor: str) -> str:
    if actor == HUBSPOT_APP:
        return OURS
    kind = actor.partition(":")[0]
    return {"user": PERSON, "app": PROGRAM}.get(kind, MACHINE)


def _hubspot_store(data: Path) -> Store:
    found = Store()
    with closing(_opened(data)) as sql:
        for kind, id, text in sql.execute("SELECT kind, id, properties FROM hs_record WHERE archived = 0"):
            found.records[kind, str(id)] = json.loads(text)
        # Each link stands in two rows, one from either end: one of them is counted.
        query = """SELECT l.from_kind, l.from_id, l.to_kind, l.to_id, count(*) FROM hs_link AS l
            JOIN hs_record AS f ON f.id = l.from_id AND f.archived = 0
            JOIN hs_record AS t ON t.id = l.to_id AND t.archived = 0
            WHERE l.from_id < l.to_id GROUP BY 1, 2, 3, 4"""
        for one, id, other, other_id, count in sql.execute(query):
            found.ties[frozenset(((one, str(id)), (other, str(other_id))))] = count
    return found


HUBSPOT = Words(
    key="migration_key",
    us=HUBSPOT_APP,
    who=_hubspot_who,
    store=_hubspot_store,
    stamps=frozenset({"lastmodifieddate", "hs_lastmodifieddate", "hs_updated_by_user_id"}),
    # A reflection of links, of addresses that are opted out, or of the stage.
    drawn=lambda name: (
        name.startswith("hs_email_optout")
        or name
        in {
            "associatedcompanyid", "hs_parent_company_id", "hs_email_domain", "hs_is_closed",
            "hs_is_closed_won", "hs_deal_stage_probability",
        }
    ),
    quiet=lambda object: object in {"consent", "files", "folders", "flows"},
)  # fmt: skip


# -- Salesforce -------------------------------------------------------------------------------


def _salesforce_who(actor: str) -> str:
    return OURS if actor == ADMIN_USER else MACHINE if actor == PLATFORM else PERSON


def _salesforce_store(data: Path) -> Store:
    found = Store()
    with closing(_opened(data)) as sql:
        query = "SELECT object, id, data FROM sf_record WHERE deleted_at IS NULL"
        for object, id, text in sql.execute(query):
            if not _salesforce_quiet(object):
                found.records[object, id] = json.loads(text)
    return found


def salesforce_users(data: Path) -> list[str]:
    """Names of active users other than the administrator as whom the load runs."""
    with closing(_opened(data)) as sql:
        query = "SELECT id, data FROM sf_record WHERE object = 'User' AND deleted_at IS NULL ORDER BY id"
        rows = [(id, json.loads(text)) for id, text in sql.execute(query)]
    return [
        str(row["Username"]) for id, row in rows
        if row.get("IsActive") and id != ADMIN_USER and row.get("UserType") != "AutomatedProcess"
    ]  # fmt: skip


def _salesforce_quiet(object: str) -> bool:
    return object.endswith("History") or object in {
        "User", "Profile", "Organization", "UserRole", "UserPermissionAccess", "Group", "RecordType",
        "OpportunityStage", "PermissionSet", "PermissionSetAssignment", "FieldPermissions",
        "ObjectPermissions", "TaskRelation", "EventRelation",
    }  # fmt: skip


SALESFORCE = Words(
    key="Migration_Key__c",
    us=ADMIN_USER,
    who=_salesforce_who,
    store=_salesforce_store,
    stamps=frozenset({
        "LastModifiedDate", "SystemModstamp", "LastModifiedById", "LastActivityDate", "LastViewedDate",
        "LastReferencedDate", "LastCURequestDate", "LastCUUpdateDate", "CreatedById",
    }),
    # Set by the flow that schedules switch on, in the same save as what set it off.
    drawn=lambda name: name == "AccountNumber",
    quiet=_salesforce_quiet,
    references=True,
    cascades=frozenset({
        ("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Task", "WhoId"), ("Task", "WhatId"),
        ("Event", "WhoId"), ("Event", "WhatId"), ("Attachment", "ParentId"), ("Note", "ParentId"),
        ("ContentDocumentLink", "LinkedEntityId"), ("OpportunityContactRole", "OpportunityId"),
        ("OpportunityContactRole", "ContactId"),
    }),
)  # fmt: skip
