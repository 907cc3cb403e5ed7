"""What must code that speaks to a kind of CRM offer, and what crosses that boundary?

A connector knows HTTP and its vendor's words; it knows no plan, no ledger and no other vendor.
Every method may be called again after a crash except `send`, whose outcome the engine settles
by reading back. What a vendor can do is data (`Limits`, `Field.key_by`), asked of the connector.

Values that cross for writing and reading back are *wire values*: the vendor's own text for a
value, or None for null. Values that cross for staging are Arrow, in the catalog's types.
"""

from migrate.connector.abilities import (
    CountsCalls,
    ExplainsLinks,
    FindsByValues,
    FindsChanges,
    HidesDeletions,
    JobLimits,
    KeepsHistory,
    Merges,
    ShowsNew,
    TakesJobs,
    TellsCallsLeft,
    TellsPicklists,
)
from migrate.connector.automations import (
    Automation,
    Companion,
    ListsAutomations,
    MakesCompanions,
    SwitchesAutomations,
    Told,
)
from migrate.connector.blobs import BlobRefused, ReadBlob, ReadsBlobs, TakesBlobs
from migrate.connector.calls import CallCounts, Endpoint
from migrate.connector.consent import ALL, CONSENT, KeepsConsent, OptOut, Stated
from migrate.connector.exchanged import (
    RECORD,
    THEIRS,
    Batch,
    BatchRefused,
    Held,
    Limits,
    Link,
    Operation,
    Outcome,
    Page,
    Query,
    Version,
    Who,
    Write,
)
from migrate.connector.made import (
    NewField,
    NewHelper,
    NewLabel,
    NewObject,
    NewOption,
    Rights,
    SchemaChange,
)
from migrate.connector.removing import RemovesSchema, Use
from migrate.connector.restoring import (
    Change,
    Restorable,
    Route,
    TellsRestoring,
    limits_for,
    restoring_of,
    row_for,
)
from migrate.connector.roles import ENTRY_POINTS, Connector, Settings, Source, Target, owners_by_email
from migrate.connector.spelling import SpellsIds
from migrate.connector.totals import OTHER, Answer, AnswersTotals, By, NotAnswered, Question, Total, Where

__all__ = [
    "ALL",
    "CONSENT",
    "ENTRY_POINTS",
    "OTHER",
    "RECORD",
    "THEIRS",
    "Answer",
    "AnswersTotals",
    "Automation",
    "Batch",
    "BatchRefused",
    "BlobRefused",
    "By",
    "CallCounts",
    "Change",
    "Companion",
    "Connector",
    "CountsCalls",
    "Endpoint",
    "ExplainsLinks",
    "FindsByValues",
    "FindsChanges",
    "Held",
    "HidesDeletions",
    "JobLimits",
    "KeepsConsent",
    "KeepsHistory",
    "Limits",
    "Link",
    "ListsAutomations",
    "MakesCompanions",
    "Merges",
    "NewField",
    "NewHelper",
    "NewLabel",
    "NewObject",
    "NewOption",
    "NotAnswered",
    "Operation",
    "OptOut",
    "Outcome",
    "Page",
    "Query",
    "Question",
    "ReadBlob",
    "ReadsBlobs",
    "RemovesSchema",
    "Restorable",
    "Rights",
    "Route",
    "SchemaChange",
    "Settings",
    "ShowsNew",
    "Source",
    "SpellsIds",
    "Stated",
    "SwitchesAutomations",
    "TakesBlobs",
    "TakesJobs",
    "Target",
    "TellsCallsLeft",
    "TellsPicklists",
    "TellsRestoring",
    "Told",
    "Total",
    "Use",
    "Version",
    "Where",
    "Who",
    "Write",
    "limits_for",
    "owners_by_email",
    "restoring_of",
    "row_for",
]
