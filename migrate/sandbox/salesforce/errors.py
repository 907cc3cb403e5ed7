"""What does Salesforce say when it refuses?

Data endpoints answer a JSON array of `{message, errorCode, fields?}`; rows inside a
collection use `statusCode` instead, and bulk results one text
`CODE:message:Field1 Field2--` (Salesforce, REST API "Status Codes and Error
Responses", "Create Records Using sObject Collections", Bulk API 2.0 "Get Job
Failed Record Results", read 2026-11-23).
"""

from collections.abc import Sequence
from typing import Any

from migrate.sandbox.vendor import Reply

_STATUS = {
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "INVALID_SESSION_ID": 401,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "API_DISABLED_FOR_ORG": 403,
    "FUNCTIONALITY_NOT_ENABLED": 403,
    "INSUFFICIENT_ACCESS": 403,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_API_VERSION": 410,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}


class Refusal(Exception):
    """One refusal, of a request or of a row in it."""

    def __init__(
        self, code: str, message: str, fields: Sequence[str] = (), status: int | None = None
    ) -> None:
        self.code, self.message, self.fields = code, message, list(fields)
        self.status = status if status is not None else _STATUS.get(code, 400)
        super().__init__(code, message)

    def row(self) -> dict[str, Any]:
        """As one error of one row of a collection."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}

    def body(self, *, dml: bool = False) -> list[dict[str, Any]]:
        """As the body of a whole reply; `dml` adds the key `fields`."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if dml or self.fields:
            error["fields"] = self.fields
        return [error]

    def text(self) -> str:
        """As the cell `sf__Error` of a bulk result."""
        return f"{self.code}:{self.message}:{' '.join(self.fields)} --"


class AllOrNone(Exception):
    """Leaves a savepoint, so that the rows before this one are undone too."""


def undo_all(wanted: bool) -> None:
    """Leave the savepoint that encloses this call, undoing it, when `wanted`."""
    if wanted:
        raise AllOrNone


def refused(refusal: Refusal, *, dml: bool = False) -> Reply:
    """The reply that carries one refusal."""
    return Reply(status=refusal.status, body=refusal.body(dml=dml), headers={})


def malformed(message: str) -> Refusal:
    """SOQL that the vendor cannot read."""
    return Refusal("MALFORMED_QUERY", message)


def no_such_column(field: str, object: str) -> Refusal:
    """A column that doesn't exist, or that the running user may not see: the vendor says the same."""
    return Refusal(
        "INVALID_FIELD",
        f"No such column '{field}' on entity '{object}'. If you are attempting to use a custom field, be "
        "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe "
        "call for the appropriate names.",
    )


def no_such_object(object: str) -> Refusal:
    """An object that doesn't exist, or that the running user may not see."""
    return Refusal(
        "INVALID_TYPE",
        f"sObject type '{object}' is not supported. If you are attempting to use a custom object, be sure to "
        "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
        "appropriate names.",
    )


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """A path that leads nowhere."""
    return Refusal("NOT_FOUND", message)
