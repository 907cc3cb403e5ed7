"""What can be put back in HubSpot? A row a kind of change; docs/vendors shows the same table."""

from __future__ import annotations

from typing import Final

from migrate.connector import Change, Restorable

_RESTORE: Final = "HubSpot knowledge base, Restore deleted records, read 2026-11-23"
_CONTACTS: Final = (
    "HubSpot knowledge base, Understand restorable and permanent contact deletions, read 2026-11-23"
)
_OBJECTS: Final = "HubSpot developers, CRM objects 2026-03, read 2026-11-23"
_MERGED: Final = "HubSpot community, batch read of merged contacts (1101616), read 2026-11-23"
_LINKS: Final = "HubSpot developers, associations v4, read 2026-11-23"
_PROPERTIES: Final = "HubSpot developers, properties, read 2026-11-23"
_TRASH: Final = "HubSpot knowledge base, Archive, delete, or restore files, read 2026-11-26"
_CONSENT: Final = "HubSpot developers, communication preferences, read 2026-11-23"

RESTORING: Final = (
    Restorable(
        Change.RECORD_CREATED, "api",
        "deleted into the recycle bin; its links go with it, activities of a deleted contact are detached",
        source=_CONTACTS,
    ),
    Restorable(
        Change.FIELD_OVERWRITTEN, "api",
        "former value written back; the property's history keeps both writes, the modified date moves",
        source=_OBJECTS,
    ),
    Restorable(
        Change.RECORD_DELETED, "ui",
        "there is no API for it; a contact only while no other one holds its e-mail address; a permanent "
        "deletion never",
        90, where="the object's list, Actions, Restore records", source=_RESTORE,
    ),
    Restorable(
        Change.RECORD_MERGED, "none", "HubSpot parts no merged records; the loser's id leads to the survivor",
        source=_MERGED,
    ),
    Restorable(
        Change.LINK_MADE, "api", "unlinked, or only our label taken off where the pair was linked before",
        source=_LINKS,
    ),
    Restorable(Change.LINK_REMOVED, "api", "linked again while both records live", source=_LINKS),
    Restorable(Change.FILE_MADE, "api", "deleted into the trash of the files tool", source=_TRASH),
    Restorable(
        Change.FILE_DELETED, "ui", "then deleted for good", 30, where="Files, Trash", source=_TRASH
    ),
    Restorable(
        Change.FIELD_MADE, "api", "archived while no record holds a value of it", source=_PROPERTIES
    ),
    Restorable(
        Change.FIELD_DELETED, "ui", "its values come back with it", 90,
        where="Settings, Properties, Archived properties",
    ),
    Restorable(
        Change.OPTION_ADDED, "api", "taken out of the property while no record holds it", source=_PROPERTIES
    ),
    Restorable(
        Change.OPTION_REMOVED, "none", "made anew it is another one: records that held it hold nothing valid"
    ),
    Restorable(Change.LABEL_MADE, "api", "deleted while no link carries it", source=_LINKS),
    Restorable(
        Change.OBJECT_MADE, "api", "deleted once it holds no record; its name stays taken until it is purged"
    ),
    Restorable(Change.OBJECT_DELETED, "none", "a deleted custom object is made anew, with another id"),
    Restorable(
        Change.OPTED_OUT, "none", "HubSpot could subscribe the address again; we never take a no back",
        source=_CONSENT,
    ),
    Restorable(
        Change.HISTORY, "none",
        "properties keep their history; modified and lifecycle dates, record ids and what workflows did stay",
    ),
    Restorable(Change.MAIL_SENT, "none", "a mail that a workflow has sent is sent"),
)  # fmt: skip
