"""What must a connector's author give the conformance suite? A seeded sandbox, and who acts in it.

One small class a vendor. `test_conformance` asks every connector the same; nothing there knows a vendor.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from migrate.clock import SandboxClock
from migrate.connector import (
    Batch,
    NewField,
    NewObject,
    Operation,
    SchemaChange,
    Settings,
    Source,
    Target,
    Write,
)
from migrate.connectors.hubspot import HubSpotConnector
from migrate.connectors.mime import MimeConnector
from migrate.connectors.salesforce import SalesforceConnector
from migrate.sandbox.server import Running, launch

SPEED = 50.0
TEXTS = (
    "plain",
    "ünïcödé 漢字 ͏ \u200b",
    "emoji \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "quotes \" ' ` and , ; | \\ \\n %s {0} <b>&amp;",
    "line 1\nline 2\n\nline 4\tend",
    "=1+1",
    "null",
    "9007199254740993",
    "x" * 255,
)
NUMBERS = (Decimal(-1), Decimal("0.1"), Decimal("123456789012.123456"), Decimal("0.000001"), Decimal(0), None)
WHOLE = 9007199254740993  # 2^53 + 1: no float holds it
ROWS = 230


def row(number: int) -> tuple[str, Decimal | None]:
    """Text and number of the n-th record."""
    return TEXTS[number % len(TEXTS)], NUMBERS[number % len(NUMBERS)]


class Harness(Protocol):
    """One source with `ROWS` records of `object`, each with a text, a number, `WHOLE` and its own `mark`;
    `number` and `whole` are "" where a source holds no numbers of ours."""

    object: str
    text: str
    number: str
    whole: str
    mark: str
    pages: int  # at least so many are read
    remembers: bool  # which records were deleted, and when

    def connect(self) -> Source: ...
    def edit(self, id: str) -> None: ...
    def delete(self, id: str) -> None: ...
    def marks(self) -> dict[str, int]:
        """Which record has which mark, from the sandbox's own store: id to number."""
        ...


class TargetHarness(Protocol):
    """One vendor's sandbox that takes records. Fields go by what they are for: `first`, `second`, `phone`
    (short texts), `text` (a long one), `exact`, `met`, `born`, `vip`."""

    running: Running
    object: str
    key: str
    names: Mapping[str, str]
    fields: Sequence[SchemaChange]
    create_path: str
    links: bool  # whether the vendor has links that are no records and no fields

    def target(self) -> Target: ...
    def record(self, key: str, **values: str | None) -> Write: ...
    def bad(self, key: str) -> Write:
        """A record that the vendor refuses for what it holds."""
        ...

    def edit(self, id: str) -> None:
        """A person gives the phone the value `1`."""
        ...

    def live(self) -> list[str]:
        """Ids of the live records, from the sandbox's own store."""
        ...

    def throttle(self, *, on: bool) -> None:
        """Let the vendor refuse the next writes as too many at a time, or let it take them again."""
        ...


@dataclass
class Base:
    """What the harnesses share."""

    running: Running
    opened: list[Any] = field(default_factory=list)
    remembers: bool = True

    def clock(self) -> SandboxClock:
        return SandboxClock(datetime.fromisoformat(self.running.control.get("/clock")["now"]), SPEED)

    def close(self) -> None:
        for each in self.opened:
            each.close()

    def act(self, who: str, **action: Any) -> None:
        self.running.control.post("/act", {"as": who, **action})


