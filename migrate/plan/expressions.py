"""Is this text one scalar SQL expression over these fields, and what is it in plain SQL?

The invariant: what comes out names only fields of the catalog, calls only functions of the
allow-list, and has no statement, sub-query, window, aggregate, lambda or table function in it.
sqlglot gives names and positions; the result type is asked of the engine, not here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import sqlglot
from rapidfuzz import fuzz, process
from sqlglot import exp
from sqlglot.errors import SqlglotError

from migrate.catalog import Field
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan.functions import AGGREGATES, FUNCTIONS, REFUSED, TYPES, allowed_nodes

LONGEST = 10_000  # characters
OWN_ID = "_id"  # stands for a record's own id

# sqlglot logs a warning when it takes a text for a command; the mistake says so already.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Expression:
    """One scalar expression, checked against the fields it may use.

    `sql`: canonical DuckDB SQL, columns in double quotes and in the catalog's spelling.
    `inputs`: the fields it reads, each once, in the order of appearance (`source.x` where qualified).
    `column`: the field, where the expression is nothing but one. `outcomes`: the texts that it can
    give, where it can only give literals (a literal, or a CASE over literals); else None.
    """

    text: str
    sql: str
    inputs: tuple[str, ...]
    at: Position
    column: str | None = None
    outcomes: tuple[str | None, ...] | None = None


def parse_expression(
    text: str,
    fields: Mapping[str, Field],
    at: Position,
    *,
    owner: str = "",
    tables: tuple[str, ...] = (),
    locate: Callable[[int], Position] | None = None,
    aggregates: bool = False,
) -> Expression:
    """Parse one expression of a plan.

    Args:
        text: as the plan has it. Field names are matched without regard to case.
        fields: what it may read, by name.
        at: where the text starts.
        owner: whose fields these are, for the message (`Account`).
        tables: qualifiers that a column must carry (`source`, `target` in `wins`); none by default.
        locate: position of a character of the text; default: on the line of `at`.
        aggregates: it is one value over many records, which have an `_id`.

    Raises:
        PlanError: with everything that is wrong in it.
    """
    return _Parser(text, fields, at, owner, tables, locate, aggregates).parse()


def nearest(name: str, candidates: Iterable[str], *, least: float = 65) -> str | None:
    """The candidate that a misspelt name most likely means, or None. `least`: likeness, 0 to 100."""
    found = process.extractOne(
        name, list(candidates), scorer=fuzz.ratio, processor=str.casefold, score_cutoff=least
    )
    return str(found[0]) if found else None


def suggest(name: str, candidates: Iterable[str], there: str = "There are") -> str:
    """What would be right instead of a name that isn't there: the nearest one, or all there are."""
    names = sorted(set(candidates))
    near = nearest(name, names)
    if near:
        return f"Did you mean `{near}`?"
    if not names:
        return f"{there} none."
    shown = ", ".join(f"`{each}`" for each in names[:12])
    return f"{there} {shown}" + (f" and {len(names) - 12:,} more." if len(names) > 12 else ".")


