"""A HubSpot portal without a socket: whole requests in, replies out, on a clock that the test moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from migrate.sandbox.clock import SandboxClock
from migrate.sandbox.hubspot import HubSpotVendor
from migrate.sandbox.store import Store
from migrate.sandbox.vendor import Reply, Request

TOKEN = "pat-na1-sandbox"
JSON = {"content-type": "application/json"}


class Portal:
    """One portal in a folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = SandboxClock()
        self.store = Store(folder, self.clock)
        self.vendor = HubSpotVendor(self.clock, {"burst": 100_000, "index_lag": [5, 30], **settings})
        self.number = 0
        with self.store.begin() as tx:
            self.vendor.setup(tx)

    def ask(self, method: str, url: str, body: Any = None, *, token: str = TOKEN, **more: Any) -> Reply:
        """One request; its reply's body is parsed."""
        self.number += 1
        parts = urlsplit(url)
        headers = {"authorization": f"Bearer {token}", **JSON, **more.pop("headers", {})}
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        request = Request(
            method,
            parts.path,
            parse_qs(parts.query),
            headers,
            content,
            self.number,
            raw_path=parts.path,
            **more,
        )
        with self.store.begin(self.number) as tx:
            reply = self.vendor.handle(request, tx)
        if "json" in reply.media and reply.content():
            reply.body = orjson.loads(reply.content())
        return reply

    def good(self, method: str, url: str, body: Any = None, **more: Any) -> Any:
        """The body of a request that must succeed."""
        reply = self.ask(method, url, body, **more)
        assert 200 <= reply.status < 300, reply.body
        return reply.body

    def make(self, kind: str, **properties: Any) -> str:
        """Create a record over the API; its id."""
        return str(self.good("POST", f"/crm/v3/objects/{kind}", {"properties": properties})["id"])

    def get(self, kind: str, id: str, *names: str) -> dict[str, Any]:
        """Properties of a record."""
        reply = self.good("GET", f"/crm/v3/objects/{kind}/{id}?properties={','.join(names)}")
        properties: dict[str, Any] = reply["properties"]
        return properties

    def link(self, source: str, from_id: str, target: str, to_id: str, *types: int) -> None:
        """Associate; without types unlabelled."""
        path = f"/crm/v4/objects/{source}/{from_id}/associations"
        if types:
            body = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type} for type in types]
            self.good("PUT", f"{path}/{target}/{to_id}", body)
        else:
            self.good("PUT", f"{path}/default/{target}/{to_id}")

    def links(self, source: str, id: str, target: str) -> dict[str, set[int]]:
        """Associated ids with the numbers of their types."""
        body = self.good("GET", f"/crm/v4/objects/{source}/{id}/associations/{target}")
        return {
            row["toObjectId"]: {type["typeId"] for type in row["associationTypes"]} for row in body["results"]
        }

    def act(self, **action: Any) -> dict[str, Any]:
        """Let a user act."""
        with self.store.begin() as tx:
            return self.vendor.act(tx, action)

    def seed(self, **document: Any) -> dict[str, Any]:
        """Load a seed document."""
        with self.store.begin() as tx:
            return self.vendor.seed(tx, document)

    def truth(self, object: str) -> list[dict[str, Any]]:
        """What the store really holds."""
        with self.store.begin() as tx:
            return list(self.vendor.truth(tx, object))

    def pass_time(self, seconds: float) -> None:
        """Move the clock on and let what is due happen."""
        self.clock.set(offset=self.clock.offset + seconds)
        with self.store.begin() as tx:
            while (task := self.store.next_due(tx)) is not None:
                self.vendor.due(tx, *task)

    def unique_property(self, kind: str = "companies", name: str = "source_id") -> str:
        """Make a property with unique values."""
        group = self.good("GET", f"/crm/v3/properties/{kind}/groups")["results"][0]["name"]
        body = {
            "name": name,
            "label": name,
            "type": "string",
            "fieldType": "text",
            "groupName": group,
            "hasUniqueValue": True,
        }
        self.good("POST", f"/crm/v3/properties/{kind}", body)
        return name
