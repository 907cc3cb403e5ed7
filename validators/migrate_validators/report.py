"""How do people and machines read a validation? `report.json`, `junit.xml`, and one self-contained page.

The JSON is the evidence: its SHA-256 stands on the page and is what signatures are bound to. The three
files say the same; they are written aside into the report's folder, and a pointer to the folder moves
last, so that the latest report is always a whole one. The page loads nothing from anywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as Xml

from markupsafe import Markup, escape

from migrate.cutting import cut_html, cut_text
from migrate.errors import Damaged, MigrateError, UsageError
from migrate.ledger.validations import all_validations
from migrate.storage import Storage
from migrate_validators.model import Result, Section, Verdict, worst
from migrate_validators.story import headline
from migrate_validators.wording import COLUMNS, FIGURES, moment, span, told

if TYPE_CHECKING:
    from migrate.workspace import Workspace

FORMAT = 1
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
        lines += [f"{each['verdict']:<6}{each['id']}: {each['summary']}" for each in document["results"]]
        if document["decisions"]:
            lines += ["", "Needs a decision:"]
        for one in document["decisions"]:
            lines.append(f"- {one['what']}" + (f"  {one['where']}." if one["where"] else ""))
            lines += [f"    {one['command']}"] if one["command"] else []
        return "\n".join([*lines, "", f"Report: {self.path}"])

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
) -> Report:
    """Write the three files and move the pointer.

    Args:
        reports: where all reports lie.
        name: of this one's folder.

    Raises:
        NoSpace: the disk refused; the former report stays the latest.
    """
    # An amber section asks people for their word; only a red one says something of the evidence.
    seen = [one for one in (section.verdict for section in sections) if one not in (None, Verdict.WARN)]
    verdict = worst([*(result.verdict for result in results), *filter(None, seen)])
    title, told = headline(verdict, facts["flows"], results, sections)
    if facts.get("scope", {}).get("part"):
        # A part proves nothing of the rest, however green it is.
        verdict = worst([verdict, Verdict.WARN])
        title, told = f"A part only. {title}", f"{told} What else there is was not looked at."
    document = {"format": FORMAT, "verdict": verdict.value, "title": title, "summary": told, **facts,
                "results": [asdict(result) for result in results]}  # fmt: skip
    content = json.dumps(document, indent=1, ensure_ascii=False, default=str).encode()
    digest = hashlib.sha256(content).hexdigest()
    plain = json.loads(content)
    storage = reports.below(name)
    storage.write(PAGE, page(plain, digest).encode())
    storage.write("junit.xml", junit(plain))
    storage.write(FACTS, content)
    pointer = {"format": FORMAT, "folder": name, "verdict": verdict.value, "digest": digest}
    reports.write(LATEST, json.dumps(pointer).encode())
    return Report(storage, verdict, digest)


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
    begun = all_validations(workspace.ledger)
    if begun and begun[-1].ended is None:
        raise Unfinished(begun[-1].started, report.path)
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


def junit(document: dict[str, Any]) -> bytes:
    """JUnit XML: a suite a check, a case an object; warnings pass and say so."""
    root = Xml.Element("testsuites", name="migrate validate")
    checks = dict.fromkeys(result["check"] for result in document["results"])
    for check in checks:
        results = [result for result in document["results"] if result["check"] == check]
        verdicts = [result["verdict"] for result in results]
        suite = Xml.SubElement(
            root, "testsuite", name=check, tests=str(len(results)), failures=str(verdicts.count("fail")),
            errors=str(verdicts.count("error") + verdicts.count("empty")), skipped="0",
            time=str(sum(result["seconds"] for result in results)),
        )  # fmt: skip
        for result in results:
            case = Xml.SubElement(
                suite,
                "testcase",
                classname=f"validate.{check}",
                name=result["id"],
                time=str(result["seconds"]),
            )
            if result["verdict"] == "fail":
                Xml.SubElement(case, "failure", message=_plain(result["summary"])).text = _figures(result)
            elif result["verdict"] in ("error", "empty"):
                Xml.SubElement(case, "error", message=_plain(result["summary"])).text = _figures(result)
            else:
                out = Xml.SubElement(case, "system-out")
                out.text = f"{result['verdict']}: {_plain(result['summary'])}\n{_figures(result)}"
    Xml.indent(root)
    content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _plain(words: str) -> str:
    return "".join(letter for letter in words if letter >= " " or letter in "\t\n")


def _figures(result: dict[str, Any]) -> str:
    lines = [f"{name}: {value}" for name, value in result["figures"].items()]
    return _plain("\n".join([*lines, *([f"rows: {result['rows']}"] if result["rows"] else [])]))


def page(document: dict[str, Any], digest: str) -> str:
    """The page for people: no script from elsewhere, no font, no picture, no style."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("migrate_validators"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"n": _number, "at": moment, "word": _word, "sign": _sign, "anchor": _anchor,
                            "code": _code, "figure": _figure, "column": _column, "body": _body}  # fmt: skip
    checks = dict.fromkeys(result["check"] for result in document["results"])
    objects = dict.fromkeys(result["object"] for result in document["results"] if result["object"])
    cells = {
        (object, check): [
            result
            for result in document["results"]
            if result["object"] == object and result["check"] == check
        ]
        for object in objects
        for check in checks
    }
    whole = [result for result in document["results"] if not result["object"]]
    money = [result for result in document["results"] if result["check"] == "sums"]
    return environment.get_template("index.html.j2").render(
        report=document, digest=digest, span=span, cell=_cell, checks=list(checks), objects=list(objects),
        cells=cells, whole=whole, money=money, worst=_worst,
    )  # fmt: skip


