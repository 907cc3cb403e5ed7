"""What does one write to whom, and when? Texts to be sent as they are, out of templates that people edit.

A template is a file of the plan's folder of messages, or else ours. It may use the names that `facts` gives,
and no other; a name that isn't known, and anything that looks like a hole that nobody has filled, is an error
with file and line, before the message is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.errors import PlanError, PlanMistake, Position
from migrate.storage import write_aside

if TYPE_CHECKING:
    from jinja2 import Environment

AUDIENCES = {
    "reps": "Sales team",
    "managers": "Managers",
    "support": "Support desk",
    "integrators": "Integrators",
    "customers": "Customers",
}
MOMENTS = {
    "announce": "some days before",
    "begin": "as the freeze begins",
    "done": "when the new system is open",
    "back": "if we go back to the old system",
}
FOLDER, SUFFIX = "messages", ".txt.j2"
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
# What an author leaves to be filled in, and what is left of a template's own marks where one was mistyped.
HOLE = re.compile(
    r"\{\{|\}\}|\{%|%\}|\{#|\bTODO\b|\bTBD\b|\bFIXME\b|\bXXX+\b|\[[^\]]*\]|<[^>]+>|_{3,}|\?{3,}"
)


@dataclass(frozen=True)
class Message:
    """One text. `audience`: a key of `AUDIENCES`; `moment`: one of `MOMENTS`; `file`: the template."""

    audience: str
    moment: str
    title: str
    when: str
    text: str
    file: str


def init(folder: Path) -> list[tuple[str, str]]:
    """Copy our templates into a folder, to be edited; files that are there stay.

    Returns:
        Name and outcome of each, `written` or `kept`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name in AUDIENCES:
        file = f"{name}{SUFFIX}"
        if (folder / file).exists():
            found.append((file, "kept"))
            continue
        write_aside(folder / file, _ours(file).encode())
        found.append((file, "written"))
    return found


def messages(folder: Path | None, facts: Mapping[str, Any]) -> list[Message]:
    """Every message, for every audience and moment.

    Args:
        folder: of edited templates; what isn't in it is ours.
        facts: what templates may name; texts, and lists of texts.

    Raises:
        PlanError: a template can't be read, names what isn't known, or leaves a hole; with file and line.
    """
    made, mistakes = _environment(folder), list[PlanMistake]()
    found = []
    for audience, title in AUDIENCES.items():
        file = f"{audience}{SUFFIX}"
        shown = _shown(folder, file)
        mistakes += holes(_source(folder, file), shown)
        for moment, when in MOMENTS.items():
            text = _rendered(made, file, shown, {**facts, "moment": moment}, mistakes)
            if text is not None:
                found.append(Message(audience, moment, title, when, text, shown))
    if mistakes:
        raise PlanError(list(dict.fromkeys(mistakes)))
    return found


def holes(source: str, file: str) -> list[PlanMistake]:
    """What nobody has filled in: in the template less its tags, for what a fact says is never a hole."""
    return [
        PlanMistake(
            Position(file, number, 1), f"`{hole}` stands there, which nobody has filled in.",
            "Write what is meant there.",
        )
        for number, line in enumerate(source.splitlines(), start=1)
        for hole in HOLE.findall(TAG.sub("", line))
    ]  # fmt: skip


def _rendered(
    made: Environment, file: str, shown: str, facts: Mapping[str, Any], mistakes: list[PlanMistake]
) -> str | None:
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        return made.get_template(file).render(**facts).strip()
    except TemplateSyntaxError as error:
        mistakes.append(
            PlanMistake(Position(shown, error.lineno, 1), f"{error.message}.", "Mend the template.")
        )
    except TemplateError as error:
        names = ", ".join(f"`{name}`" for name in sorted(facts))
        mistakes.append(
            PlanMistake(
                Position(shown, _line_of(error, file), 1), f"{error}.", f"A template may name {names}."
            )
        )
    return None


def _line_of(error: BaseException, file: str) -> int:
    """The template's line where it happened: Jinja rewrites the traceback to the template's own lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if (
            trace.tb_frame.f_code.co_filename.endswith(file)
            or trace.tb_frame.f_code.co_filename == "<template>"
        ):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _environment(folder: Path | None) -> Environment:
    from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    ours = PackageLoader("migrate.cutover.runbook", "templates/messages")
    loader = ChoiceLoader([FileSystemLoader(folder), ours]) if folder is not None else ours
    return SandboxedEnvironment(
        loader=loader, autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _shown(folder: Path | None, file: str) -> str:
    return str(folder / file) if folder is not None and (folder / file).is_file() else file


def _source(folder: Path | None, file: str) -> str:
    if folder is not None and (folder / file).is_file():
        return (folder / file).read_text(encoding="utf-8")
    return _ours(file)


def _ours(file: str) -> str:
    there = files("migrate.cutover.runbook").joinpath("templates", "messages", file)
    return there.read_text(encoding="utf-8")
