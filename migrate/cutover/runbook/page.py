"""How is the runbook drawn? As one self-contained HTML page, and as the same in Markdown.

The page has the look of the rollback's: its styles and script. It asks nobody for anything, its policy (CSP)
forbids the rest, and what comes from the data is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup
from migrate_rollback.runbook.page import code

from migrate.cutover.runbook.gathering import Runbook
from migrate.pages import base_style
from migrate.storage import write_aside

if TYPE_CHECKING:
    from jinja2 import Environment

HTML, MARKDOWN = "cutover.html", "cutover.md"


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
    script = _theirs("runbook.js")
    return (
        _environment(escaped=True)
        .get_template("cutover.html.j2")
        .render(
            r=found.document(),
            style=Markup(base_style() + _theirs("runbook.css") + _ours("cutover.css")),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704 - our own file
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def markdown(found: Runbook) -> str:
    """The same as text."""
    made = _environment(escaped=False)
    return made.get_template("cutover.md.j2").render(r=found.document()).strip() + "\n"


def _environment(*, escaped: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("migrate.cutover.runbook"), autoescape=escaped, undefined=StrictUndefined,  # noqa: S701 - Markdown is text
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "code": code if escaped else str,
        "cell": lambda words: str(words).replace("|", "\\|").replace("\n", " "),
    }
    return made


def _theirs(name: str) -> str:
    return files("migrate_rollback.runbook").joinpath("templates", name).read_text(encoding="utf-8")


def _ours(name: str) -> str:
    return files("migrate.cutover.runbook").joinpath("templates", name).read_text(encoding="utf-8")
