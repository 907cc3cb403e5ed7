"""Which entry is the money, and how does each system tell what a sale is worth and where it stands?

What the plan says goes first, then what the catalogs know of their own sales, then what the plan maps. The
old side reads the source's fields and the new side the target's, so that a mistake of the mapping shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan.expressions import parse_expression
from migrate.types import NUMERIC, Kind

if TYPE_CHECKING:
    from migrate.catalog import Catalog, ObjectSchema
    from migrate.plan.figures import MoneySide
    from migrate.plan.loading import Plan
    from migrate.plan.models import ObjectPlan

WORDS = ("amount", "currency", "name", "closed", "probability", "open", "won", "lost")


@dataclass(frozen=True)
class Side:
    """One system's words for a sale, as SQL over its fields; a word that it hasn't is missing.

    `reads`: the fields that these read.
    """

    object: str
    sql: dict[str, str]
    reads: tuple[str, ...]

    def has(self, *words: str) -> bool:
        """Whether it has all of these."""
        return all(word in self.sql for word in words)


@dataclass(frozen=True)
class Money:
    """The entry whose records are sales, and both sides' words for them."""

    entry: ObjectPlan
    source: Side
    target: Side


def money_entry(plan: Plan, source: Catalog, target: Catalog) -> ObjectPlan | None:
    """The entry that the plan names; else the first whose objects are sales; else the first with money."""
    asked = plan.model.validate_.money.entry
    if asked is not None:
        return next((each for each in plan.model.objects if each.name == asked), None)
    schemas = [
        (each, source.objects.get(each.source), target.objects.get(each.target))
        for each in plan.model.objects
    ]
    sales = [each for each, old, new in schemas if (old and old.sales) or (new and new.sales)]
    money = [each for each, _, new in schemas if new and _money_field(each, new)]
    return next(iter([*sales, *money]), None)


def money_of(plan: Plan, source: Catalog, target: Catalog) -> Money | None:
    """Both sides of the plan's money; None where no entry has any that both systems tell.

    Raises:
        PlanError: an expression of the plan isn't one over that side's fields.
    """
    each = money_entry(plan, source, target)
    if each is None or each.source not in source.objects or each.target not in target.objects:
        return None
    said = plan.model.validate_.money
    old = _side(plan, "source", source.objects[each.source], said.source, _origin(each, source, target))
    new = _side(plan, "target", target.objects[each.target], said.target,
                _money_field(each, target.objects[each.target]))  # fmt: skip
    return Money(each, old, new) if old.has("amount") and new.has("amount") else None


def _side(plan: Plan, which: str, schema: ObjectSchema, said: MoneySide, amount: str | None) -> Side:
    words = _known(schema, amount) | {
        word: text for word in WORDS if (text := getattr(said, word)) is not None
    }
    sql, reads, wrong = dict[str, str](), dict[str, None](), list[PlanMistake]()
    for word, text in words.items():
        given = getattr(said, word) is not None
        at = plan.at("validate", "money", which, word) if given else Position(str(plan.path))
        try:
            parsed = parse_expression(text, schema.fields, at, owner=schema.name)
        except PlanError as error:
            wrong += error.mistakes
            continue
        sql[word] = parsed.sql
        reads |= dict.fromkeys(parsed.inputs)
    if wrong:
        raise PlanError(wrong)
    return Side(schema.name, sql, tuple(reads))


def _known(schema: ObjectSchema, amount: str | None) -> dict[str, str]:
    """What the catalog, or the mapping, knows of a side, as expressions."""
    known = schema.sales
    if known is None:
        return {"amount": _column(amount)} if amount else {}
    words = {"amount": _column(known.amount)}
    for word, name in (("currency", known.currency), ("name", known.name), ("closed", known.closes)):
        if name:
            words[word] = _column(name)
    if known.probability:
        share = " / 100" if known.percent else ""
        words["probability"] = f"CAST({_column(known.probability)} AS DECIMAL(18, 6)){share}"
    if known.closed:
        words["open"] = f"NOT coalesce({_column(known.closed)}, false)"
    if known.won:
        words["won"] = f"coalesce({_column(known.won)}, false)"
    if known.closed and known.won:
        words["lost"] = (
            f"coalesce({_column(known.closed)}, false) AND NOT coalesce({_column(known.won)}, false)"
        )
    return words


def _column(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def _money_field(each: ObjectPlan, schema: ObjectSchema) -> str | None:
    """The first money field that the plan fills."""
    return next(
        (name for name in each.fields if name in schema.fields and schema.fields[name].kind is Kind.MONEY),
        None,
    )


def _origin(each: ObjectPlan, source: Catalog, target: Catalog) -> str | None:
    """The source's field that fills it, where it is one field unchanged."""
    name = _money_field(each, target.objects[each.target])
    origin = each.fields[name].origin.strip() if name else ""
    fields = source.objects[each.source].fields
    return origin if origin in fields and fields[origin].kind in NUMERIC else None
