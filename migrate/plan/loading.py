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
from typing import Any

from pydantic import ValidationError

from migrate.errors import PlanError, PlanMistake, Position, UsageError
from migrate.plan.cutover import CutoverPlan
from migrate.plan.expressions import suggest
from migrate.plan.maps import (
    Override,
    OwnerMap,
    PicklistMap,
    read_overrides,
    read_owners,
    read_picklist,
)
from migrate.plan.mistakes import STAND_INS, Keys, entry_name, python_names, translate, was_told
from migrate.plan.models import LabelMap, ObjectPlan, PlanModel
from migrate.plan.optouts import SubscriptionMap
from migrate.plan.yamltree import Tree

_NOT_WRITTEN: Any = {
    "automations": True, "validate_": True, "objects": {"__all__": {"automations"}},
    "cutover": set(CutoverPlan.model_fields) - {"window"},
}  # fmt: skip


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

        What it says of the target's automations, of validation and of who is told decides nothing of what is
        written and doesn't count, nor do comments: who accepts an automation needn't transform again.
        """
        return self._digest(self.names())

    @cached_property
    def rules_digest(self) -> str:
        """The same without the overrides: two plans that share it differ in corrections of records only."""
        return self._digest([name for name in self.names() if name != self.model.overrides])

    def _digest(self, names: Sequence[str]) -> str:
        said = self.model.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_WRITTEN)
        if not said.get("cutover", True):
            del said["cutover"]  # nothing in it but what doesn't count
        whole = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        for name in names:
            path = self.folder / name
            content = path.read_bytes() if path.is_file() else b""
            whole.update(f"\n{name}\n{hashlib.sha256(content).hexdigest()}".encode())
        return whole.hexdigest()

    @cached_property
    def played(self) -> str:
        """SHA-256 over `digest`, the cohorts and the way back: what a rehearsal plays. People, hooks and
        dates are its own, so the plan's don't count."""
        return self._with_cutover({"cohorts", "reverse"})

    @cached_property
    def agreed(self) -> str:
        """SHA-256 over `digest` and all that the plan says of the cutover: what people sign."""
        return self._with_cutover(set(CutoverPlan.model_fields))

    def _with_cutover(self, names: set[str]) -> str:
        said = self.model.cutover.model_dump(mode="json", by_alias=True, include=names)
        return hashlib.sha256(f"{self.digest}\n{json.dumps(said, sort_keys=True)}".encode()).hexdigest()


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
    mistakes: list[PlanMistake] = [*tree.mistakes, *python_names(tree)]
    broken: set[tuple[str, str]] = set()
    while True:
        try:
            model = PlanModel.model_validate(tree.data())
            return Plan(path, model, tree, mistakes, frozenset(broken))
        except ValidationError as error:
            found = error.errors(include_url=False)
        translated = [translate(detail, tree) for detail in found]
        told = [was_told(detail, tree) for detail in found]
        mistakes.extend(mistake for (mistake, _), old in zip(translated, told, strict=True) if not old)
        data = tree.data()
        if not isinstance(data, dict):
            raise PlanError(mistakes)
        # From the last to the first, so that an index still means the same entry.
        for keys in sorted({keys for _, keys in translated}, key=_order, reverse=True):
            if len(keys) >= 4 and keys[0] == "objects" and keys[2] == "fields":
                broken.add((entry_name(data["objects"][keys[1]]), str(keys[3])))
            stand_in = STAND_INS.get("/".join(map(str, keys)))
            if stand_in:
                tree.put(keys, stand_in)
            elif not tree.prune(keys):
                raise PlanError(mistakes)


def _order(keys: Keys) -> list[tuple[int, str]]:
    return [(key, "") if isinstance(key, int) else (-1, key) for key in keys]
