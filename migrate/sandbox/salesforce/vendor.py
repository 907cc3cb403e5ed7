"""How does one request find its answer?

Authenticate, count, route, answer; a refusal anywhere becomes the vendor's JSON.
Everything that has state is in the store; in memory is only the schema, rebuilt
when its mark in the store changes.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.salesforce import (
    acting,
    blobs,
    bulk_ingest,
    bulk_query,
    dml,
    granting,
    metadata_api,
    org_automations,
    routes,
    seed,
)
from migrate.sandbox.salesforce.activities import absent, archive_old
from migrate.sandbox.salesforce.auth import Auth, find_user
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.errors import Refusal, refused
from migrate.sandbox.salesforce.lifecycle import empty_old
from migrate.sandbox.salesforce.limits import count_call, usage
from migrate.sandbox.salesforce.metadata_soap import Fault, fault, session_of
from migrate.sandbox.salesforce.records import TABLES, Record, Records
from migrate.sandbox.salesforce.rights import ADMIN, Rights, rights_of
from migrate.sandbox.salesforce.schema import Schema, amended
from migrate.sandbox.salesforce.standard import standard_objects
from migrate.sandbox.salesforce.values import plain_truth
from migrate.sandbox.salesforce.versions import versioned, versions
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply, Request, Vendor

_NOBODY = Request("GET", "/", {}, {}, b"")
_FILED = re.compile(r"/services/data/v[\d.]+/(sobjects/[^/]+|composite/sobjects)(/|$)")
_METADATA = re.compile(r"/services/Soap/m/(\d{2,3}\.0)(/|$)")
_HOST = "sandbox.my.salesforce.com"


class SalesforceVendor(Vendor):
    """One Salesforce org.

    Settings (all changeable at run time) with their defaults are in `defaults`:
    times are sandbox seconds, sizes are rows.
    """

    name: ClassVar[str] = "salesforce"
    defaults: ClassVar[Mapping[str, Any]] = {
        "token_life": 7200,  # of an access token
        "instance_url": None,  # what token answers name; None: the address that was asked
        "login_hosts": [],  # more hosts that refuse client credentials, besides login and test
        "flows_off": [],  # grant types that the org has switched off
        "daily_limit": 100_000,  # API requests in a rolling 24 hours
        "long_running": 0,  # calls of 20 s and more that others have open just now
        "long_running_limit": 25,
        "storage_mb": None,
        "file_storage_mb": None,
        "json_limit": 52_428_800,  # bytes of a request that isn't multipart
        "base64_limit": 39_321_600,  # bytes of a file that came as base64
        "version_limit": 2_147_483_648,  # bytes of a ContentVersion that came as multipart
        "blob_limit": 524_288_000,  # bytes of another file, and of all files of a collection
        "daily_versions": 200_000,  # new ContentVersions in 24 hours
        "enhanced_email": True,  # a task for each e-mail outside cases
        "sent_email_locked": True,  # no file links to a message that is sent and not client managed
        "shared_activities": False,  # TaskRelation, and more than one contact for an activity
        "chatter": True,  # ContentNote
        "data_privacy": False,  # Individual and the objects of consent
        "tracked_fields": {},  # object -> fields whose changes its history keeps
        "archive_days": 365,
        "query_page": 2000,
        "smallest_page": 200,
        "bulk_page": 50_000,  # rows of a bulk result page when the client doesn't say
        "scientific_numbers": False,  # bulk CSV writes 15000000 as 1.5E7, as has been seen of the vendor
        "bulk_wait": 0.05,  # until a job starts
        "bulk_work": 0.1,  # until a started job ends
        "bulk_batch": 10_000,  # rows that an ingest job takes at a time
        "daily_query_jobs": 10_000,
        "daily_batches": 15_000,
        "permissions": {},  # see rights.py
        "row_locks": {},  # parent id -> how many writes of its children fail before the lock goes
        "validation_rules": [],  # {object, when: SOQL condition, message, fields}
        "duplicate_rules": [],  # {object, fields, action: block or alert}
        "assignment": {},  # object -> owner that assignment rules give
        "too_many_code": "LIMIT_EXCEEDED",  # for more than 200 records in a collection
        "unique_activity_fields": False,  # whether a custom field of Activity may be unique (uncertain)
        "late_every": 0,  # every n-th write of acting users becomes visible late, with its early stamp
        "late_seconds": 5,
    }

    def __init__(self, clock: SandboxClock, settings: Mapping[str, Any]) -> None:
        super().__init__(clock, settings)
        self.automations = {
            "validation_rules": True,
            "duplicate_rules": False,
            "assignment_rules": False,
            "field_history": True,  # the stage history, and that of `tracked_fields`
            "archive_activities": False,  # every night, what is older than `archive_days`
            **dict.fromkeys(org_automations.AUTOMATIC, False),
        }
        self._schema: Schema | None = None
        self._mark: object = None
        self._grants: dict[str, granting.Narrowing] = {}
        self._grants_mark: object = None
        self._used = 0  # API requests as of the last reply

    def setup(self, tx: Tx) -> None:
        """Create tables and a fresh org, unless they are there."""
        tx.sql.execute(org_automations.MAILS)
        for statement in TABLES.split(";"):
            if statement.strip():
                tx.sql.execute(statement)
        self._mark = object()
        if Records(tx.sql).state("org") is None:
            seed.fresh_org(self._as(tx, None))
        blobs.sweep(tx)

    def reset(self) -> None:
        """Forget the schema and the grants: another store may hold other ones."""
        self._mark = self._grants_mark = object()

    # requests

    def streams(self, method: str, path: str) -> bool:
        """Records with files, one or a collection; data of a bulk job is small."""
        return method in ("POST", "PATCH") and _FILED.match(path) is not None

    def handle(self, request: Request, tx: Tx) -> Reply:
        """Answer one request."""
        auth = Auth(tx, request, self.clock.now(), self.settings)
        reply = auth.handle(request.path)
        if reply is not None:
            return reply
        soap = _METADATA.match(request.path)
        reply = self._soap(auth, request, tx, soap[1]) if soap else self._data(auth, request, tx)
        self._used = usage(tx, self.clock.now())
        return self._counted(reply)

    def _counted(self, reply: Reply) -> Reply:
        """The reply with the header that every reply of the data API carries."""
        told = f"api-usage={self._used}/{self.settings['daily_limit']}"
        reply.headers.setdefault("Sforce-Limit-Info", told)
        return reply

    def _data(self, auth: Auth, request: Request, tx: Tx) -> Reply:
        try:
            version, rest = versioned(request)
        except Refusal as refusal:
            return refused(refusal)
        if version is None:
            return versions()
        session = auth.bearer()
        if session is None:
            return refused(Refusal("INVALID_SESSION_ID", "Session expired or invalid"))
        call = self._call(tx, session.user, request, version)
        return self._limited(call) or self._answer(call, rest)

    def _soap(self, auth: Auth, request: Request, tx: Tx, version: str) -> Reply:
        """The Metadata API; its session stands in the envelope."""
        try:
            token, operation = session_of(request.body)
            if request.expire:
                tx.sql.execute("UPDATE sf_token SET revoked = 1 WHERE token = ?", (token,))
            call = self._admitted(auth, request, tx, version, token)
            return metadata_api.answer(call, operation, self._sow)
        except Fault as failure:
            return fault(failure)

    def _admitted(self, auth: Auth, request: Request, tx: Tx, version: str, token: str) -> Call:
        session = auth.session(token, renew=True)
        if session is None:
            message = "Invalid Session ID found in SessionHeader: Illegal Session"
            raise Fault("INVALID_SESSION_ID", message)
        call = self._call(tx, session.user, request, version)
        if self._limited(call) is not None:
            raise Fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return call

    def _sow(self, call: Call, metadata: dict[str, Any]) -> Call:
        """Lay metadata over the org's; a call that sees it."""
        if metadata:
            seed.sow_metadata(call, metadata)
        user = call.records.get("User", call.actor) or {"Id": call.actor}
        return self._call(call.tx, user, call.request, call.version)

    def _limited(self, call: Call) -> Reply | None:
        if not call.rights.has("PermissionsApiEnabled"):
            return refused(
                Refusal("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
            )
        if usage(call.tx, call.now) >= int(self.settings["daily_limit"]):
            return self.throttled(None)
        if int(self.settings["long_running"]) >= int(self.settings["long_running_limit"]):
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            return refused(Refusal("REQUEST_LIMIT_EXCEEDED", message))
        count_call(call)
        return None

    def _answer(self, call: Call, rest: str) -> Reply:
        empty_old(call)
        archive_old(call)
        try:
            with call.tx.savepoint():
                return routes.answer(call, rest)
        except Refusal as refusal:
            return refused(
                refusal, dml=call.request.method in ("POST", "PATCH") and "/sobjects/" in call.request.path
            )

    def _call(self, tx: Tx, user: Record, request: Request, version: str) -> Call:
        stored = Records(tx.sql).state("permissions") or {}
        layers = (stored, self.settings["permissions"], {"*": absent(self.settings)})
        rights = self._seeing(tx, rights_of(user, request.host or _HOST, layers))
        return self._make(tx, rights, request, version)

    def _seeing(self, tx: Tx, rights: Rights) -> Rights:
        """The same rights, without the fields that no permission set shows to this user."""
        records = Records(tx.sql)
        mark = (records.state(granting.MARK), records.state("schema"))
        if mark[0] is None:
            return rights
        if mark != self._grants_mark:
            self._grants, self._grants_mark = {}, mark
        if rights.user not in self._grants:
            self._grants[rights.user] = granting.hidden(records, rights.user)
        hidden, fixed = self._grants[rights.user]
        return rights.narrowed(hidden, fixed)

    def _as(self, tx: Tx, name: str | None) -> Call:
        """A call of an acting user, who may do what an administrator may."""
        id = seed.ADMIN_USER
        if name is not None:
            user = find_user(Records(tx.sql), name)
            if user is None:
                raise ValueError(f"`{name}` is no user of this org")
            id = str(user["Id"])
        lacks = absent(self.settings)["objects"]
        return self._make(tx, Rights(id, ADMIN, lacks), _NOBODY, "66.0")

    def _make(self, tx: Tx, rights: Rights, request: Request, version: str) -> Call:
        now = self.clock.now()
        return Call(tx, self._schema_of(tx), rights, now, self.settings, self.automations, request, version)

    def _schema_of(self, tx: Tx) -> Schema:
        records = Records(tx.sql)
        mark = records.state("schema")
        if self._schema is None or mark != self._mark:
            self._schema = amended(standard_objects(), records.state("metadata") or {})
            self._mark = mark
        return self._schema

    # the rest of the contract

    def due(self, tx: Tx, kind: str, payload: dict[str, Any]) -> None:
        """Jobs that move on, and late writes of acting users."""
        if kind == "late-act":
            acting.act(self._as(tx, payload["action"].get("as")), payload["action"], stamp=payload["stamp"])
            return
        if kind == org_automations.LATER:
            self._touch(tx, payload)
            return
        records = Records(tx.sql)
        user = records.get("User", self._owner(tx, payload["job"])) or {"Id": seed.ADMIN_USER}
        call = self._call(tx, user, _NOBODY, "66.0")
        if kind.startswith("query-"):
            bulk_query.advance(call, kind, payload)
        else:
            bulk_ingest.advance(call, kind, payload)

    def _touch(self, tx: Tx, payload: dict[str, Any]) -> None:
        """A flow on a scheduled path saves a record and changes nothing; without an id, each record."""
        call = self._make(tx, Rights(org_automations.PLATFORM, ADMIN), _NOBODY, "66.0")
        item = call.schema.objects[payload["object"]]
        chosen = (
            [call.records.get(item.name, payload["id"])]
            if payload.get("id")
            else list(call.records.scan(item.name, deleted=False))
        )
        for record in chosen:
            if record is not None and not record.get("IsDeleted"):
                dml.write(call, item, record, {}, check=False)

    def _owner(self, tx: Tx, job: str) -> str:
        row = tx.sql.execute(
            "SELECT json_extract(document, '$.createdById') FROM sf_job WHERE id = ?", (job,)
        ).fetchone()
        return str(row[0]) if row else ""

    def act(self, tx: Tx, action: dict[str, Any]) -> dict[str, Any]:
        """An acting user does something in the user interface.

        Besides the contract's keys: `master` and `losers` for a merge, `hard` for a
        delete, `late` for the seconds after which it becomes visible. `touch` is no user's deed but
        a job of the platform's: every record of the object is saved, and nothing changes.

        Raises:
            ValueError: the platform refuses; the text begins with its code.
        """
        if action["do"] == "touch":
            self._touch(tx, {"object": action["object"]})
            return {"touched": action["object"]}
        call = self._as(tx, action.get("as"))
        late = float(action.get("late", 0)) or acting.lateness(call)
        if late > 0:
            payload = {"action": {**action, "late": 0}, "stamp": call.stamp()}
            tx.later(late, "late-act", payload)
            return {"late": late}
        try:
            with tx.savepoint():
                return acting.act(call, action)
        except Refusal as refusal:
            raise ValueError(f"{refusal.code}: {refusal.message}") from refusal

    def seed(self, tx: Tx, document: dict[str, Any]) -> dict[str, Any]:
        """Load a seed document (see `seed.py`); counts by object, and `fields`.

        Raises:
            ValueError: a part that seeds don't have, or one of another shape; nothing was changed.
        """
        seed.check(document, self.settings, self.automations)
        counts: dict[str, Any] = {}
        self.settings.update(document.get("settings", {}))
        self.automations.update(document.get("automations", {}))
        if document.get("metadata"):
            old = self._schema_of(tx)
            counts["fields"] = seed.sow_metadata(self._as(tx, None), document["metadata"])
            new = self._schema_of(tx)
            for name in document["metadata"]:
                before = old.get(name)
                known = {field.name for field in before.uniques} if before else set()
                item = new.objects[name]
                Records(tx.sql).reindex(item, [field for field in item.uniques if field.name not in known])
        return counts | seed.sow(self._as(tx, None), document)

    def truth(self, tx: Tx, object: str) -> Iterator[dict[str, Any]]:
        """Every record with all its fields, deleted ones too; `links`: all references, `files`: all bytes."""
        schema = self._schema_of(tx)
        if object == "links":
            rows = tx.sql.execute(
                "SELECT object, id, field, target FROM sf_reference ORDER BY object, id, field"
            )
            for row in rows:
                yield {"object": row[0], "id": row[1], "field": row[2], "target": row[3]}
            return
        if object == "files":
            yield from _files(tx)
            return
        if object == "mails":
            yield from org_automations.mails(tx)
            return
        item = schema.get(object)
        if item is None:
            raise KeyError(object)
        for record in Records(tx.sql).scan(item.name, deleted=True):
            yield {
                name: plain_truth(field, record.get(name))
                for name, field in item.fields.items()
                if field.kind != "address"
            }

    def objects(self, tx: Tx) -> list[str]:
        """Every object of the org, `links`, `files` and `mails`."""
        return [*sorted(self._schema_of(tx).objects), "links", "files", "mails"]

    def throttled(self, retry_after: float | None) -> Reply:  # noqa: ARG002 - never said here
        """403 without `Retry-After` (Salesforce, "API Request Limits and Allocations", read 2026-11-23)."""
        return self._counted(refused(Refusal("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")))

    def broken(self, status: int) -> Reply:
        """500 is JSON; 502 and 503 are the maintenance page, which is HTML."""
        if status == 500:
            error_id = hashlib.blake2s(str(self.clock.now()).encode(), digest_size=6).hexdigest()
            message = f"An unexpected error occurred. Please include this ErrorId: {error_id}"
            return self._counted(refused(Refusal("UNKNOWN_EXCEPTION", message, status=500)))
        page = (
            "<!DOCTYPE html><html><head><title>Salesforce - Maintenance</title></head>"
            "<body><h1>We are down for maintenance.</h1></body></html>"
        )
        return Reply(status, page, media="text/html; charset=UTF-8")


def _files(tx: Tx) -> Iterator[dict[str, Any]]:
    """One line for each content of a record: where it hangs, its size and its digests."""
    rows = tx.sql.execute(
        "SELECT f.object, f.id, f.field, b.size, b.sha256, b.md5, r.deleted_at IS NOT NULL"
        " FROM sf_file f JOIN sf_content b ON b.sha256 = f.sha256"
        " JOIN sf_record r ON r.object = f.object AND r.id = f.id ORDER BY f.object, f.id, f.field"
    )
    for object, id, field, size, sha256, md5, deleted in rows:
        yield {
            "object": object, "id": id, "field": field, "size": size, "sha256": sha256, "md5": md5,
            "deleted": bool(deleted),
        }  # fmt: skip
