"""How does the simulated HubSpot answer, act and tell the truth?

Ties the pieces together for the sandbox's framework: authentication and rate limits first, then the
work, all or nothing; every refusal carries a correlation id in its body and its header.

Order and literals: HubSpot, "Error handling" and "API usage guidelines", read 2026-11-23.
"""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlencode

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.hubspot import (
    auth,
    automations,
    consent,
    fetching,
    filing,
    folders,
    hosting,
    imports,
    links,
    people,
    records,
    routes,
    seeding,
    shapes,
    tables,
    tasks,
    workflows,
)
from migrate.sandbox.hubspot.call import Actor, Call, app, automation, user
from migrate.sandbox.hubspot.catalog import Catalog, load
from migrate.sandbox.hubspot.errors import ApiError
from migrate.sandbox.hubspot.rates import Meter, refusal
from migrate.sandbox.store import Tx
from migrate.sandbox.vendor import Reply, Request, Vendor

LONGEST_URL: Final = 16_384
DEFAULTS: Final[Mapping[str, Any]] = {
    "seed": 1,  # of everything random: order of results, lags, delays
    "first_id": 98_000,  # ids soon grow a digit: sorting them as text goes wrong
    "tier": "professional",
    "burst": None,  # calls in 10 s; None: the tier's
    "daily": None,
    "search_per_second": 5,
    "index_lag": [5, 30],  # seconds
    "search_groups": 5,
    "search_filters_per_group": 6,
    "search_filters": 18,
    "search_in_values": 100,
    "access_token_seconds": 1800,
    "shuffle_results": True,
    "record_url": True,  # `url` in records, which hubspot-api-client 12.0.0 doesn't know
    "to_object_id_text": True,
    "association_page": 500,
    "single_association_list_2026_09": False,
    "label_adds_default": True,
    "accept_archived_owners": True,
    "lifecycle_forward_only": True,
    "stage_required": True,
    "touch_unchanged": False,
    "update_unknown_apart": True,  # a batch update tells unknown ids in a 207; else they refuse it whole
    "partial_upsert_by_email": False,  # else one bad row refuses a batch upsert by e-mail whole
    "contact_createdate_writable": False,  # on create
    "longest_body": None,  # bytes; beyond it 413. HubSpot names no figure
    "option_limit": 5000,  # of one property
    "required_2026_09": {},
    "validation_rules": {},
    "partial_category": "VALIDATION_ERROR",
    "property_limit": 1000,
    "record_limit": 15_000_000,
    "associate_delay": [1, 5],  # seconds
    "enrichment_delay": [1, 5],
    "enrichment_fields": ["industry", "city", "country", "numberofemployees", "annualrevenue", "description"],
    "enrichment_values": {},
    "workflow_delay": [1, 5],
    "file_size_limit": None,  # bytes; None: the tier's
    "file_extensions": None,  # those that the account takes, in lower case; None: all
    "file_duplicate_by": "content",  # or content_and_name
    "file_delete_missing": 404,  # or 204, when a file to be deleted isn't there
    "file_task_delay": [1, 3],  # seconds
    "signed_url_seconds": 14_400,
    "sanitise_html": True,  # bodies of activities; what goes: `markup`
    "attachments_must_exist": True,  # ids in hs_attachment_ids
    "data_privacy": False,  # whether a status needs a legal basis and its explanation
    "wide_shows_in_statuses": True,  # an opt-out of everything, in the status of each type
    "consent_batch": True,  # documented for Marketing Hub Enterprise
    "consent_batch_size": 100,
    "automations": {},
}


