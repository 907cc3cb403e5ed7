"""How are many rows read: a Bulk API 2.0 query job, its pages, and the place to go on from.

The first page that is given has no rows and only the job's id, so that a reader which dies later finds
its own job again. A page of results is named by its locator, which names the same rows each time; so a
page that broke off is fetched again and the rows given already are left out. While a page is parsed, the
next one is on its way; while a batch is in use, the next one is parsed.

Cursor: `bulk:<job>:<locator>#<rows of this job so far>.<rows of them in this page>`; the last part is left
out at a page's start in a job that gave nothing yet.

Salesforce, Bulk API 2.0 guide "Query Jobs" (states, `Sforce-Locator`, `maxRecords`, results kept for 7
days) and "Bulk API 2.0 Limits" (10,000 jobs in 24 hours), read 2026-11-23.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa

from migrate.clock import Clock
from migrate.connector import Page
from migrate.connectors.http import Http
from migrate.connectors.salesforce.replies import RIGHTS, error
from migrate.connectors.salesforce.results import batches
from migrate.connectors.salesforce.values import BadValue, Column, empty
from migrate.errors import CursorLost, NoSpace, Parked, Retriable, SystemRefused

PAGE_ROWS = 50_000
FIRST_POLL, LONGEST_POLL, POLL_GROWTH = 1.0, 30.0, 1.5
LONGEST_JOB = 24 * 3600.0
TRIES = 5
SPOOL = 1 << 20  # bytes of a page in memory; what is beyond lies in a temporary file
_CURSOR = re.compile(r"bulk:([A-Za-z0-9]+):(.*?)(?:#(\d+)\.(\d+))?", re.DOTALL)


class NotByBulk(Exception):
    """Bulk API doesn't serve this object. Never leaves this package."""


@dataclass(frozen=True)
class Place:
    """Where in a job's results. `rows`: given so far; `skip`: of them in the page of this locator."""

    job: str
    locator: str = ""
    rows: int = 0
    skip: int = 0

    def __str__(self) -> str:
        start = f"bulk:{self.job}:{self.locator}"
        return f"{start}#{self.rows}.{self.skip}" if self.rows or self.locator else start

    @classmethod
    def parse(cls, cursor: str) -> Place | None:
        found = _CURSOR.fullmatch(cursor)
        return cls(found[1], found[2], int(found[3] or 0), int(found[4] or 0)) if found else None


@dataclass(frozen=True)
class _Fetched:
    """A page's body, and what its headers say. `next` "": no further page."""

    body: IO[bytes]
    next: str
    announced: int | None


def _discard(coming: Future[_Fetched]) -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().body.close()


