"""How is consent asked for and written over the API? Communication preferences, v3, v4 and dated.

Single calls name an address in the path; batches take up to 100 addresses and answer each by its own name.

Facts: HubSpot, "Communication preferences" references of v3, v4 and 2026-03, read 2026-11-23 and 2026-11-26;
models of hubspot-api-client 12.0.0 for v3. Batches are documented for Marketing Hub Enterprise; the size of
one isn't said, 100 is taken (`consent_batch_size`). The status of a batch with refused rows is taken as that
of other batches, 207.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from migrate.sandbox.hubspot import batches, consent
from migrate.sandbox.hubspot.call import Call
from migrate.sandbox.hubspot.consent import ALL, EMAIL, IN, OUT, UNSAID, Status
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.shapes import anything, many, members, text
from migrate.sandbox.vendor import Reply

WRITE: Final = members(
    channel=text,
    statusState=text,
    subscriptionId=text,
    subscriberIdString=text,
    legalBasis=text,
    legalBasisExplanation=text,
)
WRITES: Final = members(inputs=many(WRITE))
ADDRESSES: Final = members(inputs=many(text))
LEGACY: Final = members(emailAddress=text, subscriptionId=text, legalBasis=text, legalBasisExplanation=text)
ANY: Final = anything
WIDE: Final = "PORTAL_WIDE"


def _envelope(call: Call, results: Sequence[Mapping[str, Any]]) -> Reply:
    stamps = dict.fromkeys(("requestedAt", "startedAt", "completedAt"), call.stamp)
    return Reply(200, {"status": "COMPLETE", "results": list(results), **stamps})


def definitions(call: Call, _path: Mapping[str, str]) -> Reply:
    """`GET .../definitions`: the subscription types."""
    rows = list(consent.types(call.sql).values())
    return Reply(200, {"subscriptionDefinitions": rows}) if call.family == "v3" else _envelope(call, rows)


# -- v4 and dated -----------------------------------------------------------------------------


def _channel(call: Call) -> str:
    """The channel in the query, which these calls must name."""
    return consent.channel_of(call.request.arg("channel") if call.request is not None else None)


def _told(status: Status, name: str, reason: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {
        "channel": status.channel,
        "status": status.status,
        "subscriberIdString": status.address,
        "subscriptionId": int(status.subscription),
        "subscriptionName": name,
        "source": status.source,
        "timestamp": status.at,
    }
    if status.legal_basis:
        told |= {"legalBasis": status.legal_basis}
    if status.explanation:
        told |= {"legalBasisExplanation": status.explanation}
    return told | ({"setStatusSuccessReason": reason} if reason else {})


def _statuses(call: Call, address: str, known: Mapping[str, Status]) -> list[dict[str, Any]]:
    """An address's status of each type; an opt-out of everything shows in each where that is set so."""
    wide = known.get(ALL)
    every = wide is not None and wide.status == OUT and call.settings["wide_shows_in_statuses"]
    rows = []
    for id, row in consent.types(call.sql).items():
        status = known.get(id) or Status(address, EMAIL, id, UNSAID, at=call.stamp)
        if every and wide is not None:
            status = Status(address, EMAIL, id, OUT, None, None, wide.source, wide.at)
        rows.append(_told(status, row["name"]))
    return rows


def _wide(known: Mapping[str, Status], *, named: bool) -> list[dict[str, Any]]:
    wide = known.get(ALL)
    if wide is None or wide.status != OUT:
        return []
    told = {"channel": EMAIL, "status": OUT, "wideStatusType": WIDE, "timestamp": wide.at}
    return [{**told, "subscriberIdString": wide.address} if named else told]


