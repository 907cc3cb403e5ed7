"""What happened to this one record?

`trace` tells a record's whole way by whatever a person has in hand: an id of either system, a migration
key, a page's URL, an e-mail address or a name. It reads what is staged and journalled, and asks no system.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from migrate.engine import identifier, parquet, text
from migrate.errors import UsageError
from migrate.journal import UNDO
from migrate.plan.keys import entry_of, key_of, split_entry
from migrate.stages.crosswalk import ends_into, rows_of
from migrate.types import TEXTUAL
from migrate_validators.keeping import shown

if TYPE_CHECKING:
    from migrate.workspace import Workspace

MOST = 20  # records that one needle may mean
LONGEST = 300  # signs of a value that a person is shown; the document has it whole
_BETWEEN = re.compile(r"[/?=&#:\s]+")  # what parts the words of a URL
_NAMES = re.compile(r"name|mail|title|subject", re.IGNORECASE)


@dataclass
class Step:
    """One thing that happened to a record, or that is so. `facts`: name to value, as JSON takes it."""

    stage: str
    what: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Way:
    """One record's way, in order."""

    key: str
    object: str
    outcome: str
    steps: list[Step] = field(default_factory=list)


@dataclass
class Trace:
    """What a needle led to."""

    needle: str
    ways: list[Way]

    @property
    def found(self) -> bool:
        """Whether anything is known."""
        return bool(self.ways)

    def document(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "needle": self.needle,
            "found": self.found,
            "records": [
                {"key": way.key, "object": way.object, "outcome": way.outcome,
                 "steps": [vars(step) for step in way.steps]}
                for way in self.ways
            ],
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        if not self.ways:
            return f"Nothing is known of `{self.needle}`: not extracted, not journalled."
        lines: list[str] = []
        for way in self.ways:
            lines.append(f"{way.object} {way.key}: {way.outcome.replace('_', ' ')}")
            for step in way.steps:
                lines.append(f"  {step.stage:<10} {step.what}")
                width = max((len(name) for name in step.facts), default=0)
                lines += [
                    f"             {name:<{width}}  {'(empty)' if value is None else _line(value)}"
                    for name, value in step.facts.items()
                ]
            lines.append("")
        if len(self.ways) >= MOST:
            lines.append(f"The first {MOST} records; a migration key or an id names one.")
        return "\n".join(lines).rstrip()


def trace(workspace: Workspace, needle: str) -> Trace:
    """Tell the whole way of the record (or records) that a needle means.

    Raises:
        UsageError: nothing has been extracted yet.
    """
    return traces(workspace, [needle])[0]


def traces(workspace: Workspace, needles: Sequence[str]) -> list[Trace]:
    """The same of several needles; what became of all records is worked out once.

    Raises:
        UsageError: nothing has been extracted yet.
    """
    plan, catalog, store = workspace.plan, workspace.catalog("source"), workspace.store
    if not any(store.manifests("source", each.source) for each in plan.model.objects):
        raise UsageError("Nothing has been extracted yet.", "Run `migrate extract` first.")
    engine, journal = workspace.engine, workspace.journal.source()
    ends_into(engine, store, journal, plan, catalog, "traced", workspace.ledger.attempt())
    try:
        return [
            Trace(needle, [_way(workspace, journal, key) for key in keys[:MOST]])
            for needle in needles
            for keys in (_keys(workspace, journal, needle.strip()),)
        ]
    finally:
        for name in ("traced", "traced_crosswalk", "traced_refused"):
            engine.run(f"DROP TABLE IF EXISTS {name}")


def _keys(workspace: Workspace, journal: str, needle: str) -> list[str]:
    """Migration keys of the records that a needle means: by id or key, else by e-mail or name."""
    engine = workspace.engine
    words = [needle, *filter(None, _BETWEEN.split(needle))] if "/" in needle else [needle]
    listed = ", ".join(text(word) for word in dict.fromkeys(words))
    # An 18-character Salesforce id may be given by its first 15; both are sought, and any vendor's prefix.
    found = engine.rows(
        f"""SELECT DISTINCT key FROM traced WHERE key IN ({listed}) OR source_id IN ({listed})
            OR target_id IN ({listed})
            OR (length(source_id) = 18 AND substr(source_id, 1, 15) IN ({listed}))
        UNION SELECT DISTINCT key FROM {journal}
            WHERE kind = 'record' AND key <> '' AND (key IN ({listed}) OR target_id IN ({listed}))
        ORDER BY key"""
    )
    if found or len(needle) < 2:
        return [str(row["key"]) for row in found]
    keys: list[str] = []
    plan, catalog = workspace.plan, workspace.catalog("source")
    for each in plan.model.objects:
        schema = catalog.objects.get(each.source)
        if schema is None:
            continue
        names = [n for n, f in schema.fields.items() if f.kind in TEXTUAL and _NAMES.search(n)]
        sought = f"lower(trim({text(needle)}))"
        for same in (f"lower(trim({{0}})) = {sought}", f"contains(lower({{0}}), {sought})"):
            some = " OR ".join(same.format(f"CAST({identifier(name)} AS VARCHAR)") for name in names)
            types = {"_id": "VARCHAR"} | dict.fromkeys(names, "VARCHAR")
            rows = rows_of(workspace.store, workspace.store.manifests("source", each.source), types)
            hits = engine.rows(
                f"SELECT DISTINCT _id FROM {rows} WHERE {some or 'false'} ORDER BY _id LIMIT {MOST}"
            )
            if hits:
                keys += [key_of(catalog.family, each.name, row["_id"]) for row in hits]
                break
    return keys


def _way(workspace: Workspace, journal: str, key: str) -> Way:
    engine, store = workspace.engine, workspace.store
    ends = engine.rows(f"SELECT * FROM traced WHERE key = {text(key)}")
    end = ends[0] if ends else {}
    entry = str(end.get("entry") or entry_of(key))
    source, suffix = split_entry(entry)
    way = Way(key, entry, str(end.get("outcome") or "known to the journal only"))
    id = str(end.get("source_id") or key.rpartition(".")[2].removesuffix(suffix))
    for manifest in store.manifests("source", source):
        for row in _rows(workspace, store.files(manifest), f"_id = {text(id)}"):
            way.steps.append(Step("source", f"extracted, generation {manifest.generation}", row))
    stages = (
        ("ready", "staged"), ("matches", "matched a record of the target"), ("merged", "merged into another"),
        ("skipped", "skipped"), ("rejects", "rejected"),
    )  # fmt: skip
    for stage, what in stages:
        for manifest in store.manifests(stage, entry):
            for row in _rows(workspace, store.files(manifest), f"_key = {text(key)}"):
                way.steps.append(Step("transform", f"{what}, generation {manifest.generation}", row))
    for stage, what in (
        ("blocked", "waits"), ("unfilled", "a reference waits for its record"),
        ("old-links", "an old address in a text"),
    ):  # fmt: skip
        current = store.manifest(f"{stage}/{entry}/current")
        for row in _rows(workspace, store.files(current) if current else [], f"_key = {text(key)}"):
            row.pop("_key")
            way.steps.append(Step("load", what, row))
    for row in engine.rows(
        f"""SELECT "at", attempt, batch, op, outcome, target_id, reason, version, "before", "after"
        FROM {journal} WHERE kind IN ('record', 'side') AND key = {text(key)} ORDER BY seq"""
    ):
        facts: dict[str, Any] = {
            name: row[name] for name in ("target_id", "attempt", "reason", "version") if row[name]
        }
        before, after = dict(row["before"] or ()), dict(row["after"] or ())
        # What an adoption only looked at stands in its before-image, and wasn't written.
        for name in sorted(after or before):
            if before.get(name) != after.get(name):
                was, now = before.get(name), after.get(name)
                facts[name] = now if was is None else f"{was} → {'(empty)' if now is None else now}"
        undo = str(row["batch"] or "").startswith(UNDO)
        way.steps.append(
            Step("rollback" if undo else "load", f"{row['at']} {row['op']} {row['outcome']}", facts)
        )
        if undo and row["outcome"] == "done" and way.outcome == "unaccounted":
            way.outcome, end = "rolled_back", {**end, "outcome": "rolled_back", "reason": ""}
    way.steps += _links(workspace, journal, key)
    if end:
        facts = {
            name: end[name] for name in ("reason", "survivor", "target_object", "target_id") if end[name]
        }
        way.steps.append(Step("end", str(end["outcome"]).replace("_", " "), facts))
    way.steps += _target(workspace, end)
    return way


def _links(workspace: Workspace, journal: str, key: str) -> list[Step]:
    found = workspace.engine.rows(
        f"""SELECT "at", op, outcome, object, key, label, reason FROM {journal} WHERE kind = 'link'
        AND outcome <> 'intent' AND (starts_with(key, {text(key + ">")})
            OR contains(key, {text(">" + key + ">")})) ORDER BY seq LIMIT 50"""
    )
    return [
        Step("link", f"{row['at']} {row['op']} {row['outcome']}",
             {"from": row["key"].split(">")[0], "to": row["key"].split(">")[1], "label": row["label"],
              **({"reason": row["reason"]} if row["reason"] else {})})
        for row in found
    ]  # fmt: skip


def _target(workspace: Workspace, end: dict[str, Any]) -> list[Step]:
    """The record as the last validation read it."""
    if not end.get("target_id"):
        return []
    manifest = workspace.store.manifest(f"target/{end['target_object']}/validate")
    if manifest is None:
        return []
    rows = _rows(workspace, workspace.store.files(manifest), f"_id = {text(str(end['target_id']))}")
    return [Step("target", f"as read by validate, {manifest.facts.get('taken', '')}", row) for row in rows]


def _rows(workspace: Workspace, files: Sequence[str], where: str) -> list[dict[str, Any]]:
    """A few rows, their filled columns only."""
    if not files:
        return []
    names = pq.read_schema(Path(files[0])).names
    picked = ", ".join(identifier(name) for name in names)
    return [
        {name: shown(value) for name, value in row.items() if value is not None and value != ""}
        for row in workspace.engine.rows(f"SELECT {picked} FROM {parquet(files)} WHERE {where} LIMIT 20")
    ]


def _line(value: Any) -> str:
    """A value in one line; of a long one its beginning and its length."""
    told = str(value)
    shown = told if len(told) <= LONGEST else told[:LONGEST]
    shown = shown.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return shown if len(told) <= LONGEST else f"{shown}… ({len(told):,} signs; --json shows all)"