def _ahead(parsed: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
    """The same batches, each made by another thread while the one before is in use."""
    with ThreadPoolExecutor(1, "bulk-parse") as pool:  # its end waits for what is under way
        coming = pool.submit(next, parsed, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, parsed, None)
            yield batch


class Bulk:
    """Query jobs of one org."""

    def __init__(self, http: Http, clock: Clock, base: str, *, page_rows: int = PAGE_ROWS) -> None:
        self._http, self._clock = http, clock
        self._jobs, self._page_rows = f"{base}/jobs/query", page_rows
        self._system = http.system

    def create(self, soql: str, *, all: bool = False) -> str:
        """Start a job and give its id.

        A job whose creation wasn't answered ends unread: it costs one of the day's 10,000.

        Raises:
            NotByBulk: this object can be queried by REST only.
        """
        body = {
            "operation": "queryAll" if all else "query",
            "query": soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        # Not a write: nothing of the org's data changes, and a second job does no harm.
        reply = self._http.call("POST", self._jobs, json=body, write=False, ok=(400,))
        if reply.status == 400:
            code, words = error(reply)
            if "not supported" in words.lower() or code in ("INVALIDENTITY", "INVALID_ENTITY"):
                raise NotByBulk(words)
            what = f"a bulk query was refused: {code} {words}"
            raise SystemRefused(self._system, what, f"Query: {soql}", code=code)
        return str(reply.json()["id"])

    def pages(self, object: str, place: Place, columns: Sequence[Column]) -> Iterator[Page]:
        """Wait for the job, then its rows from `place` on.

        Raises:
            CursorLost: the job, its results or the locator are gone.
            SystemRefused: the job failed, or its results don't add up.
            Parked: the job takes longer than a day.
        """
        processed = self._wait(object, place.job)
        with ThreadPoolExecutor(1, "bulk-page") as ahead:
            coming = ahead.submit(self._fetch, object, place.job, place.locator)
            try:
                while True:
                    fetched = coming.result()
                    if fetched.next:
                        coming = ahead.submit(self._fetch, object, place.job, fetched.next)
                    rows, following = yield from self._page(object, place, columns, fetched, processed)
                    if not following:
                        return
                    if following != fetched.next:  # what came first wasn't the page
                        coming.add_done_callback(_discard)
                        coming = ahead.submit(self._fetch, object, place.job, following)
                    place = Place(place.job, following, rows)
            finally:
                coming.add_done_callback(_discard)

    def _page(
        self, object: str, place: Place, columns: Sequence[Column], fetched: _Fetched, processed: int | None
    ) -> Generator[Page, None, tuple[int, str]]:
        """The rows of one page from `place` on; its value: the job's rows so far, the next page's locator.

        The job's last rows are given only when its pages add up to what it says it `processed`.
        """
        begin = place.rows - place.skip
        given, trouble = place.skip, ""
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                self._clock.sleep(FIRST_POLL * 2**attempt)
                fetched = self._fetch(object, place.job, place.locator)
            seen, held = 0, None
            with fetched.body, closing(_ahead(batches(fetched.body, columns))) as parsed:
                try:
                    for batch in parsed:
                        fresh = batch.slice(max(0, given - seen))
                        seen += batch.num_rows
                        if not fresh.num_rows:
                            continue
                        if held is not None:
                            given += held.num_rows
                            yield Page(held, str(Place(place.job, place.locator, begin + given, given)))
                        held = fresh
                except (pa.ArrowException, EOFError, OSError) as failure:
                    trouble = f"the CSV can't be parsed ({failure})"
                    continue  # `held` is dropped: it is read again
                except BadValue as failure:
                    raise failure.refusal(self._system, object) from failure
            if fetched.announced is not None and seen != fetched.announced:
                trouble = f"{fetched.announced} rows were announced and {seen} came"
                continue
            rows = begin + given + (held.num_rows if held is not None else 0)
            if not fetched.next and processed is not None and processed != rows:
                trouble = f"the job found {processed} records and its pages held {rows}"
                continue
            cursor = str(Place(place.job, fetched.next, rows)) if fetched.next else None
            yield Page(empty(columns) if held is None else held, cursor)
            return rows, fetched.next
        raise SystemRefused(
            self._system,
            f"a page of `{object}` (job {place.job}) is damaged {TRIES} times over: {trouble}",
            "Look for a proxy on the way that cuts replies or strips the header `Sforce-Locator`.",
            code="ROWS_MISSING",
        )

    def _fetch(self, object: str, job: str, locator: str) -> _Fetched:
        """One page's body, wholly here when this returns (so that no call stays open while others parse), and
        still gzip as it came."""
        params = {"maxRecords": str(self._page_rows), **({"locator": locator} if locator else {})}
        trouble = Retriable(self._system, f"job {job}: no results")
        for attempt in range(TRIES):
            if attempt:
                self._clock.sleep(FIRST_POLL * 2**attempt)
            body = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115 - the caller closes it
            try:
                with self._http.stream(
                    f"{self._jobs}/{job}/results", params=params, headers={"Accept": "text/csv"}
                ) as reply:
                    headers = reply.headers
                    for piece in reply.packed():
                        body.write(piece)
            except Retriable as failure:
                body.close()
                trouble = failure
                continue
            except OSError as failure:
                body.close()
                raise NoSpace(tempfile.gettempdir(), failure.strerror or str(failure)) from failure
            except SystemRefused as failure:
                body.close()
                if failure.code in RIGHTS:
                    raise
                raise CursorLost(self._system, object, failure.what) from failure
            if "html" in headers.get("content-type", ""):
                body.close()
                trouble = Retriable(self._system, f"job {job}: a page of HTML instead of results")
                continue
            body.seek(0)
            following = headers.get("sforce-locator", "").strip()
            announced = headers.get("sforce-numberofrecords", "").strip()
            return _Fetched(
                body,
                "" if following.lower() == "null" else following,
                int(announced) if announced.isdigit() else None,
            )
        raise trouble

    def _wait(self, object: str, job: str) -> int | None:
        """Poll until the job has ended; its number of records, where it says one."""
        wait, waited = FIRST_POLL, 0.0
        while True:
            state = self._state(object, job)
            match state.get("state"):
                case "JobComplete":
                    processed = state.get("numberRecordsProcessed")
                    return int(processed) if processed is not None else None
                case "Failed":
                    raise SystemRefused(
                        self._system,
                        f"the bulk query of `{object}` failed: {state.get('errorMessage') or 'no reason'}",
                        "Run the command again for a new job; set `bulk_threshold` high to read it by REST.",
                    )
                case "Aborted":
                    raise CursorLost(self._system, object, f"job {job} was aborted")
                case _:
                    if waited >= LONGEST_JOB:
                        raise Parked(self._system, f"bulk job {job} of `{object}` isn't done after a day")
            self._clock.sleep(wait)
            waited += wait
            wait = min(LONGEST_POLL, wait * POLL_GROWTH)

    def _state(self, object: str, job: str) -> dict[str, Any]:
        reply = self._http.call("GET", f"{self._jobs}/{job}", write=False, ok=(400, 404, 410))
        if reply.status != 200:
            raise CursorLost(self._system, object, f"job {job} is gone: {' '.join(error(reply))}")
        state: dict[str, Any] = reply.json()
        return state
