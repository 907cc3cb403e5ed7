"""What does HubSpot say when it refuses?

One exception carries the status and the facts; its two renderings are the only error bodies of this
package: the envelope of a whole refused request, and the row in `errors` of a 207 reply.

Shapes: HubSpot, "Error handling", read 2026-11-23; required members as in hubspot-api-client 12.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

SCOPES_PAGE = "https://developers.hubspot.com/scopes"


class ApiError(Exception):
    """A refusal that becomes the reply of one request, or of one row of a batch."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str = "VALIDATION_ERROR",
        *,
        sub: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        context: Mapping[str, Sequence[str]] | None = None,
        links: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.category, self.sub = status, message, category, sub
        self.errors = [dict(error) for error in errors]
        self.context = {name: [str(value) for value in values] for name, values in (context or {}).items()}
        self.links = dict(links or {})
        self.extra = dict(extra or {})

    def envelope(self, correlation: str) -> dict[str, Any]:
        """Body of a refused request."""
        body: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation,
            "category": self.category,
        }
        if self.sub:
            body["subCategory"] = self.sub
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        if self.links:
            body["links"] = self.links
        return body | self.extra

    def row(self, trace: str | None = None) -> dict[str, Any]:
        """Row of `errors` in a 207 reply; `trace` is the input's objectWriteTraceId."""
        context = dict(self.context)
        if trace is not None:
            context["objectWriteTraceId"] = [trace]
        body: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": context,
            "links": self.links,
            "errors": self.errors,
        }
        if self.sub:
            body["subCategory"] = self.sub
        return body


def bad_values(faults: Sequence[Mapping[str, str]], portal: int) -> ApiError:
    """Property values that HubSpot refuses; the list travels as JSON inside the message.

    Args:
        faults: `{"name", "error", "message"}` each.
    """
    told = [
        {
            "isValid": False,
            "message": fault["message"],
            "error": fault["error"],
            "name": fault["name"],
            "localizedErrorMessage": fault["message"],
            "portalId": portal,
        }
        for fault in faults
    ]
    return ApiError(
        400,
        f"Property values were not valid: {orjson.dumps(told).decode()}",
        errors=[
            {
                "message": fault["message"],
                "code": fault["error"],
                "context": {"propertyName": [fault["name"]]},
            }
            for fault in faults
        ],
    )


def not_found(kind: str, ids: Sequence[str]) -> ApiError:
    """Ids that name no live record (HubSpot community m-p/1101616 quotes the text)."""
    return ApiError(
        404,
        f"Could not get some {kind.upper()} objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "OBJECT_NOT_FOUND",
        context={"ids": list(ids)},
    )
