"""How does what pydantic found in a plan read to a person? With its place, and what to write instead."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from migrate.errors import PlanMistake
from migrate.plan.expressions import suggest
from migrate.plan.keys import TILDE
from migrate.plan.models import PlanModel
from migrate.plan.yamltree import Tree

Keys = tuple[str | int, ...]

# What takes the place of a mistake without which nothing could be read on; `check` passes over them.
UNKNOWN = "unknown"
_SYSTEM = f"{{system: {UNKNOWN}, type: {UNKNOWN}, credentials: 'env:{UNKNOWN}'}}"
STAND_INS = {"version": "1"} | {
    f"{side}{key}": text
    for side in ("source", "target")
    for key, text in (
        ("", _SYSTEM),
        ("/system", UNKNOWN),
        ("/type", UNKNOWN),
        ("/credentials", f"'env:{UNKNOWN}'"),
    )
}
_FORMS = {
    "credentials": "Write `env:PREFIX_` (environment variables that start so) or `file:path`.",
    "system": "A label of letters, digits, `_` and `-`, at most 64 of them.",
    "part": "A name of small letters, digits and `-`, at most 32 of them.",
}
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def was_told(detail: ErrorDetails, tree: Tree) -> bool:
    """Whether this is only the consequence of a mistake that was told, and pruned, before."""
    keys = _keys(detail["loc"])
    if detail["type"] == "missing":
        return tree.was_pruned(keys[:-1], keys[-1])
    return detail["type"] in ("value_error", "too_short") and tree.was_pruned(keys)


def python_names(tree: Tree) -> list[PlanMistake]:
    """Keys spelt as our Python attributes (`from_`), which pydantic would take."""
    found: list[PlanMistake] = []

    def walk(data: Any, keys: Keys) -> None:
        steps: Any = (
            data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        )
        for key, value in list(steps):
            if key in ("from_", "validate_"):
                right = f"Did you mean `{str(key).rstrip('_')}`?"
                found.append(PlanMistake(tree.at_key(*keys, key), f"`{key}` isn't a key here.", right))
                tree.prune((*keys, key))
            else:
                walk(value, (*keys, key))

    walk(tree.data(), ())
    return found


def translate(detail: ErrorDetails, tree: Tree) -> tuple[PlanMistake, Keys]:
    """A pydantic error as a mistake, and what to prune so that the rest can be read."""
    keys = _keys(detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    name = next((str(key) for key in reversed(keys) if isinstance(key, str)), "plan")
    given = detail["input"]
    if kind == "missing":
        gone = keys if "/".join(map(str, keys)) in STAND_INS else keys[:-1]
        return PlanMistake(tree.at(*keys[:-1]), f"`{name}` is missing.", f"Add `{name}: …` here."), gone
    if kind == "extra_forbidden":
        here = _known(keys[:-1])
        return PlanMistake(
            tree.at_key(*keys), f"`{name}` isn't a key here.", suggest(name, here, "Keys are")
        ), keys
    if kind == "value_error":
        return _value_error(context["error"], keys, tree)
    if kind in _KINDS:
        shown = _shown(given)
        remedy = "Put it in quotes." if kind == "string_type" and isinstance(given, (int, float)) else ""
        if given is None and name.count(")") > name.count("("):  # the rest of what a comma has parted
            remedy = "Between `{` and `}`, an expression with a comma stands in quotes."
        return PlanMistake(tree.at(*keys), f"`{name}` must be {_KINDS[kind]}, not {shown}.", remedy), keys
    if kind == "literal_error":
        options = [each.strip("' ") for each in str(context["expected"]).replace(" or ", ", ").split(",")]
        if str(given) in options:  # a text where a number stands, or the other way round
            what = f'`{name}` is the text `"{given}"`, and must be the number `{given}`.'
            return PlanMistake(tree.at(*keys), what, "Write it without quotes."), keys
        remedy = suggest(str(given), options, "It can be")
        return PlanMistake(tree.at(*keys), f"`{name}` can't be {_shown(given)}.", remedy), keys
    if kind == "string_pattern_mismatch":
        return PlanMistake(tree.at(*keys), f"`{name}` can't be {_shown(given)}.", _FORMS.get(name, "")), keys
    if kind == "too_short":
        return PlanMistake(tree.at(*keys), f"`{name}` is empty.", "Give at least one entry."), keys
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    if kind in bounds:
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}[bounds[kind]]
        what = f"`{name}` is {given}; it must be {words} {context[bounds[kind]]:g}."
        return PlanMistake(tree.at(*keys), what), keys
    return PlanMistake(tree.at(*keys), f"`{name}` can't be {_shown(given)}: {detail['msg']}."), keys


def _value_error(error: Exception, keys: Keys, tree: Tree) -> tuple[PlanMistake, Keys]:
    what, remedy = (*map(str, error.args), "", "")[:2]
    if keys == ("objects",):
        entries = tree.data()["objects"]
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            if entry_name(entry) in seen:
                twice = ("objects", index)
                return PlanMistake(tree.at(*twice, "source"), what, remedy), twice
            seen.add(entry_name(entry))
    return PlanMistake(tree.at(*keys), what, remedy), keys


def entry_name(entry: dict[str, Any]) -> str:
    """`ObjectPlan.name` of an entry that may have mistakes."""
    part = entry.get("part")
    return str(entry.get("source")) + ("" if part is None else f"{TILDE}{part}")


def _keys(loc: tuple[str | int, ...]) -> Keys:
    """The path in the file: pydantic puts the tag of a union's branch into its own."""
    return tuple(
        key
        for index, key in enumerate(loc)
        if not (index and loc[index - 1] in ("label", "subscription") and key in ("text", "map"))
    )


def _shown(given: object) -> str:
    if given is None:
        return "empty"
    if isinstance(given, dict):
        return "a mapping"
    if isinstance(given, list):
        return "a list"
    if isinstance(given, bool):
        return f"`{str(given).lower()}`"
    if isinstance(given, (int, float)):
        return f"the number `{given}`"
    return f"`{given}`"


def _known(keys: Keys) -> list[str]:
    """The keys that the models know at this place."""
    kinds: list[Any] = [PlanModel]
    for key in keys:
        below: list[Any] = []
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                for name, info in kind.model_fields.items():
                    if key in (info.alias or name, name):
                        below.extend(_branches(info.annotation))
            elif get_origin(kind) is list:
                below.extend(_branches(get_args(kind)[0]))
            elif get_origin(kind) is dict:
                below.extend(_branches(get_args(kind)[1]))
        kinds = below
    return [
        info.alias or name
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, info in kind.model_fields.items()
    ]


def _branches(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [branch for each in get_args(annotation) for branch in _branches(each)]
    return [annotation]