class _Parser:
    def __init__(
        self,
        text: str,
        fields: Mapping[str, Field],
        at: Position,
        owner: str,
        tables: tuple[str, ...],
        locate: Callable[[int], Position] | None,
        aggregates: bool,
    ) -> None:
        self.text, self.fields, self.start, self.owner, self.tables = text, fields, at, owner, tables
        self.aggregates = aggregates
        self.locate = locate or self._on_the_line
        self.folded: dict[str, list[str]] = {}
        for name in fields:
            self.folded.setdefault(name.casefold(), []).append(name)
        self.inputs: dict[str, None] = {}
        self.mistakes: list[PlanMistake] = []

    def _on_the_line(self, offset: int) -> Position:
        if not self.start.line or "\n" in self.text[:offset]:
            return self.start
        return Position(self.start.file, self.start.line, self.start.column + offset)

    def parse(self) -> Expression:
        try:
            return self._parse()
        except RecursionError:
            raise self._only(
                "The expression is nested too deeply.",
                "Name a Python function with `python: module:function` instead.",
            ) from None

    def _parse(self) -> Expression:
        tree = self._tree()
        refused = self._refused_syntax(tree)
        if not refused:
            for node in list(tree.find_all(exp.Column, bfs=False)):
                self._resolve(node)
        if self.mistakes:
            raise PlanError(self.mistakes)
        if self.aggregates:
            _break_ties(tree)
        plain = tree.unnest()
        return Expression(
            text=self.text,
            sql=tree.sql(dialect="duckdb", identify=True, comments=False),
            inputs=tuple(self.inputs),
            at=self.start,
            column=next(iter(self.inputs)) if isinstance(plain, exp.Column) else None,
            outcomes=_outcomes(plain),
        )

    def _tree(self) -> exp.Expr:
        if not self.text.strip():
            raise self._only("The expression is empty.", "Write a field or an SQL expression.")
        if len(self.text) > LONGEST:
            raise self._only(
                f"The expression has {len(self.text):,} characters; {LONGEST:,} are the most.",
                "Name a Python function with `python: module:function` instead.",
            )
        try:
            trees = sqlglot.parse(self.text, read="duckdb")
        except SqlglotError as error:
            raise self._syntax(error) from error
        if len(trees) != 1 or trees[0] is None:
            offset = self.text.find(";")
            raise PlanError(
                [
                    PlanMistake(
                        self.locate(max(offset, 0)),
                        "There are several statements where one scalar expression belongs.",
                        "Remove the `;` and what follows it.",
                    )
                ]
            )
        return trees[0]

    def _only(self, what: str, remedy: str) -> PlanError:
        return PlanError([PlanMistake(self.start, what, remedy)])

    def _syntax(self, error: SqlglotError) -> PlanError:
        details = getattr(error, "errors", None) or [{}]
        what = str(details[0].get("description") or "it ends too early or has an unclosed quote").rstrip(".")
        line, column = int(details[0].get("line") or 1), int(details[0].get("col") or 0)
        highlight = str(details[0].get("highlight") or "")
        before = sum(len(each) + 1 for each in self.text.split("\n")[: line - 1])
        offset = max(before + column - max(len(highlight), 1), 0)
        return PlanError(
            [
                PlanMistake(
                    self.locate(min(offset, len(self.text))),
                    f"`{_short(self.text)}` isn't an SQL expression: {what}.",
                    "Write one scalar expression; names with special characters go in double quotes, "
                    "texts in single quotes.",
                )
            ]
        )

    def _refused_syntax(self, tree: exp.Expr) -> bool:
        allowed, found = allowed_nodes(), False
        refused: set[int] = set()
        for node in tree.walk(bfs=False, prune=lambda each: id(each) in refused):
            why = self._why_not(node, allowed)
            if why:
                refused.add(id(node))
                self.mistakes.append(PlanMistake(self._position(node), *why))
                found = True
        return found

    def _why_not(self, node: exp.Expr, allowed: tuple[type[exp.Expr], ...]) -> tuple[str, str] | None:
        written = self._written(node)
        if self.aggregates and (over := _over_many(node)) is not None:
            return over or None
        if isinstance(node, exp.RegexpLike) and "start" not in node.meta:
            # DuckDB's `~` matches the whole text; sqlglot takes it for `regexp_matches`, which doesn't.
            return "`~` can't stand in an expression.", "Write `regexp_matches(…, '^…$')`."
        for kind, what, remedy in REFUSED:
            if isinstance(node, kind):
                return f"`{_short(written)}` is {what}, which can't stand in an expression.", remedy
        if isinstance(node, exp.DataType):
            name = node.this.value if isinstance(node.this, exp.DataType.Type) else str(node.this)
            if name not in TYPES:
                shown = node.sql(dialect="duckdb")
                return f"`{shown}` isn't a type that an expression may cast to.", suggest(
                    shown, TYPES.values()
                )
            return None
        if isinstance(node, exp.Anonymous):
            if node.name.lower() in FUNCTIONS:
                return None
        elif type(node) in allowed:
            return None
        if isinstance(node, exp.Func):
            name = (node.name if isinstance(node, exp.Anonymous) else written).lower()
            near = nearest(name, FUNCTIONS, least=80)
            return (
                f"The function `{name}` isn't allowed in an expression.",
                "Only functions whose result depends on nothing but their arguments are. "
                + (f"Did you mean `{near}`?" if near else f"They are: {', '.join(sorted(FUNCTIONS))}."),
            )
        return f"`{_short(written)}` can't stand in an expression.", "Write one scalar SQL expression."

    def _span(self, node: exp.Expr) -> tuple[int, int] | None:
        """Where the node's own word stands in the text; sqlglot doesn't say it of every function."""
        start, end = node.meta.get("start"), node.meta.get("end")
        if start is not None and end is not None:
            return int(start), int(end) + 1
        if isinstance(node, exp.Func):
            names = "|".join(re.escape(name) for name in node.sql_names())
            found = re.search(rf"\b({names})\b", self.text, re.IGNORECASE)
            return found.span() if found else None
        return None

    def _written(self, node: exp.Expr) -> str:
        span = self._span(node)
        if span is not None:
            return self.text[slice(*span)]
        if isinstance(node, exp.Func) and not isinstance(node, exp.Exists):
            return node.sql_names()[0]
        return node.sql(dialect="duckdb")

    def _position(self, node: exp.Expr) -> Position:
        span = self._span(node)
        starts = [each.meta["start"] for each in node.walk() if "start" in each.meta]
        return self.locate(span[0] if span else min(starts, default=0))

    def _resolve(self, node: exp.Column) -> None:
        table, name = node.table, node.name
        if len(node.parts) > 2 or (table and table.lower() not in self.tables):
            right = f"Write `{name}`." if not self.tables else "Write `source.…` or `target.…`."
            self.mistakes.append(PlanMistake(self._position(node), f"`{node.sql()}` is qualified.", right))
            return
        if self.tables and not table:
            self.mistakes.append(
                PlanMistake(
                    self._position(node),
                    f"`{name}` doesn't say which side it means.",
                    f"Write `source.{name}` or `target.{name}`.",
                )
            )
            return
        spelt = [name] if name in self.fields else self.folded.get(name.casefold(), [])
        if len(spelt) != 1:
            of = f" of `{self.owner}`" if self.owner else ""
            if spelt:
                both = " and ".join(f"`{each}`" for each in spelt)
                mistake = f"`{name}` can mean several fields{of}: {both}.", "Write it exactly as it is there."
            else:
                mistake = f"`{name}` isn't a field{of}.", suggest(name, self.fields, "Its fields are")
            self.mistakes.append(PlanMistake(self._position(node), *mistake))
            return
        node.set("this", exp.to_identifier(spelt[0], quoted=True))
        if table:
            node.set("table", exp.to_identifier(table.lower(), quoted=True))
        self.inputs[f"{table.lower()}.{spelt[0]}" if table else spelt[0]] = None


