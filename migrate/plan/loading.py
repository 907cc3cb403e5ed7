"""What does this plan.yaml say, and where does it say what can't be?

Every mistake is a `PlanMistake` with file, line and column; none hides another: what is wrong is
pruned and the rest is read on, so that `check` can tell everything in one run. The digest covers
all that decides what is written: the plan, its maps, owners, overrides and Python functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from migrate.errors import PlanError, PlanMistake, Position, UsageError
from migrate.plan.expressions import suggest
from migrate.plan.keys import TILDE
from migrate.plan.maps import (
    Override,
    OwnerMap,
    PicklistMap,
    read_overrides,
    read_owners,
    read_picklist,
)
from migrate.plan.models import LabelMap, ObjectPlan, PlanModel
from migrate.plan.optouts import SubscriptionMap
from migrate.plan.yamltree import Tree

Keys = tuple[str | int, ...]

_FORMS = {
    "credentials": "Write `env:PREFIX_` (environment variables that start so) or `file:path`.",
    "system": "A label of letters, digits, `_` and `-`, at most 64 of them.",
    "part": "A name of small letters, digits and `-`, at most 32 of them.",
}
# What takes the place of a mistake without which nothing could be read on; `check` passes over them.
UNKNOWN = "unknown"
_SYSTEM = f"{{system: {UNKNOWN}, type: {UNKNOWN}, credentials: 'env:{UNKNOWN}'}}"
_STAND_INS = {"version": "1"} | {
    f"{side}{key}": text
    for side in ("source", "target")
    for key, text in (
        ("", _SYSTEM),
        ("/system", UNKNOWN),
        ("/type", UNKNOWN),
        ("/credentials", f"'env:{UNKNOWN}'"),
    )
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

_NOT_WRITTEN: Any = {"automations": True, "objects": {"__all__": {"automations"}}}


class Plan:
    """A plan as written, with the place of everything in it.

    `mistakes`: what was pruned to read the rest (always empty from `load_plan`). `broken`: fields
    that are missing only because they were pruned, as (entry, target field).
    """

    def __init__(
        self,
        path: Path,
        model: PlanModel,
        tree: Tree,
        mistakes: Sequence[PlanMistake] = (),
        broken: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.path, self.model, self.tree = path, model, tree
        self.mistakes, self.broken = tuple(mistakes), broken
        self.folder = path.parent
        self._maps: dict[str, PicklistMap] = {}
        self._owners: dict[str, OwnerMap] = {}

    def at(self, *keys: str | int) -> Position:
        """Position of a value by its path of keys as in the file: `at("objects", 0, "fields", "name")`."""
        return self.tree.at(*keys)

    def at_key(self, *keys: str | int) -> Position:
        """Position of a key."""
        return self.tree.at_key(*keys)

    def locate(self, *keys: str | int) -> Callable[[int], Position]:
        """A function from an offset in a text value to its position."""
        return self.tree.locate(*keys)

    def object(self, name: str) -> ObjectPlan:
        """The entry of this name (`Source` or `Source~part`).

        Raises:
            UsageError: the plan has none.
        """
        for each in self.model.objects:
            if each.name == name:
                return each
        names = [each.name for each in self.model.objects]
        raise UsageError(f"The plan has no object `{name}`.", suggest(name, names, "Its objects are"))

    def chosen(self, names: Sequence[str]) -> list[ObjectPlan]:
        """The entries of these names, in the plan's order; a source object's name means all its parts.

        Args:
            names: none means all entries.

        Raises:
            UsageError: the plan has no such entry.
        """
        known = {each.name for each in self.model.objects} | {each.source for each in self.model.objects}
        if unknown := [name for name in names if name not in known]:
            self.object(unknown[0])
        return [
            each for each in self.model.objects if not names or each.name in names or each.source in names
        ]

    def beside(self, file: str) -> Path:
        """A file of the plan; it lies in the plan's folder or below.

        Raises:
            ValueError: it lies elsewhere.
        """
        path = self.folder / file
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"`{file}` lies outside the plan's folder")
        return path

    def picklist(self, file: str) -> PicklistMap:
        """A picklist map, read once.

        Raises:
            PlanError: it is missing or can't be read.
        """
        if file not in self._maps:
            self._maps[file] = read_picklist(self._beside(file))
        return self._maps[file]

    def owners(self, file: str) -> OwnerMap:
        """The owner map, read once.

        Raises:
            PlanError: it is missing or can't be read.
        """
        if file not in self._owners:
            self._owners[file] = read_owners(self._beside(file))
        return self._owners[file]

    @property
    def written(self) -> Sequence[ObjectPlan]:
        """The entries that stand in the file; a plan may stand for more."""
        return self.model.objects

    @cached_property
    def overrides(self) -> tuple[Override, ...]:
        """The business's corrections.

        Raises:
            PlanError: the file is missing or can't be read.
        """
        return read_overrides(self._beside(self.model.overrides)) if self.model.overrides else ()

    def _beside(self, file: str) -> Path:
        try:
            return self.beside(file)
        except ValueError as error:
            at = next(
                (self.at(*keys) for keys, named in self.files() if named == file), Position(str(self.path))
            )
            raise PlanError([PlanMistake(at, f"{error}.", "Copy it beside the plan.")]) from error

    def files(self) -> Iterator[tuple[Keys, str]]:
        """Every map that the plan names, with the path of keys where it does."""
        for i, each in enumerate(self.model.objects):
            for name, field in each.fields.items():
                for key, file in (("picklist", field.picklist), ("owner", field.owner)):
                    if file is not None:
                        yield ("objects", i, "fields", name, key), file
            for j, link in enumerate(each.links):
                if isinstance(link.label, LabelMap):
                    yield ("objects", i, "links", j, "label", "picklist"), link.label.picklist
        for i, consent in enumerate(self.model.consent):
            if isinstance(consent.subscription, SubscriptionMap):
                yield ("consent", i, "subscription", "picklist"), consent.subscription.picklist
        if self.model.overrides is not None:
            yield ("overrides",), self.model.overrides

    def names(self) -> list[str]:
        """Files beside the plan that it takes: maps, and modules of functions (unless they are installed)."""
        names = {file for _, file in self.files()}
        for each in self.model.objects:
            for field in each.fields.values():
                if field.python:
                    names.add(field.python.partition(":")[0].replace(".", "/") + ".py")
        return sorted(names)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what the plan says, its maps, owners, overrides and the Python modules in its folder.

        What it says of the target's automations decides nothing of what is written and doesn't count, nor do
        comments: who accepts an automation needn't transform again.
        """
        said = self.model.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_WRITTEN)
        whole = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        for name in self.names():
            path = self.folder / name
            content = path.read_bytes() if path.is_file() else b""
            whole.update(f"\n{name}\n{hashlib.sha256(content).hexdigest()}".encode())
        return whole.hexdigest()


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanError: everything in it that can't be read. Maps are read when they are asked for.
    """
    plan = read_plan(path)
    if plan.mistakes:
        raise PlanError(plan.mistakes)
    return plan


def read_plan(path: Path) -> Plan:
    """Read what can be read of a plan; the rest is in `Plan.mistakes`, for `check` to tell with its own.

    Raises:
        PlanError: so little is right that nothing is left.
    """
    try:
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlanError(
            [PlanMistake(Position(str(path)), "The plan isn't UTF-8.", "Save it as UTF-8.")]
        ) from error
    except OSError as error:
        raise PlanError(
            [
                PlanMistake(
                    Position(str(path)),
                    f"The plan can't be read: {error.strerror}.",
                    "`migrate init` writes a first plan.",
                )
            ]
        ) from error
    tree = Tree(str(path), source)
    mistakes: list[PlanMistake] = [*tree.mistakes, *_python_names(tree)]
    broken: set[tuple[str, str]] = set()
    while True:
        try:
            model = PlanModel.model_validate(tree.data())
            return Plan(path, model, tree, mistakes, frozenset(broken))
        except ValidationError as error:
            found = error.errors(include_url=False)
        translated = [_translate(detail, tree) for detail in found]
        told = [_told(detail, tree) for detail in found]
        mistakes.extend(mistake for (mistake, _), old in zip(translated, told, strict=True) if not old)
        data = tree.data()
        if not isinstance(data, dict):
            raise PlanError(mistakes)
        # From the last to the first, so that an index still means the same entry.
        for keys in sorted({keys for _, keys in translated}, key=_order, reverse=True):
            if len(keys) >= 4 and keys[0] == "objects" and keys[2] == "fields":
                broken.add((_name(data["objects"][keys[1]]), str(keys[3])))
            stand_in = _STAND_INS.get("/".join(map(str, keys)))
            if stand_in:
                tree.put(keys, stand_in)
            elif not tree.prune(keys):
                raise PlanError(mistakes)


def _told(detail: ErrorDetails, tree: Tree) -> bool:
    """Whether this is only the consequence of a mistake that was told, and pruned, before."""
    keys = _keys(detail["loc"])
    if detail["type"] == "missing":
        return tree.was_pruned(keys[:-1], keys[-1])
    return detail["type"] in ("value_error", "too_short") and tree.was_pruned(keys)


def _order(keys: Keys) -> list[tuple[int, str]]:
    return [(key, "") if isinstance(key, int) else (-1, key) for key in keys]


def _python_names(tree: Tree) -> list[PlanMistake]:
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


def _translate(detail: ErrorDetails, tree: Tree) -> tuple[PlanMistake, Keys]:
    """A pydantic error as a mistake, and what to prune so that the rest can be read."""
    keys = _keys(detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    name = next((str(key) for key in reversed(keys) if isinstance(key, str)), "plan")
    given = detail["input"]
    if kind == "missing":
        gone = keys if "/".join(map(str, keys)) in _STAND_INS else keys[:-1]
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
            if _name(entry) in seen:
                twice = ("objects", index)
                return PlanMistake(tree.at(*twice, "source"), what, remedy), twice
            seen.add(_name(entry))
    return PlanMistake(tree.at(*keys), what, remedy), keys


def _name(entry: dict[str, Any]) -> str:
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
