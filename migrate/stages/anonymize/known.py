"""What must not be left, and what must stay? Names, numbers and addresses of the original; words of the plan.

Names are words of at least four letters in the fields that are called a name, of any object (a company's,
too), and of the owners. A word that a picklist or a label has, or that the plan's SQL compares with, stays
where it stands, so finding it proves nothing: such words aren't looked for, and are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate.engine import identifier, parquet
from migrate.plan.likeness import LEGAL_FORMS
from migrate.stages.anonymize import words
from migrate.stages.anonymize.pseudonyms import NAME, PHONE, TAIL, Known
from migrate.types import Kind

if TYPE_CHECKING:
    from migrate.catalog import Catalog, Field
    from migrate.plan import Plan
    from migrate.store import Manifest
    from migrate.workspace import Workspace

STAGES = ("source", "target")  # whose rows have fields of a catalog
_NAMED = re.compile(r"name", re.IGNORECASE)
_CALLED = re.compile(r"phone|mobile|fax", re.IGNORECASE)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_WORD = re.compile(rf"[^\W\d_]{{{NAME},}}")
_ANY = re.compile(r"[^\W\d_]+")
# Names of files and of the vendor's own things are no names of anybody.
_THINGS = re.compile(r"file|path|api|domain|developer", re.IGNORECASE)
SQL_WORD = rf"\p{{L}}{{{NAME},}}"


@dataclass(frozen=True)
class Original:
    """`known`: what pseudonyms must heed. `exempt`: words that aren't looked for. `hidden`: names among them.

    The e-mail addresses lie in the engine's table `original_emails`.
    """

    known: Known
    exempt: frozenset[str]
    hidden: int
    names: frozenset[str]
    numbers: frozenset[str]


def original(workspace: Workspace) -> Original:
    """Read the workspace over."""
    catalogs = {"source": workspace.catalog("source"), "target": workspace.catalog("target")}
    kept, values = literals(workspace.plan)
    exempt = set(kept) | set(LEGAL_FORMS) | words.MACHINE
    for catalog in catalogs.values():
        exempt |= _said(catalog)
    names: set[str] = set().union(*map(_owners, catalogs.values()))
    numbers: set[str] = set()
    engine = workspace.engine
    engine.run("CREATE OR REPLACE TABLE original_emails (email VARCHAR)")
    for stage, manifest in artifacts(workspace):
        schema = catalogs[stage].objects.get(manifest.object)
        if schema is None or not manifest.rows:
            continue
        files = workspace.store.files(manifest)
        for field in schema.fields.values():
            if field.name not in manifest.schema or field.kind not in (Kind.STRING, Kind.TEXT):
                continue
            column = f"(SELECT DISTINCT CAST({identifier(field.name)} AS VARCHAR) AS v FROM {parquet(files)})"
            engine.run(
                f"INSERT INTO original_emails SELECT DISTINCT unnest(regexp_extract_all(lower(v), "
                f"'{SQL_EMAIL}')) FROM {column} WHERE contains(v, '@')"
            )
            if named(field):
                found = f"unnest(regexp_extract_all(lower(v), '{SQL_WORD}'))"
                names |= _column(workspace, f"SELECT DISTINCT {found} AS v FROM {column}")
            if _CALLED.search(field.name):
                digits = "regexp_replace(v, '[^0-9]', '', 'g')"
                query = f"SELECT DISTINCT right({digits}, {TAIL}) AS v FROM {column}"
                numbers |= _column(workspace, f"{query} WHERE length({digits}) >= {PHONE}")
    for catalog in catalogs.values():
        for owner in catalog.owners:
            if owner.email and "@" in owner.email:
                engine.put("original_emails", [(owner.email.lower(),)])
    numbers = {each for each in numbers if each.strip("0")}
    looked = frozenset(names - exempt)
    known = Known(looked, frozenset(numbers), frozenset(kept), frozenset(values))
    return Original(known, frozenset(exempt), len(names & exempt), looked, frozenset(numbers))


SQL_EMAIL = r"[\p{L}\p{N}_.!#$%&*+=?^`{|}~''-]+@[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)+"
SQL_PHONE = r"\+?[0-9](?:[ \t\x{00a0}()./-]{0,3}[0-9]){6,}"


def named(field: Field) -> bool:
    """Whether its text is a name."""
    return bool(_NAMED.search(field.name)) and not _THINGS.search(field.name) and not field.options


def artifacts(workspace: Workspace) -> Iterator[tuple[str, Manifest]]:
    """What is staged of both systems' records, with its stage."""
    storage = workspace.store.storage
    for stage in STAGES:
        for key in sorted(storage.keys(stage)):
            if key.endswith("/manifest.json"):
                manifest = workspace.store.manifest(key.removesuffix("/manifest.json"))
                if manifest is not None:
                    yield stage, manifest


def literals(plan: Plan) -> tuple[set[str], set[str]]:
    """Words, and whole values, that the plan's SQL compares with, in lower case."""
    texts = [plan.path.read_text(encoding="utf-8")]
    texts += [
        (plan.folder / name).read_text(encoding="utf-8")
        for name in beside(plan)
        if name.endswith((".sql", ".py")) and (plan.folder / name).is_file()
    ]
    found: set[str] = set()
    for text in texts:
        found |= {each.replace("''", "'") for each in _LITERAL.findall(text)}
    found = {re.sub(words.EMAIL, "", each).strip().lower() for each in found}
    return {word for each in found for word in _ANY.findall(each)}, {each for each in found if each}


def beside(plan: Plan) -> list[str]:
    """Files beside the plan that it takes, with those of its questions and invariants."""
    return sorted({*plan.names(), *(str(each) for each in _asked(plan))})


def _asked(plan: Plan) -> Iterator[str]:
    asked = plan.model.validate_
    for each in asked.questions:
        yield from (file for file in (each.source, each.target) if file)
    yield from asked.checks
    if asked.high_value and asked.high_value.list_:
        yield asked.high_value.list_
    for entry in plan.model.objects:
        yield from (new.picklist for new in entry.create.values() if new.picklist)


def _said(catalog: Catalog) -> set[str]:
    """Words of labels, and of values of picklists."""
    texts = [catalog.type]
    for schema in catalog.objects.values():
        texts += [schema.name, schema.label]
        for field in schema.fields.values():
            texts += [field.name, field.label, field.vendor_type]
            texts += [text for option in field.options for text in (option.value, option.label)]
    texts += [link.label for link in catalog.links]
    # `NumberOfEmployees` has the words of its parts, too.
    parts = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text) for text in texts]
    return {word.lower() for text in [*texts, *parts] for word in _WORD.findall(text)}


def _owners(catalog: Catalog) -> set[str]:
    named = (owner.name for owner in catalog.owners if not owner.queue)
    return {word.lower() for name in named for word in _WORD.findall(name)}


def _column(workspace: Workspace, query: str) -> set[str]:
    return {str(row["v"]) for row in workspace.engine.rows(query) if row["v"]}
