"""HubSpot's API by plain HTTP, as any program with a token speaks it; nothing of the product is imported."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen


class Refused(Exception):
    """HubSpot didn't take a request."""


@dataclass
class Portal:
    """HubSpot's API by plain HTTP."""

    url: str
    token: str
    wire: dict[str, str] = field(default_factory=dict)  # HubSpot's own names of custom objects

    def named(self, object: str) -> str:
        """HubSpot's name of an object: a custom one has the portal's number in it."""
        if not self.wire:
            for row in self.ask("GET", "/crm/v3/schemas")["results"]:
                self.wire[f"p_{row['name']}"] = str(row["objectTypeId"])
        return self.wire.get(object, object)

    def ask(self, method: str, path: str, body: Any = None, *, form: tuple[bytes, str] | None = None) -> Any:
        """One request; the reply's JSON, None where it has none.

        Raises:
            Refused: HubSpot says no.
        """
        data = form[0] if form else None if body is None else json.dumps(body).encode()
        media = form[1] if form else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media}
        for _ in range(60):
            request = Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
            try:
                with urlopen(request, timeout=60) as reply:  # noqa: S310
                    said = reply.read()
                    return json.loads(said) if said else None
            except HTTPError as error:
                if error.code != 429:
                    told = error.read().decode(errors="replace")[:400]
                    raise Refused(f"{method} {path}: {error.code} {told}") from error
                time.sleep(0.2)
        raise Refused(f"{method} {path}: too many requests, again and again")

    def all(self, object: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Every live record: `id` and its properties."""
        after = ""
        while True:
            query = {"limit": "100", "properties": ",".join(names), **({"after": after} if after else {})}
            page = self.ask("GET", f"/crm/v3/objects/{self.named(object)}?{urlencode(query)}")
            for row in page["results"]:
                yield {"id": str(row["id"]), **row["properties"]}
            after = str(((page.get("paging") or {}).get("next") or {}).get("after") or "")
            if not after:
                return

    def write(self, object: str, id: str, values: Mapping[str, str]) -> dict[str, Any]:
        """Change properties; those of the record afterwards."""
        reply = self.ask("PATCH", f"/crm/v3/objects/{self.named(object)}/{id}", {"properties": dict(values)})
        found: dict[str, Any] = reply["properties"]
        return found

    def files(self) -> list[dict[str, Any]]:
        """Every file."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.ask("GET", f"/files/v3/files/search?limit=100{f'&after={after}' if after else ''}")
            found += page["results"]
            after = str(((page.get("paging") or {}).get("next") or {}).get("after") or "")
            if not after:
                return found
