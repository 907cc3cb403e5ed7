"""How does an org come to be, before anybody migrates it?

A seed document plants records, metadata, users' rights, tokens and clients directly,
without the checks of the API: histories contain what today's rules would refuse.

    {"metadata": {"Account": {"fields": [{"name": "Tier__c", "type": "picklist", "picklistValues": [...]}]}},
     "records": {"Account": [{"Id": "001...", "Name": "Acme"}]},
     "org": {"Id": "00D...", "Name": "Acme"},
     "tokens": [{"token": "...", "user": "<id or username>", "life": 7200}],
     "clients": [{"client_id": "...", "client_secret": "...", "user": "...", "public_key": "<PEM>",
                  "refresh_tokens": {"<token>": "<user>"}, "passwords": {"<username>": "<password>"}}],
     "permissions": {"<id, username or *>": {"PermissionsModifyAllData": false,
                                              "hidden": {"Account": ["Fax"]}}},
     "settings": {...}, "automations": {...},
     "rendered_jobs": [{"id": "750...", "object": "...", "query": "...", "pages": ["<gzip CSV file>"],
                        "rows": [n]}]}

Stored values follow `values.py`; system fields may be given, and have defaults. A
file is base64 text, or `{"size": n, "seed": s}` for bytes made up from the seed; a
version without a document gets one, with the links that the platform makes.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from migrate.sandbox.salesforce import blobs, planting
from migrate.sandbox.salesforce.auth import Auth, find_user, readable
from migrate.sandbox.salesforce.call import Call
from migrate.sandbox.salesforce.derive import derive
from migrate.sandbox.salesforce.errors import Refusal
from migrate.sandbox.salesforce.files import keep
from migrate.sandbox.salesforce.ids import long_id, normal_id
from migrate.sandbox.salesforce.jobs import job_time, save
from migrate.sandbox.salesforce.records import Record
from migrate.sandbox.salesforce.rights import READER
from migrate.sandbox.salesforce.schema import Field, SObject
from migrate.sandbox.salesforce.standard_table import STAGES
from migrate.sandbox.salesforce.values import accept, initial

ORG = long_id("00D5g000004Simu")
ADMIN_USER = long_id("0055g000000Admn")
READER_USER = long_id("0055g000000Read")
ADMIN_TOKEN, READER_TOKEN = f"{ORG[:15]}!admin.token", f"{ORG[:15]}!reader.token"


def fresh_org(call: Call) -> None:
    """What an org has before its first seed: two users, two clients, profiles, stages.

    `admin@sandbox.example` may do everything, `reader@sandbox.example` may read
    everything; the clients `admin-app` and `reader-app` (secret `sandbox-secret`)
    run as them, and both have a token that never dies.
    """
    call.records.set_state("org", ORG)
    plant(
        call,
        "Organization",
        {
            "Id": ORG,
            "Name": "Sandbox Org",
            "OrganizationType": "Enterprise Edition",
            "InstanceName": "CS5G",
            "IsSandbox": True,
            "FiscalYearStartMonth": 1,
            "LanguageLocaleKey": "en_US",
            "TimeZoneSidKey": "UTC",
            "DefaultLocaleSidKey": "en_US",
        },
    )
    for number, name in enumerate(("System Administrator", "Standard User", "Read Only API")):
        plant(
            call, "Profile", {"Id": long_id(f"00e5g00000000P{number}"), "Name": name, "UserType": "Standard"}
        )
    for id, name, profile in ((ADMIN_USER, "Admin", 0), (READER_USER, "Reader", 2)):
        plant(
            call,
            "User",
            {
                "Id": id,
                "Username": f"{name.lower()}@sandbox.example",
                "LastName": name,
                "FirstName": "Sandbox",
                "Email": f"{name.lower()}@sandbox.example",
                "IsActive": True,
                "Alias": name.lower(),
                "ProfileId": long_id(f"00e5g00000000P{profile}"),
                "UserType": "Standard",
            },
        )
    for order, (label, closed, won, probability, category) in enumerate(STAGES, 1):
        plant(
            call,
            "OpportunityStage",
            {
                "MasterLabel": label,
                "ApiName": label,
                "IsActive": True,
                "SortOrder": order,
                "IsClosed": closed,
                "IsWon": won,
                "ForecastCategory": category,
                "ForecastCategoryName": category,
                "DefaultProbability": probability,
                "Description": label,
            },
        )
    call.records.set_state("permissions", {READER_USER: READER})
    for app, user in (("admin-app", ADMIN_USER), ("reader-app", READER_USER)):
        _client(call, {"client_id": app, "client_secret": "sandbox-secret", "user": user})
    for token, user in ((ADMIN_TOKEN, ADMIN_USER), (READER_TOKEN, READER_USER)):
        call.tx.sql.execute(
            "INSERT INTO sf_token VALUES (?, ?, NULL, ?, 7200, NULL, 0)", (token, user, call.now.timestamp())
        )


PARTS = {
    "metadata": dict,
    "records": dict,
    "org": dict,
    "tokens": list,
    "clients": list,
    "permissions": dict,
    "settings": dict,
    "automations": dict,
    "rendered_jobs": list,
}
_CLIENT = {
    "client_id": str,
    "client_secret": str,
    "user": str,
    "public_key": str,
    "refresh_tokens": dict,
    "passwords": dict,
    "approved_users": list,
    "scope": str,
    "life": (int, float),
}
_TOKEN = {"token": str, "user": str, "client_id": str, "life": (int, float)}


def check(document: Mapping[str, Any], settings: Mapping[str, Any], automations: Mapping[str, bool]) -> None:
    """Refuse a seed document that has unknown parts, or parts of another shape, before anything is planted.

    Raises:
        ValueError: the text names the part.
    """
    _shaped(document, PARTS, "the seed")
    for part, known in (("settings", settings), ("automations", automations)):
        unknown = document.get(part, {}).keys() - known.keys()
        if unknown:
            raise ValueError(f"`{part}` has no `{min(unknown)}`; there are {', '.join(sorted(known))}")
    for part in ("metadata", "permissions"):
        for name, given in document.get(part, {}).items():
            _shaped(given, None, f"`{part}.{name}`")
    for name, given in document.get("metadata", {}).items():
        fields = given.get("fields", [])
        if not isinstance(fields, list) or not all(isinstance(f, dict) and f.get("name") for f in fields):
            raise ValueError(f"`metadata.{name}.fields` must be a list of objects with a `name`")
    for name, rows in document.get("records", {}).items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"`records.{name}` must be a list of objects")
    for number, client in enumerate(document.get("clients", ())):
        place = f"`clients[{number}]`"
        _shaped(client, _CLIENT, place, "client_id")
        for part in ("refresh_tokens", "passwords"):
            if not all(isinstance(value, str) for value in client.get(part, {}).values()):
                raise ValueError(f"{place}: `{part}` must map texts to texts")
        if "public_key" in client and not readable(client["public_key"]):
            raise ValueError(f"{place}: `public_key` is no RSA public key in PEM")
    for number, token in enumerate(document.get("tokens", ())):
        _shaped(token, _TOKEN, f"`tokens[{number}]`", "token", "user")
    for number, job in enumerate(document.get("rendered_jobs", ())):
        place = f"`rendered_jobs[{number}]`"
        _shaped(job, None, place, "id", "object", "query", "pages", "rows")
        if len(job["pages"]) != len(job["rows"]) or not job["pages"]:
            raise ValueError(f"{place}: each of its pages needs its number of rows")


def _shaped(given: Any, parts: Mapping[str, Any] | None, place: str, *needed: str) -> None:
    if not isinstance(given, dict):
        raise _wrong(place)
    for name in needed:
        if name not in given:
            raise ValueError(f"{place} lacks `{name}`")
    if parts is None:
        return
    for name, value in given.items():
        if name not in parts:
            raise ValueError(f"{place} has no `{name}`; there are {', '.join(sorted(parts))}")
        if not isinstance(value, parts[name]) or isinstance(value, bool):
            raise _wrong(f"{place}: `{name}`")


def _wrong(place: str) -> ValueError:
    return ValueError(f"{place} has the wrong shape")


def _client(call: Call, document: Mapping[str, Any]) -> None:
    call.tx.sql.execute(
        "INSERT OR REPLACE INTO sf_client VALUES (?, ?)",
        (document["client_id"], orjson.dumps(document).decode()),
    )


def sow_metadata(call: Call, metadata: Mapping[str, Mapping[str, Any]]) -> int:
    """Lay more metadata over what is stored; the schema is built anew. Returns how many fields it names."""
    stored: dict[str, dict[str, Any]] = call.records.state("metadata") or {}
    count = 0
    for name, given in metadata.items():
        if given.get("gone"):
            stored.pop(name, None)
            continue
        entry = stored.setdefault(name, {})
        fields = {field["name"]: field for field in entry.get("fields", [])}
        for field in given.get("fields", ()):
            fields[field["name"]] = {**fields.get(field["name"], {}), **field}
            count += 1
        gone = set(given.get("remove", ()))
        entry["remove"] = sorted((set(entry.get("remove", ())) - set(fields)) | gone)
        entry["fields"] = [field for field in fields.values() if field["name"] not in gone]
        entry |= {key: value for key, value in given.items() if key not in ("fields", "remove")}
    call.records.set_state("metadata", stored)
    call.records.set_state("schema", secrets.token_hex(8))
    call.records.set_state("schema-at", call.stamp())
    return count


def sow(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    """Plant everything but the metadata; counts by object.

    Raises:
        ValueError: an unknown object or field, or a value that the field can't hold.
    """
    counts: dict[str, Any] = {}
    if document.get("org"):
        old = call.records.get("Organization", call.records.state("org")) or {}
        org = {
            key: value
            for key, value in {**old, **document["org"]}.items()
            if key in call.schema.objects["Organization"].fields
        }
        if "Id" in document["org"]:
            org["Id"] = normal_id(org["Id"]) or org["Id"]
            call.records.set_state("org", org["Id"])
            call.tx.sql.execute("DELETE FROM sf_record WHERE object = 'Organization'")
        plant(call, "Organization", org)
    for name in _in_order(call, document.get("records", {})):
        rows = document["records"][name]
        for row in rows:
            plant(call, name, row)
        counts[name] = len(rows)
    call.stages = None
    for client in document.get("clients", ()):
        user = find_user(call.records, str(client.get("user", "")))
        _client(call, {**client, "user": user["Id"] if user else client.get("user")})
    auth = Auth(call.tx, call.request, call.now, call.settings)
    for token in document.get("tokens", ()):
        user = find_user(call.records, token["user"])
        if user is None:
            raise ValueError(f"a token for `{token['user']}`, who is no user")
        auth.issue(user["Id"], token.get("client_id"), token.get("life"), token["token"])
        if "life" not in token:
            call.tx.sql.execute("UPDATE sf_token SET expires = NULL WHERE token = ?", (token["token"],))
    if document.get("permissions"):
        stored = call.records.state("permissions") or {}
        call.records.set_state("permissions", {**stored, **document["permissions"]})
    for job in document.get("rendered_jobs", ()):
        _rendered(call, job)
        counts["rendered_jobs"] = counts.get("rendered_jobs", 0) + 1
    return counts


def _in_order(call: Call, records: Mapping[str, Any]) -> list[str]:
    """Stages before opportunities, which read them, documents before their versions; the rest as given."""
    for name in records:
        if call.schema.get(name) is None:
            raise ValueError(f"`{name}` is no object of this org; `metadata` may add it")
    first = ("OpportunityStage", "ContentDocument", "ContentNote")
    return sorted(records, key=lambda name: first.index(name) if name in first else len(first))


def plant(call: Call, name: str, given: Mapping[str, Any]) -> Record:
    """Write one record without asking anybody; an existing one of the same id is replaced.

    Raises:
        ValueError: an unknown field, or a value that the field can't hold.
    """
    item = call.schema.get(name)
    if item is None:
        raise ValueError(f"`{name}` is no object of this org")
    record: Record = {}
    for key, value in given.items():
        field = item.fields.get(key)
        if field is None:
            if key == "attributes":
                continue
            raise ValueError(f"`{name}.{key}` is no field of this org; `metadata` may add it")
        if field.kind == "base64" and value is not None:
            record[key] = _bytes(call, field, value, f"`{name}.{key}`")
            continue
        try:
            kept = accept(field, value)
        except Refusal as refusal:
            if (
                refusal.code != "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
                and refusal.code != "INVALID_EMAIL_ADDRESS"
            ):
                raise ValueError(f"`{name}.{key}`: {refusal.message}") from refusal
            kept = value.strip()
        if kept is not None:
            record[key] = kept
    planting.complete(call, item, record)
    _complete(call, item, record, given)
    call.records.reserve(record["Id"])
    before = call.records.get(item.name, record["Id"])
    call.records.put(item, record, before)
    if record.get("IsDeleted"):
        call.records.bin(
            item,
            record,
            (given.get("SystemModstamp") and record["SystemModstamp"]) or call.stamp(),
            record["Id"],
        )
    if item.name == "OpportunityStage":
        call.stages = None
    planting.follow(call, item, record)
    return record


def _bytes(call: Call, field: Field, value: Any, place: str) -> str:
    if isinstance(value, dict):
        if value.keys() != {"size", "seed"} or not isinstance(value["size"], int) or value["size"] < 0:
            raise ValueError(f"{place}: a made-up file has `size`, a number of bytes, and `seed`")
        return blobs.put(call.tx, blobs.generated(value["size"], value["seed"])).sha256
    try:
        kept = keep(call, field, value)
    except Refusal as refusal:
        raise ValueError(f"{place}: {refusal.message}") from refusal
    return kept or blobs.put(call.tx, []).sha256


def _complete(call: Call, item: SObject, record: Record, given: Mapping[str, Any]) -> None:
    if "Id" not in record:
        record["Id"] = call.records.new_id(str(item.prefix))
    elif record["Id"][:3] != item.prefix:
        raise ValueError(f"`{record['Id']}` does not begin with `{item.prefix}`, as ids of {item.name} do")
    now = call.stamp()
    for field in item.fields.values():
        if field.name not in record and field.name not in given:
            value = initial(field)
            if value is not None:
                record[field.name] = value
    record["IsDeleted"] = bool(record.get("IsDeleted", False))
    record.setdefault("CreatedDate", now)
    record.setdefault("CreatedById", ADMIN_USER)
    record.setdefault("LastModifiedDate", record["CreatedDate"])
    record.setdefault("LastModifiedById", record["CreatedById"])
    record.setdefault("SystemModstamp", record["LastModifiedDate"])
    if "OwnerId" in item.fields:
        record.setdefault("OwnerId", ADMIN_USER)
    asked = {key: value for key, value in record.items() if key in given}
    derive(call, item, record, None)
    record.update({key: value for key, value in asked.items() if key != "Name" or "LastName" not in record})


def _rendered(call: Call, given: Mapping[str, Any]) -> None:
    pages = [str(Path(page)) for page in given["pages"]]
    for page in pages:
        if not Path(page).is_file():
            raise ValueError(f"`{page}`, a page of a rendered job, is no file")
    stamp = job_time(call)
    job = {
        "id": normal_id(given["id"]) or given["id"],
        "operation": given.get("operation", "query"),
        "object": given["object"],
        "createdById": given.get("user", ADMIN_USER),
        "createdDate": stamp,
        "systemModstamp": stamp,
        "state": "JobComplete",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(call.version),
        "jobType": "V2Query",
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
        "numberRecordsProcessed": sum(given["rows"]),
        "retries": 0,
        "totalProcessingTime": 1000,
        "isPkChunkingSupported": True,
        "_query": given["query"],
        "_pages": pages,
        "_rows": list(given["rows"]),
    }
    save(call, "query", job, created=True)
