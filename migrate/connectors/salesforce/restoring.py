"""What can be put back in Salesforce? A row a kind of change; docs/vendors shows the same table."""

from __future__ import annotations

from typing import Final

from migrate.connector import Change, Restorable
from migrate.connectors.salesforce.org import RECYCLE_DAYS

# Records; beyond it the oldest that have lain there for two hours or more are purged.
BIN_OF_A_LICENCE: Final = 5_000

_BIN: Final = "Salesforce, SOAP API Developer Guide: emptyRecycleBin(), read 2026-11-23"
_DELETE: Final = "Salesforce, SOAP API Developer Guide: delete(), read 2026-11-26"
_UPDATE: Final = "Salesforce, REST API Developer Guide: sObject Collections, read 2026-11-23"
_FILES: Final = "Salesforce, Object Reference: ContentDocument, read 2026-11-26"
_MERGE: Final = "Salesforce, Object Reference: Account (MasterRecordId), read 2026-11-26"
_FIELDS: Final = "Salesforce help, Manage Deleted Custom Fields, read 2026-11-26"
_CUSTOM: Final = "Salesforce help, Manage Deleted Custom Objects, read 2026-11-26"
_PLACE: Final = "App Launcher, Recycle Bin"
_CASCADES: Final = "its details and some children go along, lookups to it are emptied"

RESTORING: Final = (
    Restorable(
        Change.RECORD_CREATED, "none", "users can't be deleted; a person deactivates them", objects=("User",)
    ),
    Restorable(
        Change.RECORD_CREATED, "api",
        f"deleted into the recycle bin, but an activated one isn't; {_CASCADES}",
        objects=("Contract", "Order"),
    ),
    Restorable(
        Change.RECORD_CREATED, "api", f"deleted into the recycle bin; {_CASCADES}", source=_DELETE
    ),
    Restorable(
        Change.FIELD_OVERWRITTEN, "api", "former value written back; the modification stamp moves",
        source=_UPDATE,
    ),
    Restorable(
        Change.RECORD_DELETED, "ui",
        f"with the children that went along; the bin holds {BIN_OF_A_LICENCE:,} records a licence, then the "
        "oldest are purged",
        RECYCLE_DAYS, room=BIN_OF_A_LICENCE, where=_PLACE,
        source=_BIN,
    ),
    Restorable(
        Change.RECORD_MERGED, "none", "a merge's loser can't be brought back; in the bin it names its master",
        source=_MERGE,
    ),
    Restorable(
        Change.LINK_MADE, "api", "the child's reference is emptied or gets its former value", source=_UPDATE
    ),
    Restorable(Change.LINK_REMOVED, "api", "the reference is written again", source=_UPDATE),
    Restorable(
        Change.FILE_MADE, "api", "its document goes into the recycle bin, where all its versions are ours",
        source=_FILES,
    ),
    Restorable(
        Change.FILE_DELETED, "ui", "as any record", RECYCLE_DAYS, room=BIN_OF_A_LICENCE, where=_PLACE,
        source=_BIN
    ),
    Restorable(
        Change.FIELD_MADE, "api", "deleted while no record holds a value of it; its name is free at once"
    ),
    Restorable(
        Change.FIELD_DELETED, "ui", "its values come back with it", RECYCLE_DAYS,
        where="Setup, Object Manager, Fields, Deleted Fields", source=_FIELDS,
    ),
    Restorable(
        Change.OPTION_ADDED, "api", "made inactive while no record holds it; it is deleted in the setup only"
    ),
    Restorable(
        Change.OPTION_REMOVED, "none", "made anew it is known to no record: who held it isn't told any more"
    ),
    Restorable(Change.LABEL_MADE, "none", "Salesforce has no link labels"),
    Restorable(Change.OBJECT_MADE, "api", "deleted while it holds no record"),
    Restorable(
        Change.OBJECT_DELETED, "ui", "its records come back with it", RECYCLE_DAYS,
        where="Setup, Custom Objects, Deleted Objects", source=_CUSTOM,
    ),
    Restorable(
        Change.OPTED_OUT, "none", "the fields could be cleared; we never take a no back", source=_UPDATE
    ),
    Restorable(
        Change.HISTORY, "none",
        "fields and feeds keep their history; modification stamps, used auto-numbers, record ids, "
        "conversions of leads and activations stay",
    ),
    Restorable(Change.MAIL_SENT, "none", "a mail or outbound message that a flow has sent is sent"),
)  # fmt: skip
