"""What of a plan, its maps and a catalog names anybody, and what stands in its place?

Of the plan: e-mail addresses, ids and addresses of the web wherever they stand; names where the plan asks
for a person's; comments go altogether. Where the systems are, keys that sign and webhooks go too, so that
nothing in the result can reach a real system. Maps of picklists keep their values.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrate.plan.maps import OVERRIDE_COLUMNS, OWNER_COLUMNS
from migrate.stages.anonymize.known import beside

if TYPE_CHECKING:
    from migrate.catalog import Catalog, Owner
    from migrate.plan import Plan
    from migrate.stages.anonymize.pseudonyms import Pseudonyms

_PLACES = ("base_url", "instance_url", "login_url", "ca", "clock")
_GONE = ("notify", "hooks", "messages", "watch", "webhook", "secret")  # of the cutover: they lead outside
_PEOPLE = ("sign", "people")
_NAMES = ("sponsors", "owner", "asked_of", "by", "who", "allow")


def write_plan(pseudonyms: Pseudonyms, plan: Plan, root: Path) -> None:
    """Write the plan and every file beside it that it takes."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    document = yaml.load(plan.path.read_text(encoding="utf-8"))
    for role in ("source", "target"):
        entry = {k: v for k, v in document[role].items() if k not in _PLACES}
        if not str(entry["credentials"]).startswith("env:"):
            entry["credentials"] = f"env:{role.upper()}_"
        document[role] = entry
    cutover = document.get("cutover") or {}
    for name in _GONE:
        cutover.pop(name, None)
    for each in [*cutover.get("sign", ()), *cutover.get("people", ())]:
        if each.pop("key", None) is not None:
            each["by"] = "link"
    document = _walked(pseudonyms, document)
    written = YAML()
    written.width = 110
    with (root / "plan.yaml").open("w", encoding="utf-8") as out:
        written.dump(document, out)
    owners = {f.owner for each in plan.model.objects for f in each.fields.values() if f.owner}
    for name in beside(plan):
        old, new = plan.folder / name, root / name
        if not old.is_file():
            continue  # a module of functions may be an installed one
        new.parent.mkdir(parents=True, exist_ok=True)
        content = old.read_text(encoding="utf-8-sig")
        if name in owners:
            content = _table(content, lambda row: _owner_row(pseudonyms, row))
        elif name == plan.model.overrides:
            content = _table(content, lambda row: _override(pseudonyms, row))
        elif name.endswith(".csv"):
            content = _table(content, lambda row: _map_row(pseudonyms, row))
        else:
            content = pseudonyms.structure(content)
        new.write_text(content, encoding="utf-8")


def _walked(pseudonyms: Pseudonyms, node: Any, path: tuple[str, ...] = ()) -> Any:
    if isinstance(node, dict):
        return {key: _walked(pseudonyms, value, (*path, str(key))) for key, value in node.items()}
    if isinstance(node, list):
        return [_walked(pseudonyms, each, path) for each in node]
    if not isinstance(node, str):
        return node
    last = path[-1] if path else ""
    person = last == "name" and len(path) > 1 and path[-2] in _PEOPLE
    if person or (last in _NAMES and path[-2:] != ("sign", "by") and ("cutover" in path or "waive" in path)):
        return pseudonyms.value(node)
    return pseudonyms.structure(node)


def _table(content: str, make: Any) -> str:
    try:
        dialect: Any = csv.Sniffer().sniff(content.partition("\n")[0], ",;\t")
    except csv.Error:
        dialect = csv.excel
    rows = csv.DictReader(io.StringIO(content, newline=""), dialect=dialect)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows.fieldnames or [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(make({name: value or "" for name, value in row.items() if name is not None}))
    return out.getvalue()


def _owner_row(pseudonyms: Pseudonyms, row: dict[str, str]) -> dict[str, str]:
    return {
        name: pseudonyms.value(value) if name in OWNER_COLUMNS and name != "active" else value
        for name, value in row.items()
    }


def _override(pseudonyms: Pseudonyms, row: dict[str, str]) -> dict[str, str]:
    """A correction is of a text, mostly; a number and a value that stays have no letters to lose."""
    made = {}
    for name, value in row.items():
        if name == "key":
            made[name] = pseudonyms.key(value)
        elif name in OVERRIDE_COLUMNS and name != "field" and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            made[name] = pseudonyms.value(value)
        else:
            made[name] = value
    return made


def _map_row(pseudonyms: Pseudonyms, row: dict[str, str]) -> dict[str, str]:
    made = dict(row)
    for name in ("note", "id"):
        if name in row:
            made[name] = pseudonyms.value(row[name])
    if "examples" in row:
        made["examples"] = " ".join(map(pseudonyms.value, row["examples"].split()))
    return made


def anonymous(pseudonyms: Pseudonyms, catalog: Catalog) -> Catalog:
    """The catalog of a tenant that isn't there, with the same objects, fields and picklists."""
    objects = {
        name: schema.model_copy(
            update={
                "url": _pattern(pseudonyms, schema.url),
                "urls": tuple(str(_pattern(pseudonyms, each)) for each in schema.urls),
                "bytes_url": _pattern(pseudonyms, schema.bytes_url),
            }
        )
        for name, schema in catalog.objects.items()
    }
    return catalog.model_copy(
        update={
            "tenant": pseudonyms.value(catalog.tenant),
            "tenant_name": pseudonyms.value(catalog.tenant_name),
            "family": pseudonyms.family(catalog.family),
            "objects": objects,
            "owners": tuple(_owner(pseudonyms, each) for each in catalog.owners),
        }
    )


def _owner(pseudonyms: Pseudonyms, owner: Owner) -> Owner:
    return owner.model_copy(
        update={
            "id": pseudonyms.value(owner.id),
            "email": owner.email and pseudonyms.value(owner.email),
            "name": pseudonyms.value(owner.name),
            "user": owner.user and pseudonyms.value(owner.user),
        }
    )


def _pattern(pseudonyms: Pseudonyms, pattern: str | None) -> str | None:
    """An address with `{id}` in it, as the addresses in texts come out."""
    if not pattern:
        return pattern
    return "{id}".join(pseudonyms.value(piece) if piece else "" for piece in pattern.split("{id}"))
