"""Code that speaks to one kind of CRM each. Found through entry points, ours and anyone else's alike.

A connector imports types, errors, clock, catalog, held and `migrate.connector`; never a plan, a ledger
or another vendor. Importing this package imports no vendor.
"""

from migrate.plugins import connect, known, load

__all__ = ["connect", "known", "load"]
