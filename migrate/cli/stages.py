"""Commands that move data: extract, transform, load, and run for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from migrate.stages.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])


def objects_option(command: F) -> F:
    """`--object`, any number of times."""
    return click.option(
        "--object",
        "objects",
        multiple=True,
        help="Only this source object, or one of its parts; may be repeated.",
    )(command)


@click.command()
@objects_option
@click.option(
    "--since-watermark", is_flag=True, help="Read only what changed or was deleted since the last extract."
)
@click.option("--refused", is_flag=True, help="Fetch the files again that the source refused before.")
@click.pass_obj
def extract(session: Session, objects: tuple[str, ...], since_watermark: bool, refused: bool) -> Result:
    """Read the source into Parquet, with counts by a second route.

    Goes on where it was stopped. Next: `migrate check`, then `migrate transform`.

    \b
    migrate extract --object Account
    """
    from migrate.stages.extract import extract as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, objects, since_watermark=since_watermark, refused=refused, progress=bars)
    rows = [
        (e.object, e.generation, e.rows, e.counted, e.deleted, "read" if e.fresh else "there already")
        for e in found
    ]
    text = table(rows, ("object", "generation", "records", "counted", "deleted", ""))
    odd = [e for e in found if e.fresh and e.rows != e.counted]
    if odd:
        text += "\nRead and counted differ: the source is alive; the next delta brings the rest."
    files = [each for e in found for each in e.files]
    if files:
        listed = [(f.name, f.generation, f.bytes, said(f.counts)) for f in files]
        text += "\n\n" + table(listed, ("files of", "generation", "bytes", ""))
    missing = any(name != "stored" for f in files for name in f.counts)
    return Result("extract", {"objects": found}, text, 1 if odd or missing else 0)


def said(counts: Mapping[str, int]) -> str:
    """Counts by outcome, as one text."""
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


@click.command(short_help="Turn records into rows for the target.")
@click.pass_obj
def transform(session: Session) -> Result:
    """Turn extracted records into rows for the target: expressions, picklists, owners, duplicates, matches.

    What can't be turned becomes a reject with its reason. Next: `migrate load`.

    \b
    migrate transform
    """
    from migrate.stages.pipeline import transform as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, bars)
    rows = [
        (name, c.extracted, c.ready, c.adopt, c.merged, c.skipped, c.rejected, c.links, c.link_rejects)
        for name, c in found.items()
    ]
    head = (
        "object",
        "extracted",
        "ready",
        "to adopt",
        "merged",
        "skipped",
        "rejected",
        "links",
        "links rejected",
    )
    rejected = any(c.rejected or c.link_rejects for c in found.values())
    return Result("transform", {"objects": found}, table(rows, head), int(rejected))


@click.command(short_help="Send ready records to the target.")
@objects_option
@click.option(
    "--dry-run", is_flag=True, help="Count the records that a load would send now; ask neither system."
)
@click.option(
    "--keep-going", is_flag=True, help="Go on even where the target refuses all of an object alike."
)
@click.pass_obj
def load(session: Session, objects: tuple[str, ...], dry_run: bool, keep_going: bool) -> Result:
    """Send ready records to the target, in batches that survive a crash.

    Goes on where the last load stopped. Stops before the first write where a picklist value that the maps
    rely on has changed in a system since. What the target refuses becomes a dead letter;
    `migrate dead-letters list` shows them. Next: `migrate validate`.

    \b
    migrate load --object Account --dry-run
    """
    from migrate_rollback.returning import tighten

    from migrate.stages.load import load as run

    with session.workspace() as workspace, session.bars() as bars:
        found = run(workspace, objects, dry_run=dry_run, progress=bars, keep_going=keep_going)
        if not dry_run:
            tighten(workspace)
    return Result("load", loaded_document(found), loaded_text(found), 0 if found.clean else 1)


def loaded_document(found: Loaded) -> dict[str, Any]:
    """A load as JSON's facts."""
    return {
        "attempt": found.attempt,
        "objects": {name: _counts(tally) for name, tally in found.objects.items()},
        "links": {name: _counts(tally) for name, tally in found.links.items()},
        "later": {name: _counts(tally) for name, tally in found.later.items()},
        "consent": _counts(found.consent),
        "blocked": found.blocked,
        "unfilled": found.unfilled,
        "old_links": {name: _counts(tally) for name, tally in found.old_links.items()},
        "refused": found.refused,
        "swept": found.swept,
        "side_links": found.side_links,
        "companions": found.companions,
        "canaries": [each.document() for each in found.canaries],
        "canaries_due": found.canaries_due,
        "drift": found.drift,
    }


def _counts(tally: Any) -> dict[str, int]:
    return {name: number for name, number in sorted(tally.items()) if not name.startswith("_")}