def _worst(results: Sequence[dict[str, Any]]) -> str:
    return worst(Verdict(result["verdict"]) for result in results).value


def _number(value: Any) -> str:
    """A number, or the exact text of one, with thousands apart and a true minus sign."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    whole, point, behind = str(value).partition(".")
    if whole.lstrip("-").isdigit() and (not point or behind.isdigit()):
        return f"{int(whole):,}{point}{behind}".replace("-", "−") if whole != "-0" else f"−0{point}{behind}"
    return str(value)


def _code(words: str) -> Markup:
    """What stands in backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped


_MARKUP = re.compile(r"<(?:p|div|br|span|b|i|a|ul|li|table|html|body|img|script|h[1-6])\b[^<>]*>", re.I)
_HARMLESS = {
    "p", "br", "b", "strong", "i", "em", "u", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th",
    "blockquote", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "hr",
}  # fmt: skip
_SHOWN = 4_000  # characters of a body


def _body(value: Any) -> Any:
    """A value that is HTML as a reader sees it: sanitised, without a link, a picture or a style.

    Only what is shown is sanitised. What is moved, and what the report's own files hold, never is.
    """
    if not isinstance(value, str) or not _MARKUP.search(value):
        return value
    import nh3

    clean = nh3.clean(value, tags=_HARMLESS, attributes={}, url_schemes=set(), link_rel=None)
    source = cut_text(value, _SHOWN)
    seen = Markup(cut_html(clean, _SHOWN))  # noqa: S704 - sanitised just now
    text = Markup("<details><summary>as text</summary><code>{}</code></details>").format(source)
    return Markup('<div class="body">{}</div>{}').format(seen, text)


def _figure(name: str) -> str:
    return FIGURES.get(name, name.replace("_", " "))


def _column(name: str) -> str:
    return COLUMNS.get(name, name.replace("_", " "))


def _cell(document: dict[str, Any], id: str, row: dict[str, Any], column: str) -> Any:
    """One value of a sample as people know it: fields, owners and options by name, moments as such."""
    value = row[column]
    known = document.get("names", {}).get(id, {}).get(row.get("field"), {})
    if column == "field":
        return known.get("label", value)
    if column in ("expected", "found", "map", "old"):
        return known.get("values", {}).get(value, value)
    if column in ("written", "stamp") and value:
        return moment(str(value))
    if column == "reason" and value:
        return told(str(value), {})
    if column == "outcome" and value:
        return str(value).replace("_", " ")
    if column == "key" and value:
        return " ".join(str(value).split(".", 2)[1:]) or value
    return value


_WORDS = {
    "pass": "passes",
    "warn": "to accept",
    "fail": "fails",
    "empty": "nothing compared",
    "error": "failed to run",
}
_SIGNS = {"pass": "✓", "warn": "!", "fail": "✕", "empty": "○", "error": "⚠"}


def _word(verdict: str) -> str:
    return _WORDS[verdict]


def _sign(verdict: str) -> str:
    return _SIGNS[verdict]


def _anchor(id: str) -> str:
    return "check-" + "".join(letter if letter.isalnum() else "-" for letter in id)
