"""What goes into the target? From extracted records and the plan to rows that are ready to be loaded.

Every extracted record ends exactly once here: ready, merged into another, skipped or rejected, each
with its reason. Nothing here talks to a CRM; memory is bounded by the engine's limit.

`evaluate` fills the target's fields, `dedupe` and `matching` decide who is who, `consent` names the
addresses to opt out, `links` makes the pairs, `ready` and `publish` write.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from migrate.blobs import Blobs
    from migrate.catalog import Catalog
    from migrate.engine import Engine
    from migrate.plan import Plan
    from migrate.stages.checked import Checked
    from migrate.stages.transform.ready import ObjectCounts
    from migrate.store import Store

__all__ = ["transform"]


def transform(
    *,
    checked: Checked,
    plan: Plan,
    source: Catalog,
    target: Catalog,
    store: Store,
    generation: int,
    engine: Engine,
    progress: Callable[[str, int, int], None] | None = None,
    crosswalk: str = "",
    blobs: Blobs | None = None,
    discovered: str = "",
    whole: Collection[str] = (),
) -> dict[str, ObjectCounts]:
    """Transform one generation of every object of the plan and publish the artifacts.

    The state of the source is the latest version of each record over the generations 0 to
    `generation`. The same artifacts in give byte-identical parts out.

    Args:
        checked: what `check` made of this plan and these catalogs.
        generation: 0 is the base; a delta holds what differs from the generations before.
        engine: reads and writes the store's folder; its memory limit bounds this stage.
        progress: called with an entry's name, its rows done and its rows in all.
        crosswalk: query of the engine for `key`, `target_id` of records that are in the target already; they
            need no match.
        blobs: takes the messages that the plan makes of records.
        discovered: digest of the target's catalog as `discover` kept it; `target` is it as the plan makes it.
        whole: folders whose parts the caller has just compared with their digests; they aren't again.

    Returns:
        The counts by entry, in the plan's order.

    Raises:
        UsageError: an artifact that is needed isn't there, or a Python function can't be loaded.
        Damaged: an artifact that is read isn't whole.
        NoSpace: the disk refused, or the memory limit is too small.
        Defect: extracted isn't ready + merged + skipped + rejected; nothing was published then.
    """
    from migrate.stages.transform.consent import opt_outs
    from migrate.stages.transform.cuts import too_long
    from migrate.stages.transform.dedupe import collisions, dedupe, follow, known, required
    from migrate.stages.transform.evaluate import columns, evaluate
    from migrate.stages.transform.files import files
    from migrate.stages.transform.links import LinkCounts, link
    from migrate.stages.transform.matching import match
    from migrate.stages.transform.overrides import override
    from migrate.stages.transform.ready import count, stage
    from migrate.stages.transform.work import ObjectWork, Work

    work = Work(
        checked=checked, plan=plan, source=source, target=target, store=store, generation=generation,
        engine=engine, crosswalk=crosswalk, progress=progress, blobs=blobs, discovered=discovered,
        whole=whole,
    )  # fmt: skip
    try:
        for number, each in enumerate(plan.model.objects):
            work.objects[each.name] = ObjectWork(
                number, each, checked.objects[each.name], columns(work, number, each.name),
                source.family, f"{work.schema}.o",
            )  # fmt: skip
        for one in work.objects.values():
            evaluate(work, one)
            files(work, one)
            for step in (override, too_long, known, dedupe, required, collisions, match, follow):
                step(work, one)
        # Survivors of every object are known from here on; references and links follow them.
        ends = {name: count(work, one) for name, one in work.objects.items()}
        opt_outs(work)
        counts: dict[str, ObjectCounts] = {}
        for name, one in work.objects.items():
            links = [link(work, one, index) for index in range(len(one.plan.links))]
            both = sum(links, LinkCounts())
            counts[name] = dataclasses.replace(
                stage(work, one, ends[name]), links=both.staged, link_rejects=both.rejected, link=both
            )
        return counts
    finally:
        work.close()
