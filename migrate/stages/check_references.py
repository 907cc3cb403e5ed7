"""Can every field that leads to other records be filled, and in which order do the entries load then?"""

from __future__ import annotations

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.errors import PlanMistake
from migrate.plan import Expression, FieldPlan, ObjectPlan, Plan
from migrate.plan.expressions import OWN_ID, suggest
from migrate.plan.mistakes import Keys
from migrate.plan.waves import Circle, waves
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.checked import Findings
from migrate.types import Kind

TAKES = (Kind.REFERENCE, Kind.STRING, Kind.TEXT)


def check_waves(plan: Plan, target: Catalog, findings: Findings) -> None:
    """Tell entries that wait for each other where nothing can wait."""
    try:
        waves(plan.model.objects, target)
    except Circle as error:
        names = [each.name for each in plan.model.objects]
        at = plan.at("objects", names.index(error.entries[0]))
        findings.mistakes.append(PlanMistake(at, error.what, error.remedy))


class ReferenceCheck:
    """Checks `reference` and `gather` of the fields, collecting what is wrong."""

    def __init__(self, check: ExpressionCheck) -> None:
        self.plan, self.source, self.target = check.plan, check.source, check.target
        self.tell = check.tell
        self.entries = {each.name: each for each in self.plan.model.objects}

    def field(
        self,
        keys: Keys,
        name: str,
        field: FieldPlan,
        place: Field,
        expression: Expression,
        each: ObjectPlan,
        source: ObjectSchema | None,
    ) -> None:
        """One field with `reference` or `gather`.

        Args:
            source: the entry's source object, with the further fields out of `related`.
        """
        key = "gather" if isinstance(field.gather, dict) else "reference"
        known = [entry for entry in field.entries if self._known((*keys, key), entry)]
        for entry in known:
            theirs = field.entries[entry]
            if theirs is not None:
                self._gathered((*keys, "gather"), entry, theirs, each)
            elif source is not None:
                self._leads(keys, entry, expression, source, each)
            self._place(keys, place, self.entries[entry], field.id, many=theirs is not None)
            if field.id is not None:
                self._their_field((*keys, "id"), field.id, self.entries[entry])
        if field.missing == "later" and (place.required or not place.updateable or name in each.insert_only):
            why = "takes no record without it" if place.required else "takes it on insert only"
            self.tell(
                self.plan.at(*keys, "missing"),
                f"`{name}` can't be filled later: the target {why}.",
                "Leave `missing: later` out; the record then waits for the other one.",
            )

    def _known(self, keys: Keys, entry: str) -> bool:
        if entry in self.entries:
            return True
        parts = [name for name, each in self.entries.items() if each.source == entry]
        self.tell(
            self.plan.at(*keys),
            f"`{entry}` has several parts in this plan: {_list(parts)}."
            if parts
            else f"`{entry}` isn't a source object of this plan.",
            "Name the one that is meant, or a list of them."
            if parts
            else suggest(entry, self.entries, "Its objects are"),
        )
        return False

    def _leads(
        self, keys: Keys, entry: str, expression: Expression, source: ObjectSchema, each: ObjectPlan
    ) -> None:
        written, wanted = expression.text.strip(), self.entries[entry].source
        if written == OWN_ID:
            if wanted != each.source or entry == each.name:
                self.tell(
                    self.plan.at(*keys),
                    f"`{OWN_ID}` leads to another part of the same record, not to `{entry}`.",
                    "Name the source field that holds the reference.",
                )
            return
        # An expression leads where the references that it is made of lead: `coalesce(a, b)` to both.
        origins = [source.fields[name] for name in expression.inputs if name in source.fields]
        refers = tuple(dict.fromkeys(name for origin in origins for name in origin.references))
        if wanted not in refers:
            to = f"; it refers to {_list(refers)}" if refers else ""
            self.tell(
                self.plan.at(*keys),
                f"`{written}` isn't a reference to `{wanted}`{to}.",
                "Name the source field that holds the reference.",
            )

    def _gathered(self, keys: Keys, entry: str, theirs: str, each: ObjectPlan) -> None:
        other = self.entries[entry]
        if theirs == OWN_ID:
            if other.source != each.source or other is each:
                self.tell(
                    self.plan.at(*keys),
                    f"`{OWN_ID}` gathers another part of the same record, not `{entry}`.",
                    f"Name the field of `{other.source}` that refers to `{each.source}`.",
                )
            return
        schema = self.source.objects.get(other.source)
        if schema is None:
            return  # told at its entry
        there = schema.fields.get(theirs)
        if there is None or each.source not in there.references:
            to = f"; it refers to {_list(there.references)}" if there is not None and there.references else ""
            right = [name for name, one in schema.fields.items() if each.source in one.references]
            self.tell(
                self.plan.at(*keys),
                f"`{theirs}` of `{other.source}` isn't a reference to `{each.source}`{to}.",
                suggest(theirs, right, "Its references there are"),
            )

    def _ends(self, parent: ObjectPlan, theirs: str | None) -> tuple[str, ...]:
        """The target objects to whose records a reference to this entry leads."""
        if theirs is None:
            return (parent.target,)
        schema = self.target.objects.get(parent.target)
        field = schema.fields.get(theirs) if schema is not None else None
        return field.references if field is not None else ()

    def _place(self, keys: Keys, place: Field, parent: ObjectPlan, theirs: str | None, *, many: bool) -> None:
        """Whether the target field can hold an id, or a list of ids, of the other entry's records; or of the
        record to which their own field `theirs` leads."""
        kinds = (*TAKES, Kind.MULTIPICKLIST) if many else TAKES
        if place.kind not in kinds:
            what = "a list of references" if many else "a reference"
            self.tell(
                self.plan.at_key(*keys),
                f"`{place.name}` can't hold {what}: it is {place.kind}.",
                "Name another field of the target.",
            )
        elif (
            place.references
            and parent.create_object is None
            and not set(self._ends(parent, theirs)) & set(place.references)
        ):
            self.tell(
                self.plan.at_key(*keys),
                f"`{place.name}` refers to {_list(place.references)}; "
                f"`{parent.name}` goes to `{parent.target}`.",
                "Name an entry that goes there.",
            )

    def _their_field(self, keys: Keys, name: str, parent: ObjectPlan) -> None:
        schema = self.target.objects.get(parent.target)
        if schema is not None and name not in schema.fields:
            self.tell(
                self.plan.at(*keys),
                f"`{name}` isn't a field of `{parent.target}`.",
                suggest(name, schema.fields, "Its fields are"),
            )


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