def _over_many(node: exp.Expr) -> tuple[str, str] | tuple[()] | None:
    """What an expression over many records may have besides: () if it may; None: none of these."""
    if isinstance(node, exp.GroupConcat) and not isinstance(node.this, exp.Order):
        return "`string_agg` doesn't say in which order.", "Write `string_agg(…, ', ' ORDER BY …)`."
    if isinstance(node, tuple(AGGREGATES.values())):
        return ()
    if isinstance(node, exp.AggFunc):
        return (
            f"The aggregate `{node.sql_names()[0].lower()}` isn't allowed here.",
            f"They are: {', '.join(sorted(AGGREGATES))}.",
        )
    star = isinstance(node, exp.Star) and isinstance(node.parent, exp.Count)
    return () if star or isinstance(node, (exp.Order, exp.Ordered, exp.Distinct)) else None


def _break_ties(tree: exp.Expr) -> None:
    """Where the order decides and two records are equal in it, the id decides."""

    def id() -> exp.Column:
        return exp.column(OWN_ID, quoted=True)

    for node in list(tree.find_all(exp.ArgMin, exp.ArgMax)):
        node.set("expression", exp.Tuple(expressions=[node.expression, id()]))
    for order in list(tree.find_all(exp.Order)):
        order.append("expressions", exp.Ordered(this=id()))


def _outcomes(node: exp.Expr) -> tuple[str | None, ...] | None:
    if isinstance(node, exp.Null):
        return (None,)
    if isinstance(node, exp.Literal):
        return (str(node.this),) if node.is_string else None
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]]
        last = node.args.get("default")
    elif isinstance(node, exp.If):
        branches, last = [node.args["true"]], node.args.get("false")
    else:
        return None
    found: list[str | None] = [] if last is not None else [None]
    for branch in [*branches, *([last] if last is not None else [])]:
        outcomes = _outcomes(branch.unnest())
        if outcomes is None:
            return None
        found.extend(outcomes)
    return tuple(dict.fromkeys(found))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:57] + "…"
