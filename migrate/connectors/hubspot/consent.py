"""Who may not be written to? Communication preferences, by e-mail address; opting out and nothing else.

The only status that this module can send is `UNSUBSCRIBED`: HubSpot's newer paths would opt in again whoever
opted out, so that word isn't here. An opt-out of everything takes no legal basis; one of a type does. Batches
are documented for Marketing Hub Enterprise, so they are used where the token has their scopes, or where the
option `consent_batch` says so. HubSpot, communication preferences v4 and 2026-03 (status, batch), read
2026-11-26; a batch's size isn't said there, 100 is taken as with other batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from migrate.catalog import Preferences, Subscription
from migrate.connector import ALL, BatchRefused, OptOut, Outcome, Stated
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.linking import REFUSALS
from migrate.connectors.hubspot.portal import Portal, chunks
from migrate.connectors.hubspot.replies import error_body, problem, results, rows
from migrate.errors import Defect

EMAIL = "EMAIL"
OUT = "UNSUBSCRIBED"
BATCH = 100
SCOPES = {"communication_preferences.read", "communication_preferences.read_write"}
BATCH_SCOPES = {
    "communication_preferences.statuses.batch.read",
    "communication_preferences.statuses.batch.write",
}
LEGAL_BASES = (
    "LEGITIMATE_INTEREST_PQL",
    "LEGITIMATE_INTEREST_CLIENT",
    "PERFORMANCE_OF_CONTRACT",
    "CONSENT_WITH_NOTICE",
    "NON_GDPR",
    "PROCESS_AND_STORE",
    "LEGITIMATE_INTEREST_OTHER",
)
_KEPT = ("status", "source", "timestamp", "legalBasis", "legalBasisExplanation", "wideStatusType")


class Preference:
    """Opt-outs of one portal. `batch`: whether batches may be used; None asks the token's scopes."""

    def __init__(self, portal: Portal, batch: bool | None) -> None:
        self._portal, self._batch = portal, batch

    @property
    def batches(self) -> bool:
        """Whether several addresses travel in one call."""
        if self._batch is None:
            scopes = self._portal.identity().scopes
            self._batch = scopes is not None and scopes >= BATCH_SCOPES
        return self._batch

    def describe(self) -> Preferences:
        """What the portal keeps; no types where the token may not read them."""
        told = self._portal.get_or_none(self._portal.paths.preferences("/definitions"), 403, 404) or {}
        types = [
            Subscription(
                id=str(row["id"]), name=str(row.get("name") or row["id"]), channel=EMAIL,
                active=bool(row.get("isActive", True)),
            )
            for row in told.get("results") or told.get("subscriptionDefinitions") or ()
        ]  # fmt: skip
        return Preferences(
            channels=(EMAIL,),
            addresses={"contacts": "email"},
            subscriptions=tuple(sorted(types, key=lambda each: each.id)),
            legal_bases=LEGAL_BASES,
        )

    # -- reading ------------------------------------------------------------------------------

    def read(self, channel: str, addresses: Sequence[str]) -> list[Stated]:
        """Statuses of each type, and of everything (`*`), of these addresses."""
        wanted = list(dict.fromkeys(address.lower() for address in addresses))
        if self.batches:
            lots = list(chunks(wanted, BATCH))
            wide = self._portal.each(
                lambda lot: self._asked("/batch/unsubscribe-all/read", channel, lot), lots
            )
            each = self._portal.each(lambda lot: self._asked("/batch/read", channel, lot), lots)
            told = [
                (row.get("subscriberIdString"), entry)
                for lot in (*wide, *each)
                for row in lot
                for entry in (row.get("wideStatuses") or row.get("statuses") or ())
            ]
        else:
            found = self._portal.each(lambda address: self._one(channel, address), wanted)
            told = [(address, entry) for address, entries in found for entry in entries]
        return [_stated(str(address).lower(), channel, entry) for address, entry in told]

    def _asked(self, tail: str, channel: str, lot: list[str]) -> list[Mapping[str, Any]]:
        path = self._path(tail, channel)

        def ask() -> list[Mapping[str, Any]]:
            # An address that HubSpot doesn't take is a row error, and has no status.
            reply = self._portal.ask(path, {"inputs": lot})
            return list(results(reply)["results"])

        return self._portal.again(ask)

    def _one(self, channel: str, address: str) -> tuple[str, list[Mapping[str, Any]]]:
        found: list[Mapping[str, Any]] = []
        for tail in ("/unsubscribe-all", ""):
            told = self._portal.get_or_none(
                self._path(f"/{quote(address, safe='')}{tail}", channel), 400, 404
            )
            found += (told or {}).get("results") or ()
        return address, found

    def _path(self, tail: str, channel: str) -> str:
        return f"{self._portal.paths.preferences(f'/statuses{tail}')}?channel={quote(channel)}"

    # -- opting out ---------------------------------------------------------------------------

    @property
    def most(self) -> int:
        """Opt-outs in one call."""
        return BATCH if self.batches else 1

    def opt_out(self, opt_outs: Sequence[OptOut]) -> list[Outcome]:
        """One call. Raises as `KeepsConsent.opt_out`."""
        everything = opt_outs[0].subscription == ALL
        if len(opt_outs) > self.most or any((each.subscription == ALL) != everything for each in opt_outs):
            raise Defect(f"{len(opt_outs)} opt-outs that don't fit into one call")
        if self.batches:
            return self._several(opt_outs, everything)
        (one,) = opt_outs
        place = f"/{quote(one.address, safe='')}"
        if everything:
            reply = self._write(self._path(f"{place}/unsubscribe-all", one.channel), None)
        else:
            reply = self._write(self._portal.paths.preferences(f"/statuses{place}"), _wish(one))
        if reply.status >= 300:
            return [self._refused(0, reply)]
        results(reply)
        return [Outcome(0, "done")]

    def _several(self, opt_outs: Sequence[OptOut], everything: bool) -> list[Outcome]:
        if everything:
            path, inputs = (
                self._path("/batch/unsubscribe-all", opt_outs[0].channel),
                [o.address for o in opt_outs],
            )
            reply = self._write(path, {"inputs": inputs})
        else:
            wishes = [{**_wish(one), "subscriberIdString": one.address} for one in opt_outs]
            reply = self._write(self._portal.paths.preferences("/statuses/batch/write"), {"inputs": wishes})
        if reply.status >= 300:
            if len(opt_outs) > 1:
                whole = problem(error_body(reply))
                raise BatchRefused(self._portal.system, whole.code or str(reply.status), whole.reason)
            return [self._refused(0, reply)]
        told, problems = rows(reply)
        by_address: dict[str, list[int]] = {}
        for index, one in enumerate(opt_outs):
            by_address.setdefault(one.address.lower(), []).append(index)
        said: dict[int, Outcome] = {}
        for index in _named((row.get("subscriberIdString") for row in told), by_address):
            said[index] = Outcome(index, "done")
        for each in problems:
            status: Literal["unsaid", "refused"] = "unsaid" if each.passing else "refused"
            for index in _named(each.context.get("subscriberIdString", ()), by_address):
                said[index] = Outcome(index, status, code=each.code or "batch", reason=each.reason)
        return [said.get(index) or Outcome(index, "unsaid") for index in range(len(opt_outs))]

    def _write(self, path: str, body: Mapping[str, Any] | None) -> Reply:
        return self._portal.http.call("POST", path, json=body, write=True, ok=REFUSALS)

    def _refused(self, index: int, reply: Reply) -> Outcome:
        said = problem(error_body(reply))
        return Outcome(index, "refused", code=said.code or str(reply.status), reason=said.reason)


def _named(addresses: Any, by_address: Mapping[str, list[int]]) -> Iterator[int]:
    for address in addresses:
        yield from by_address.get(str(address).lower(), ())


def _wish(one: OptOut) -> dict[str, Any]:
    said = {"legalBasis": one.legal_basis, "legalBasisExplanation": one.explanation}
    return {
        "channel": one.channel,
        "statusState": OUT,
        "subscriptionId": int(one.subscription),
        **{name: value for name, value in said.items() if value},
    }


def _stated(address: str, channel: str, told: Mapping[str, Any]) -> Stated:
    subscription = ALL if "wideStatusType" in told else str(told.get("subscriptionId"))
    values = {name: None if told.get(name) is None else str(told[name]) for name in _KEPT if name in told}
    return Stated(address, channel, subscription, told.get("status") == OUT, values)
