"""What may a connector offer besides? Each ability is a protocol, asked for with `isinstance`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from migrate.catalog import Option
    from migrate.connector.exchanged import Batch, Held, Link, Outcome, Page, Query, Version, Write


@runtime_checkable
class Merges(Protocol):
    """A source whose users merge records, and which tells who survived."""

    def merges(
        self,
        object: str,
        since: datetime | None,
        extracted: Callable[[Sequence[str]], Iterator[pa.RecordBatch]],
    ) -> Iterator[pa.RecordBatch]:
        """Merged records and their survivors: `_id`, `survivor`, both strings. Chains may stand as they are.

        Args:
            since: merges from then on; more of them do no harm.
            extracted: `_id` and these fields of the records just extracted, for vendors who keep the
                ids of merged records with the survivor, so that nothing is asked twice.
        """
        ...


@runtime_checkable
class FindsChanges(Protocol):
    """A system whose lists know no window, so that reading what changed costs as much as reading all.

    Its index tells what changed, a little late.
    """

    def changed(self, query: Query) -> Iterator[Page] | None:
        """Live records whose stamp lies in the query's window, each as it is now, from the row store.

        What the index doesn't know yet is missing. None where the object is in no index.
        """
        ...


@runtime_checkable
class TellsCallsLeft(Protocol):
    """A system whose replies say how many calls of its quota are left."""

    def calls_left(self) -> tuple[int | None, int | None]:
        """Calls left and calls in all, by the newest reply; None where none has said so yet. Asks nothing."""
        ...


@runtime_checkable
class HidesDeletions(Protocol):
    """A source that doesn't tell every deletion; a delta then compares the ids that are there."""

    def hides_deletions(self, object: str) -> bool:
        """Whether some records of this object go without a tombstone (merged, purged)."""
        ...


@dataclass(frozen=True)
class JobLimits:
    """From how many records on a job is worth it; how many, and how many characters, one takes at most."""

    least: int
    records: int
    characters: int


@runtime_checkable
class TakesJobs(Protocol):
    """A target that also creates very many records at once, by a job that runs at the vendor."""

    def job_limits(self, object: str) -> JobLimits | None:
        """None where the object's records aren't created by jobs."""
        ...

    def create_job(self, batch: Batch) -> str:
        """Make a job and hand its records over; it doesn't run before it is released. Its id.

        Raises:
            BatchRefused: the target takes no such job.
            InDoubt: perhaps it was made; it never runs.
        """
        ...

    def release_job(self, job: str) -> None:
        """Let it run; repeatable. Raises InDoubt where the answer got lost."""
        ...

    def job_outcomes(self, job: str, batch: Batch) -> list[Outcome] | None:
        """An outcome a record once the job has ended, None before. One that isn't released is called off."""
        ...


@runtime_checkable
class FindsByValues(Protocol):
    """A target with objects whose records can bear no key, and that refuses a second with the same values.

    Their key's field stands in the catalog with the rule `not_kept`: nothing holds it but our journal.
    """

    def by_values(self, object: str) -> bool:
        """Whether records of this object are found by what they hold."""
        ...

    def find(self, object: str, fields: Sequence[str], writes: Sequence[Write]) -> list[Held]:
        """The records that hold what these creates would write; `asked` is the write's key."""
        ...


@runtime_checkable
class CountsCalls(Protocol):
    """A system whose connector counts the calls that it makes."""

    def calls_made(self) -> int:
        """Calls since it was built, repeated ones included."""
        ...


@runtime_checkable
class TellsPicklists(Protocol):
    """A system that tells an object's picklists with a call or two, without a whole `discover`."""

    def picklists(self, object: str, fields: Sequence[str]) -> dict[str, tuple[Option, ...]]:
        """The values of these fields as they are at this moment, whatever was read before.

        A field that isn't there any more, or that the credential can't see, is left out.

        Raises:
            SystemRefused: the object itself isn't there, or can't be seen.
        """
        ...


@runtime_checkable
class KeepsHistory(Protocol):
    """A target that tells who wrote a field, and when."""

    def history(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Version]]:
        """Versions of the fields of each record, newest first; empty `fields` means all of them.

        A record whose history isn't kept has no entry.
        """
        ...


@runtime_checkable
class ExplainsLinks(Protocol):
    """A target whose automations make links by themselves, in a way that can be told."""

    def made_by_automation(self, links: Sequence[Link]) -> set[Link]:
        """Those of these links that a known automation of the vendor makes."""
        ...


@runtime_checkable
class ShowsNew(Protocol):
    """A target that can tell which records have come since a moment, without reading them all."""

    def newest(self, objects: Sequence[str]) -> dict[str, str]:
        """By object a mark: every record that is made from now on comes after it."""
        ...

    def made_since(self, object: str, mark: str, since: datetime, fields: Sequence[str]) -> list[Held]:
        """Live records made after the mark, and not before `since` on the vendor's own clock."""
        ...
