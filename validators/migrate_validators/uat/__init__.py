"""Do people find their own records as they should be? Sheets for each tester, and what they answer.

`sheets` chooses each tester's records and writes a workbook; `read` takes the answers back. What they say is
in the ledger; the check `people` brings it into the report.
"""

from migrate_validators.uat.making import Made, sheets
from migrate_validators.uat.reading import Taken, read

__all__ = ["Made", "Taken", "read", "sheets"]
