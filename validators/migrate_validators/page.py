"""How does a person read a validation? One self-contained page, drawn from report.json alone.

The page asks nobody for anything: its style, its script and its charts stand in it, and its policy (CSP)
forbids everything else. What comes from the data is escaped; a body in HTML is sanitised first. However many
differences there are, the page stays under `LIMIT` bytes: it shows fewer rows, and says where the rest is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from migrate.cutting import cut_html, cut_text
from migrate.pages import base_style
from migrate_validators import charts
from migrate_validators.model import Verdict, worst
from migrate_validators.screen import NOT_SET_UP, TITLES
from migrate_validators.trend import lines
from migrate_validators.wording import COLUMNS, FIGURES, GLOSSARY, moment, told

if TYPE_CHECKING:
    from jinja2 import Environment

LIMIT = 5_000_000  # bytes of the page
SIGNS = 4_000  # of a value, where there is room for it
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


# Which checks' rows are behind a section of the first screen.
BEHIND = {
    "scope": ("counts",), "money": ("money", "sums"), "accounts": ("spot",), "people": ("people",),
    "consent": ("consent", "visibility"),
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """How much of the data the page shows. `rows`: of a check; `signs`: of a value; `explorer`, `trees`:
    bytes of all differences, and of all accounts that were looked at whole; `lines`: of a small table.
    """

    rows: int
    signs: int
    explorer: int
    trees: int
    lines: int


BUDGETS = (
    Budget(50, SIGNS, 1_800_000, 500_000, 200),
    Budget(20, 1_000, 1_800_000, 300_000, 100),
    Budget(10, 300, 900_000, 250_000, 40),
    Budget(3, 120, 300_000, 80_000, 12),
    Budget(0, 60, 30_000, 0, 3),
)


def code_of(digest: str) -> str:
    """The evidence's short name, `KQ7-2MD-F4X`: the first 45 bits of a SHA-256 in Crockford's base 32."""
    number = int(digest[:12], 16) >> 3  # 45 bits of the first 48
    signs = "".join(_ALPHABET[number >> shift & 31] for shift in range(40, -1, -5))
    return "-".join(signs[at : at + 3] for at in range(0, 9, 3))


def page(document: dict[str, Any], digest: str) -> str:
    """The page of a report.

    Args:
        document: report.json, as read.
        digest: its SHA-256, in hex.
    """
    environment = _environment()
    for budget in BUDGETS:
        made = _rendered(environment, document, digest, budget)
        if len(made.encode()) < LIMIT:
            break
    return made


def _rendered(environment: Environment, document: dict[str, Any], digest: str, budget: Budget) -> str:
    style, script = base_style() + _asset("report.css"), _asset("report.js")
    results = document["results"]
    checks = list(dict.fromkeys(each["check"] for each in results))
    rows, columns = _explored(document, budget)
    return environment.get_template("index.html.j2").render(
        report=document,
        digest=digest,
        evidence=code_of(digest),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        screen=sections(document),
        checks=checks,
        objects=list(dict.fromkeys(each["object"] for each in results if each["object"])),
        cells=_cells(results),
        matrices=_matrices(results),
        accounts=_accounts(document, budget),
        budget=budget,
        explorer={"columns": columns, "rows": rows},
        embedded=_json({"columns": columns, "rows": rows, "addresses": _addresses(document)}),
        charts=charts,
        trend_lines=lines,
        glossary=GLOSSARY,
        whole=charts.whole(document["flows"]),
        show=lambda result, row, column: shown_cell(document, result, row, column, budget.signs),
        worst=_worst,
    )


def sections(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The first screen's sections, every one and in order, each with `checks`: whose rows are behind it."""
    given = {each["id"]: each for each in document.get("screen", ())}
    present = {each["check"] for each in document["results"]}
    blank: dict[str, Any] = {"verdict": None, "summary": NOT_SET_UP, "figures": {}, "tables": [], "facts": {}}
    return [
        {"id": id, "title": title, **blank, **given.get(id, {}),
         "checks": [check for check in BEHIND.get(id, ()) if check in present]}
        for id, title in TITLES.items()
    ]  # fmt: skip


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("migrate_validators"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "n": number, "at": time_tag,
        "word": lambda verdict: WORDS.get(verdict, verdict),
        "sign": lambda verdict: MARKS.get(verdict, "·"),
        "anchor": anchor,
        "code": code, "figure": lambda name: FIGURES.get(name, name.replace("_", " ")),
        "column": lambda name: COLUMNS.get(name, name.replace("_", " ")), "many": plural,
        "cut": lambda value, most: cut_text(value, most) if isinstance(value, str) else value,
        "web": lambda url: url if str(url).startswith(("https://", "http://")) else "",
        "headed": headed, "pairs": lambda names, values: zip(names, values, strict=True),
    }  # fmt: skip
    return environment


