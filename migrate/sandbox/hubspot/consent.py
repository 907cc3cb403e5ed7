"""Who may be written to, and who may not? Opt-outs by e-mail address, outside the contact records.

A status belongs to an address and a subscription type, or to an address and everything on a channel (`*`).
It is there before any contact has the address and stays when the contact goes. A contact's own properties
only reflect it. Whoever writes SUBSCRIBED over an opt-out has opted a person in again: the newer families of
paths allow that, the oldest refuses it.

Facts: HubSpot, "Communication preferences" guides and references of v3, v4 and 2026-03, read 2026-11-23 and
2026-11-26. That an opt-in to one type lifts an opt-out of everything is not said there; it is the worse case.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from migrate.sandbox.hubspot import records, tables
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.stock import BORN

DDL: Final = (
    """CREATE TABLE IF NOT EXISTS hs_consent (
        address TEXT NOT NULL, channel TEXT NOT NULL, subscription TEXT NOT NULL, status TEXT NOT NULL,
        legal_basis TEXT, explanation TEXT, source TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (address, channel, subscription)) WITHOUT ROWID""",
)
OBJECT: Final = "consent"  # in the log and in the truth
EMAIL: Final = "EMAIL"
ALL: Final = "*"
IN, OUT, UNSAID = "SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"
LEGAL_BASES: Final = (
    "LEGITIMATE_INTEREST_PQL",
    "LEGITIMATE_INTEREST_CLIENT",
    "PERFORMANCE_OF_CONTRACT",
    "CONSENT_WITH_NOTICE",
    "NON_GDPR",
    "PROCESS_AND_STORE",
    "LEGITIMATE_INTEREST_OTHER",
)
TYPES: Final = (  # of a new portal: id, name, purpose, whether it is HubSpot's own one-to-one type
    ("29873401", "Marketing Information", "Marketing", False),
    ("29873402", "Customer Service Communication", "Customer Service", False),
    ("29873403", "One to One", "Sales", True),
)
_ADDRESS: Final = re.compile(r"[^@\s;,]+@[^@\s;,]+\.[^@\s;,]+")


@dataclass(frozen=True)
class Status:
    """What is known of an address and a subscription type (or `*`)."""

    address: str
    channel: str
    subscription: str
    status: str
    legal_basis: str | None = None
    explanation: str | None = None
    source: str = ""
    at: str = ""


def fresh(sql: sqlite3.Connection) -> None:
    """The subscription types of a new portal."""
    for id, name, purpose, internal in TYPES:
        define(sql, {"id": id, "name": name, "purpose": purpose, "isInternal": internal})


def define(sql: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Keep a subscription type, and the contact property that reflects it."""
    id = str(row["id"])
    body = {
        "id": id,
        "name": str(row["name"]),
        "description": str(row.get("description") or row["name"]),
        "purpose": str(row.get("purpose") or "Marketing"),
        "communicationMethod": str(row.get("communicationMethod") or "Email"),
        "isActive": bool(row.get("isActive", True)),
        "isDefault": bool(row.get("isDefault", False)),
        "isInternal": bool(row.get("isInternal", False)),
        "createdAt": BORN,
        "updatedAt": BORN,
    }
    tables.put(sql, "subscription", "", id, body)
    model = next(b for k, n, b in tables.things(sql, "property") if (k, n) == ("contacts", "hs_email_optout"))
    label = f"Opted out of email: {body['name']}"
    name = f"hs_email_optout_{id}"
    tables.put(sql, "property", "contacts", name, {**model, "name": name, "label": label})