def statuses(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../statuses/{address}`."""
    channel, address = _channel(call), consent.address_of(path["address"])
    known = consent.held(call.sql, channel, [address])[address]
    return _envelope(call, _statuses(call, address, known))


def write(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../statuses/{address}`: sets one type, to an opt-in too."""
    body = call.mapping()
    consent.channel_of(body.get("channel"))
    return _envelope(call, _set(call, [consent.wanted(call, body, consent.address_of(path["address"]))]))


def _set(call: Call, wanted: Sequence[Status]) -> list[dict[str, Any]]:
    changed = consent.put(call, wanted)
    names = consent.types(call.sql)
    rows = []
    for status, is_new in zip(wanted, changed, strict=True):
        kept = consent.held(call.sql, status.channel, [status.address])[status.address]
        now = kept.get(status.subscription, status)
        reason = f"{status.status}_SUCCESSFULLY" if is_new else "NO_STATUS_CHANGE"
        rows.append(_told(now, names[status.subscription]["name"], reason))
    return rows


def wide(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../statuses/{address}/unsubscribe-all`: nothing where not opted out of everything."""
    channel, address = _channel(call), consent.address_of(path["address"])
    return _envelope(call, _wide(consent.held(call.sql, channel, [address])[address], named=False))


def write_wide(call: Call, path: Mapping[str, str]) -> Reply:
    """`POST .../statuses/{address}/unsubscribe-all`: opts out of everything."""
    channel, address = _channel(call), consent.address_of(path["address"])
    consent.put(call, [Status(address, channel, ALL, OUT)])
    return _envelope(call, _statuses(call, address, consent.held(call.sql, channel, [address])[address]))


def _inputs(call: Call) -> list[Any]:
    if not call.settings["consent_batch"]:
        raise ApiError(
            403, "This account doesn't have access to batches of communication preferences", "MISSING_SCOPES"
        )
    rows = call.mapping().get("inputs")
    most = int(call.settings["consent_batch_size"])
    if not isinstance(rows, list) or not 0 < len(rows) <= most:
        raise ApiError(400, f"A batch takes 1 to {most} inputs")
    return rows


Rows = Sequence[tuple[int, str]]


def _batch(work: Callable[[Call, str, list[str]], list[dict[str, Any]]]) -> Callable[..., Reply]:
    """A batch of addresses: each good one is answered, each bad one is an error of its own."""

    def serve(call: Call, _path: Mapping[str, str]) -> Reply:
        channel = _channel(call)
        good: list[str] = []
        errors: list[dict[str, Any]] = []
        for index, row in enumerate(_inputs(call)):
            try:
                ordered(call, index)
                good.append(consent.address_of(row))
            except ApiError as refusal:
                refusal.context["subscriberIdString"] = [str(row)]
                errors.append(refusal.row())
        return batches.reply(call, work(call, channel, list(dict.fromkeys(good))), errors, 200)

    return serve


def ordered(call: Call, index: int) -> None:
    """A fault may order that a row fails, whatever it holds."""
    if index in call.partial:
        raise ApiError(400, "There was a problem with the request.", str(call.settings["partial_category"]))


def _read(call: Call, channel: str, addresses: list[str]) -> list[dict[str, Any]]:
    known = consent.held(call.sql, channel, addresses)
    return [
        {"subscriberIdString": each, "statuses": _statuses(call, each, known[each])} for each in addresses
    ]


def _read_wide(call: Call, channel: str, addresses: list[str]) -> list[dict[str, Any]]:
    known = consent.held(call.sql, channel, addresses)
    return [{"subscriberIdString": a, "wideStatuses": _wide(known[a], named=True)} for a in addresses]


def _write_wide(call: Call, channel: str, addresses: list[str]) -> list[dict[str, Any]]:
    consent.put(call, [Status(address, channel, ALL, OUT) for address in addresses])
    return _read(call, channel, addresses)


batch_read = _batch(_read)
batch_wide = _batch(_read_wide)
batch_write_wide = _batch(_write_wide)


def batch_write(call: Call, _path: Mapping[str, str]) -> Reply:
    """`POST .../statuses/batch/write`: one type of each address; the same one twice refuses the batch."""
    wanted: list[Status] = []
    errors: list[dict[str, Any]] = []
    for index, row in enumerate(_inputs(call)):
        try:
            ordered(call, index)
            consent.channel_of(row.get("channel"))
            wanted.append(consent.wanted(call, row, consent.address_of(row.get("subscriberIdString"))))
        except ApiError as refusal:
            refusal.context["subscriberIdString"] = [str(row.get("subscriberIdString"))]
            refusal.context["subscriptionId"] = [str(row.get("subscriptionId"))]
            errors.append(refusal.row())
    places = [(status.address, status.subscription) for status in wanted]
    if len(set(places)) < len(places):
        raise ApiError(400, "Duplicate subscribers found in batch input")
    return batches.reply(call, _set(call, wanted), errors, 200)


# -- v3 ---------------------------------------------------------------------------------------


def legacy_status(call: Call, path: Mapping[str, str]) -> Reply:
    """`GET .../v3/status/email/{address}`: subscribed or not, and why."""
    address = consent.address_of(path["address"])
    known = consent.held(call.sql, EMAIL, [address])[address]
    wide_out = ALL in known and known[ALL].status == OUT
    rows = []
    for id, row in consent.types(call.sql).items():
        status = known.get(id) or Status(address, EMAIL, id, UNSAID)
        told = {
            "id": id,
            "name": row["name"],
            "description": row["description"],
            "status": IN if status.status == IN and not wide_out else "NOT_SUBSCRIBED",
            "sourceOfStatus": "PORTAL_WIDE_STATUS" if wide_out else "SUBSCRIPTION_STATUS",
        }
        if status.legal_basis:
            told |= {"legalBasis": status.legal_basis}
        if status.explanation:
            told |= {"legalBasisExplanation": status.explanation}
        rows.append(told)
    return Reply(200, {"recipient": address, "subscriptionStatuses": rows})


def _legacy(status: str) -> Callable[[Call, Mapping[str, str]], Reply]:
    def serve(call: Call, _path: Mapping[str, str]) -> Reply:
        body = {**call.mapping(), "statusState": status}
        address = consent.address_of(body.get("emailAddress"))
        asked = consent.wanted(call, body, address)
        known = consent.held(call.sql, EMAIL, [address])[address]
        is_out = any(each in known and known[each].status == OUT for each in (ALL, asked.subscription))
        if status == IN and is_out:
            raise ApiError(
                400,
                f"Subscription {asked.subscription} for {address} cannot be updated because they have "
                "unsubscribed",
                sub="SubscriptionErrorCategory.OPTED_OUT",
            )
        consent.put(call, [asked])
        shown = consent.types(call.sql)[asked.subscription]
        told = {
            "id": asked.subscription,
            "name": shown["name"],
            "description": shown["description"],
            "status": IN if status == IN else "NOT_SUBSCRIBED",
            "sourceOfStatus": "SUBSCRIPTION_STATUS",
        }
        if asked.legal_basis:
            told |= {"legalBasis": asked.legal_basis}
        if asked.explanation:
            told |= {"legalBasisExplanation": asked.explanation}
        return Reply(200, told)

    return serve


subscribe = _legacy(IN)
unsubscribe = _legacy(OUT)
