"""Which records were deleted in a window, and does the vendor still remember all of them?

The delete log reaches back 15 days at most, less when it was trimmed; it cuts instants to the minute
and refuses windows of a minute or less, so the window asked for is wider and the entries are cut to the
one wanted. `earliestDateAvailable` after our start means that entries are lost. Objects without a
delete log are asked for their rows in the recycle bin.
Salesforce, REST API Developer Guide "sObject Get Deleted" and SOAP guide "getDeleted()", read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pyarrow as pa

from migrate.clock import Clock, parse_stamp
from migrate.connector import Page
from migrate.connectors.http import Http
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.replies import error
from migrate.connectors.salesforce.rest import Rest
from migrate.errors import GapTooLong, Parked, SystemRefused

PREFIX = "deleted:"
TOMBSTONES = pa.schema([("_id", pa.string()), ("_at", pa.timestamp("us", tz="UTC"))])
MERGES = pa.schema([("_id", pa.string()), ("survivor", pa.string())])
MASTER = "MasterRecordId"
MINUTE = timedelta(minutes=1)
LAG_WAIT, LAG_TRIES = 30.0, 20


def from_log(
    http: Http, clock: Clock, base: str, object: str, since: datetime, until: datetime, after: str | None
) -> Iterator[Page]:
    """Tombstones out of the delete log, oldest window first; windows with too many ids are halved.

    Args:
        after: the cursor of the last page that was kept.

    Raises:
        GapTooLong: the log doesn't reach back to `since`.
        Parked: the log doesn't yet cover the time up to `until`.
    """
    windows = [(since if after is None else parse_stamp(after.removeprefix(PREFIX)), until)]
    while windows:
        start, end = windows.pop()
        found = _ask(http, clock, base, object, start, end)
        if found is None:
            middle = start + (end - start) / 2
            if end - start < 4 * MINUTE:
                raise GapTooLong(http.system, object, since)
            windows += [(middle, end), (start, middle)]
            continue
        batch = pa.RecordBatch.from_pylist(
            [{"_id": id, "_at": at} for id, at in found if start <= at < end], schema=TOMBSTONES
        )
        yield Page(batch, PREFIX + soql.instant(end) if windows else None)


def _ask(
    http: Http, clock: Clock, base: str, object: str, since: datetime, until: datetime
) -> list[tuple[str, datetime]] | None:
    """Entries of one window, or None where they are too many for one reply."""
    start = _minute(since)
    end = max(_minute(until) + MINUTE, start + 2 * MINUTE)
    for _ in range(LAG_TRIES):
        reply = http.call(
            "GET",
            f"{base}/sobjects/{soql.name(object)}/deleted/",
            params={"start": _iso(start), "end": _iso(end)},
            write=False,
            ok=(400,),
        )
        if reply.status == 400:
            code, words = error(reply)
            if code == "EXCEEDED_ID_LIMIT":
                return None
            if code == "INVALID_REPLICATION_DATE":
                raise GapTooLong(http.system, object, since)
            raise SystemRefused(http.system, f"deletions of `{object}`: {code} {words}", code=code)
        answer = reply.json()
        earliest = answer.get("earliestDateAvailable")
        if earliest and parse_stamp(earliest) > since:
            raise GapTooLong(http.system, object, since, parse_stamp(earliest))
        covered = answer.get("latestDateCovered")
        if covered is None or parse_stamp(covered) >= _minute(until):
            entries = answer["deletedRecords"]
            return [(long_id(each["id"]), parse_stamp(each["deletedDate"])) for each in entries]
        clock.sleep(LAG_WAIT)
    raise Parked(http.system, f"the log of deleted `{object}` doesn't reach {until:%Y-%m-%d %H:%M} UTC yet")


def from_bin(
    rest: Rest, object: str, conditions: Sequence[str], stamp: str, after: str | None
) -> Iterator[Page]:
    """Tombstones out of the recycle bin, by `queryAll`; records purged from it are missed."""
    last = (after or "").removeprefix(PREFIX)
    while True:
        later = [f"Id > {soql.text(last)}"] if last else []
        answer = rest.query(
            soql.select(
                object, ["Id", stamp], ["IsDeleted = true", *conditions, *later], "ORDER BY Id LIMIT 2000"
            ),
            all=True,
        )
        records = answer["records"]
        rows = [{"_id": long_id(each["Id"]), "_at": parse_stamp(each[stamp])} for each in records]
        batch = pa.RecordBatch.from_pylist(rows, schema=TOMBSTONES)
        if not records or (answer.get("done", True) and len(records) < 2000):
            yield Page(batch, None)
            return
        last = str(records[-1]["Id"])
        yield Page(batch, f"{PREFIX}{last}")


def merged(rest: Rest, object: str, conditions: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """`_id` and `survivor` of merged records, by `queryAll`: a loser's `MasterRecordId` names its master.

    Salesforce, Object Reference "Account" (`MasterRecordId`), read 2026-11-26.
    """
    last = ""
    while True:
        later = [f"Id > {soql.text(last)}"] if last else []
        answer = rest.query(
            soql.select(
                object,
                ["Id", MASTER],
                ["IsDeleted = true", f"{MASTER} != null", *conditions, *later],
                "ORDER BY Id LIMIT 2000",
            ),
            all=True,
        )
        records = answer["records"]
        rows = [{"_id": long_id(each["Id"]), "survivor": long_id(each[MASTER])} for each in records]
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=MERGES)
        if not records or (answer.get("done", True) and len(records) < 2000):
            return
        last = str(records[-1]["Id"])


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