class HubSpotVendor(Vendor):
    """One HubSpot portal."""

    name: ClassVar[str] = "hubspot"
    defaults: ClassVar[Mapping[str, Any]] = DEFAULTS

    def __init__(self, clock: SandboxClock, settings: Mapping[str, Any]) -> None:
        super().__init__(clock, settings)
        self.automations = dict.fromkeys(
            (automations.ASSOCIATE, automations.ENRICH, *workflows.WORKFLOWS), False
        )
        self.automations |= {name: bool(on) for name, on in self.settings["automations"].items()}
        self._meter = Meter()
        self._catalog: Catalog | None = None
        self._fetches = fetching.Fetches()
        self._works = 0

    def setup(self, tx: Tx) -> None:
        """Create the tables and, in an empty store, a fresh portal."""
        for statement in (workflows.MAIL_DDL, *imports.DDL, *tables.DDL, *filing.DDL, *consent.DDL):
            tx.sql.execute(statement)
        if tables.get_meta(tx.sql, "schema") is None:
            seeding.fresh(tx.sql, int(self.settings["first_id"]))
        self._catalog = None
        filing.sweep(tx)

    def reset(self) -> None:
        """Forget rate windows, fetches and the catalog."""
        self._meter.clear()
        self._fetches.clear()
        self._catalog = None

    def _known(self, tx: Tx) -> Catalog:
        version = tables.get_meta(tx.sql, "schema", "")
        if self._catalog is None or self._catalog.version != version:
            self._catalog = load(tx.sql)
        return self._catalog

    def _call(self, tx: Tx, actor: Actor, **more: Any) -> Call:
        self._works += 1
        request = more.get("request")
        number = self._works if request is None else request.number
        rng = random.Random(f"{self.settings['seed']}:{number}")  # noqa: S311 - order and delays, not secrets
        return Call(
            tx=tx,
            catalog=self._known(tx),
            settings=self.settings,
            automations=self.automations,
            actor=actor,
            now=self.clock.now(),
            rng=rng,
            **more,
        )

    def streams(self, method: str, path: str) -> bool:
        """Uploads of files, and nothing else."""
        return method in ("POST", "PUT") and routes.UPLOADS.fullmatch(path) is not None

    def handle(self, request: Request, tx: Tx) -> Reply:
        """Answer one request; a refused one leaves nothing but its count."""
        if request.path.startswith(hosting.PREFIXES):
            portal = int(self._known(tx).portal_id)
            return hosting.serve(request, tx, portal, self.clock.now().timestamp())
        correlation = str(uuid.uuid4())
        headers: dict[str, str] = {}
        try:
            reply = self._serve(request, tx, headers)
        except ApiError as trouble:
            reply = Reply(trouble.status, trouble.envelope(correlation))
        reply.headers = {"X-HubSpot-Correlation-Id": correlation, **headers, **reply.headers}
        return reply

    def _serve(self, request: Request, tx: Tx, headers: dict[str, str]) -> Reply:
        path = request.raw_path.partition("?")[0] or request.path
        if len(path) + len(urlencode(request.query, doseq=True)) > LONGEST_URL:
            raise ApiError(414, "URI Too Long", "BAD_REQUEST")
        told = routes.common(path)
        if told is None:
            raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
        text, family = told
        if text.startswith("/oauth/"):
            return self._oauth(request, tx, text, family)
        found = routes.look_up(request.method, text)
        if found is None:
            raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")
        if isinstance(found, str):
            return Reply(405, "Method Not Allowed", media="text/plain")
        longest = self.settings["longest_body"]
        if longest is not None and len(request.body) > int(longest):
            raise ApiError(413, "Payload Too Large", "BAD_REQUEST")
        token = auth.caller(tx.sql, request, self.clock.now().timestamp())
        searching = text.startswith("/objects/") and text.endswith("/search")
        zone = self._known(tx).portal["timeZone"]
        refused, counted = self._meter.take(
            tx, self.settings, token, zone, self.clock.now(), searching=searching
        )
        if refused is not None:
            return refused
        headers.update(counted)
        route, parts = found
        metadata = (
            text.startswith(("/properties", "/schemas", "/pipelines", "/associations"))
            and request.method != "GET"
        )
        try:
            with tx.savepoint():
                call = self._call(
                    tx,
                    app(token.app_id),
                    family=family,
                    request=request,
                    scopes=token.scopes,
                    partial=tuple(request.partial),
                    shape=route.shape,
                )
                auth.allow(token, routes.scopes(call, route, parts))
                return route.work(call, parts)
        finally:
            if metadata:  # the catalog in memory may hold what was just rolled back
                self._catalog = None

    def _oauth(self, request: Request, tx: Tx, text: str, family: str) -> Reply:
        now = self.clock.now().timestamp()
        parts = text.split("/")[2:]
        portal = self._known(tx).portal
        if request.method == "POST" and parts == ["token"]:
            return auth.exchange(tx.sql, request, now, float(self.settings["access_token_seconds"]))
        if request.method == "POST" and parts == ["token", "revoke"]:
            secret = request.form().get("token", "")
            tx.sql.execute("DELETE FROM hs_token WHERE token = ? AND sort <> 'private'", (secret,))
            return Reply(204)
        if request.method == "POST" and parts == ["token", "introspect"]:
            return auth.introspect(tx.sql, request.form(), portal, now)
        if (
            request.method == "POST"
            and parts == ["private-apps", "get", "access-token-info"]
            and family == "v2"
        ):
            key = self._call(tx, app(0), request=request, shape=shapes.TOKEN).mapping().get("tokenKey")
            token = auth.find(tx.sql, str(key), "private")
            if token is None:
                raise ApiError(401, "The access token is invalid", "INVALID_AUTHENTICATION")
            body = {"userId": portal["userId"], "hubId": portal["portalId"], "appId": token.app_id}
            return Reply(200, body | {"scopes": sorted(token.scopes)})
        if len(parts) == 2 and parts[0] in ("access-tokens", "refresh-tokens"):
            sort, secret = parts[0].partition("-")[0], unquote(parts[1])
            if request.method == "DELETE" and sort == "refresh":
                tx.sql.execute("DELETE FROM hs_token WHERE token = ? AND sort = 'refresh'", (secret,))
                return Reply(204)
            if request.method == "GET":
                return auth.describe(tx.sql, secret, sort, portal, now)
        raise ApiError(404, "resource not found", "OBJECT_NOT_FOUND")

    def due(self, tx: Tx, kind: str, payload: dict[str, Any]) -> None:
        """Let a silent writer do what it put off."""
        if kind == automations.ASSOCIATE:
            automations.associate(self._call(tx, automation(kind), strict=False), payload)
        if kind == automations.ENRICH:
            actor = automation(kind, "ENRICHMENT", "ENRICHMENT")
            automations.enrich(self._call(tx, actor, strict=False), payload)
        if kind == workflows.KIND:
            flow = workflows.WORKFLOWS[payload["workflow"]]
            actor = dataclasses.replace(automation(flow.name), source_id=f"flow:{flow.id}")
            workflows.run(self._call(tx, actor, strict=False), payload)
        if kind == imports.KIND:
            imports.advance(self._call(tx, user(0), strict=False), payload)
        if kind == filing.DROP:
            filing.drop(tx, payload["sha256"])
        if kind == filing.EXPIRE:
            filing.expire(self._call(tx, automation("files")), int(payload["id"]))
        if kind == filing.EMPTY:
            filing.empty(self._call(tx, automation("files")), int(payload["id"]))
        if kind in (fetching.IMPORT, folders.MOVE):
            task = tasks.get(self._call(tx, user(0)), payload["task"], kind)
            call = self._call(tx, Actor(task.by[0], task.by[1], task.by[2]))
            if kind == folders.MOVE:
                folders.update_done(call, task)
            else:
                self._fetches.work(call, task)

    def act(self, tx: Tx, action: dict[str, Any]) -> dict[str, Any]:
        """Let a user act; see `people.act`."""
        who = people.actor(self._call(tx, user(0)), str(action.get("as") or ""))
        with tx.savepoint():
            return people.act(self._call(tx, who), action)

    def seed(self, tx: Tx, document: dict[str, Any]) -> dict[str, Any]:
        """Load a seed document; see `seeding.load`. Its `settings` and `automations` apply at once.

        Raises:
            ValueError: a part is unknown or has another shape, and nothing was changed; or it can't be
                loaded.
        """
        document = seeding.shaped(document, self.settings, self.automations)
        self.settings.update(document.get("settings") or {})
        self.automations |= {name: bool(on) for name, on in (document.get("automations") or {}).items()}
        by = user(int(document.get("by") or 501), "seed")
        try:
            return dict(seeding.load(document, lambda: self._call(tx, by, strict=False, quiet=True)))
        finally:
            self._catalog = None

    def objects(self, tx: Tx) -> list[str]:
        """Object types, `links`, `files`, `folders`, `consent`, `subscriptions` and `mails`."""
        return [*self._known(tx).kinds, "links", "files", "folders", consent.OBJECT, "subscriptions", "mails"]

    def truth(self, tx: Tx, object: str) -> Iterator[dict[str, Any]]:
        """Every record of a type by id, in the bin, merged or purged too; every link, each way; every file
        or folder; every status of consent that is kept, and every subscription type.

        Raises:
            KeyError: no such type.
        """
        call = self._call(tx, user(0))
        if object == "links":
            yield from links.everything(call)
            return
        if object == consent.OBJECT:
            yield from list(consent.everything(tx.sql))
            return
        if object == "subscriptions":
            yield from consent.types(tx.sql).values()
            return
        if object == "files":
            yield from (filing.told(tx.sql, file) for file in list(filing.files(tx.sql, "1 ORDER BY id")))
            return
        if object == "mails":
            yield from workflows.mails(tx)
            return
        if object == "folders":
            yield from map(filing.folder_told, filing.folders(tx.sql, "1 ORDER BY id"))
            return
        try:
            kind = call.catalog.kind(object).name
        except ApiError as trouble:
            raise KeyError(object) from trouble
        for record in records.rows(tx.sql, "kind = ? ORDER BY id", (kind,)):
            yield {
                "id": str(record.id),
                "object": kind,
                "properties": record.properties,
                "archived": record.archived,
                "archivedAt": record.archived_at,
                "createdAt": record.created,
                "updatedAt": record.updated,
                "mergedInto": None if record.merged_into is None else str(record.merged_into),
                "purged": record.purged,
                "source": record.properties.get("hs_object_source"),
                "sourceId": record.properties.get("hs_object_source_id"),
            }

    def throttled(self, retry_after: float | None) -> Reply:
        """HubSpot's 429 for the burst window."""
        return refusal("TEN_SECONDLY_ROLLING", seeding.APP_ID, retry_after)

    def broken(self, status: int) -> Reply:
        """JSON for 500, a gateway's HTML for the rest."""
        correlation = str(uuid.uuid4())
        headers = {"X-HubSpot-Correlation-Id": correlation}
        if status == 500:
            trouble = ApiError(500, "internal error", "INTERNAL_ERROR")
            return Reply(500, trouble.envelope(correlation), headers)
        if status == 423:
            return Reply(
                423, ApiError(423, "The resource is locked", "LOCKED").envelope(correlation), headers
            )
        words = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
        title = f"{status} {words.get(status, 'Error')}"
        page = (
            f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
        )
        return Reply(status, page, headers, media="text/html")