@dataclass
class Salesforce(Base):
    """Accounts of an org; `threshold` chooses the API by which they are read."""

    threshold: int = 0
    object, text, number, whole = "Account", "Description", "Exact__c", "Whole__c"
    mark = "Site"
    pages = 3

    def __post_init__(self) -> None:
        rows = []
        for number in range(ROWS):
            said, exact = row(number)
            rows.append({"Name": f"Firm {number}", "Site": f"m{number}", "Description": said,
                         "Whole__c": str(WHOLE),
                         **({} if exact is None else {"Exact__c": str(exact)})})  # fmt: skip
        made = [{"name": name, "type": "double", "precision": 18, "scale": scale, "label": name[:5]}
                for name, scale in (("Exact__c", 6), ("Whole__c", 0))]  # fmt: skip
        app = {"client_id": "reader", "client_secret": "secret", "user": "reader@sandbox.example"}
        self.running.control.post("/seed", {
            "metadata": {"Account": {"fields": made}}, "records": {"Account": rows}, "clients": [app],
        })  # fmt: skip

    def connect(self) -> Source:
        credentials = {"instance_url": self.running.url, "client_id": "reader", "client_secret": "secret"}
        options: dict[str, object] = {"bulk_threshold": self.threshold, "page_rows": 100}
        self.opened.append(SalesforceConnector(Settings("old", credentials, options, self.clock())))
        source: Source = self.opened[-1]
        return source

    def edit(self, id: str) -> None:
        self.act("admin@sandbox.example", do="update", object="Account", id=id, fields={"Phone": "1"})

    def delete(self, id: str) -> None:
        self.act("admin@sandbox.example", do="delete", object="Account", id=id)

    def marks(self) -> dict[str, int]:
        rows = self.running.control.ndjson("/truth/Account")
        return {each["Id"]: int(each["Site"][1:]) for each in rows if not each.get("IsDeleted")}


@dataclass
class HubSpot(Base):
    """Contacts of a portal."""

    object, text, number, whole, mark = "contacts", "message", "exact", "whole", "jobtitle"
    pages = 3
    person = "ann@example.com"
    key, create_path, links = "migration_key", "batch/create", True
    names: Mapping[str, str] = field(
        default_factory=lambda: {
            "first": "firstname", "second": "lastname", "phone": "phone", "text": "long_text",
            "exact": "exact", "met": "met", "born": "born", "vip": "vip",
        }
    )  # fmt: skip
    fields: Sequence[SchemaChange] = (
        NewField("contacts", "migration_key", "Migration key", "string", unique=True),
        NewField("companies", "migration_key", "Migration key", "string", unique=True),
        NewField("contacts", "exact", "Exact", "decimal"),
        NewField("contacts", "whole", "Whole", "decimal"),
        NewField("contacts", "met", "Met", "timestamp"),
        NewField("contacts", "born", "Born", "date"),
        NewField("contacts", "vip", "VIP", "bool"),
        NewField("contacts", "long_text", "Long text", "text"),
    )

    def __post_init__(self) -> None:
        self.running.control.post("/seed", {"portal": {"id": 4471203}, "owners": [{"email": self.person}]})
        target = self.target()
        target.prepare(self.fields)
        for first in range(0, ROWS, 100):
            writes = []
            for number in range(first, min(first + 100, ROWS)):
                said, exact = row(number)
                values = {"migration_key": f"seed.{number}", "email": f"seed{number}@a.test", "message": said,
                          "exact": None if exact is None else f"{exact:f}", "whole": str(WHOLE),
                          "jobtitle": f"m{number}"}  # fmt: skip
                given = {name: value for name, value in values.items() if value is not None}
                writes.append(Write(f"seed.{number}", values=given))
            outcomes = target.send(Batch(Operation.CREATE, "contacts", tuple(writes)))
            assert {outcome.status for outcome in outcomes} == {"done"}, outcomes

    def target(self) -> Target:
        """The connector, told where the keys are."""
        credentials = {"token": "pat-na1-sandbox", "base_url": self.running.url}
        connector = HubSpotConnector(Settings("new", credentials, {}, self.clock()))
        connector.bind({"contacts": "migration_key", "companies": "migration_key"})
        self.opened.append(connector)
        return connector

    def connect(self) -> Source:
        return self.target()

    def record(self, key: str, **values: str | None) -> Write:
        named = {self.names[name]: value for name, value in values.items()}
        return Write(key, values={"migration_key": key, "email": f"{key}@b.test".lower(), **named})

    def bad(self, key: str) -> Write:
        return Write(key, values={"migration_key": key, "email": "no address"})

    def live(self) -> list[str]:
        rows = self.running.control.ndjson("/truth/contacts")
        return [each["id"] for each in rows if not each["archived"]]

    def throttle(self, *, on: bool) -> None:
        self.running.control.delete("/faults")
        for nth in (1, 2, 3) if on else ():
            order = {"on": {"path": self.create_path, "nth": nth}, "do": {"kind": "status", "status": 429}}
            self.running.control.post("/faults", [order])

    def edit(self, id: str) -> None:
        self.act(self.person, do="update", object="contacts", id=id, fields={"phone": "1"})

    def delete(self, id: str) -> None:
        self.act(self.person, do="delete", object="contacts", id=id)

    def marks(self) -> dict[str, int]:
        rows = self.running.control.ndjson("/truth/contacts")
        live = [
            each
            for each in rows
            if not each["archived"] and each["properties"].get("jobtitle", "")[:1] == "m"
        ]
        return {each["id"]: int(each["properties"]["jobtitle"][1:]) for each in live}


