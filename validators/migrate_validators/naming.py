"""What do people call a record? By its name, subject or title; else by an address; else by its id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from migrate.engine import identifier
from migrate.stages.crosswalk import rows_of
from migrate.types import TEXTUAL

if TYPE_CHECKING:
    from migrate_validators.evidence import Evidence
    from migrate_validators.trees import Node

WIDE = 200  # signs of a value that are shown
_ENDINGS = ("name", "subject", "title")


def called_by(names: Iterable[str]) -> str:
    """The field of these that names a record; empty where none does."""
    plain = {name: name.lower().replace("_", "") for name in names}
    for ending in _ENDINGS:
        exact = [name for name, said in plain.items() if said == ending]
        near = [name for name, said in plain.items() if said.endswith(ending) and "first" not in said]
        if found := [*exact, *near]:
            return found[0]
    return ""


def named(evidence: Evidence, nodes: Sequence[Node]) -> None:
    """Give each record its name: what the target shows, else what the source held."""
    unnamed: dict[str, list[Node]] = {}
    for node in nodes:
        told = node.found or node.expected
        filled = {name: str(value) for name, value in told.items() if value}
        mail = next((name for name, value in filled.items() if "@" in value), "")
        node.called_by = called_by(filled) or mail
        node.name = filled.get(node.called_by, node.source_id)[:WIDE]
        if not filled:
            unnamed.setdefault(node.entry, []).append(node)
    for entry, some in unnamed.items():
        field, names = _at_the_source(evidence, entry, some)
        for node in some:
            if name := names.get(node.source_id):
                node.name, node.called_by = name[:WIDE], field


def _at_the_source(evidence: Evidence, entry: str, nodes: Sequence[Node]) -> tuple[str, Mapping[str, str]]:
    source = evidence.plan.object(entry).source
    fields = evidence.source.objects[source].fields
    field = called_by(name for name, one in fields.items() if one.kind in TEXTUAL)
    if not field:
        return "", {}
    wanted = evidence.texts("spot unnamed", [{"_id": node.source_id} for node in nodes], ["_id"])
    staged = rows_of(evidence.store, evidence.store.manifests("source", source),
                     {"_id": "VARCHAR", field: "VARCHAR"}, generation=True)  # fmt: skip
    rows = evidence.rows(
        f"""SELECT _id, arg_max({identifier(field)}, _gen) AS name FROM {staged}
        SEMI JOIN {wanted} USING (_id) GROUP BY _id"""
    )
    return field, {str(row["_id"]): str(row["name"]) for row in rows if row["name"]}
