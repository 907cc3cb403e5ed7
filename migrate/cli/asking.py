"""How is a person asked, and what if nobody is there to answer?

An answer may be typed or come through a pipe. Where the input ends without one and isn't a terminal, a
script forgot to say what it wants: that is the command's mistake, not an interruption.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from migrate.errors import UsageError

T = TypeVar("T")


def yes(question: str) -> None:
    """Go on only if the answer is yes.

    Raises:
        click.Abort: it is no, or somebody stopped it at the terminal.
        UsageError: nobody can answer.
    """
    if not _answer(lambda: click.confirm(question, err=True)):
        raise click.Abort


def typed(question: str, *, flag: bool = True) -> str:
    """What was typed.

    Args:
        flag: `--yes` would answer, too.

    Raises:
        click.Abort: somebody stopped it at the terminal.
        UsageError: nobody can answer.
    """
    return _answer(lambda: str(click.prompt(question, err=True)), flag=flag)


def given_up(answer: str) -> None:
    """Go on only if these words are typed, which say how much is given up. No option answers for a person.

    Raises:
        click.UsageError: something else was typed.
        click.Abort, UsageError: as `typed`.
    """
    said = typed(f"To give these up, type `{answer}`", flag=False)
    if said.strip() != answer:
        raise click.UsageError(f"`{said}` isn't `{answer}`; nothing was done.")


def _answer(ask: Callable[[], T], *, flag: bool = True) -> T:
    nobody = UsageError(
        "This command asks before it writes, and there is no terminal to answer at; nothing was done.",
        "Give `--yes` if you mean it." if flag else "Type the answer, or pipe it in.",
    )
    # Closed altogether (`<&-`), or at its end: click makes one Abort of an end and of Ctrl-C.
    if sys.stdin is None:
        raise nobody
    try:
        return ask()
    except click.Abort as error:
        if isinstance(error.__context__, EOFError) and not sys.stdin.isatty():
            click.echo(err=True)  # the question stands without its line's end
            raise nobody from None
        raise
