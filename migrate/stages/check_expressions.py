"""Is an expression of the plan sound, of which type is it, and where is what is wrong told?

What every check of fields, links and opt-outs stands on; it knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from migrate.catalog import Catalog, Field
from migrate.engine import Engine
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan import Expression, Plan, parse_expression
from migrate.plan.mistakes import Keys
from migrate.stages.checked import Findings


class ExpressionCheck:
    """Checks a plan's expressions against two catalogs, collecting what is wrong in `findings`."""

    def __init__(
        self, plan: Plan, source: Catalog, target: Catalog, engine: Engine, findings: Findings
    ) -> None:
        self.plan, self.source, self.target = plan, source, target
        self.engine, self.findings = engine, findings
        self.zone = plan.model.calendar.zone

    def tell(self, at: Position, what: str, remedy: str = "") -> None:
        """Note a mistake."""
        self.findings.mistakes.append(PlanMistake(at, what, remedy))

    def expression(
        self, text: str, keys: Keys, fields: Mapping[str, Field], owner: str, tables: tuple[str, ...] = ()
    ) -> Expression | None:
        """Parse; None where it is wrong, which is noted."""
        locate = self.plan.locate(*keys)
        try:
            return parse_expression(text, fields, locate(0), owner=owner, tables=tables, locate=locate)
        except PlanError as error:
            self.findings.mistakes.extend(error.mistakes)
            return None

    def type_of(self, expression: Expression, fields: Mapping[str, Field]) -> str | None:
        """DuckDB's result type; None where DuckDB refuses it, which is noted."""
        used = {
            name: fields[name.rpartition(".")[2] if name not in fields else name]
            for name in expression.inputs
        }
        try:
            return self.engine.describe({"x": expression.sql}, used)["x"]
        except ValueError as error:
            words = str(error).split("\n", 1)[0]
            self.tell(
                expression.at,
                f"`{expression.text.strip()}` doesn't fit together: {words}",
                "Cast what has the wrong type: `CAST(… AS VARCHAR)`, `CAST(… AS DECIMAL(18,2))`.",
            )
            return None

    def condition(self, text: str, keys: Keys, fields: Mapping[str, Field], owner: str) -> Expression | None:
        """An expression that must be true or false."""
        found = self.expression(text, keys, fields, owner)
        kind = self.type_of(found, fields) if found else None
        if kind is None or kind == "BOOLEAN":
            return found if kind else None
        name = str(keys[-1])
        self.tell(
            self.plan.at(*keys), f"`{name}` gives {kind}; it must be true or false.", "Compare it: `… = …`."
        )
        return None
