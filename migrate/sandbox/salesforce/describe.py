"""What do describe and the list of objects answer to this user?

Fields that the running user may not see are absent, and `createable`, `updateable`
and `deletable` are the user's, not the org's: absence is how the vendor says that a
permission is missing (Salesforce, REST API "sObject Describe", "Describe Global",
read 2026-11-23).
"""

from typing import Any

from migrate.sandbox.salesforce.ids import MASTER_RECORD_TYPE
from migrate.sandbox.salesforce.rights import Rights
from migrate.sandbox.salesforce.schema import AUDIT, Field, Schema, SObject
from migrate.sandbox.salesforce.standard_activities import HISTORIES
from migrate.sandbox.salesforce.standard_rights import OBJECTS

_SYSTEM = frozenset(
    {
        "User",
        "Profile",
        "UserRole",
        "Group",
        "Organization",
        "RecordType",
        "OpportunityStage",
        "OpportunityHistory",
        "UserPermissionAccess",
        *OBJECTS,
        *(history for history, _ in HISTORIES.values()),
    }
)

_JUNCTIONS = frozenset(
    {
        "OpportunityContactRole",
        "CampaignMember",
        "ContentDocumentLink",
        "EmailMessageRelation",
        "EventRelation",
        "TaskRelation",
    }
)
_LISTS = {  # fields that hold a list of ids on insert; they are told of only beside the parent's child list
    "EmailMessageRelation": (["BccIds", "CcIds", "ToIds"], ["Contact", "Lead", "User"]),
    "TaskRelation": (["TaskWhoIds"], ["Contact", "Lead"]),
    "EventRelation": (["EventWhoIds"], ["Contact", "Lead"]),
}


_HEADS = frozenset({"EmailMessage", "Task", "Event"})


def head(item: SObject, rights: Rights, version: str) -> dict[str, Any]:
    """The entry of one object in the global list."""
    base = f"/services/data/v{version}/sobjects/{item.name}"
    plain = item.name not in _SYSTEM
    junction = item.name in _JUNCTIONS
    urls = {"rowTemplate": base + "/{ID}", "describe": base + "/describe", "sobject": base}
    if plain:
        urls |= {
            "compactLayouts": base + "/describe/compactLayouts",
            "layouts": base + "/describe/layouts",
            "quickActions": base + "/quickActions",
        }
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": item.flags.get("createable", True) and rights.may(item.name, "create"),
        "custom": item.custom,
        "customSetting": False,
        "deepCloneable": item.name == "Opportunity",
        "deletable": item.flags.get("deletable", True) and rights.may(item.name, "delete"),
        "deprecatedAndHidden": False,
        "feedEnabled": plain and not junction,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": item.prefix if item.flags.get("prefixed", True) else None,
        "label": item.label,
        "labelPlural": item.plural,
        "layoutable": plain,
        "mergeable": item.flags.get("mergeable", False),
        "mruEnabled": plain and not junction,
        "name": item.name,
        "queryable": True,
        "replicateable": item.flags.get("replicateable", True),
        "retrieveable": True,
        "searchable": plain and not junction,
        "triggerable": plain,
        "undeletable": item.flags.get("undeletable", True),
        "updateable": item.flags.get("updateable", True) and rights.may(item.name, "edit"),
        "urls": urls,
    }


def everything(schema: Schema, rights: Rights, version: str) -> dict[str, Any]:
    """`GET /sobjects/`."""
    seen = [item for item in schema.objects.values() if rights.may(item.name, "read")]
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [head(item, rights, version) for item in sorted(seen, key=lambda item: item.name)],
    }


def describe(schema: Schema, item: SObject, rights: Rights, version: str) -> dict[str, Any]:
    """`GET /sobjects/{object}/describe/`."""
    answer = head(item, rights, version)
    base = f"/services/data/v{version}/sobjects/{item.name}"
    answer |= {
        "actionOverrides": [],
        "childRelationships": _children(schema, item, rights),
        "compactLayoutable": item.name not in _SYSTEM,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "fields": [
            _field(item, field, rights)
            for field in item.fields.values()
            if rights.sees(item.name, field.name)
        ],
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(item, base),
        "searchLayoutable": item.name not in _SYSTEM | _JUNCTIONS,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [
            {"label": f"All {item.plural.lower()}", "name": "everything"},
            {"label": f"My {item.plural.lower()}", "name": "mine"},
        ],
    }
    host = f"https://{rights.host}"
    answer["urls"] = dict(answer["urls"]) | {
        "uiDetailTemplate": host + "/{ID}",
        "uiEditTemplate": host + "/{ID}/e",
        "uiNewRecord": f"{host}/{item.prefix}/e",
    }
    return answer


def _field(item: SObject, field: Field, rights: Rights) -> dict[str, Any]:
    entry = dict(field.describe)
    if field.name in AUDIT and rights.audits and item.audited and item.flags.get("createable", True):
        entry["createable"] = True
    if not rights.may(item.name, "create") or not item.flags.get("createable", True):
        entry["createable"] = False
    if not rights.may(item.name, "edit") or not item.flags.get("updateable", True):
        entry["updateable"] = False
    if rights.reads_only(item.name, field.name):
        entry["createable"] = entry["updateable"] = False
    # The flags on a lookup belong to the relation; the field's own are true only for master-detail.
    detail = entry["relationshipOrder"] is not None
    entry["cascadeDelete"] = entry["cascadeDelete"] and detail
    entry["restrictedDelete"] = entry["restrictedDelete"] and (detail or field.custom)
    return entry


def _children(schema: Schema, item: SObject, rights: Rights) -> list[dict[str, Any]]:
    rows = []
    for child, field in schema.children.get(item.name, ()):
        if not rights.may(child.name, "read") or not rights.sees(child.name, field.name):
            continue
        lists, referred = _LISTS.get(child.name, ([], [])) if item.name in _HEADS else ([], [])
        rows.append(
            {
                "cascadeDelete": field.cascade,
                "childSObject": child.name,
                "deprecatedAndHidden": False,
                "field": field.name,
                "junctionIdListNames": list(lists),
                "junctionReferenceTo": list(referred),
                "relationshipName": child_list(field),
                "restrictedDelete": field.restricted,
            }
        )
    return sorted(rows, key=lambda row: (row["childSObject"], row["field"]))


def child_list(field: Field) -> str | None:
    """The name under which a parent lists its children; custom lookups get `__r`."""
    if field.child and field.custom and not field.child.endswith("__r"):
        return field.child + "__r"
    return field.child


def _record_types(item: SObject, base: str) -> list[dict[str, Any]]:
    if "RecordTypeId" not in item.fields and not item.record_types:
        return []
    own = item.record_types
    master = {
        "recordTypeId": MASTER_RECORD_TYPE, "developerName": "Master", "name": "Master", "master": True,
        "default": not any(kind.get("default") for kind in own),
    }  # fmt: skip
    return [
        {
            "active": kind.get("active", True),
            "available": kind.get("available", True),
            "defaultRecordTypeMapping": kind.get("default", False),
            "developerName": kind["developerName"],
            "master": kind.get("master", False),
            "name": kind.get("name", kind["developerName"]),
            "recordTypeId": kind["recordTypeId"],
            "urls": {"layout": f"{base}/describe/layouts/{kind['recordTypeId']}"},
        }
        for kind in [*own, master]
    ]
