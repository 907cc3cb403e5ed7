"""What has been decided and done, transactionally? Runs' state that must survive `kill -9`.

One database a workspace: systems, attempts, generations, batches, leases, watermarks,
checkpoints, journal segments. Everything that grows with the data lies in Parquet instead.
Portable SQL only; the few words that SQLite needs are in `database.py`.
"""

from migrate.ledger.batches import BatchRow, rows_from_text, rows_to_text
from migrate.ledger.database import Ledger, Transaction
from migrate.ledger.leases import Lease

__all__ = ["BatchRow", "Lease", "Ledger", "Transaction", "rows_from_text", "rows_to_text"]