def _consent(tally: Mapping[str, int]) -> str:
    """Opt-outs in words; nothing where the plan has none."""
    words = {
        "would opt_out": "to be made or found there",
        "opt_out": "made",
        "unchanged": "there before",
        "refused": "refused",
    }
    return ", ".join(f"{tally[name]:,} {word}" for name, word in words.items() if tally[name])


def loaded_text(found: Loaded) -> str:
    """A load in words."""
    columns = ("create", "adopt", "update", "delete", "unchanged", "refused", "conflict", "held", "side")
    rows = [(name, *(tally[c] for c in columns)) for name, tally in found.objects.items()]
    if any(name.startswith("would") for tally in found.objects.values() for name in tally):
        rows = [(name, *(tally[f"would {c}"] for c in columns)) for name, tally in found.objects.items()]
    lines = [table(rows, ("object", *columns))]
    if said := _consent(found.consent):
        lines.append(f"Opt-outs by address: {said}.")
    if found.links:
        link_rows = [(name, t["link"], t["unlink"], t["refused"]) for name, t in found.links.items()]
        lines.append(table(link_rows, ("links of", "made", "removed", "refused")))
    if found.drift:
        lines += ["Picklists have changed since the maps were made:", *(f"  {each}" for each in found.drift)]
    lines += [str(each) for each in found.canaries if each.effects]
    lines += [
        f"{name}: the first record to {' and the first to '.join(due)} would go alone, as a canary."
        for name, due in found.canaries_due.items()
    ]
    if any(sum(tally.values()) for tally in found.later.values()):
        later_rows = [(name, t["update"], t["refused"], t["held"]) for name, t in found.later.items()]
        lines.append(table(later_rows, ("second pass of", "filled", "refused", "held")))
    empty = {name: number for name, number in found.unfilled.items() if number}
    if empty:
        lines.append(
            "References still empty (their record isn't in the target): "
            + ", ".join(f"{k} {v:,}" for k, v in empty.items())
        )
    if found.old_links:
        text_rows = [(name, t["rewritten"], t["left"]) for name, t in found.old_links.items()]
        lines.append(table(text_rows, ("old addresses in texts of", "rewritten", "left")))
    blocked = {name: number for name, number in found.blocked.items() if number}
    if blocked:
        lines.append(
            "Blocked (an end isn't in the target): " + ", ".join(f"{k} {v:,}" for k, v in blocked.items())
        )
    lines += [
        f"{number:,} of {name} were made by the vendor with records of ours, as it always does; they are "
        "journalled, and go back with them."
        for name, number in found.companions.items()
    ]
    if found.met:
        lines.append(
            f"{found.met:,} records were edited by somebody while we wrote them; "
            "`migrate validate` lists them, and a rollback holds them."
        )
    if found.refused:
        lines.append(f"{found.refused:,} not taken by the target; see `migrate dead-letters list`.")
    lines += [
        f"{swept.object}: {len(swept.twins)} twins, {len(swept.strays)} strays, "
        f"{len(swept.sides)} made by the target's automations."
        for swept in found.swept
        if swept.twins or swept.strays or swept.sides
    ]
    return "\n".join(lines)


@click.command()
@objects_option
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Only so many records of the plan's first object, and all that hang together with them.",
)
@click.option(
    "--since-watermark", is_flag=True, help="Extract only what changed or was deleted since the last extract."
)
@click.option(
    "--dry-run", is_flag=True, help="Extract and transform; count what a load would send, and stop there."
)
@click.pass_obj
def run(
    session: Session, objects: tuple[str, ...], sample: int | None, since_watermark: bool, dry_run: bool
) -> Result:
    """Extract, transform, load and validate, in order.

    Goes on where the last one stopped. Next: `migrate report`.

    \b
    migrate run --sample 50 --dry-run
    """
    from migrate.stages.extract import extract as do_extract
    from migrate.stages.load import load as do_load
    from migrate.stages.pipeline import transform as do_transform
    from migrate.stages.sample import sampled

    with session.workspace() as workspace, session.bars() as bars:
        extracted = do_extract(workspace, objects, since_watermark=since_watermark, progress=bars)
        transformed = do_transform(workspace, bars)
        if sample:
            sampled(workspace, sample)
        loaded = do_load(workspace, objects, dry_run=dry_run, progress=bars, sample=bool(sample))
        document = {"extract": extracted, "transform": transformed, "load": loaded_document(loaded)}
        if dry_run:
            return Result("run", document, loaded_text(loaded), 0)
        from migrate_rollback.returning import tighten
        from migrate_validators import validate as do_validate

        tighten(workspace)
        report = do_validate(workspace, objects=objects, progress=bars)
    document["validate"] = report.document()
    code = 0 if report.verdict == "pass" and loaded.clean else 1
    return Result("run", document, loaded_text(loaded) + "\n" + report.text(), code)
