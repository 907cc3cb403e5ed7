"""A folder of raw messages (`.eml`, `.txt`, `.mbox`) as a source, through Python's own e-mail package.

Nothing in this package knows a plan, a ledger or another vendor. Broken messages degrade with a reason
and never end a reading.
"""

from migrate.connectors.mime.connector import MimeConnector

__all__ = ["MimeConnector"]
