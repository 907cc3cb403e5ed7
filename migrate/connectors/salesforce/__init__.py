"""Salesforce as a source: REST and Bulk API 2.0, described, counted, read and followed.

What Salesforce says in its own words ends here; nothing in this package knows a plan, a ledger or
another vendor. Facts carry the vendor's page and the day it was read.
"""

from migrate.connectors.salesforce.connector import SalesforceConnector

__all__ = ["SalesforceConnector"]
