"""Which rules of its own does an org lay over every write, and is there room for it?

Validation and duplicate rules, as far as the settings hold any; storage of records
and of files. Histories don't count (Salesforce, help "Data and File Storage
Allocations", read 2026-11-26).
"""

from migrate.sandbox.salesforce import blobs
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.conditions import compile_condition
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.soql import parse


def rules(call: Call, item: SObject, record: Record) -> None:
    """The org's validation and duplicate rules, as far as the settings hold any."""
    if call.automations.get("validation_rules", True):
        for rule in call.settings.get("validation_rules", ()):
            if rule["object"] == item.name:
                where = parse(f"SELECT Id FROM {item.name} WHERE {rule['when']}").where
                if where is not None and compile_condition(call, item, where, None, lambda _: [])(record):
                    raise Refusal(
                        "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule["message"], rule.get("fields", [])
                    )
    if not call.automations.get("duplicate_rules"):
        return
    allowed = "allowsave=true" in call.header("sforce-duplicate-rule-header").replace(" ", "").lower()
    for rule in call.settings.get("duplicate_rules", ()):
        if rule["object"] != item.name or (rule.get("action", "block") == "alert" and allowed):
            continue
        names = rule["fields"]
        if any(record.get(name) is None for name in names):
            continue
        for other in call.records.scan(item.name, deleted=False):
            same = all(str(other.get(name)).lower() == str(record[name]).lower() for name in names)
            if same and other["Id"] != record["Id"]:
                raise Refusal("DUPLICATES_DETECTED", "Use one of these records?", [])


def storage(call: Call, item: SObject, record: Record) -> None:
    """Refuse what there is no room for."""
    limit = call.settings.get("storage_mb")
    if limit is not None and rows(call) * 2 / 1024 >= float(limit):
        raise Refusal("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", [])
    limit = call.settings.get("file_storage_mb")
    if limit is not None and item.blobs:
        more = sum(blobs.find(call.tx, record[f.name]).size for f in item.blobs if f.name in record)
        if file_bytes(call) + more > float(limit) * 1024 * 1024:
            raise Refusal("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", [])


def rows(call: Call) -> int:
    """Records that count: about 2 KB each, whatever they hold."""
    found = call.tx.sql.execute("SELECT count(*) FROM sf_record WHERE object NOT LIKE '%History'").fetchone()
    return int(found[0])


def file_bytes(call: Call) -> int:
    """Bytes of all files outside the recycle bin."""
    found = call.tx.sql.execute(
        "SELECT coalesce(sum(b.size), 0) FROM sf_file f JOIN sf_content b ON b.sha256 = f.sha256"
        " JOIN sf_record r ON r.object = f.object AND r.id = f.id WHERE r.deleted_at IS NULL"
        " AND f.object != 'ContentNote'"  # a note's bytes are its version's
    ).fetchone()
    return int(found[0])
