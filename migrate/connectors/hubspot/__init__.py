"""HubSpot: reading it, loading it, and telling who wrote what in it.

Knows HubSpot's paths, words and limits; nothing of plans or of other vendors.
"""

from migrate.connectors.hubspot.connector import HubSpotConnector

__all__ = ["HubSpotConnector"]
