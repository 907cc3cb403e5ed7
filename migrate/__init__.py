"""Move a company's CRM history from one system to another, prove it arrived, put it back.

The core lives here: words (types, errors, catalog, plan), state (ledger, store, journal) and
the stages. Nothing in this package's import does work or loads a vendor.
"""

__version__ = "0.1.0"
