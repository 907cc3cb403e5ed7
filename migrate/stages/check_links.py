"""Can every link of one object be made as the plan says?"""

from __future__ import annotations

from collections.abc import Mapping

from migrate.catalog import Catalog, Field, ObjectSchema
from migrate.connector import NewLabel
from migrate.errors import Position
from migrate.plan import Expression, LabelMap, LinkPlan, ObjectPlan, Plan
from migrate.plan.expressions import nearest, suggest
from migrate.plan.maps import NOTHING
from migrate.plan.mistakes import Keys
from migrate.stages.check_expressions import ExpressionCheck
from migrate.stages.check_values import Values
from migrate.stages.checked import CheckedLink
from migrate.types import Kind


class LinkCheck:
    """Checks the entries under `links`, collecting what is wrong."""

    def __init__(
        self, plan: Plan, source: Catalog, target: Catalog, fields: ExpressionCheck, values: Values
    ) -> None:
        self.plan, self.source, self.target, self.fields, self.values = plan, source, target, fields, values
        self.tell = fields.tell

    def links(self, index: int, each: ObjectPlan, source: ObjectSchema | None) -> tuple[CheckedLink, ...]:
        """Every link of the object that is sound."""
        found = (
            self._link(("objects", index, "links", number), number, link, each, source)
            for number, link in enumerate(each.links)
        )
        return tuple(link for link in found if link is not None)

    def _link(
        self, keys: Keys, number: int, link: LinkPlan, each: ObjectPlan, source: ObjectSchema | None
    ) -> CheckedLink | None:
        before = len(self.fields.findings.mistakes)
        known = self._ends(keys, link, each)
        through, left, right, holder = None, None, None, source
        if link.through is not None:
            through = holder = self.source.objects.get(link.through)
            if through is None:
                self.tell(
                    self.plan.at(*keys, "through"),
                    f"`{link.through}` isn't an object of the source.",
                    suggest(link.through, self.source.objects, "Its objects are"),
                )
            else:
                left = self._reference((*keys, "left"), str(link.left), through, (each.source,))
                right = self._far_end((*keys, "right"), str(link.right), through, link)
        elif source is not None:
            right = self._far_end((*keys, "via"), str(link.via), source, link)
        entries = () if link.on is not None else self._entries(keys, link, right)
        self._natural(keys, link)
        where = (
            self.fields.condition(link.where, (*keys, "where"), holder.fields, holder.name)
            if (link.where is not None and holder is not None)
            else None
        )
        label, label_from, labels, default = self._label(keys, number, link, each, holder, known)
        if right is None or len(self.fields.findings.mistakes) > before:
            return None
        return CheckedLink(
            link, number, through, left, right, entries, label, label_from, labels, default, where
        )

    def _far_end(self, keys: Keys, name: str, holder: ObjectSchema, link: LinkPlan) -> Field | None:
        """The field that leads to the far end: a reference, or with `on` any text."""
        if link.on is None:
            return self._reference(keys, name, holder, self._sources(link))
        field = holder.fields.get(name)
        if field is None:
            right = suggest(name, holder.fields, "Its fields are")
            self.tell(self.plan.at(*keys), f"`{name}` isn't a field of `{holder.name}`.", right)
        elif field.kind not in (Kind.STRING, Kind.REFERENCE):
            self.tell(
                self.plan.at(*keys), f"`{name}` of `{holder.name}` is no text to find a record by.",
                "Name a field that holds an e-mail address, or another natural key.",
            )  # fmt: skip
        return field

    def _natural(self, keys: Keys, link: LinkPlan) -> None:
        """Whether the target's field by which the far end is found is there, and text."""
        target = self.target.objects.get(link.to)
        if link.on is None or target is None:
            return
        field = target.fields.get(link.on)
        if field is None:
            right = suggest(link.on, target.fields, "Its fields are")
            self.tell(self.plan.at(*keys, "on"), f"`{link.on}` isn't a field of `{link.to}`.", right)
        elif field.kind is not Kind.STRING:
            what = f"`{link.on}` of `{link.to}` is no text to find a record by."
            self.tell(self.plan.at(*keys, "on"), what, "Name a text field, such as an e-mail address.")

    def _far(self, link: LinkPlan) -> list[ObjectPlan]:
        """The plan's entries that the far end may be of."""
        return [
            each
            for each in self.plan.model.objects
            if each.target == link.to and (not link.entries or each.name in link.entries)
        ]

    def _sources(self, link: LinkPlan) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.source for each in self._far(link)))

    def _entries(self, keys: Keys, link: LinkPlan, right: Field | None) -> tuple[str, ...]:
        """The entries that the reference leads to, one a source object."""
        known = [each.name for each in self.plan.model.objects if each.target == link.to]
        for name in link.entries:
            if name not in known:
                self.tell(
                    self.plan.at(*keys, "entry"),
                    f"`{name}` isn't an entry of this plan that goes to `{link.to}`.",
                    suggest(name, known, "Those are"),
                )
        found: dict[str, str] = {}
        for each in self._far(link) if right is not None else ():
            if each.source not in right.references:  # type: ignore[union-attr]
                continue
            if each.source in found:
                self.tell(
                    self.plan.at(*keys, "to"),
                    f"The plan makes several records of `{link.to}` from one of `{each.source}`: "
                    f"`{found[each.source]}` and `{each.name}`.",
                    f"Say which is meant: `entry: {each.name}`.",
                )
            found.setdefault(each.source, each.name)
        return tuple(found.values())

    def _ends(self, keys: Keys, link: LinkPlan, each: ObjectPlan) -> list[str] | None:
        """The labels between the two target objects; None where they can't be linked."""
        at = self.plan.at(*keys, "to")
        if link.to not in self.target.objects:
            self.tell(
                at,
                f"`{link.to}` isn't an object of the target.",
                suggest(link.to, self.target.objects, "Its objects are"),
            )
            return None
        if link.on is None and not any(other.target == link.to for other in self.plan.model.objects):
            targets = [other.target for other in self.plan.model.objects]
            self.tell(
                at,
                f"Nothing in this plan goes to `{link.to}`, so nothing can be linked to it.",
                suggest(link.to, targets, "The plan's targets are"),
            )
        if each.target not in self.target.objects:
            return None
        known = [
            kind.label for kind in self.target.links if (kind.left, kind.right) == (each.target, link.to)
        ]
        if not known:
            right = sorted({kind.right for kind in self.target.links if kind.left == each.target})
            self.tell(
                at,
                f"The target has no links from `{each.target}` to `{link.to}`.",
                f"From `{each.target}` it links to {', '.join(f'`{name}`' for name in right) or 'nothing'}.",
            )
            return None
        return known

    def _reference(
        self, keys: Keys, name: str, holder: ObjectSchema, wanted: tuple[str, ...]
    ) -> Field | None:
        field = holder.fields.get(name)
        at = self.plan.at(*keys)
        if field is None:
            folded = {each.casefold(): each for each in holder.fields}
            field = holder.fields.get(folded.get(name.casefold(), ""))
        if field is None:
            self.tell(
                at,
                f"`{name}` isn't a field of `{holder.name}`.",
                suggest(name, [n for n, f in holder.fields.items() if f.references], "Its references are"),
            )
            return None
        if not field.references:
            self.tell(
                at,
                f"`{name}` of `{holder.name}` isn't a reference.",
                suggest(name, [n for n, f in holder.fields.items() if f.references], "Its references are"),
            )
            return None
        if wanted and not set(wanted) & set(field.references):
            refers = ", ".join(f"`{each}`" for each in field.references)
            right = ", ".join(f"`{each}`" for each in wanted)
            self.tell(at, f"`{name}` refers to {refers}, not to {right}.", f"Name a reference to {right}.")
            return None
        return field

    def _label(
        self,
        keys: Keys,
        number: int,
        link: LinkPlan,
        each: ObjectPlan,
        holder: ObjectSchema | None,
        known: list[str] | None,
    ) -> tuple[str | None, Expression | None, Mapping[str, str | None] | None, str | None]:
        if not isinstance(link.label, LabelMap):
            if known is not None and link.label != "default":
                self._new_label(self.plan.at(*keys, "label"), link.label, each.target, link.to, known, 80)
            return link.label, None, None, None
        found = None
        if holder is not None:
            found = self.fields.expression(
                link.label.from_, (*keys, "label", "from"), holder.fields, holder.name
            )
            kind = self.fields.type_of(found, holder.fields) if found else None
            if kind is not None and kind != "VARCHAR":
                self.tell(
                    self.plan.at(*keys, "label", "from"),
                    f"`{link.label.from_}` gives {kind}; a label comes from text.",
                    f"Cast it: `CAST({link.label.from_} AS VARCHAR)`.",
                )
        at = self.plan.at(*keys, "label")
        labels, default = self.values.picklist(
            (*keys, "label"), link.label.picklist, link.label.unmapped, link.label.default, (),
            name=f"links.{number}", object=link.through or each.name, written=link.label.from_,
            shown=link.label.from_,
            add=lambda label: self._new_label(at, label, each.target, link.to, known, 101),
        )  # fmt: skip
        if labels:
            for row in self.plan.picklist(link.label.picklist).rows:
                if row.target and row.target != NOTHING:
                    self._new_label(row.at, row.target, each.target, link.to, known, 90)
        if default is not None:
            self._new_label(self.plan.at(*keys, "label", "default"), default, each.target, link.to, known, 80)
        return None, found, labels, default

    def _new_label(
        self, at: Position, label: str, left: str, right: str, known: list[str] | None, likeness: float
    ) -> None:
        """A label that the target lacks is made by `prepare`, unless it looks like a slip of one it has."""
        if known is None or label in known:
            return
        near = nearest(label, known, least=likeness)
        if near is not None:
            self.tell(
                at,
                f"`{label}` isn't a label of links from `{left}` to `{right}`.",
                f"Did you mean `{near}`?",
            )
        else:
            self.fields.findings.labels.setdefault(NewLabel(left, right, label))
