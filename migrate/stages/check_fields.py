"""Can every target field of one object be filled as the plan says?"""

from __future__ import annotations

from collections.abc import Callable

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.connector import NewOption
from migrate.engine import Engine
from migrate.errors import PlanMistake
from migrate.plan import Expression, FieldPlan, ObjectPlan, Plan
from migrate.plan.expressions import OWN_ID, nearest, suggest
from migrate.plan.mistakes import Keys
from migrate.plan.pyfunctions import load_function
from migrate.stages.check_eml import check_eml
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.check_inline import check_inline
from migrate.stages.check_references import ReferenceCheck
from migrate.stages.check_types import misfit
from migrate.stages.check_values import Values, resolve
from migrate.stages.checked import CheckedField, Findings
from migrate.survivorship import RULES
from migrate.types import Kind, duckdb_type

_OWN_ID = Field(name=OWN_ID, label="Id", kind=Kind.STRING, vendor_type="id")


class FieldCheck(ExpressionCheck):
    """Checks the fields of a plan's objects, collecting what is wrong."""

    def __init__(
        self,
        plan: Plan,
        source: Catalog,
        target: Catalog,
        engine: Engine,
        findings: Findings,
        values: Values,
    ) -> None:
        super().__init__(plan, source, target, engine, findings)
        self.values = values
        self.references = ReferenceCheck(self)

    def fields(
        self, index: int, each: ObjectPlan, source: ObjectSchema | None, target: ObjectSchema | None
    ) -> dict[str, CheckedField]:
        """Every mapped field of the object that is sound."""
        found: dict[str, CheckedField] = {}
        for name, field in each.fields.items():
            keys: Keys = ("objects", index, "fields", name)
            place = self._target_field(keys, name, target, each)
            checked = self._field(keys, name, field, place, each, source, target)
            if checked is not None:
                found[name] = checked
        if target is not None:
            self._required(index, each, target)
        return found

    def _target_field(
        self, keys: Keys, name: str, target: ObjectSchema | None, each: ObjectPlan
    ) -> Field | None:
        if target is None:
            return None
        there = target.fields.get(name)
        own = {each.key.field: "field", each.key.old_id: "old_id", each.key.old_url: "old_url"}
        if name in own:
            self.tell(
                self.plan.at_key(*keys),
                f"`{name}` is the `{own[name]}` of `key` and is filled by itself.",
                "Remove it from `fields`, or name another field under `key`.",
            )
            return None
        if there is None:
            right = suggest(name, target.fields, "Its fields are")
            self.tell(
                self.plan.at_key(*keys),
                f"`{name}` isn't a field of `{target.name}`.",
                f"{right} Named under `create`, `prepare` makes it.",
            )
            return None
        if there.calculated:
            self.tell(
                self.plan.at_key(*keys),
                f"`{name}` is calculated by the target and takes no value.",
                "Remove it; map what it is calculated from.",
            )
        elif not (there.createable or there.updateable):
            self.tell(
                self.plan.at_key(*keys),
                f"`{name}` can't be written in the target.",
                "Remove it, or name another.",
            )
        elif there.createable and not there.updateable and name not in each.insert_only:
            self.findings.warnings.append(
                PlanMistake(
                    self.plan.at_key(*keys),
                    f"`{name}` is taken by the target on insert only.",
                    f"List it under `insert_only: [{name}]`, so that updates leave it out.",
                )
            )
        return there

    def _field(
        self,
        keys: Keys,
        name: str,
        field: FieldPlan,
        place: Field | None,
        each: ObjectPlan,
        source: ObjectSchema | None,
        target: ObjectSchema | None,
    ) -> CheckedField | None:
        expression, kind = None, None
        if field.eml is not None:
            if source is None or place is None:
                return None
            packed = check_eml(self, keys, field, place, source)
            wins = self._wins(keys, name, field, place)
            return CheckedField(field, packed, place, "STRUCT", wins=wins) if packed else None
        if source is not None:
            origin: Keys = (*keys, "from") if field.from_ is not None else (*keys, "expression")
            there = source.fields
            if field.reference is not None and field.origin.strip() == OWN_ID:
                there = {**there, OWN_ID: _OWN_ID}
            expression = self.expression(field.origin, origin, there, source.name)
            kind = self.type_of(expression, there) if expression else None
        function = self._function(keys, field)
        wins = self._wins(keys, name, field, place)
        if place is None:
            return None
        home, default = None, None
        if field.picklist is not None:
            home, default = self.values.picklist(
                keys, field.picklist, field.unmapped, field.default, place.options,
                name=name, object=each.name, written=field.origin, shown=field.origin,
                add=self._adder(each.target, place),
            )  # fmt: skip
        owners = self.values.owners(keys, field, each.name, name) if field.owner is not None else None
        if field.former is not None and target is not None:
            self._former(keys, field.former, target, each)
        if field.owner is not None and not (place.owner or place.kind == Kind.REFERENCE):
            self.tell(
                self.plan.at(*keys, "owner"),
                f"`{name}` doesn't hold an owner in the target.",
                suggest(
                    name,
                    [n for n, f in (target.fields if target else {}).items() if f.owner],
                    "Owner fields are",
                ),
            )
        elif field.owner is not None and field.nobody is None and not place.nullable and not place.required:
            self._taken_by_us(keys, field, name, source)
        if expression is None or kind is None:
            return None
        if field.rewrite is not None:
            self._rewrite(keys, name, place, inline=field.inline is not None)
            check_inline(self.plan, self.source, self.tell, keys, field)
        if field.entries:
            self.references.field(keys, name, field, place, expression, each, source)
        else:
            self._fit(keys, field, place, expression, kind, source)
        return CheckedField(field, expression, place, kind, home, default, owners, function, wins)

    def _taken_by_us(self, keys: Keys, field: FieldPlan, name: str, source: ObjectSchema | None) -> None:
        """Tell that a target without ownerless records gives those of nobody to the user who writes them."""
        there = source.fields.get(field.origin.strip()) if source is not None else None
        if there is None or there.nullable:
            self.findings.warnings.append(
                PlanMistake(
                    self.plan.at(*keys, "owner"),
                    f"`{name}` is never empty in the target: records that have no owner in `{field.origin}` "
                    "become those of the user who loads them, and the validation tells each.",
                    "Name who takes them with `nobody: <e-mail>`.",
                )
            )

    def _fit(
        self, keys: Keys, field: FieldPlan, place: Field, expression: Expression, kind: str,
        source: ObjectSchema | None,
    ) -> None:  # fmt: skip
        at, written = self.plan.at(*keys), field.origin.strip()
        if field.python is not None:
            return
        if field.owner is not None or field.picklist is not None:
            many = kind == "VARCHAR[]" and place.kind == Kind.MULTIPICKLIST
            if kind not in ("VARCHAR", '"NULL"') and not many:
                word = "An owner's id" if field.owner is not None else "A picklist map's source value"
                self.tell(
                    at,
                    f"`{written}` gives {kind}. {word} is text.",
                    f"Cast it: `CAST({written} AS VARCHAR)`.",
                )
            return
        wrong = misfit(kind, place, written, self.zone) or _file_misfit(place, expression, source)
        if wrong is not None:
            self.tell(expression.at, *wrong)
        elif place.options and place.kind in (Kind.PICKLIST, Kind.MULTIPICKLIST):
            self._picklist_values(keys, place, expression, source)

    def _picklist_values(
        self, keys: Keys, place: Field, expression: Expression, source: ObjectSchema | None
    ) -> None:
        values = [option.value for option in place.options]
        if expression.outcomes is not None:
            for outcome in expression.outcomes:
                if outcome is not None and outcome not in values:
                    value, what, _ = resolve(place.options, outcome, place.name)
                    what = (
                        what
                        or f"`{outcome}` is a label of `{place.name}`; an expression must give the value."
                    )
                    right = f"Write `'{value}'`." if value else suggest(outcome, values, "Its values are")
                    self.tell(expression.at, what, right)
            return
        origin = source.fields[expression.column] if source and expression.column else None
        same = origin is not None and origin.options and {o.value for o in origin.options} <= set(values)
        if not same:
            file = f"picklists/{place.name}.csv"
            self.tell(
                self.plan.at(*keys),
                f"`{place.name}` is a picklist; `{expression.text.strip()}` may give values that it hasn't.",
                f"Map them: `{{from: {expression.text.strip()}, picklist: {file}}}`.",
            )

    def _rewrite(self, keys: Keys, name: str, place: Field, *, inline: bool) -> None:
        if place.kind not in (Kind.STRING, Kind.TEXT) or not place.updateable:
            self.tell(
                self.plan.at(*keys, "rewrite"),
                f"`{name}` isn't a text that can be written again: it is {place.kind}.",
                "Remove `rewrite`.",
            )
        elif not inline and not any(each.url for each in self.source.objects.values()):
            self.tell(
                self.plan.at(*keys, "rewrite"),
                "The source doesn't tell the addresses of its records.",
                "Run `migrate discover` again, or remove `rewrite`.",
            )

    def _adder(self, object: str, place: Field) -> Callable[[str], None]:
        return lambda value: self.findings.added.setdefault(NewOption(object, place.name, value, value))

    def _function(self, keys: Keys, field: FieldPlan) -> Callable[[object], object] | None:
        if field.python is None:
            return None
        try:
            return load_function(field.python, self.plan.folder)
        except ValueError as error:
            self.tell(
                self.plan.at(*keys, "python"),
                f"`{field.python}` can't be used: {error}.",
                "Write `module:function`; the module lies beside the plan or is an installed package.",
            )
            return None

    def _wins(self, keys: Keys, name: str, field: FieldPlan, place: Field | None) -> str | Expression | None:
        if field.wins is None:
            return None
        at = self.plan.at(*keys, "wins")
        if field.wins in RULES:
            if field.wins == "newest":
                self.findings.warnings.append(
                    PlanMistake(
                        at,
                        "`wins: newest` compares the records' stamps, not the field's own.",
                        "A record that was touched for another field counts as newer.",
                    )
                )
            return field.wins
        if field.wins.isidentifier():
            near = nearest(field.wins, RULES)
            right = f"Did you mean `{near}`?" if near else f"Rules are {_list(RULES)}."
            self.tell(
                at, f"`{field.wins}` isn't a rule.", right + " An expression names `source.…` and `target.…`."
            )
            return None
        if place is None:
            return None
        there = {place.name: place}
        found = self.expression(
            field.wins, (*keys, "wins"), there, f"this rule (it sees `{name}` only)", ("source", "target")
        )
        kind = (
            self.type_of(found, {f"{side}.{name}": place for side in ("source", "target")}) if found else None
        )
        wanted = duckdb_type(place.kind, place.precision, place.scale)
        if found is None or kind is None:
            return None
        wrong = misfit(kind, place, field.wins, self.zone)
        if wrong is not None and kind.replace(" WITH TIME ZONE", "TZ") != wanted:
            self.tell(found.at, *wrong)
        return found

    def _former(self, keys: Keys, former: str, target: ObjectSchema, each: ObjectPlan) -> None:
        there = target.fields.get(former)
        at = self.plan.at(*keys, "former")
        if former in each.fields:
            self.tell(
                at,
                f"`{former}` is mapped under `fields` too.",
                "Keep the former owner in a field of its own.",
            )
        elif there and (there.kind not in (Kind.STRING, Kind.TEXT) or not there.updateable):
            self.tell(
                at,
                f"`{former}` can't keep a name: it must be a text field that can be written.",
                "Name another.",
            )

    def _required(self, index: int, each: ObjectPlan, target: ObjectSchema) -> None:
        filled = set(each.fields) | {each.key.field, each.key.old_id, each.key.old_url}
        filled |= {field.former for field in each.fields.values()}
        for name, field in target.fields.items():
            if (
                field.required
                and field.createable
                and name not in filled
                and (each.name, name) not in self.plan.broken
            ):
                near = nearest(name, self._source_names(each.source))
                hint = f"`{name}: {near}`" if near else f"`{name}: <a source field>`"
                self.tell(
                    self.plan.at_key("objects", index, "fields"),
                    f"`{target.name}` takes no record without `{name}`, and nothing fills it.",
                    f"Add {hint} under `fields`.",
                )

    def _source_names(self, source: str) -> list[str]:
        schema = self.source.objects.get(source)
        return list(schema.fields) if schema else []


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _file_misfit(
    place: Field, expression: Expression, source: ObjectSchema | None
) -> tuple[str, str] | None:  # fmt: skip
    """A file goes where a file is taken, and nothing else does; what is wrong with it, and the remedy."""
    fields = source.fields if source is not None else {}
    files = [name for name in expression.inputs if name in fields and fields[name].kind is Kind.BINARY]
    written = expression.text.strip()
    if place.kind is Kind.BINARY and not files:
        right = [name for name, field in fields.items() if field.kind is Kind.BINARY]
        return f"`{place.name}` holds a file, and `{written}` gives none.", suggest(
            written, right, "Fields that hold a file are"
        )
    if place.kind not in (Kind.BINARY, Kind.TEXT) and written in files:  # into a text goes what the file says
        return (
            f"`{written}` is a file, and `{place.name}` holds none.",
            "Map it to a field that holds a file, or take a part of its name: "
            f"`split_part({written}, ':', 2)` is its SHA-256.",
        )
    return None
