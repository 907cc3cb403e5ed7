"""What is a twin made of, and what must be known of a vendor to make one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from migrate.catalog import Catalog, ObjectSchema

Record = Mapping[str, str | None]  # `_id`, and wire values by field
Link = tuple[str, str, str, str, str]  # left object, left id, right object, right id, label


@dataclass(frozen=True)
class Twin:
    """One system to be stood up again on this machine.

    `settings`: of the vendor's simulator, such as the tier whose limits it enforces. `latency`: seconds of
    the twin's own time that every call takes. `speed`: the twin's seconds in a second of ours.
    """

    catalog: Catalog
    settings: Mapping[str, Any] = field(default_factory=dict)
    latency: float = 0.25
    speed: float = 4.0


class Mirror(Protocol):
    """What must be known of a vendor, to make its simulator look like one of its tenants."""

    sandbox: str  # the simulator's name

    def document(self, catalog: Catalog) -> dict[str, Any]:
        """The seed that makes a fresh simulator have these objects, fields, picklists, links and people."""
        ...

    def hidden(self, real: Catalog, twin: Catalog) -> dict[str, Any] | None:
        """The seed that takes out of sight what the twin has and the real system hasn't; None: nothing."""
        ...

    def records(self, catalog: Catalog, schema: ObjectSchema, rows: Sequence[Record]) -> dict[str, Any]:
        """The seed of these records."""
        ...

    def links(self, catalog: Catalog, rows: Sequence[Link]) -> dict[str, Any] | None:
        """The seed of these links; None where links are fields of records."""
        ...

    def credentials(self, url: str) -> dict[str, str]:
        """Credentials, names in lower case, of a user who may do everything."""
        ...

    def kind_of_call(self, method: str, path: str) -> str:
        """Under which word a call is counted: read, create, update, delete, links, other."""
        ...
