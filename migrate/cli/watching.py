"""How is a watch asked for, and what does each of its rounds say?"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from migrate.cli.output import Result, Session, fail, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrate_validators import Report
    from migrate_validators.watching import Round

    from migrate.workspace import Workspace

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])")


class Span(click.ParamType[timedelta]):
    """A length of time: `90s`, `15m`, `1h`, `1d`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The length; a text of another form is a usage error that says which there are."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"`{value}` is no length of time; write `90s`, `15m`, `1h` or `1d`.", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


def result(found: Report) -> Result:
    """A validation's outcome as the command tells it."""
    return Result("validate", found.document(), found.text(), 0 if found.verdict == "pass" else 1)


def keep_looking(session: Session, every: timedelta) -> NoReturn:
    """Look how the cutover is every so often until a signal comes; a text, or one line of JSON, each time."""
    from migrate.cutover.watching import look
    from migrate.errors import Parked

    while True:
        try:
            with session.workspace() as workspace:
                clock, found = workspace.clock, look(workspace)
        except Parked as error:  # a sandbox whose clock we go by is away
            fail(type(error).__name__, str(error), error.exit_code, session.as_json, error=error)
            time.sleep(every.total_seconds())
            continue
        code = int(bool(found.alerts))
        show(Result("status", {"watch": found.document()}, found.text(), code), session.as_json)
        clock.sleep(every.total_seconds())


def keep_watch(session: Session, every: timedelta, validate: Callable[[Workspace], Report]) -> NoReturn:
    """Validate every so often until a signal comes; a round's text, or its one line of JSON, as it ends."""
    from migrate_validators.watching import watch

    def told(one: Round) -> None:
        if one.report is not None:
            show(result(one.report), session.as_json)
        elif one.error is not None:
            fail(
                type(one.error).__name__, str(one.error), one.error.exit_code, session.as_json,
                error=one.error,
            )  # fmt: skip
        if not session.as_json:
            session.say(f"Next round at {one.next_at:%Y-%m-%d %H:%M:%S} UTC.")

    watch(session.workspace, validate, every=every, told=told)
