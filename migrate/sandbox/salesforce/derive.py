"""Which values does the platform work out itself when a record is saved?

Compound names, an opportunity's figures from its stage, a case's number and closing,
a task's flags, what can be known of a file (Salesforce, Object Reference: Contact,
Opportunity, Case, Task, read 2026-11-23). Given a probability, a stage's default doesn't replace it.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.measures import measure
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.schema import SObject
from migrate.sandbox.salesforce.values import full_name, plain


def derive(call: Call, item: SObject, record: Record, before: Record | None) -> None:
    """Fill what the platform computes, in place; `before` is None on insert."""
    name = item.fields.get("Name")
    if name is not None and "LastName" in item.fields:
        record["Name"] = full_name(record)[: name.length]
    if name is not None and item.custom and name.describe["autoNumber"] and "Name" not in record:
        number = call.records.next(f"name:{item.name}")
        digits = re.search(r"\{(0+)\}", item.name_format)
        record["Name"] = (
            item.name_format.replace(digits[0], f"{number:0{len(digits[1])}d}") if digits else str(number)
        )
    match item.name:
        case "Opportunity":
            _opportunity(call, record, before)
        case "Case":
            if before is None and "CaseNumber" not in record:
                record["CaseNumber"] = f"{call.records.next('case'):08d}"
            record["IsClosed"] = record.get("Status") == "Closed"
            if record["IsClosed"] and "ClosedDate" not in record:
                record["ClosedDate"] = record["SystemModstamp"]
        case "Task":
            record["IsClosed"] = record.get("Status") == "Completed"
            record["IsHighPriority"] = record.get("Priority") == "High"
            if record["IsClosed"] and "CompletedDateTime" not in record:
                record["CompletedDateTime"] = record["SystemModstamp"]
            elif not record["IsClosed"]:
                record.pop("CompletedDateTime", None)
            _account(call, record)
        case "Event":
            _account(call, record)
        case "Attachment" | "ContentVersion" | "ContentNote":
            measure(call, item, record)


def _account(call: Call, record: Record) -> None:
    account = account_of(call, record)
    if account is None:
        record.pop("AccountId", None)
    else:
        record["AccountId"] = account


def account_of(call: Call, record: Mapping[str, Any]) -> str | None:
    """The account of an activity: that of what it is about, else that of its contact."""
    what = str(record.get("WhatId") or "")
    if what.startswith("001"):
        return what
    about = call.parent(what) if what else None
    if about is not None and what[:1] in ("0", "a") and what[:3] != "500" and about.get("AccountId"):
        return str(about["AccountId"])
    who = str(record.get("WhoId") or "")
    person = call.parent(who) if who.startswith("003") else None
    return None if person is None else person.get("AccountId")


def _opportunity(call: Call, record: Record, before: Record | None) -> None:
    stage = stages(call).get(str(record.get("StageName")).lower())
    moved = before is None or before.get("StageName") != record.get("StageName")
    if stage is not None:
        record["IsClosed"], record["IsWon"] = stage.get("IsClosed", False), stage.get("IsWon", False)
        for key in ("ForecastCategory", "ForecastCategoryName"):
            if key in stage and (moved or key not in record):
                record[key] = stage[key]
        same = before is not None and before.get("Probability") == record.get("Probability")
        if "DefaultProbability" in stage and moved and ("Probability" not in record or same):
            record["Probability"] = stage["DefaultProbability"]
    if moved and before is not None:
        record["LastStageChangeDate"] = record["SystemModstamp"]
    if record.get("Amount") is not None and record.get("Probability") is not None:
        revenue = Decimal(record["Amount"]) * Decimal(record["Probability"]) / 100
        record["ExpectedRevenue"] = plain(revenue.quantize(Decimal("0.01")))
    else:
        record.pop("ExpectedRevenue", None)
    if closing := record.get("CloseDate"):
        year, month = int(closing[:4]), int(closing[5:7])
        record["FiscalYear"], record["FiscalQuarter"] = year, (month + 2) // 3
        record["Fiscal"] = f"{year} {(month + 2) // 3}"


def stages(call: Call) -> dict[str, dict[str, Any]]:
    """Opportunity stages by lower-cased label."""
    if call.stages is None:
        rows = call.records.scan("OpportunityStage", deleted=False)
        call.stages = {str(row.get("MasterLabel")).lower(): row for row in rows}
    return call.stages
