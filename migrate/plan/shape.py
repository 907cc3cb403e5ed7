"""What do all models of the plan share? Strictness, and words for their JSON Schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import core_schema

UNMAPPED_DEFAULT = {"required": ["unmapped"], "properties": {"unmapped": {"const": "default"}}}


class Shape(BaseModel):
    # Strict, so that an editor with the JSON Schema and the command line refuse the same plans.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def text(*names: str) -> dict[str, Any]:
    """JSON Schema: these keys are there and hold text."""
    return {"required": list(names), "properties": {name: {"type": "string"} for name in names}}


def when(condition: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": then}


def short_form(value: Any) -> Any:
    """A plain value is the short form of an expression."""
    return {"expression": str(value)} if isinstance(value, (str, int, float, bool)) else value


class ShortForm:
    """Tells the JSON Schema of the short form, which a validator function can't."""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": ["string", "number", "boolean"]}, handler(schema)]}
