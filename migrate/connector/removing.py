"""What of a target's schema that we made can be taken back, and does anybody use it?

An ability beside `Target.prepare`. A vendor that can't remove something over its API says so for that
change alone, in `Use.why`; nothing that stood there before us is ever asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from migrate.connector.made import SchemaChange


@dataclass(frozen=True)
class Use:
    """How something that was made stands now.

    `there`: the target still has it. `records`: so many live records use it: hold a value of the field,
    hold the picklist value, are of the object, bear the link label. `why`: what else speaks against removing
    it, in words; "" where nothing does.
    """

    there: bool
    records: int = 0
    why: str = ""

    @property
    def free(self) -> bool:
        """It may go."""
        return self.there and not self.records and not self.why


@runtime_checkable
class RemovesSchema(Protocol):
    """A target that takes back what `prepare` made.

    `schema_kept_days`: for so long the vendor keeps a removed field with its values, for people to bring it
    back in its pages.
    """

    schema_kept_days: int

    def made_beside(self) -> Sequence[SchemaChange]:
        """What `prepare` of this connector made beside what was asked for: groups, permission sets, pairs of
        objects that can be linked now."""
        ...

    def schema_use(self, changes: Sequence[SchemaChange]) -> list[Use]:
        """How each of them stands, in their order, from the row store and never from a search index.

        An object's `fields` are those of ours; another one in it, which somebody has made, is told in `why`.
        """
        ...

    def remove_schema(self, change: SchemaChange) -> str:
        """Remove one; `removed`, perhaps with words behind a colon, or `refused: why`.

        Raises:
            InDoubt: the answer was lost; `schema_use` tells what became of it.
            Parked, SystemRefused: the target.
        """
        ...
