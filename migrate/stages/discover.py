"""What do the two systems hold, and are they still the ones that we were bound to?

The first `discover` binds a system's label to its tenant's own id; a later one that finds another
tenant under the label is refused, so that nobody loads into production by a swapped credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from migrate.catalog import Catalog, Field
from migrate.errors import Damaged
from migrate.ledger.tables import systems
from migrate.workspace import Role, Workspace, other_tenant


@dataclass(frozen=True)
class Discovered:
    """One system's catalog, and how it differs from the one before."""

    label: str
    tenant: str
    tenant_name: str
    production: bool
    objects: int
    fields: int
    digest: str
    drift: tuple[str, ...]


def discover(workspace: Workspace, roles: tuple[Role, ...] = ("source", "target")) -> list[Discovered]:
    """Discover systems and keep their catalogs.

    Raises:
        SystemRefused: credentials or rights; or the label is bound to another tenant.
        Parked: a system doesn't answer.
    """
    return [_one(workspace, role) for role in roles]


def _one(workspace: Workspace, role: Role) -> Discovered:
    entry = workspace.system(role)
    connector = workspace.connector(role)
    try:
        catalog: Catalog = connector.discover()
    finally:
        connector.close()
    rows = workspace.ledger.read(sa.select(systems).where(systems.c.label == entry.system))
    drift: tuple[str, ...] = ()
    if rows:
        if rows[0].tenant != catalog.tenant:
            raise other_tenant(entry.system, f"{catalog.tenant} ({catalog.tenant_name})", str(rows[0].tenant))
        try:
            drift = drift_between(workspace.catalog(role), catalog)
        except Damaged as error:  # this very command mends it
            drift = (f"can't be compared with the catalog before: it {error.what}",)
    digest = workspace.keep_catalog(entry.system, catalog)
    with workspace.ledger.write() as tx:
        tx.put(
            systems,
            label=entry.system,
            role=role,
            type=entry.type,
            tenant=catalog.tenant,
            family=catalog.family,
            catalog=digest,
            at=tx.at,
        )
    return Discovered(
        entry.system,
        catalog.tenant,
        catalog.tenant_name,
        catalog.production,
        len(catalog.objects),
        sum(len(each.fields) for each in catalog.objects.values()),
        digest,
        drift,
    )


def drift_between(old: Catalog, new: Catalog) -> tuple[str, ...]:
    """What has changed between two catalogs of one system, in words."""
    found: list[str] = []
    for name in sorted(set(old.objects) | set(new.objects)):
        if name not in new.objects or name not in old.objects:
            found.append(f"{name}: object {'removed' if name in old.objects else 'added'}")
            continue
        before, after = old.objects[name].fields, new.objects[name].fields
        for field in sorted(set(before) | set(after)):
            at = f"{name}.{field}"
            if field not in after or field not in before:
                found.append(f"{at}: field {'removed' if field in before else 'added'}")
                continue
            for what in (
                "kind",
                "length",
                "precision",
                "scale",
                "required",
                "unique",
                "createable",
                "updateable",
            ):
                was, now = getattr(before[field], what), getattr(after[field], what)
                if was != now:
                    found.append(f"{at}: {what} was {was}, is {now}")
            found.extend(f"{at}: option {words}" for words in _options(before[field], after[field]))
    return tuple(found)


def _options(before: Field, after: Field) -> Iterator[str]:
    old, new = ({option.value: option for option in field.options} for field in (before, after))
    for value in sorted(old.keys() | new.keys()):
        was, now = old.get(value), new.get(value)
        if was is None or now is None:
            yield f"`{value}` {'added' if was is None else 'removed'}"
            continue
        if was.active != now.active:
            yield f"`{value}` switched {'on' if now.active else 'off'}"
        if was.label != now.label:
            yield f"`{value}` was called `{was.label}`, is called `{now.label}`"
