"""Which expressions can be undone? The forms that are recognised, and what each loses.

Whatever isn't recognised counts as not invertible: a guess here would write wrong values into somebody's old
system. `sql` is over `value`, what the new system holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlglot
from sqlglot import exp

from migrate.engine import text
from migrate.stages.checked import CheckedField


@dataclass(frozen=True)
class Form:
    """What an expression is. `column`: the only field that it reads; None where it reads none, or several.

    `sql`: the old value out of `value`; None where there is no way back. A null that comes out of a value
    says that this value has none.
    """

    name: str
    column: str | None
    sql: str | None
    injective: bool
    total: bool
    why: str = ""


_FOLDS: dict[type[exp.Expr], str] = {
    exp.Lower: "capitals were made small on the way in",
    exp.Upper: "small letters were made capitals on the way in",
    exp.Trim: "blanks at the ends were left out on the way in",
}
_LOSSLESS = ("VARCHAR", "TEXT")  # a cast to text loses nothing, and is read again as the old type


def form_of(one: CheckedField) -> Form:
    """The form of a checked field's expression."""
    plan = one.plan
    if plan.eml is not None:
        return _none("message", "a message was made of several fields")
    if plan.gather is not None:
        return _none("gathered", "it is gathered out of other records")
    if plan.python is not None:
        return _none("python", f"nothing is known of what `{plan.python}` does")
    inputs = one.expression.inputs
    if not inputs:
        return _none("constant", "it comes from no field of the old system")
    if one.expression.column is not None:
        return Form("field", one.expression.column, "value", injective=True, total=True)
    if len(inputs) > 1:
        return _none("several", f"{_all(inputs)} were made one")
    tree = sqlglot.parse_one(one.expression.sql, read="duckdb").unnest()
    unknown = f"`{_short(plan.origin)}` isn't known to have a way back"
    return _single(tree, inputs[0]) or replace(_none("unknown", unknown), column=inputs[0])


def _single(tree: exp.Expr, column: str) -> Form | None:
    """The form of an expression over one field."""
    if isinstance(tree, exp.Column):
        return Form("field", column, "value", injective=True, total=True)
    if folded := _folded(tree, column):
        return folded
    if isinstance(tree, (exp.Cast, exp.TryCast)) and isinstance(tree.this.unnest(), exp.Column):
        to = tree.to.sql(dialect="duckdb").upper()
        if to in _LOSSLESS and not isinstance(tree, exp.TryCast):
            return Form("cast", column, "value", injective=True, total=True)
        return Form(
            "cast", column, "value", injective=False, total=True, why=f"values were made {to} on the way in"
        )
    if isinstance(tree, (exp.Nullif, exp.Coalesce)) and isinstance(tree.this.unnest(), exp.Column):
        rest = tree.expressions if isinstance(tree, exp.Coalesce) else [tree.args["expression"]]
        if all(isinstance(each.unnest(), (exp.Literal, exp.Boolean)) for each in rest):
            what = "an empty value" if isinstance(tree, exp.Coalesce) else "one value"
            return Form(
                "filled", column, "value", injective=False, total=True,
                why=f"{what} can't be told from what stands for it",
            )  # fmt: skip
    return _affix(tree, column)


def _folded(tree: exp.Expr, column: str) -> Form | None:
    """Capitals and blanks at the ends, one after the other: `lower(trim(Email))`."""
    lost: list[str] = []
    while (why := _FOLDS.get(type(tree))) is not None:
        if isinstance(tree, exp.Trim) and tree.args.get("expression") is not None:
            return None
        lost.append(why)
        tree = tree.this.unnest()
    if not lost or not isinstance(tree, exp.Column):
        return None
    why = " and ".join(dict.fromkeys(reversed(lost)))
    return Form("folded", column, "value", injective=False, total=True, why=why)


def _affix(tree: exp.Expr, column: str) -> Form | None:
    """A field with a constant text before or after it."""
    parts = _joined(tree)
    if parts is None or sum(isinstance(each, exp.Column) for each in parts) != 1:
        return None
    at = next(n for n, each in enumerate(parts) if isinstance(each, exp.Column))
    before = "".join(str(each.this) for each in parts[:at])
    after = "".join(str(each.this) for each in parts[at + 1 :])
    # `concat` takes a null for an empty text, so that nothing tells both apart; `||` gives null for a null.
    spared = isinstance(tree, exp.Concat)
    sql = (
        f"CASE WHEN starts_with(value, {text(before)}) AND ends_with(value, {text(after)}) "
        f"AND length(value) >= {len(before) + len(after)} "
        f"THEN substr(value, {len(before) + 1}, length(value) - {len(before) + len(after)}) END"
    )
    why = f"values without `{before}…{after}` have no way back" if before or after else ""
    if spared:
        why = f"{why}, and an empty value can't be told from an empty text"
    return Form("affix", column, sql, injective=not spared, total=False, why=why)


def _joined(tree: exp.Expr) -> list[exp.Expr] | None:
    """The parts of a chain of `||`, or of a `concat`: literal texts and columns only; else None."""
    tree = tree.unnest()
    if isinstance(tree, exp.DPipe):
        left, right = _joined(tree.this), _joined(tree.expression)
        return None if left is None or right is None else left + right
    if isinstance(tree, exp.Concat):
        found: list[exp.Expr] = []
        for each in tree.expressions:
            part = _joined(each)
            if part is None:
                return None
            found += part
        return found
    if isinstance(tree, exp.Coalesce) and len(tree.expressions) == 1:
        # How the parser spells the nulls of `concat`.
        return _joined(tree.this) if tree.expressions[0].name == "" else None
    if isinstance(tree, exp.Column) or (isinstance(tree, exp.Literal) and tree.is_string):
        return [tree]
    return None


def _none(name: str, why: str) -> Form:
    return Form(name, None, None, injective=False, total=False, why=why)


def _all(names: tuple[str, ...]) -> str:
    quoted = [f"`{each}`" for each in names]
    return ", ".join(quoted[:-1]) + f" and {quoted[-1]}"


def _short(words: str) -> str:
    flat = " ".join(words.split())
    return flat if len(flat) <= 60 else flat[:57] + "…"
