"""What is kept of a validation? `report.json`, a page, a workbook, `junit.xml`; and which one is the latest?

The JSON is the evidence: its SHA-256 stands on the page and is what signatures are bound to. The other files
are made from it alone and say the same. They are written into the report's folder, and a pointer to the
folder moves last, so that the latest report is always a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from migrate.cutting import cut_text
from migrate.errors import Damaged, MigrateError, UsageError
from migrate.ledger.validations import last_validation
from migrate.storage import Storage
from migrate_validators.junit import junit
from migrate_validators.model import Result, Section, Verdict, worst
from migrate_validators.page import code_of, page
from migrate_validators.story import headline
from migrate_validators.trend import told as red_since
from migrate_validators.workbook import workbook

if TYPE_CHECKING:
    from migrate.workspace import Workspace
    from migrate_validators.masking import Masking

FORMAT = 1
SIGNS = 8_000  # of a value in a sample; the Parquet files hold all of it
LATEST, REPORTS = "latest.json", "reports"
PAGE, FACTS = "index.html", "report.json"


@dataclass(frozen=True)
class Report:
    """A written validation. `storage`: where its files lie. `digest`: SHA-256 of report.json, the evidence's
    name.
    """

    storage: Storage
    verdict: Verdict
    digest: str

    @property
    def path(self) -> str:
        """Where the page for people is: a path, or an address on S3."""
        return self.storage.address(PAGE)

    def document(self) -> dict[str, Any]:
        """report.json, with where it lies and its digest.

        Raises:
            Damaged: it isn't what it was when it was written.
        """
        path = self.storage.address(FACTS)
        try:
            content = self.storage.read(FACTS)[0]
        except OSError as error:
            raise Damaged(path, "is missing", "Run `migrate validate` again.") from error
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise Damaged(path, "differs from its digest", "Run `migrate validate` again.")
        return {"report": self.path, "digest": self.digest} | dict(json.loads(content))

    def text(self) -> str:
        """The verdict, one line a check, what is to be decided, and where the page is."""
        document = self.document()
        lines = [f"{document['verdict'].upper()}  {document['title']}", document["summary"], ""]
        lines += [_flow(flow) for flow in document["flows"]]
        lines.append("")
        lines += [_line(document, each) for each in document["results"]]
        if document["decisions"]:
            lines += ["", "Needs a decision:"]
        for one in document["decisions"]:
            lines.append(f"- {one['what']}" + (f"  {one['where']}." if one["where"] else ""))
            lines += [f"    {one['command']}"] if one["command"] else []
        masked = "" if document["masked"] else "  It is not masked: it holds personal data."
        return "\n".join([*lines, "", f"Evidence: {code_of(self.digest)}", f"Report: {self.path}{masked}"])

    @property
    def results(self) -> list[dict[str, Any]]:
        """Every check's result, as in report.json."""
        return list(self.document()["results"])

    @property
    def clean(self) -> bool:
        """Whether nothing is left to look at (exit code 0)."""
        return self.verdict is Verdict.PASS

    def result(self, id: str) -> dict[str, Any]:
        """One check's result.

        Raises:
            UsageError: there is none of this id.
        """
        for each in self.results:
            if each["id"] == id:
                return dict(each)
        known = ", ".join(each["id"] for each in self.results)
        raise UsageError(f"The latest validation has no check `{id}`.", f"Its checks are {known}.")


