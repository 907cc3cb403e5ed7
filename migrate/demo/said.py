"""What did the commands say? The only module of the demo that knows the keys of their documents.

A key that isn't there is a finding that doesn't hold, never an error: the demo then says which figure
it couldn't read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrate.demo.shape import Expected

Document = Mapping[str, Any]
Documents = Mapping[str, Document]
AUTOMATION = "automation"  # what the row check calls a value that the target wrote by itself
SHOWN = 12  # lines of a list


@dataclass(frozen=True)
class Finding:
    """A figure, as it must be and as it is."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return self.expected == self.found


# -- one line a command -----------------------------------------------------------------------


def line(words: str, document: Document) -> str:
    """The gist of a command's document."""
    command = words.partition(" --")[0]
    match command:
        case "discover":
            systems = document.get("systems") or []
            return ", ".join(f"{each['label']}: {each['objects']} objects" for each in systems)
        case "check":
            found = document.get("unmapped") or []
            without = ", ".join(f"`{each['value']}` ({each['count']})" for each in found)
            return f"sound; without a home: {without or 'nothing'}" if "objects" in document else ""
        case "prepare":
            made = [each for each in document.get("changes") or [] if each["outcome"] == "made"]
            return f"{len(made)} changes made"
        case "extract":
            return ", ".join(f"{each['object']} {each['rows']:,}" for each in document.get("objects") or [])
        case "transform":
            return ", ".join(
                f"{name} {each['ready']:,} ready"
                + "".join(f", {each[end]} {word}" for end, word in _ENDS if each.get(end))
                for name, each in (document.get("objects") or {}).items()
            )
        case "load":
            tallies = {**(document.get("objects") or {}), **(document.get("links") or {})}
            done = [f"{name} {sum(_numbers(tally)):,}" for name, tally in tallies.items()]
            return ", ".join(done)
    gist = [str(document[name]) for name in ("verdict", "words") if document.get(name)]
    counts = document.get("counts")
    if isinstance(counts, Mapping):
        gist.append(", ".join(f"{name} {count}" for name, count in counts.items() if count))
    return ", ".join(gist)


_ENDS = (("adopt", "to adopt"), ("merged", "merged"), ("rejected", "rejected"))


def _numbers(tally: Mapping[str, Any]) -> Iterator[int]:
    return (count for count in tally.values() if isinstance(count, int))


# -- there ------------------------------------------------------------------------------------


def verdict(documents: Documents) -> str:
    """The validation's."""
    return str(documents.get("validate", {}).get("verdict", "none"))


def report(root: Path, documents: Documents) -> Path:
    """The page for people, or the folder of reports where there is none."""
    given = documents.get("validate", {}).get("report")
    if given:
        return Path(given)
    reports = root / ".migrate" / "reports"
    try:
        folder = str(json.loads((reports / "latest.json").read_text())["folder"])
    except (OSError, ValueError, KeyError):
        return reports
    return reports / folder / "index.html"


def arrived(expected: Expected, documents: Documents) -> list[Finding]:
    """What the way there must have said."""
    findings = [Finding("verdict", "warn", verdict(documents))]
    extracted = {each["object"]: each["rows"] for each in documents["extract"].get("objects", [])}
    for name, rows in expected.sources.items():
        if name in extracted:
            findings.append(Finding(f"{name} extracted", rows, extracted[name]))
    loaded = {name: figures for name, figures in _figures(documents, "counts") if "." not in name}
    for name, figures in loaded.items():
        source, skipped = expected.entries.get(name, name), expected.skipped.get(name, 0)
        merged = expected.merged if name == "Contact" else 0
        adopted = expected.adopted if name == "Account" else 0
        rejected = expected.rejected.get(name, 0)
        findings += [
            Finding(
                f"{name} created",
                expected.sources.get(source, 0) - merged - adopted - rejected - skipped,
                figures.get("created"),
            ),
            Finding(f"{name} adopted", adopted, figures.get("adopted")),
            Finding(f"{name} merged into another", merged, figures.get("merged")),
            Finding(f"{name} rejected", rejected, figures.get("rejected")),
            *([Finding(f"{name} skipped", skipped, figures.get("skipped"))] if skipped else []),
            Finding(f"{name} refused or blocked", 0, _sum(figures, "dead_letter", "blocked", "unaccounted")),
        ]
    findings.append(Finding("objects counted", sorted(expected.entries), sorted(loaded)))
    object, field = expected.enriched
    findings.append(
        Finding("values that the target's automations wrote", [f"{object}.{field}"], enriched(documents))
    )
    others = [each["id"] for each in _results(documents) if each.get("verdict") not in ("pass", "warn")]
    findings.append(Finding("checks that failed", [], others))
    return findings


def shown(documents: Documents) -> Iterator[str]:
    """What the verdict is made of, in the report's own words."""
    for each in _results(documents):
        if each.get("verdict") == "warn":
            yield f"warn  {each['id']}: {each['summary']}"


def enriched(documents: Documents) -> list[str]:
    """`object.field` of each value of ours that an automation of the target wrote over or filled."""
    found = []
    for each in _results(documents):
        if each.get("check") == "rows":
            target = str(each.get("title", "")).rpartition(": ")[2]
            found += [
                f"{target}.{row.get('field')}"
                for row in each.get("sample") or ()
                if row.get("by") == AUTOMATION
            ]
    return found


def _results(documents: Documents) -> list[Document]:
    """Every check's result in the validation's document."""
    found: list[Document] = documents.get("validate", {}).get("results") or []
    return found


def _figures(documents: Documents, check: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in _results(documents):
        if each.get("check") == check:
            yield str(each["id"]).removeprefix(f"{check}."), each.get("figures") or {}


def _sum(figures: Mapping[str, Any], *names: str) -> int:
    return sum(int(figures.get(name, 0)) for name in names)


# -- and back ---------------------------------------------------------------------------------


def undone(documents: Documents) -> list[Finding]:
    """What the way back must have said."""
    verified = documents.get("rollback verify", {})
    return [
        Finding("rollback verified", "pass", verified.get("verdict")),
        Finding("records held", 0, verified.get("held")),
        Finding("residue listed", True, bool(verified.get("residue"))),
    ]


def residue(documents: Documents) -> Iterator[str]:
    """What no vendor lets anyone put back."""
    listed = documents.get("rollback verify", {}).get("residue") or []
    names = [each if isinstance(each, str) else str(each.get("what", each)) for each in listed]
    yield from names[:SHOWN]
    if len(names) > SHOWN:
        yield f"and {len(names) - SHOWN} more"
