"""Did everything arrive? Checks that read the target anew, and the report that people sign.

One module a check, all of one shape (`../README.md` says how to write one). Nothing here believes the
loader, speaks HTTP by itself or writes to a system.
"""

from migrate_validators.report import Report, latest
from migrate_validators.run import validate
from migrate_validators.trace import Shown, Trace, differences, trace

__all__ = ["Report", "Shown", "Trace", "differences", "latest", "trace", "validate"]