def write(
    reports: Storage,
    name: str,
    results: Sequence[Result],
    facts: dict[str, Any],
    sections: Sequence[Section] = (),
    masking: Masking | None = None,
) -> Report:
    """Write the report's files and move the pointer.

    Args:
        reports: where all reports lie.
        name: of this one's folder.
        masking: takes out who a person is; None: everything stands there as it is.

    Raises:
        NoSpace: the disk refused; the former report stays the latest.
    """
    part = bool(facts.get("scope", {}).get("part"))
    verdict = overall(results, sections, part=part)
    shown = overall(results, sections, part=False)
    title, told = headline(shown, facts["flows"], results, sections)
    if part:
        title, told = f"A part only. {title}", f"{told} What else there is was not looked at."
    document = {"format": FORMAT, "masked": masking is not None, "verdict": verdict.value, "title": title,
                "summary": told, **facts, "results": [asdict(result) for result in results]}  # fmt: skip
    plain = json.loads(json.dumps(document, default=str))
    if masking is not None:
        plain = masking.document(plain)
    for result in plain["results"]:
        result["sample"] = [
            {k: cut_text(v, SIGNS) if isinstance(v, str) else v for k, v in row.items()}
            for row in result["sample"]
        ]
    content = json.dumps(plain, indent=1, ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()
    storage = reports.below(name)
    storage.write(PAGE, page(plain, digest).encode())
    storage.write("junit.xml", junit(plain))
    storage.write("report.xlsx", workbook(plain, digest, code_of(digest)))
    storage.write(FACTS, content)
    pointer = {"format": FORMAT, "folder": name, "verdict": verdict.value, "digest": digest}
    reports.write(LATEST, json.dumps(pointer).encode())
    return Report(storage, verdict, digest)


def overall(results: Sequence[Result], sections: Sequence[Section], *, part: bool) -> Verdict:
    """The verdict of the whole: the worst of its results and sections."""
    # An amber section asks people for their word; only a red one says something of the evidence.
    seen = [one for one in (section.verdict for section in sections) if one not in (None, Verdict.WARN)]
    verdict = worst([*(result.verdict for result in results), *filter(None, seen)])
    # A part proves nothing of the rest, however green it is.
    return worst([verdict, Verdict.WARN]) if part else verdict


def _line(document: dict[str, Any], result: dict[str, Any]) -> str:
    since = red_since(document.get("trend", {}), result["id"])
    return f"{result['verdict']:<6}{result['id']}: {result['summary']}" + (f" ({since})" if since else "")


def _flow(flow: dict[str, Any]) -> str:
    told = (
        f"{flow['source']}: extracted {flow['extracted']:,} = loaded {flow['loaded']:,} + merged "
        f"{flow['merged']:,} + skipped {flow['skipped']:,} + rejected {flow['rejected']:,}"
    )
    return f"{told}, UNEXPLAINED {flow['unexplained']:,}" if flow["unexplained"] else told


def latest(workspace: Workspace) -> Report:
    """The latest report of a workspace.

    Raises:
        UsageError: there is none.
        Unfinished: a validation began after it and didn't come to its end.
    """
    report = last_written(workspace)
    begun = last_validation(workspace.ledger)
    if begun is not None and begun.ended is None:
        raise Unfinished(begun.started, report.path)
    return report


def last_written(workspace: Workspace) -> Report:
    """The last report that was written, whatever came after it.

    Raises:
        UsageError: there is none.
        Damaged: the pointer to it can't be read.
    """
    reports = workspace.storage.below(REPORTS)
    try:
        pointer = json.loads(reports.read(LATEST)[0])
        return Report(reports.below(pointer["folder"]), Verdict(pointer["verdict"]), pointer["digest"])
    except FileNotFoundError:
        raise UsageError("There is no report yet.", "Run `migrate validate` first.") from None
    except (ValueError, KeyError) as error:
        words = f"can't be read ({error})"
        raise Damaged(reports.address(LATEST), words, "Run `migrate validate` again.") from error


class Unfinished(MigrateError):
    """A validation is under way, or was stopped: until the next one ends, there is no verdict but `error`."""

    exit_code = 1

    def __init__(self, started: str, former: str) -> None:
        self.started, self.former, self.verdict = started, former, Verdict.ERROR.value
        super().__init__(started, former)

    def __str__(self) -> str:
        return (
            f"The verdict is `error`: the validation that began at {self.started} hasn't come to its end. "
            f"Wait for it, or run `migrate validate` again. The former report: {self.former}"
        )
