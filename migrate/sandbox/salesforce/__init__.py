"""A simulator of Salesforce's data APIs: REST, Bulk 2.0, composite, deltas and OAuth, over one SQLite store.

It shares no code with the connector. What lives here answers as the vendor's own
servers do; acting users, faults and the clock come from `migrate.sandbox`.
"""

from migrate.sandbox.salesforce.vendor import SalesforceVendor

__all__ = ["SalesforceVendor"]
