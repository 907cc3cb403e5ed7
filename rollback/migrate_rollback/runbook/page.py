"""How is the operator's page drawn? As one self-contained HTML page, and as the same in Markdown.

The HTML asks nobody for anything: style and script stand in it, and its policy (CSP) forbids the rest. What
comes from the data is escaped. The Markdown's shell blocks are the commands, one a step.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from migrate.pages import base_style
from migrate.storage import write_aside
from migrate_rollback.runbook.gathering import Runbook
from migrate_rollback.runbook.messages import environment
from migrate_rollback.runbook.terms import many

if TYPE_CHECKING:
    from jinja2 import Environment

HTML, MARKDOWN = "runbook.html", "runbook.md"
SIGNS = {"pass": "✓", "warn": "!", "fail": "✕", "unset": "○"}
LIGHTS = {"pass": "in order", "warn": "take care", "fail": "stop", "unset": "not known"}
REACHED = {"pass": "not reached", "fail": "reached", "unset": "not known"}


def write(found: Runbook, folder: Path) -> tuple[Path, Path]:
    """Write both into a folder, which is made; returns their paths: HTML, Markdown.

    Raises:
        NoSpace: the disk refused.
    """
    page, text = folder / HTML, folder / MARKDOWN
    for path, content in ((page, html(found)), (text, markdown(found))):
        write_aside(path, content.encode())
    return page, text


def html(found: Runbook) -> str:
    """The page."""
    made = _environment(escaped=True)
    script = _asset("runbook.js")
    return made.get_template("runbook.html.j2").render(
        r=found.document(),
        style=Markup(base_style() + _asset("runbook.css")),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def markdown(found: Runbook) -> str:
    """The same as text."""
    made = _environment(escaped=False)
    return made.get_template("runbook.md.j2").render(r=found.document()).strip() + "\n"


def _environment(*, escaped: bool) -> Environment:
    made = environment()
    made.autoescape = escaped
    made.filters |= {
        "code": code if escaped else str, "sign": SIGNS.__getitem__, "light": LIGHTS.__getitem__,
        "reached": REACHED.__getitem__, "many": many, "n": number, "or_words": or_words,
        "both": lambda pair: f"{pair[0]} ({pair[1]})" if pair[1] else pair[0],
        "cell": lambda words: str(words).replace("|", "\\|"),
    }  # fmt: skip
    return made


def _asset(name: str) -> str:
    return files("migrate_rollback.runbook").joinpath("templates", name).read_text(encoding="utf-8")


def number(value: int | None) -> str:
    """With thousands apart; what isn't known is said."""
    return "not known" if value is None else f"{value:,}"


def or_words(codes: list[tuple[int, str]]) -> str:
    """`0 or 1`."""
    return " or ".join(str(code) for code, _ in codes)


def code(words: Any) -> Markup:
    """What stands in backticks, as code."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(words)))
    return Markup(shown)  # noqa: S704 - escaped just now