@dataclass
class Mime:
    """A folder of messages; the clock stamps the files."""

    folder: Path
    clock: SandboxClock = field(default_factory=lambda: SandboxClock(datetime.now(UTC), SPEED))
    object, text, number, whole, mark = "messages", "text", "", "", "subject"
    pages, remembers = 3, False

    def __post_init__(self) -> None:
        for number in range(ROWS):
            said, _ = row(number)
            head = f"From: a@b.test\nSubject: m{number}\nContent-Type: text/plain; charset=utf-8\n\n"
            path = self.folder / f"{number % 7}" / f"{number}.eml"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(head.encode() + said.encode())

    def connect(self) -> Source:
        options: dict[str, object] = {"archive": "trial", "page_rows": 100}
        source: Source = MimeConnector(Settings("mail", {"folder": str(self.folder)}, options, self.clock))
        return source

    def _paths(self) -> dict[str, Path]:
        return {
            hashlib.sha256(str(path.relative_to(self.folder)).encode()).hexdigest()[:32]: path
            for path in self.folder.glob("*/*.eml")
        }

    def edit(self, id: str) -> None:
        moment = self.clock.now().timestamp()
        os.utime(self._paths()[id], (moment, moment))

    def delete(self, id: str) -> None:
        self._paths()[id].unlink()

    def marks(self) -> dict[str, int]:
        return {id: int(path.stem) for id, path in self._paths().items()}


@dataclass
class SalesforceTarget(Base):
    """Contacts of an org that is loaded into."""

    object, key, create_path, links = "Contact", "Migration_Key__c", "composite/sobjects", False
    names: Mapping[str, str] = field(
        default_factory=lambda: {
            "first": "FirstName", "second": "Title", "phone": "Phone", "text": "Long_Text__c",
            "exact": "Exact__c", "met": "Met__c", "born": "Birthdate", "vip": "Vip__c",
        }
    )  # fmt: skip
    fields: Sequence[SchemaChange] = (
        NewField("Contact", "Migration_Key__c", "Migration key", "string", unique=True),
        NewField("Account", "Migration_Key__c", "Migration key", "string", unique=True),
        NewField("Contact", "Exact__c", "Exact", "decimal", precision=18, scale=6),
        NewField("Contact", "Met__c", "Met", "timestamp"),
        NewField("Contact", "Vip__c", "VIP", "bool"),
        NewField("Contact", "Long_Text__c", "Long text", "text"),
    )

    def __post_init__(self) -> None:
        said = self.target().prepare(self.fields)
        assert {outcome for _, outcome in said} == {"made"}, said

    def target(self) -> Target:
        """The connector, told where the keys are."""
        credentials = {
            "instance_url": self.running.url, "client_id": "admin-app", "client_secret": "sandbox-secret",
        }  # fmt: skip
        connector = SalesforceConnector(Settings("new", credentials, {}, self.clock()))
        connector.bind({"Contact": "Migration_Key__c", "Account": "Migration_Key__c"})
        self.opened.append(connector)
        return connector

    def record(self, key: str, **values: str | None) -> Write:
        named = {self.names[name]: value for name, value in values.items()}
        return Write(key, values={"Migration_Key__c": key, "LastName": "L", **named})

    def bad(self, key: str) -> Write:
        return Write(key, values={"Migration_Key__c": key, "LastName": "L", "Email": "no address"})

    def edit(self, id: str) -> None:
        ann = {"Username": "ann@sandbox.example", "LastName": "Ann", "Email": "ann@sandbox.example",
               "IsActive": True}  # fmt: skip
        if not any(
            each["Username"] == ann["Username"] for each in self.running.control.ndjson("/truth/User")
        ):
            self.running.control.post("/seed", {"records": {"User": [ann]}})
        self.act("ann@sandbox.example", do="update", object="Contact", id=id, fields={"Phone": "1"})

    def live(self) -> list[str]:
        rows = self.running.control.ndjson("/truth/Contact")
        return [each["Id"] for each in rows if not each["IsDeleted"]]

    def throttle(self, *, on: bool) -> None:
        """Calls that others have open for long; a 429 is nothing that Salesforce says."""
        self.running.control.post("/settings", {"long_running": 30 if on else 0})


