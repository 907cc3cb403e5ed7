"""What did we do to a system? Parquet segments, each sealed to the one before it.

`entry.py` says what a row is, `segments.py` writes them in groups and reads them, `chain.py` keeps the
files whole, `views.py` says in SQL what follows from them: the crosswalk, the dead letters, the links that
we made.
"""

from migrate.journal.entry import UNDO, Entry
from migrate.journal.segments import Journal
from migrate.journal.views import CROSSWALK, EARLIEST, LATEST, LINKS, OPTED_OUT, REFUSED, share_count, shares

__all__ = [
    "CROSSWALK",
    "EARLIEST",
    "LATEST",
    "LINKS",
    "OPTED_OUT",
    "REFUSED",
    "UNDO",
    "Entry",
    "Journal",
    "share_count",
    "shares",
]
