"""Does what ran agree with the plan, is the way back long enough, and is nobody else at work?

All of it out of the ledger, the journal and the plan; no system is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from migrate_rollback import returning
from migrate_rollback.window import MARGIN, ROOM, took

from migrate.cutover import trail
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.gates.rehearsed import projected
from migrate.errors import PlanError, UsageError
from migrate.journal import REFUSED
from migrate.ledger import batches as book
from migrate.ledger.leases import this_process
from migrate.ledger.tables import attempts
from migrate.plan.terms import parse_window
from migrate.stages.status import holders

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover


def plan(cutover: Cutover) -> Iterator[GateLine]:
    """The plan that people sign is the one by which what stands in the target was loaded."""
    workspace = cutover.workspace
    ledger = workspace.ledger
    ran = ledger.value(sa.select(attempts.c.plan).where(attempts.c.number == ledger.attempt()))
    if ran is None:
        yield red("plan", "Nothing was loaded in this attempt.", "migrate cutover start")
    elif ran != workspace.plan.digest:
        now = workspace.plan.digest[:12]
        words = f"What is in the target was loaded by plan {ran[:12]}; the plan is {now} now."
        yield red("plan", words, "migrate plan diff; migrate plan accept; migrate load")
    else:
        yield green("plan", "The plan is the one that was loaded.", ran[:12])


def letters(cutover: Cutover) -> Iterator[GateLine]:
    """No record or link that the target refused is left, or somebody lets exactly these stay behind."""
    workspace = cutover.workspace
    refused = REFUSED.format(journal=workspace.journal.source())
    row = workspace.engine.rows(
        f"""SELECT count(*) AS n,
          bit_xor(md5_number_lower(concat_ws(chr(10), kind, key, reason)))::VARCHAR AS which FROM ({refused})
        WHERE outcome = 'refused' AND attempt = {int(workspace.ledger.attempt())}"""
    )[0]
    count = int(row["n"])
    if not count:
        yield green("dead-letters", "There is no dead letter.", "0")
        return
    words = (
        f"{count:,} {'record or link was' if count == 1 else 'records or links were'} refused by the target."
    )
    yield red("dead-letters", words, "migrate dead-letters list", f"{count:,}", about=[count, row["which"]])


def doubt(cutover: Cutover) -> Iterator[GateLine]:
    """Every write's outcome is known."""
    ledger = cutover.workspace.ledger
    count = len(book.in_doubt(ledger, ledger.attempt()))
    if count:
        words = f"{count:,} {'batch is' if count == 1 else 'batches are'} in doubt."
        yield red("doubt", words, "migrate load", f"{count:,}")
    else:
        yield green("doubt", "No write is in doubt.", "0")


def window(cutover: Cutover) -> Iterator[GateLine]:
    """A way back, as it was measured, fits into the window that a switch opens, with its margin.

    The window of the load may be over by then: people hold for as long as they like, and what a vendor's bin
    keeps is of no use to a `cutover back`.
    """
    workspace = cutover.workspace
    terms, now = workspace.plan.model, workspace.clock.now()
    seconds, measured = took(workspace.ledger)
    if seconds is None:
        seconds, measured = projected(cutover, "rollback", "seconds"), "the rehearsal"
    current = returning.current(workspace.ledger, workspace.clock)
    if current is None:
        yield red(
            "window", "Nothing was loaded, so there is no way back to measure.", "migrate cutover start"
        )
        return
    if current.state in ("going", "back"):
        yield red("window", current.words, "migrate status")
        return
    if seconds is None:
        words = "How long a rollback takes was never measured."
        yield red("window", words, "migrate rollback drill")
        return
    room = parse_window(terms.cutover.window).end(now, terms.calendar.zone) - now
    need = timedelta(seconds=seconds * ROOM) + MARGIN
    figure = f"needs {_span(need)}, window {terms.cutover.window}"
    if need > room:
        words = f"A rollback needs {_span(need)} ({measured}, with its margin): the window is shorter."
        yield red("window", words, "migrate rollback drill, or a longer `cutover: window`", figure)
    else:
        yield green(
            "window",
            f"A rollback fits into the window: {measured} took {_span(timedelta(seconds=seconds))}.",
            figure,
        )


def lease(cutover: Cutover) -> Iterator[GateLine]:
    """Nobody but this very process writes to one of the systems."""
    me = this_process()
    mine = f"{me.holder} on {me.host} (process {me.pid})"
    busy = [each for each in holders(cutover.workspace) if not each.free and each.who != mine]
    if busy:
        first = busy[0]
        words = f"{first.system} is being written to by {first.who} since {first.since}."
        yield red("lease", words, "migrate status (wait for its end, or stop it)")
    else:
        yield green("lease", "Nobody writes to either system.")


def history(cutover: Cutover) -> Iterator[GateLine]:
    """The trail is as it was written, to its end."""
    flaws = trail.verify(cutover.workspace)
    if flaws:
        yield red("trail", flaws[0], "migrate cutover log --verify", f"{len(flaws)} flaws", about=flaws)
    else:
        yield green("trail", "The trail verifies, to its end.", trail.head(cutover.workspace.ledger)[:12])


def check(cutover: Cutover) -> Iterator[GateLine]:
    """The plan is sound against both catalogs. Values aren't counted anew: the last transform has."""
    from migrate.stages.check import check as sound

    workspace = cutover.workspace
    try:
        sound(workspace.plan, workspace.catalog("source"), workspace.catalog("target"))
    except UsageError as error:  # before the first discover
        yield red("check", error.what, "migrate discover")
    except PlanError as error:
        told = [str(each) for each in error.mistakes]
        more = f", and {len(told) - 1} more" if len(told) > 1 else ""
        yield red("check", f"{error.mistakes[0]}{more}", "migrate check", f"{len(told)} mistakes", about=told)
    else:
        yield green("check", "The plan is sound.")


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    return (
        f"{hours} h {rest} min"
        if hours
        else f"{minutes} min"
        if minutes
        else f"{length.total_seconds():.0f} s"
    )
