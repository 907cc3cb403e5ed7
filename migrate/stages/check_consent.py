"""Does every opt-out of the source have a home, and does the plan forget none?

A source field that the catalog marks as consent must be named by an entry under `consent`, or fill a target
field that keeps the same; else its opt-outs would stay behind without a word. That is a mistake as soon as an
extract holds one, and a warning before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.connector import ALL
from migrate.errors import PlanError, PlanMistake, Position
from migrate.plan import ConsentPlan, Expression, Plan, SubscriptionMap
from migrate.plan.expressions import suggest
from migrate.plan.mistakes import Keys
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.check_values import Values
from migrate.stages.checked import CheckedConsent, CheckedObject, ConsentCounts
from migrate.stages.count import consent_name

EVERYTHING = "all"


class ConsentCheck:
    """Checks the entries under `consent`, and looks for what they leave out."""

    def __init__(
        self,
        plan: Plan,
        source: Catalog,
        target: Catalog,
        fields: ExpressionCheck,
        values: Values,
        counts: ConsentCounts | None,
    ) -> None:
        self.plan, self.source, self.target, self.counts = plan, source, target, counts
        self.fields, self.values, self.tell = fields, values, fields.tell
        self._named: set[tuple[str, str]] = set()

    def all(self, objects: Mapping[str, CheckedObject]) -> tuple[CheckedConsent, ...]:
        """Every entry that is sound. `objects`: the plan's, as far as they are."""
        found = [self._entry(index, each) for index, each in enumerate(self.plan.model.consent)]
        self._forgotten(objects)
        return tuple(each for each in found if each is not None)

    def _entry(self, index: int, each: ConsentPlan) -> CheckedConsent | None:
        keys: Keys = ("consent", index)
        before = len(self.fields.findings.mistakes)
        schema = self.source.objects.get(each.source)
        if schema is None:
            self.tell(
                self.plan.at(*keys, "source"),
                f"`{each.source}` isn't an object of the source.",
                suggest(each.source, self.source.objects, "Its objects are"),
            )
            return None
        says_no = self.fields.condition(each.opted_out, (*keys, "opted_out"), schema.fields, schema.name)
        if says_no is None:
            return None
        self._named.update((each.source, name) for name in says_no.inputs)
        if each.field is not None:
            self._field(keys, each)
        if each.address is None:
            return CheckedConsent(each, index, schema, says_no)
        found = self._by_address(keys, index, each, schema, says_no)
        return found if len(self.fields.findings.mistakes) == before else None

    def _field(self, keys: Keys, each: ConsentPlan) -> None:
        """A field of the record itself that keeps the opt-out: something must fill it."""
        entries = [entry for entry in self.plan.model.objects if entry.source == each.source]
        if any(each.field in entry.fields for entry in entries):
            return
        at = self.plan.at(*keys, "field")
        if not entries:
            self.tell(
                at,
                f"`{each.source}` isn't loaded by this plan, so no record of it has a `{each.field}`.",
                "Give `address`, which needs no record.",
            )
            return
        names = [name for entry in entries for name in entry.fields]
        remedy = f"Map it: `{each.field}: {each.opted_out}`."
        near = suggest(str(each.field), names, "Mapped are")
        self.tell(at, f"Nothing fills `{each.field}`.", f"{remedy} {near}")

    # -- by address ---------------------------------------------------------------------------

    def _by_address(
        self, keys: Keys, index: int, each: ConsentPlan, schema: ObjectSchema, says_no: Expression
    ) -> CheckedConsent | None:
        keeps = self.target.preferences
        if keeps is None:
            self.tell(
                self.plan.at(*keys, "address"),
                "The target keeps no opt-outs by address.",
                "Name the field of the record that keeps them: `field: …`.",
            )
            return None
        if each.channel not in keeps.channels:
            self.tell(
                self.plan.at(*keys, "channel"),
                f"The target keeps no opt-outs of the channel `{each.channel}` by address.",
                suggest(each.channel, keeps.channels, "Its channels are"),
            )
        if each.legal_basis is not None and keeps.legal_bases and each.legal_basis not in keeps.legal_bases:
            self.tell(
                self.plan.at(*keys, "legal_basis"),
                f"`{each.legal_basis}` isn't a legal basis of the target.",
                suggest(each.legal_basis, keeps.legal_bases, "Its legal bases are"),
            )
        address, kind = self._typed(keys, "address", str(each.address), schema, ("VARCHAR", "VARCHAR[]"))
        explanation, _ = self._typed(keys, "explanation", each.explanation, schema, ("VARCHAR",))
        when = ("DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        at, _ = self._typed(keys, "at", each.at, schema, when)
        subscription, source, homes = self._subscription(keys, each, schema)
        if address is None:
            return None
        return CheckedConsent(
            each, index, schema, says_no, address, kind == "VARCHAR[]", subscription, source, homes,
            explanation, at,
        )  # fmt: skip

    def _typed(
        self, keys: Keys, key: str, text: str | None, schema: ObjectSchema, kinds: tuple[str, ...]
    ) -> tuple[Expression | None, str]:
        if text is None:
            return None, ""
        found = self.fields.expression(text, (*keys, key), schema.fields, schema.name)
        kind = self.fields.type_of(found, schema.fields) if found else None
        if found is None or kind is None:
            return None, ""
        if kind not in kinds and kind != '"NULL"':
            self.tell(
                found.at,
                f"`{key}` gives {kind}; it must be {kinds[0]}.",
                f"Cast it: `CAST({text.strip()} AS {kinds[0]})`.",
            )
        return found, kind

    def _subscription(
        self, keys: Keys, each: ConsentPlan, schema: ObjectSchema
    ) -> tuple[str | None, Expression | None, dict[str, str] | None]:
        """(fixed type, expression, ids by source value)."""
        given = each.subscription
        if not isinstance(given, SubscriptionMap):
            return self._id(given, self.plan.at(*keys, "subscription")), None, None
        place: Keys = (*keys, "subscription")
        source, _ = self._typed(place, "from", given.from_, schema, ("VARCHAR",))
        try:
            table = self.plan.picklist(given.picklist)
        except PlanError as error:
            self.fields.findings.mistakes.extend(error.mistakes)
            return None, source, None
        homes: dict[str, str] = {}
        for row in table.rows:
            target = table.home.get(row.source)
            if target:  # `(nothing)` is no home for an opt-out: it counts as one without
                homes[row.source] = self._id(target, row.at) or ALL
        seen = (self.values.counts or {}).get((consent_name(each.source), given.from_))
        left: dict[str, int | None] = (
            {row.source: row.count for row in table.rows if row.source not in homes}
            if seen is None
            else {value: count for value, count in seen.items() if value not in homes}
        )
        if left and given.unmapped == "reject":
            shown = ", ".join(
                f"`{value}`" + ("" if count is None else f" ({count:,})")
                for value, count in sorted(left.items(), key=lambda item: (-(item[1] or 0), item[0]))[:20]
            )
            self.tell(
                self.plan.at(*place, "from"),
                f"Opt-outs of {len(left):,} subscription type{'s' if len(left) != 1 else ''} have no home: "
                f"{shown}.",
                f"Add them to {given.picklist}, or write `unmapped: all`: who opted out of one of them is "
                "then opted out of everything.",
            )
        return None, source, homes

    def _id(self, given: str, at: Position) -> str | None:
        """A subscription type's id by its name or id; `*` for all of them."""
        if given == EVERYTHING:
            return ALL
        known = self.target.preferences.subscriptions if self.target.preferences else ()
        by_id = {each.id: each for each in known}
        named = [each.id for each in known if each.name == given]
        if given in by_id:
            return given
        if len(named) == 1:
            return named[0]
        what = f"`{given}` isn't a subscription type of the target."
        right = suggest(given, [each.name for each in known], "Its types are")
        if not known:
            right = "It told none: does the credential have the right to read them? `all` needs none."
        if named:
            what, right = f"{len(named)} subscription types are called `{given}`.", "Name the id."
        self.tell(at, what, right)
        return None

    # -- what is left out ---------------------------------------------------------------------

    def _forgotten(self, objects: Mapping[str, CheckedObject]) -> None:
        for each in objects.values():
            for mapped in each.fields.values():
                if mapped.target.consent is not None:
                    self._named.update((each.plan.source, name) for name in mapped.expression.inputs)
        read = dict.fromkeys(
            [*(each.source for each in self.plan.model.objects), *(e.source for e in self.plan.model.consent)]
        )
        for name in read:
            schema = self.source.objects.get(name)
            for field in _marked(schema):
                if (name, field.name) not in self._named:
                    self._unmentioned(name, field)
        for name, schema in self.source.objects.items():
            fields = [field.name for field in _marked(schema)]
            if fields and name not in read:
                self.fields.findings.warnings.append(
                    PlanMistake(
                        self.plan.at("consent" if self.plan.model.consent else "objects"),
                        f"`{name}` keeps opt-outs ({', '.join(fields)}), and this plan doesn't read it.",
                        f"If there are any, add an entry `source: {name}` under `consent`; its records need "
                        "not be moved for that.",
                    )
                )

    def _unmentioned(self, name: str, field: Field) -> None:
        index = next((i for i, e in enumerate(self.plan.model.objects) if e.source == name), None)
        at = self.plan.at("consent") if index is None else self.plan.at("objects", index)
        says = f"source: {name}, opted_out: {field.name}"
        if field.kind != "bool":
            says = f"source: {name}, opted_out: {field.name} IS NOT NULL"
        remedy = (
            f"Add `- {{{says}, address: …}}` under `consent`, or `field: …` instead of the address, or "
            "`leave: <why>` to leave them behind."
        )
        count = (self.counts or {}).get((name, field.name))
        if count:
            noun = "record says" if count == 1 else "records say"
            self.tell(
                at,
                f"{count:,} {noun} no in `{name}.{field.name}`, and the plan doesn't say where that goes.",
                remedy,
            )
        elif count is None:
            self.fields.findings.warnings.append(
                PlanMistake(
                    at,
                    f"`{name}.{field.name}` keeps opt-outs, and the plan doesn't say where they go.",
                    f"{remedy} Without it, `check` fails once the extract holds one.",
                )
            )


def _marked(schema: ObjectSchema | None) -> Iterator[Field]:
    if schema is not None:
        yield from (field for field in schema.fields.values() if field.consent is not None)