def _asset(name: str) -> str:
    return files("migrate_validators").joinpath("templates", name).read_text(encoding="utf-8")


def _json(value: Any) -> Markup:
    """JSON that can stand inside a `script` element: it can't end it."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(written)  # noqa: S704 - escaped just now


def _cells(results: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in results:
        cells.setdefault((each["object"], each["check"]), []).append(each)
    return cells


def _explored(document: dict[str, Any], budget: Budget) -> tuple[list[list[Any]], list[str]]:
    """The differences that the page holds: as many as its share of bytes takes, in the sample's order."""
    sample = document.get("differences", {}).get("sample") or {"columns": [], "rows": []}
    rows: list[list[Any]] = []
    left = budget.explorer
    for row in sample["rows"]:
        cut = [cut_text(one, budget.signs) if isinstance(one, str) else one for one in row]
        left -= len(_json(cut).encode()) + 1
        if left < 0:
            break
        rows.append(cut)
    return rows, list(sample["columns"])


def _addresses(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Where a record's page is, by entry and side; nothing but addresses of the web."""
    known = document.get("differences", {}).get("addresses", {})
    return {
        entry: {side: url for side, url in sides.items() if str(url).startswith(("https://", "http://"))}
        for entry, sides in known.items()
    }


def _accounts(document: dict[str, Any], budget: Budget) -> list[dict[str, Any]]:
    """The accounts that were looked at whole, those that differ first; beyond the budget without values."""
    screen = (each["facts"] for each in document.get("screen", ()) if each["id"] == "accounts")
    facts: dict[str, Any] = next(screen, {})
    told = facts.get("accounts", ())
    places, left, found = _addresses(document), budget.trees, []
    for account in sorted(told, key=lambda one: not one["differ"]):
        nodes = []
        for node in account["nodes"]:
            left -= len(_json(node).encode())
            nodes.append(node | {"fields": node["fields"] if left >= 0 else [],
                                 "left_out": left < 0 and bool(node["fields"]),
                                 "places": _places(places.get(node["entry"], {}), node)})  # fmt: skip
        found.append(account | {"nodes": nodes})
    return found


def _places(patterns: dict[str, str], node: dict[str, Any]) -> dict[str, str]:
    ids = {"old": node["source_id"], "new": node["id"]}
    return {
        side: pattern.replace("{id}", quote(str(ids[side]), safe=""))
        for side, pattern in patterns.items()
        if ids.get(side)
    }


def _matrices(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each picklist's values, old beside new, as a matrix where it is one that can be read."""
    found = []
    for result in results:
        for table in result["tables"] if result["check"] == "picklists" else ():
            rows = [row for row in table["rows"] if len(row) == 3 and isinstance(row[2], int)]
            olds = list(dict.fromkeys(str(row[0]) for row in rows))
            news = list(dict.fromkeys(str(row[1]) for row in rows))
            if not rows or len(news) > 12 or len(olds) > 40 or table["note"]:
                continue
            counts = {(str(old), str(new)): count for old, new, count in rows}
            sums = {old: sum(counts.get((old, new), 0) for new in news) for old in olds}
            found.append({"title": table["title"], "object": result["object"], "id": result["id"],
                          "olds": olds, "news": news, "counts": counts, "sums": sums})  # fmt: skip
    return found


def _worst(results: Sequence[dict[str, Any]]) -> str:
    return worst(Verdict(result["verdict"]) for result in results).value


# -- values as people read them -----------------------------------------------------------------------------

WORDS = {
    "pass": "passes", "warn": "to accept", "fail": "fails", "empty": "nothing compared",
    "error": "failed to run", None: "not set up", "known": "explained",
}  # fmt: skip
MARKS = {"pass": "✓", "warn": "!", "fail": "✕", "empty": "○", "error": "⚠", None: "!", "known": "·"}


def number(value: Any) -> str:
    """A number, or the exact text of one, with thousands apart and a true minus sign."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    whole, point, behind = str(value).partition(".")
    if whole.lstrip("-").isdecimal() and whole.isascii() and (not point or behind.isdecimal()):
        return f"{int(whole):,}{point}{behind}".replace("-", "−") if whole != "-0" else f"−0{point}{behind}"
    return str(value)


def plural(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def headed(name: str) -> str:
    """A name as a heading."""
    return name[:1].upper() + name[1:].replace("_", " ")


def time_tag(value: Any) -> Markup | str:
    """A moment in UTC for people, with the exact one for the script, which adds the reader's own zone."""
    if not value:
        return "not known"
    try:
        exact = datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return str(value)
    return Markup('<time datetime="{}">{}</time>').format(f"{exact:%Y-%m-%dT%H:%M:%SZ}", moment(str(value)))


def code(words: Any) -> Markup:
    """What stands in backticks, as code; each exact moment as people read it."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words)))
    return Markup(_STAMP.sub(lambda found: str(time_tag(found[0])), shown))  # noqa: S704 - escaped


_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)")


def anchor(id: str) -> str:
    """A result's id as a fragment of the page's address."""
    return "check-" + "".join(letter if letter.isalnum() else "-" for letter in id)


_MARKUP = re.compile(r"<(?:p|div|br|span|b|i|a|ul|li|table|html|body|img|script|h[1-6])\b[^<>]*>", re.I)
_HARMLESS = {
    "p", "br", "b", "strong", "i", "em", "u", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th",
    "blockquote", "pre", "code", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "hr",
}  # fmt: skip


def body(value: Any, most: int = SIGNS) -> Any:
    """A value that is HTML as a reader sees it: sanitised, without a link, a picture or a style.

    Only what is shown is sanitised. What is moved, and what the report's own files hold, never is.
    """
    if not isinstance(value, str):
        return value
    if not _MARKUP.search(value):
        return cut_text(value, most)
    import nh3

    clean = nh3.clean(value, tags=_HARMLESS, attributes={}, url_schemes=set(), link_rel=None)
    seen = Markup(cut_html(clean, most))  # noqa: S704 - sanitised just now
    text = Markup("<details><summary>as text</summary><code>{}</code></details>").format(
        cut_text(value, most)
    )
    return Markup('<div class="body">{}</div>{}').format(seen, text)


def shown_cell(document: dict[str, Any], id: str, row: dict[str, Any], column: str, most: int) -> Any:
    """One value of a sample as people know it: fields, owners and options by name, moments as such."""
    value = row[column]
    known = document.get("names", {}).get(id, {}).get(row.get("field"), {})
    words: dict[str, Callable[[str], Any]] = {
        "field": lambda text: known.get("label", text),
        "written": time_tag,
        "stamp": time_tag,
        "reason": lambda text: told(text, {}),
        "outcome": lambda text: text.replace("_", " "),
        "key": lambda text: " ".join(text.split(".", 2)[1:]) or text,
    }
    if column in ("expected", "found", "map", "old"):
        return body(known.get("values", {}).get(value, value), most)
    return body(words[column](str(value)), most) if column in words and value else body(value, most)
