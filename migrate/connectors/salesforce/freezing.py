"""Is the org still? Who saved which record since, which bulk jobs run, and what an administrator does.

`queryAll` shows deleted rows with who deleted them; a save moves `SystemModstamp`, and `LastModifiedDate`
only where somebody saved: a job of the platform moves the first alone. Data Loader and the Data Import
Wizard work by bulk jobs, which one list tells. A record that was erased from the recycle bin at once is in no
query any more; the delta finds it in the delete log.
Salesforce, REST guide "QueryAll", Object Reference "System Fields", Bulk API 2.0 "Get All Jobs", help
"Freeze or Unfreeze User Accounts", "View and Edit Login Hours in Profiles", "Monitor Bulk Data Load Jobs",
read 2026-11-27. Menu words without a page are from practice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from migrate.clock import parse_stamp
from migrate.connector.freezing import LEVELS, Deed, Instruction, Job, Level, Touch
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.authors import Authors
from migrate.connectors.salesforce.blobs import LINK
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.ingest import ENDED
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.rest import ROWS
from migrate.errors import SystemRefused

LAG: Final = 60.0  # seconds after which a committed row is in every query
_SECOND: Final = timedelta(seconds=1)  # stamps are as fine as that
_MODIFIED, _BY, _MADE, _MAKER = "LastModifiedDate", "LastModifiedById", "CreatedDate", "CreatedById"
_FREEZE: Final = "Salesforce help, Freeze or Unfreeze User Accounts, read 2026-11-27"
_HOURS: Final = "Salesforce help, View and Edit Login Hours in Profiles, read 2026-11-27"
_JOBS: Final = "Salesforce help, Monitor Bulk Data Load Jobs, read 2026-11-27"

_ALL: Final[dict[Level, tuple[Instruction, ...]]] = {
    "configuration": (
        Instruction(
            "configuration",
            "Tell everyone with Customize Application to change nothing in Setup; Setup > Security > View "
            "Setup Audit Trail shows who does. Put no change set and no package in.",
            "Tell them that Setup is theirs again.",
        ),
    ),
    "bulk": (
        Instruction(
            "bulk",
            "Setup > Environments > Jobs > Bulk Data Load Jobs: wait for the end of what is in progress, "
            "abort what is open (batches that run go on to their end). Setup > Integrations > Data Import "
            "Wizard: begin no import. Setup > Scheduled Jobs: delete or pause data exports and scheduled "
            "Apex that write.",
            "Schedule again what was paused.",
            source=_JOBS,
        ),
    ),
    "data": (
        Instruction(
            "data",
            "Setup > Profiles > (each profile that writes) > Login Hours > Edit: close the days of the "
            "freeze (start and end at 12 AM). Who is logged in then may look at the page that is open, and "
            "do nothing more.",
            "Set the hours back, or Login Hours > Edit > Clear all times.",
            source=_HOURS,
        ),
        Instruction(
            "data",
            "Setup > Users > Users > (user) > Freeze, integration users too, but for the migration's own and "
            "those that `allow` names. The help doesn't say what becomes of an open session: end it under "
            "Setup > Session Management > Remove.",
            "Setup > Users > Users > (user) > Unfreeze.",
            source=_FREEZE,
        ),
        Instruction(
            "data",
            "Setup > Flows: deactivate scheduled flows that write; Setup > Time-Based Workflow: see that the "
            "queue has nothing that falls due.",
            "Activate the flows again.",
        ),
    ),
}  # fmt: skip


class Freezing:
    """What one org tells of its stillness."""

    def __init__(self, org: Org, authors: Authors) -> None:
        self._org, self._authors = org, authors

    def touches(self, object: str, since: datetime) -> Iterator[Sequence[Touch]] | None:
        """None of the links of files, which are asked for document by document."""
        stamp = self._org.schema(object).stamp
        return None if stamp is None or object == LINK else self._touches(object, stamp, since)

    def _touches(self, object: str, stamp: str, since: datetime) -> Iterator[Sequence[Touch]]:
        schema = self._org.schema(object)
        wanted = [
            name for name in (stamp, _MODIFIED, _BY, _MADE, _MAKER, "IsDeleted") if name in schema.fields
        ]
        named = next(
            (name for name in ("Name", "Subject", "CaseNumber", "Title") if name in schema.fields), ""
        )
        fields = list(dict.fromkeys(["Id", *wanted, *([named] if named else [])]))
        window, last = soql.window(stamp, since, None), ""
        while True:
            after = [f"Id > {soql.text(last)}"] if last else []
            text = soql.select(object, fields, [*window, *after], f"ORDER BY Id LIMIT {ROWS}")
            answer = self._org.rest.query(text, all=True)
            rows = answer["records"]
            if rows:
                yield self._told(object, rows, stamp, named, since)
            if not rows or (answer.get("done", True) and len(rows) < ROWS):
                return
            last = str(rows[-1]["Id"])

    def _told(
        self, object: str, rows: Sequence[Mapping[str, Any]], stamp: str, named: str, since: datetime
    ) -> list[Touch]:
        live = [long_id(str(row["Id"])) for row in rows if not row.get("IsDeleted")]
        versions = self._authors.history(object, live, ()) if live else {}
        people = self._authors.people([str(row[_BY]) for row in rows if row.get(_BY)])
        found = []
        for row in rows:
            id, by = long_id(str(row["Id"])), str(row.get(_BY) or row.get(_MAKER) or "")
            who, name = people.get(by) or self._authors.people([by])[by]
            at = parse_stamp(str(row[stamp]))
            saved = parse_stamp(str(row[_MODIFIED])) if row.get(_MODIFIED) else at
            fresh = row.get(_MADE) and parse_stamp(str(row[_MADE])) >= since - _SECOND
            deed: Deed = "deleted" if row.get("IsDeleted") else "created" if fresh else "changed"
            fields = dict.fromkeys(
                each.field
                for each in versions.get(id, ())
                if each.field in self._org.schema(object).fields and parse_stamp(each.at) >= since - _SECOND
            )
            stirred = deed == "changed" and saved < since - _SECOND and not fields
            label = str(row.get(named) or "") if named else ""
            found.append(Touch(object, id, label, at, who, name, by, deed, tuple(fields), stirred))
        return found

    def jobs(self, since: datetime) -> list[Job]:
        """Bulk ingest jobs; those of queries change nothing."""
        path: str | None = f"{self._org.base}/jobs/ingest"
        rows: list[Mapping[str, Any]] = []
        while path:
            reply = self._org.http.call("GET", path, write=False, ok=(403,))
            if reply.status == 403:
                raise SystemRefused(
                    self._org.system,
                    "it doesn't show its bulk jobs to this user",
                    "Give the user `Manage Data Integrations`, then freeze again.",
                )
            told = reply.json()
            rows += told["records"]
            path = told.get("nextRecordsUrl") or None
        found = []
        for row in rows:
            begun, ended = parse_stamp(str(row["createdDate"])), str(row["state"]) in ENDED
            if ended and begun < since:
                continue
            by = str(row["createdById"])
            found.append(
                Job(
                    str(row["id"]), f"bulk {row['operation']} job", str(row["object"]), str(row["state"]),
                    self._authors.people([by])[by][1], by, begun, ended,
                )
            )  # fmt: skip
        return found


def instructions(levels: Mapping[str, Level]) -> list[Instruction]:
    """Of the highest level that is asked, and of those that it holds."""
    highest = max((LEVELS.index(level) for level in levels.values()), default=-1)
    return [each for level in LEVELS[: highest + 1] for each in _ALL[level]]
