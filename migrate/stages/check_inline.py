"""Do the files exist that `inline` names, and do they hang on the records whose texts show them?"""

from __future__ import annotations

from collections.abc import Callable

from migrate.catalog import Catalog
from migrate.errors import Position
from migrate.plan import Plan
from migrate.plan.fields import FieldPlan
from migrate.plan.mistakes import Keys
from migrate.types import Kind

Tell = Callable[[Position, str, str], object]


def check_inline(plan: Plan, source: Catalog, tell: Tell, keys: Keys, field: FieldPlan) -> None:
    """Tell what is wrong with the entries of a field's `inline`."""
    named = {each.name: each for each in plan.model.objects}
    for entry, theirs in (field.inline or {}).items():
        at = plan.at(*keys, "inline", entry)
        if entry not in named:
            tell(at, f"`{entry}` is no entry of the plan.", f"The entries are {', '.join(named)}.")
            continue
        schema = source.objects.get(named[entry].source)
        if schema is None:
            continue  # told at its entry
        if theirs not in schema.fields:
            tell(
                at,
                f"`{schema.name}` has no field `{theirs}`.",
                "Name the field that says on which record a file hangs.",
            )
        held = next((each for each in schema.fields.values() if each.kind is Kind.BINARY), None)
        if held is None or not (held.cid_in or held.name_in):
            tell(
                at,
                f"`{schema.name}` holds no files that a text could name.",
                "Name the entry that moves the attachments.",
            )
