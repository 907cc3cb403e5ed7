"""Could a rollback begin right now? Who writes, who we are there, what the quota and the journal say."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from migrate.connector import Rights
from migrate.errors import MigrateError
from migrate.stages.status import Holder, holders
from migrate.workspace import Workspace
from migrate_rollback.runbook.terms import Times, many


@dataclass(frozen=True)
class Light:
    """One of them. `state`: pass, warn, fail or unset; `words`: what it is, and where red what to do."""

    name: str
    state: str
    words: str


def lights(workspace: Workspace, objects: list[str], times: Times, *, going: bool) -> list[Light]:
    """All of them; none can fail the page.

    Args:
        going: a rollback is under way: who writes is most likely its process.
    """
    return [_lease(workspace, times, going=going), *_rights(workspace, objects), _journal(workspace)]


def _lease(workspace: Workspace, times: Times, *, going: bool) -> Light:
    target = workspace.system("target").system
    taken = [each for each in holders(workspace) if each.system == target]
    if not taken:
        return Light("Lease", "pass", "free: nobody writes to the target")
    holder: Holder = taken[-1]
    if holder.free:
        return Light("Lease", "pass", f"free: {holder.who} didn't end, but {holder.free}")
    if going:
        since = f"{holder.who} since {times.moment(holder.since)}"
        return Light("Lease", "warn", f"held by {since}: the rollback under way; start no second one")
    return Light(
        "Lease", "fail",
        f"held by {holder.who} since {times.moment(holder.since)}: ask them to stop (Ctrl-C keeps "
        f"everything), or wait until {times.moment(holder.until)}",
    )  # fmt: skip


def _rights(workspace: Workspace, objects: list[str]) -> list[Light]:
    """Two: who we are there, and how many calls are left; one question for both."""
    try:
        with closing(workspace.target()) as target:
            found: Rights = target.rights(objects, write=True)
    except (MigrateError, OSError) as error:
        told = str(error).splitlines()[0]
        return [
            Light("Credentials", "fail", f"{told}. Mend this first: nothing else works without it"),
            Light("Quota", "unset", "not known: the target couldn't be asked"),
        ]
    who = f"valid, as {found.user}" if found.user else "valid"
    known = Light("Credentials", "pass", who)
    if found.missing:
        known = Light("Credentials", "fail", f"{who}, but {'; '.join(found.missing)}")
    if found.calls_left is None:
        return [known, Light("Quota", "unset", "the target doesn't tell how many calls are left")]
    share = found.calls_left / found.calls_max if found.calls_max else 1.0
    state = "pass" if share > 0.2 else "warn" if found.calls_left else "fail"
    of = f" of {found.calls_max:,}" if found.calls_max else ""
    words = f"{found.calls_left:,}{of} calls left"
    words += "" if state == "pass" else "; a run that finds none parks, and goes on later"
    return [known, Light("Quota", state, words)]


def _journal(workspace: Workspace) -> Light:
    flaws = workspace.journal.audit()[0]
    if not flaws:
        segments = workspace.journal.count()
        return Light("Journal", "pass", f"intact: {many(segments, 'segment')}, each as its digest says")
    first = flaws[0]
    more = f", and {len(flaws) - 1} more" if len(flaws) > 1 else ""
    return Light(
        "Journal", "fail",
        f"{first.name} {first.what}{more}: a rollback refuses. `migrate fsck` names the records; restore a "
        "backup",
    )  # fmt: skip
