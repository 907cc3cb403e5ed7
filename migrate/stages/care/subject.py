"""Who is meant, and which records are theirs? From an e-mail address or a migration key to keys and ids.

Records of a person are rows of objects whose records have a last name (and what the plan makes of these); an
address that stands in another record makes that record nobody's. Keys and ids lead on: through the journal to
the target's records, and through the snapshots of the target back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from migrate.catalog import Catalog
from migrate.engine import identifier, parquet, text
from migrate.errors import UsageError
from migrate.plan.keys import entry_of, key_of, key_prefix, split_entry

if TYPE_CHECKING:
    from migrate.workspace import Workspace

_LAST_NAME = re.compile(r"lastname|surname|familyname")
_EMAIL = re.compile(r"e[-_ ]?mail", re.IGNORECASE)
_CALLED = re.compile(r"name|phone|mobile|fax|e[-_ ]?mail|street", re.IGNORECASE)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SNAPSHOTS = ("target", "baseline", "after")  # stages with records of the target, a folder an object


@dataclass
class Subject:
    """A person, as the workspace knows them.

    `terms`: addresses in lower case, which are looked for in every text. `source`, `target`: ids by object;
    `keys`: migration keys.
    """

    terms: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    source: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    target: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    words: set[str] = field(default_factory=set)  # their names and numbers, which reports may show
    people: set[str] = field(default_factory=set)  # objects whose records are persons, of both systems

    @property
    def size(self) -> int:
        """How many keys and ids are known."""
        return len(self.keys) + sum(map(len, self.source.values())) + sum(map(len, self.target.values()))


def find(workspace: Workspace, given: str) -> Subject:
    """Everything that is known of a person.

    Raises:
        UsageError: it is neither an address nor a migration key of this workspace.
    """
    found, given = Subject(), given.strip()
    source, target = workspace.catalog("source"), workspace.catalog("target")
    persons = _of_persons(source)
    found.people = persons | _of_persons(target)
    found.people |= {each.target for each in workspace.plan.model.objects if each.source in persons}
    entry = entry_of(given)
    if entry and given.startswith(key_prefix(source.family, entry)):
        found.keys.add(given)
        _lead(workspace, found, source)
        found.terms |= _addresses(workspace, found)
    elif _ADDRESS.fullmatch(given):
        found.terms.add(given.lower())
    else:
        raise UsageError(
            f"`{given}` is neither an e-mail address nor a migration key of this workspace.",
            f"A key looks like `{source.family}.Contact.<id>`; `migrate trace` tells a record's.",
        )
    size = -1
    while size != found.size:
        size = found.size
        _by_address(workspace, found)
        _lead(workspace, found, source)
        _through_journal(workspace, found)
    for object, ids in found.source.items():
        for files in _parts(workspace, f"source/{object}"):
            found.words |= _words(workspace, files, ids)
    return found


def _of_persons(catalog: Catalog) -> set[str]:
    found = set()
    for name, schema in catalog.objects.items():
        fields = {re.sub(r"[^a-z0-9]", "", each.lower()) for each in schema.fields}
        if any(map(_LAST_NAME.search, fields)) and "ispersonaccount" not in fields:
            found.add(name)
    return found


def _lead(workspace: Workspace, found: Subject, source: Catalog) -> None:
    """Ids of the source from keys, and keys from ids."""
    for key in found.keys:
        object, part = split_entry(entry_of(key))
        found.source[object].add(key.removeprefix(key_prefix(source.family, object)).removesuffix(part))
    for each in workspace.plan.model.objects:
        found.keys |= {key_of(source.family, each.name, id) for id in found.source.get(each.source, ())}


def _addresses(workspace: Workspace, found: Subject) -> set[str]:
    """Addresses in the fields of their records that are called so."""
    addresses: set[str] = set()
    for object, ids in found.source.items():
        for files in _parts(workspace, f"source/{object}"):
            names = [name for name in pq.read_schema(files[0]).names if _EMAIL.search(name)]
            if not names:
                continue
            columns = ", ".join(map(identifier, names))
            query = f"SELECT {columns} FROM {parquet(files)} WHERE _id IN ({_listed(ids)})"
            values = [str(v).strip().lower() for row in workspace.engine.rows(query) for v in row.values()]
            addresses |= {value for value in values if _ADDRESS.fullmatch(value)}
    return addresses


def _words(workspace: Workspace, files: list[str], ids: set[str]) -> set[str]:
    names = [name for name in pq.read_schema(files[0]).names if _CALLED.search(name)]
    if not names or not ids:
        return set()
    columns = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in names)
    query = f"SELECT {columns} FROM {parquet(files)} WHERE _id IN ({_listed(ids)})"
    values = {str(v).strip() for row in workspace.engine.rows(query) for v in row.values() if v is not None}
    return {value for value in values if len(value) > 1}


def _by_address(workspace: Workspace, found: Subject) -> None:
    """Records of persons that hold one of the addresses as a whole value."""
    if not found.terms:
        return
    for object in found.people:
        for files in _parts(workspace, f"source/{object}"):
            found.source[object] |= _holding(workspace, files, found.terms)
        for stage in SNAPSHOTS:
            for folder in _folders(workspace, stage, object):
                for files in _parts(workspace, folder):
                    found.target[object] |= _holding(workspace, files, found.terms)


def _holding(workspace: Workspace, files: list[str], terms: Iterable[str]) -> set[str]:
    schema = pq.read_schema(files[0])
    names = [each.name for each in schema if str(each.type) in ("string", "large_string")]
    if "_id" not in names:
        return set()
    told = " OR ".join(
        f"lower(trim({identifier(name)})) IN ({_listed(terms)})" for name in names if name[0] != "_"
    )
    if not told:
        return set()
    rows = workspace.engine.rows(f"SELECT DISTINCT _id FROM {parquet(files)} WHERE {told}")
    return {row["_id"] for row in rows if row["_id"]}


def _through_journal(workspace: Workspace, found: Subject) -> None:
    journal = workspace.journal.source()
    told = [f"key IN ({_listed(found.keys)})"] if found.keys else []
    told += [
        f"(object = {text(object)} AND target_id IN ({_listed(ids)}))"
        for object, ids in found.target.items()
        if ids
    ]
    if not told:
        return
    for row in workspace.engine.rows(
        f"""SELECT DISTINCT object, key, target_id FROM {journal} WHERE kind = 'record'
        AND target_id IS NOT NULL AND key <> '' AND ({" OR ".join(told)})"""
    ):
        found.keys.add(row["key"])
        found.target[row["object"]].add(row["target_id"])


def _folders(workspace: Workspace, stage: str, object: str) -> list[str]:
    """Folders that hold an object's records: `target/<object>/…`, `baseline/attempt-1/<object>`."""
    if stage == "target":
        return [f"{stage}/{object}"]
    return [f"{stage}/{each}/{object}" for each in workspace.store.storage.folders(stage)]


def _parts(workspace: Workspace, folder: str) -> list[list[str]]:
    """The parts of every artifact below a folder, an artifact a list."""
    storage = workspace.store.storage
    found = []
    for key in storage.keys(folder):
        if key.endswith("/manifest.json"):
            manifest = workspace.store.manifest(key.removesuffix("/manifest.json"))
            if manifest is not None and manifest.parts:
                found.append(workspace.store.files(manifest))
    return found


def _listed(values: Iterable[str]) -> str:
    return ", ".join(text(each) for each in sorted(values)) or "NULL"
