"""The whole cutover, played on twins of both systems or on the vendors' sandboxes, before anybody is asked.

Its steps are the functions that the real cutover calls, in a workspace of its own. Nothing here reads or
writes a real system, and nothing that is signed here counts anywhere else: the ledger is another one.
"""

from migrate.cutover.rehearsal.measuring import Measured, Recorder
from migrate.cutover.rehearsal.projecting import Interval, Projection

__all__ = ["Interval", "Measured", "Projection", "Recorder"]
