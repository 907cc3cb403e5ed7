"""Putting everything back: what would happen, doing it, and proof that it happened.

Library functions behind `migrate rollback`. Everything is a load of inverse operations through the
core's own protocol; nothing here knows a vendor, and the core imports nothing from here.
"""

from migrate_rollback.deciding import apply as apply_holds
from migrate_rollback.deciding import force as force_hold
from migrate_rollback.deciding import keep as keep_hold
from migrate_rollback.deciding import merge as merge_hold
from migrate_rollback.holding import groups as holds
from migrate_rollback.model import (
    Finding,
    Group,
    Hold,
    HoldGroup,
    Residue,
    RolledBack,
    Verified,
)
from migrate_rollback.planned import Reckoning, RollbackPlan, SideEffect
from migrate_rollback.planning import checkpoints, plan
from migrate_rollback.rolling import run
from migrate_rollback.scope import Scope
from migrate_rollback.sheet_reading import read as read_holds
from migrate_rollback.sheets import write as write_holds
from migrate_rollback.showing import Shown
from migrate_rollback.showing import held as held_records
from migrate_rollback.showing import show as show_hold
from migrate_rollback.verifying import verify

__all__ = [
    "Finding",
    "Group",
    "Hold",
    "HoldGroup",
    "Reckoning",
    "Residue",
    "RollbackPlan",
    "RolledBack",
    "Scope",
    "Shown",
    "SideEffect",
    "Verified",
    "apply_holds",
    "checkpoints",
    "force_hold",
    "held_records",
    "holds",
    "keep_hold",
    "merge_hold",
    "plan",
    "read_holds",
    "run",
    "show_hold",
    "verify",
    "write_holds",
]
