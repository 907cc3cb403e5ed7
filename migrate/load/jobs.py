"""How does one batch get through as a job that runs at the vendor? Id in the ledger, release, poll to the
end.

A job is a batch like any other: intent, job, outcomes, settlement. What its results leave unsaid is
looked up by key and sent by plain calls. A process that finds a job in the ledger never makes a second
one: it polls this one to its end first.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.connector import Batch, BatchRefused, JobLimits, Outcome, TakesJobs
from migrate.errors import InDoubt
from migrate.load.context import Loading

FIRST_POLL, LONGEST_POLL, GROWTH = 1.0, 30.0, 1.5


def limits(loading: Loading, object: str, rows: int) -> JobLimits | None:
    """Whether so many rows to create are worth jobs."""
    target = loading.target
    found = target.job_limits(object) if isinstance(target, TakesJobs) else None
    return found if found is not None and rows >= found.least else None


def run(loading: Loading, batch: Batch) -> Sequence[Outcome]:
    """Make a job of the batch, release it and wait for its end; no outcomes where it can't be one."""
    target = loading.target
    if not isinstance(target, TakesJobs):
        return ()
    try:
        job = target.create_job(batch)
    except InDoubt:
        return ()  # a job that nobody releases changes nothing
    except BatchRefused:
        return ()
    loading.note_job(job)
    try:
        target.release_job(job)
    except InDoubt:
        loading.doubted()
        loading.pause(target.limits.longest_call)  # then it has been released, or never will be
    return settle(loading, batch, job)


def settle(loading: Loading, batch: Batch, job: str) -> Sequence[Outcome]:
    """Poll a job to its end.

    Raises:
        InDoubt: the work was stopped meanwhile; the job goes on, and the next load finds it.
    """
    target = loading.target
    if not isinstance(target, TakesJobs):
        return ()
    wait = FIRST_POLL
    while True:
        try:
            found = target.job_outcomes(job, batch)
        except InDoubt:
            found = None
        if found is not None:
            return found
        loading.pause(wait)
        wait = min(LONGEST_POLL, wait * GROWTH)
