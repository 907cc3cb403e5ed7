"""Did everything arrive? Checks that read the target anew, and the report that people sign.

One module a check, all of one shape (`../README.md` says how to write one). Nothing here believes the
loader, speaks HTTP by itself or writes to a system.
"""

from migrate_validators.report import Report, latest
from migrate_validators.run import validate
from migrate_validators.shown import Shown, differences
from migrate_validators.trace import Trace, trace
from migrate_validators.waiving import Waived, take_back, waive

__all__ = [
    "Report", "Shown", "Trace", "Waived", "differences", "latest", "take_back", "trace", "validate", "waive",
]  # fmt: skip
