"""What exactly does somebody sign? A statement in canonical JSON, byte for byte the same for all who read it.

It names the workspace, the cohort, the evidence, the plan, the trail up to its head, the person and the time.
So it says nothing of another cohort, of other evidence or of another workspace, and a trail that was cut or
made anew doesn't have its head.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migrate.errors import UsageError
from migrate.ledger.tables import events, systems

if TYPE_CHECKING:
    from migrate.workspace import Workspace

FORMAT = "migrate approval 1"
SAYS = "I approve the switch of this cohort on this evidence."
_LONGEST = 65_536  # bytes


@dataclass(frozen=True)
class Statement:
    """An approval before it is signed. Digests are SHA-256 in hex; `at` is a stamp (UTC).

    `workspace`: its identity; `evidence`: of the gate; `plan`: of the plan with all that it says of the
    cutover; `code`: as printed on the report's first page; `request`: digest of the event that asked for it;
    `head`: of the trail when it was written.
    """

    workspace: str
    cohort: str
    evidence: str
    plan: str
    code: str
    request: str
    head: str
    name: str
    email: str
    at: str
    says: str = SAYS
    format: str = FORMAT

    def content(self) -> bytes:
        """The bytes that are signed."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read(content: bytes) -> Statement:
    """A statement that `content` wrote.

    Raises:
        UsageError: these bytes are none, or a single one of them differs.
    """
    try:
        found = Statement(**json.loads(content[:_LONGEST]))
        same = (found.format, found.says) == (FORMAT, SAYS) and found.content() == content
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_statement() from error
    if not same:
        raise _no_statement()
    return found


def _no_statement() -> UsageError:
    return UsageError(
        "This file is no statement of an approval, or was changed.",
        "`migrate approve --print` writes it; sign and hand in that very file.",
    )


def identity(workspace: Workspace) -> str:
    """What this workspace is, for ever: its trail's beginning, and the two tenants that it is bound to."""
    ledger = workspace.ledger
    first = ledger.value(sa.select(events.c.digest).order_by(events.c.number).limit(1))
    bound = ledger.read(sa.select(systems.c.role, systems.c.type, systems.c.tenant).order_by(systems.c.role))
    told = json.dumps([first or "", [list(row) for row in bound]])
    return hashlib.sha256(told.encode()).hexdigest()
