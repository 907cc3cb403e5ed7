"""The cutover's runbook: timetable, roles, commands, decision points, abort criteria, and messages to send.

It is gathered from the plan, the trail and the last rehearsal; no system is asked. Steps have ids that stay,
so that a console can tick them off.
"""

from migrate.cutover.runbook.gathering import Runbook, runbook
from migrate.cutover.runbook.page import html, markdown, write
from migrate.cutover.runbook.steps import STEPS, Step

__all__ = ["STEPS", "Runbook", "Step", "html", "markdown", "runbook", "write"]
