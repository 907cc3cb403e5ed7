"""Whose cohort may be taken back while another one is switched, and which of its records stay all the same?

People work on the records of a switched cohort: no rollback touches these, nor what they refer to. A cohort
of the plan that isn't switched may go by its name, once its own cutover is given up; what of it stays is
listed.
"""

from __future__ import annotations

from migrate.engine import parquet, text
from migrate.errors import UsageError
from migrate.ledger.cutovers import PAST, cohort_states, past_the_switch
from migrate.stages.at_home import STAGE, at_home
from migrate.stages.sample import closed
from migrate.store import Manifest
from migrate.workspace import Workspace
from migrate_rollback.scope import Scope

IDLE = ("planned", "rehearsed", "cancelled", "reverted")  # no delta loads what a rollback took away
HOME, REFERRED = "at home in the target", "a record at home in the target refers to it"


def is_named(workspace: Workspace, cohort: str | None) -> bool:
    """Whether it is the name of one of the plan's cohorts, and no expression."""
    return any(each.name == cohort for each in workspace.plan.model.cutover.cohorts)


def must_be_ours(workspace: Workspace, scope: Scope) -> None:
    """Refuse to take back what people work with in the target.

    Raises:
        UsageError: a cohort is switched and the scope isn't another one by its name; that one is switched, or
            its cutover goes on; names what leads back.
    """
    states = cohort_states(workspace.ledger)
    past = past_the_switch(workspace.ledger)
    if is_named(workspace, scope.cohort):
        own = states.get(str(scope.cohort))
        past = [own] if own is not None and own.state in PAST else []
        if own is not None and own.state not in (*PAST, *IDLE):
            raise UsageError(
                f"The cohort `{own.cohort}` is {own.state}: the next delta would load it again.",
                f"Give its cutover up first: `migrate cutover cancel --cohort {own.cohort} --reason …`.",
            )
    if not past:
        return
    names = ", ".join(f"`{each.cohort}` is {each.state}" for each in past)
    remedy = (
        "`migrate cutover back` returns to the old system with everything entered since; "
        "`migrate cutover switch --undo` gives up a switch that was stopped."
    )
    others = [
        each.name
        for each in workspace.plan.model.cutover.cohorts
        if each.name in states and states[each.name].state not in PAST and each.name != scope.cohort
    ]
    if others:
        listed = ", ".join(f"`--cohort {each}`" for each in others)
        remedy += f" One that isn't switched goes by its name: {listed}."
    raise UsageError(f"The cohort {names}: a rollback would take away what people work with.", remedy)


def members(workspace: Workspace, name: str, attempt: int) -> None:
    """Make the engine's table `cohort_keys` (key): a cohort's records but for those that stay; publish these.

    Raises:
        UsageError: it never started, or all its records stay.
        Damaged: a list of keys isn't what it was published as.
    """
    engine, store = workspace.engine, workspace.store
    published = store.manifests(STAGE, name)
    if not published:
        raise UsageError(
            f"The cohort `{name}` never started: no cutover has loaded it.",
            "What `migrate load` brought is chosen by an expression: \"Account: Region = 'EMEA'\".",
        )
    store.verify(published[-1])
    files = store.files(published[-1])
    home = at_home(workspace)
    engine.run(f"CREATE OR REPLACE TABLE cohort_keys AS SELECT key FROM {parquet(files)}")
    engine.run(f"CREATE OR REPLACE TABLE sample AS {home or 'SELECT key FROM cohort_keys WHERE false'}")
    closed(workspace)
    theirs = f"key IN ({home})" if home else "false"
    left = f"""SELECT DISTINCT key, CASE WHEN {theirs} THEN {text(HOME)} ELSE {text(REFERRED)} END AS why
        FROM cohort_keys WHERE key IN (SELECT key FROM sample) ORDER BY key"""
    folder = left_folder(attempt)
    store.discard(folder)
    reader = engine.stream(left)
    with store.writer(folder, reader.schema) as writer:
        for batch in reader:
            writer.write(batch)
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "rollback", str(attempt), 0, rows, tuple(writer.parts)))
    engine.run("DELETE FROM cohort_keys WHERE key IN (SELECT key FROM sample)")
    if not engine.rows("SELECT 1 FROM cohort_keys LIMIT 1"):
        raise UsageError(
            f"All {rows:,} records of `{name}` are at home in the target, or referred to from there.",
            "Nothing of it can be taken back before `migrate cutover back`.",
        )


def left_folder(attempt: int) -> str:
    """Where the records that a rollback leaves alone are published: `key`, `why`."""
    return f"rollback/attempt-{attempt}/left-alone"


def left_alone(workspace: Workspace, attempt: int) -> dict[str, int]:
    """How many records a rollback leaves alone, by why."""
    manifest = workspace.store.manifest(left_folder(attempt))
    if manifest is None or not manifest.rows:
        return {}
    table = parquet(workspace.store.files(manifest))
    rows = workspace.engine.rows(f"SELECT why, count(*) AS n FROM {table} GROUP BY why ORDER BY why")
    return {str(row["why"]): int(row["n"]) for row in rows}


def must_still_be_ours(workspace: Workspace, keys: list[str] | None) -> None:
    """Refuse to go on where records of a rollback under way were switched meanwhile.

    Args:
        keys: Parquet files of the rollback's cohort; None where it has none.

    Raises:
        UsageError: some were.
    """
    home = at_home(workspace)
    if not home or not keys:
        return
    found = workspace.engine.rows(f"SELECT count(*) AS n FROM {parquet(keys)} WHERE key IN ({home})")
    if found[0]["n"]:
        raise UsageError(
            f"{found[0]['n']:,} records of this rollback were switched since it began: people work on them.",
            "Go back with the cohort that was switched (`migrate cutover back`), then go on.",
        )
