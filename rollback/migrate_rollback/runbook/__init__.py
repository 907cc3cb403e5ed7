"""The operator's page: where a rollback stands, whether to do it, how, and what to say; on one screen.

Everything in it is this plan's own: names, times and figures, as of the moment it was made. `runbook`
gathers, `write` draws it twice, as HTML and as Markdown. It changes nothing; it asks the target who we are.
"""

from migrate_rollback.runbook.gathering import Runbook, runbook
from migrate_rollback.runbook.page import write

__all__ = ["Runbook", "runbook", "write"]
