"""How does a result reach people and programs? Text and bars to people, one document to programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from migrate.errors import MigrateError
    from migrate.workspace import Workspace


@dataclass
class Session:
    """The options that stand before the command."""

    where: Path | str  # a folder, or s3://bucket/prefix
    as_json: bool
    verbose: bool

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """The workspace, closed at the end."""
        from migrate.errors import PlanError
        from migrate.workspace import Workspace

        workspace = Workspace(self.where)
        try:
            yield workspace
        except PlanError as error:
            raise workspace.place.told(error) from error
        finally:
            workspace.close()

    def say(self, words: str) -> None:
        """A line for people, on stderr."""
        click.echo(words, err=True)

    @contextmanager
    def bars(self) -> Iterator[Callable[[str, int, int], None]]:
        """Progress bars on stderr, one a name; where it isn't a terminal only with `--verbose`, and fewer."""
        from tqdm import tqdm

        shown: dict[str, Any] = {}

        def progress(name: str, done: int, total: int) -> None:
            bar = shown.get(name)
            if bar is None:
                bar = shown[name] = tqdm(
                    total=total,
                    desc=f"{name:<24}",
                    unit="",
                    file=sys.stderr,
                    disable=False if self.verbose else None,
                    mininterval=0.1 if sys.stderr.isatty() else 5.0,
                )
            bar.total = max(total, done)
            bar.update(done - bar.n)

        try:
            yield progress
        finally:
            for bar in shown.values():
                bar.close()


@dataclass
class Result:
    """What a command found. `text`: for people; `document`: for programs, with `command` and `exit_code`."""

    command: str
    document: dict[str, Any]
    text: str
    exit_code: int = 0
    lines: list[str] = field(default_factory=list)


def plain(value: Any) -> Any:
    """Anything as JSON's own types; dates as ISO-8601, decimals and paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name.name: plain(getattr(value, name.name)) for name in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value)


def show(result: Result, as_json: bool) -> None:
    """Print a result: one JSON document, or text."""
    if as_json:
        document = {"command": result.command, "exit_code": result.exit_code, **plain(result.document)}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo(result.text)


def fail(
    kind: str,
    words: str,
    code: int,
    as_json: bool,
    *,
    error: MigrateError | None = None,
    usage: click.Context | None = None,
) -> int:
    """Print an error; returns its exit code."""
    if as_json:
        document: dict[str, Any] = {"error": kind, "message": words, "exit_code": code}
        if error is not None:
            document["facts"] = plain({k: v for k, v in vars(error).items() if not k.startswith("_")})
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        if usage is not None:
            click.echo(usage.get_usage(), err=True)
        click.echo(f"Error: {words}", err=True)
    return code


def table(rows: Sequence[tuple[object, ...]], head: tuple[str, ...]) -> str:
    """Rows as aligned text; numbers to the right."""
    cells = [tuple(_cell(each) for each in row) for row in rows]
    widths = [max(len(row[n]) for row in [head, *cells]) for n in range(len(head))]
    right = [bool(rows) and all(isinstance(row[n], int) for row in rows) for n in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        parts = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
        return "  ".join(parts).rstrip()

    return "\n".join([line(head), *(line(row) for row in cells)])


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