def types(sql: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Subscription types by id, in the order of their ids."""
    return {name: body for _, name, body in tables.things(sql, "subscription")}


def address_of(text: Any) -> str:
    """An address as HubSpot compares it.

    Raises:
        ApiError: 400, it is none.
    """
    address = str(text or "").strip().lower()
    if not _ADDRESS.fullmatch(address) or len(address) > 254:
        raise ApiError(
            400,
            f"Email address {text} is invalid",
            sub="SubscriptionErrorCategory.INVALID_EMAIL",
            context={"subscriberIdString": [str(text)]},
        )
    return address


def channel_of(text: Any) -> str:
    """The channel that a request names.

    Raises:
        ApiError: 400, none, or another than EMAIL.
    """
    if text != EMAIL:
        raise ApiError(400, f"Invalid value for channel: {text}; must be one of [EMAIL]")
    return EMAIL


def held(sql: sqlite3.Connection, channel: str, addresses: Iterable[str]) -> dict[str, dict[str, Status]]:
    """What is kept of addresses, by address and subscription type (`*`: everything)."""
    wanted = list(dict.fromkeys(addresses))
    found: dict[str, dict[str, Status]] = {address: {} for address in wanted}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        query = f"SELECT * FROM hs_consent WHERE channel = ? AND address IN ({marks})"
        for row in sql.execute(query, (channel, *part)):
            status = Status(*row)
            found[status.address][status.subscription] = status
    return found


def everything(sql: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """The truth: every status that was ever set and still stands."""
    for row in sql.execute("SELECT * FROM hs_consent ORDER BY address, channel, subscription"):
        told = asdict(Status(*row))
        yield {"id": f"{told['channel']}:{told['subscription']}:{told['address']}", **told}


def wanted(call: Call, body: Mapping[str, Any], address: str) -> Status:
    """A status that a request asks for.

    Raises:
        ApiError: 400, a type that isn't there, a status or legal basis that HubSpot doesn't know, or a legal
            basis that is missing though the portal's privacy settings ask for it.
    """
    subscription = str(body.get("subscriptionId") or "")
    if subscription not in types(call.sql):
        raise ApiError(
            400,
            f"Subscription {subscription or 'null'} does not exist",
            sub="SubscriptionErrorCategory.SUBSCRIPTION_NOT_FOUND",
        )
    status = body.get("statusState")
    if status not in (IN, OUT, UNSAID):
        raise ApiError(
            400, f"Invalid value for statusState: {status}; must be one of [{IN}, {OUT}, {UNSAID}]"
        )
    basis = body.get("legalBasis") or None
    if basis is not None and basis not in LEGAL_BASES:
        raise ApiError(400, f"Invalid value for legalBasis: {basis}; must be one of {list(LEGAL_BASES)}")
    explanation = body.get("legalBasisExplanation") or None
    if call.settings["data_privacy"] and not (basis and explanation):
        raise ApiError(400, "Some required fields were not set: [legalBasis, legalBasisExplanation]")
    return Status(address, EMAIL, subscription, str(status), basis, explanation)


def put(call: Call, statuses: Sequence[Status]) -> list[bool]:
    """Keep statuses, log them, and let contacts reflect them; whether each changed anything."""
    changed = []
    for new in statuses:
        known = held(call.sql, new.channel, [new.address])[new.address]
        before = known.get(new.subscription)
        lifts = new.status == IN and new.subscription != ALL and ALL in known and known[ALL].status == OUT
        fresh_one = (before.status if before else UNSAID) != new.status
        changed.append(fresh_one or lifts)
        if lifts:
            _store(call, known[ALL], None)
        if fresh_one:
            _store(call, before, new)
    reflect(call, [status.address for status, is_new in zip(statuses, changed, strict=True) if is_new])
    return changed


def _store(call: Call, before: Status | None, after: Status | None) -> None:
    one = after or before
    assert one is not None  # noqa: S101 - the callers' condition
    if after is None:
        call.sql.execute(
            "DELETE FROM hs_consent WHERE address = ? AND channel = ? AND subscription = ?",
            (one.address, one.channel, one.subscription),
        )
    else:
        call.sql.execute(
            "INSERT OR REPLACE INTO hs_consent VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (one.address, one.channel, one.subscription, one.status, one.legal_basis, one.explanation,
             call.actor.origin, call.stamp),
        )  # fmt: skip
    call.log(
        "update",
        OBJECT,
        f"{one.channel}:{one.subscription}:{one.address}",
        asdict(before) if before else None,
        asdict(after) if after else None,
        "opt-in" if after is None or after.status != OUT else "opt-out",
    )


def reflections(call: Call, address: str | None, held_now: Mapping[str, str]) -> dict[str, str | None]:
    """The read-only properties of a contact with this address, as far as they are or were anything."""
    known = held(call.sql, EMAIL, [address])[address] if address else {}
    if not known:
        return dict.fromkeys(name for name in held_now if name.startswith("hs_email_optout"))
    every = ALL in known and known[ALL].status == OUT
    told: dict[str, str | None] = {"hs_email_optout": "true" if every else None}
    for id in types(call.sql):
        own = id in known and known[id].status == OUT
        told[f"hs_email_optout_{id}"] = "true" if own or every else None
    return told


def reflect(call: Call, addresses: Iterable[str]) -> None:
    """Let live contacts show what is kept of their addresses."""
    holders = records.keyed(call, "contacts", "email", addresses)
    found = records.fetch(call.sql, holders.values())
    records.change(
        call,
        [
            (found[id], {}, reflections(call, found[id].properties.get("email"), found[id].properties))
            for id in dict.fromkeys(holders.values())
        ],
    )


def bounce(call: Call, address: str, reason: str) -> int:
    """A mail to an address came back for good: HubSpot notes it on the contact, where nobody can write it."""
    holders = records.keyed(call, "contacts", "email", [address])
    found = records.fetch(call.sql, holders.values())
    values: dict[str, str | None] = {
        "hs_email_hard_bounce_reason_enum": reason,
        "hs_email_bad_address": "true",
    }
    records.change(call, [(record, {}, values) for record in found.values()])
    return len(found)
