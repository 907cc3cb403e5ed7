"""What do the validators say of an extract, when it is loaded whole into a twin of its target?

For workspaces without systems, such as an anonymised one: both systems are stood up from the catalogs, and
hold what was staged of them; then every stage runs as it does against a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from migrate_validators import validate

from migrate.stages import pipeline
from migrate.stages.extract import extract
from migrate.stages.load import load
from migrate.stages.prepare import prepare
from migrate.twins import Standing, Twin, plant, stand, twin_workspace
from migrate.workspace import Role, Workspace

ROLES: tuple[Role, ...] = ("source", "target")


@contextmanager
def twinned(real: Workspace, folder: Path, *, speed: float = 20.0) -> Iterator[Workspace]:
    """A workspace of its own with plan and extract of `real`, between twins that hold what was staged."""
    with ExitStack() as stack:
        twins: dict[Role, Standing] = {
            role: stack.enter_context(stand(Twin(real.catalog(role), {}, 0.0, speed), folder / role))
            for role in ROLES
        }
        copy = twin_workspace(real, folder / "workspace", twins).workspace
        stack.callback(copy.close)
        for role, standing in twins.items():
            with closing(copy.connector(role)) as connector:
                for object, schema in real.catalog(role).objects.items():
                    at = f"source/{object}/g0000" if role == "source" else f"target/{object}/snapshot"
                    if (records := real.store.manifest(at)) is not None:
                        plant(standing, connector, schema, real.store, records)
        yield copy


def judged(real: Workspace, folder: Path) -> dict[str, Any]:
    """By check: verdict, how much was compared, and the figures; and by entry what the stages counted."""
    with twinned(real, folder) as copy:
        prepare(copy)
        extract(copy)
        counted = pipeline.transform(copy)
        loaded = load(copy, keep_going=True)
        document = validate(copy).document()
    checks = {}
    for each in json.loads(json.dumps(document["results"], default=str)):
        # How many pairs are worth a look goes by the sound of names, too, which no pseudonym may keep.
        each["figures"].pop("pairs scored", None)
        checks[each["id"]] = {name: each[name] for name in ("verdict", "compared", "figures")}
    return {
        "checks": checks,
        "transformed": {name: vars(each) for name, each in counted.items()},
        "loaded": {name: dict(tally) for name, tally in loaded.objects.items()},
    }
