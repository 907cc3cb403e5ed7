"""A HubSpot portal on loopback, for migrations to be tried on.

Speaks HubSpot's numbered and dated paths from one store. Shares no code with any connector: what it
knows of HubSpot comes from HubSpot's pages, not from our client.
"""

from migrate.sandbox.hubspot.server import HubSpotVendor

__all__ = ["HubSpotVendor"]