@contextmanager
def salesforce_target(folder: Path) -> Iterator[SalesforceTarget]:
    """An org to load into, whose history of phone numbers is kept."""
    settings = {"tracked_fields": {"Contact": ["Phone"]}}
    with launch("salesforce", folder, speed=SPEED, settings=settings) as running:
        harness = SalesforceTarget(running)
        yield harness
        harness.close()


THING = tuple(
    NewField("p_thing", name, name.capitalize(), kind, unique=name == "mark")
    for name, kind in {
        "mark": "string", "said": "text", "exact": "decimal", "whole": "decimal", "note": "string",
    }.items()
)  # fmt: skip


@dataclass
class HubSpotCustom(Base):
    """Records of a custom object of a portal, which the connector itself made."""

    object, text, number, whole, mark = "p_thing", "said", "exact", "whole", "mark"
    pages = 3
    person = "ann@example.com"

    def __post_init__(self) -> None:
        self.running.control.post("/seed", {"owners": [{"email": self.person}]})
        connector = self.connector()
        thing = NewObject("p_thing", "Thing", "Things", "mark", "", THING)
        assert {outcome for _, outcome in connector.prepare([thing, *THING])} == {"made"}
        for first in range(0, ROWS, 100):
            writes = []
            for number in range(first, min(first + 100, ROWS)):
                said, exact = row(number)
                values = {"mark": f"m{number}", "said": said, "whole": str(WHOLE)}
                values |= {} if exact is None else {"exact": f"{exact:f}"}
                writes.append(Write(f"m{number}", values=values))
            outcomes = connector.send(Batch(Operation.CREATE, "p_thing", tuple(writes)))
            assert {outcome.status for outcome in outcomes} == {"done"}, outcomes

    def connector(self) -> HubSpotConnector:
        credentials = {"token": "pat-na1-sandbox", "base_url": self.running.url}
        connector = HubSpotConnector(Settings("old", credentials, {}, self.clock()))
        connector.bind({"p_thing": "mark"})
        self.opened.append(connector)
        return connector

    def connect(self) -> Source:
        return self.connector()

    def edit(self, id: str) -> None:
        self.act(self.person, do="update", object="p4471203_thing", id=id, fields={"note": "1"})

    def delete(self, id: str) -> None:
        self.act(self.person, do="delete", object="p4471203_thing", id=id)

    def marks(self) -> dict[str, int]:
        rows = self.running.control.ndjson("/truth/p4471203_thing")
        return {each["id"]: int(each["properties"]["mark"][1:]) for each in rows if not each["archived"]}


@contextmanager
def hubspot_custom(folder: Path) -> Iterator[HubSpotCustom]:
    """A portal with a custom object."""
    with launch("hubspot", folder, speed=SPEED, settings={"tier": "professional"}) as running:
        harness = HubSpotCustom(running)
        yield harness
        harness.close()


@contextmanager
def salesforce(folder: Path, threshold: int) -> Iterator[Salesforce]:
    """An org whose records are read by REST (a high threshold) or by Bulk jobs (0)."""
    with launch("salesforce", folder, speed=SPEED) as running:
        harness = Salesforce(running, threshold=threshold)
        harness.pages = 1 if threshold else 3  # a REST page holds 2,000 rows, and no option makes it smaller
        yield harness
        harness.close()


@contextmanager
def hubspot(folder: Path) -> Iterator[HubSpot]:
    """A portal."""
    with launch("hubspot", folder, speed=SPEED, settings={"tier": "professional"}) as running:
        harness = HubSpot(running)
        yield harness
        harness.close()
