"""What else happens when it is undone? Cascades, automations, mail, and what falls out of a full recycle bin.

Nothing here is asked of a record twice: cascades are counted from the links that the plan looks at anyway.
Whatever a target doesn't tell is said to be untold, never taken for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from migrate.catalog import Catalog
from migrate.connector import Automation, Change, Link, ListsAutomations, Restorable, Target, row_for
from migrate.ledger.canaries import MAILS, last_flown
from migrate.plan import PlanModel
from migrate.workspace import Workspace
from migrate_rollback.model import Residue
from migrate_rollback.planned import SideEffect

RULES = ("validation rule", "duplicate rule")  # they refuse, and act on no deletion


class Cascades:
    """What goes, or loses its link, along with the records that would be deleted."""

    def __init__(self) -> None:
        self._along: Counter[tuple[str, str]] = Counter()
        self._parted: Counter[tuple[str, str]] = Counter()

    def add(self, object: str, going: set[str], links: Sequence[Link], ours: set[tuple[str, str]]) -> None:
        """Links of a lot, of which the records `going` would be deleted.

        Args:
            ours: the far ends of our making: that a link to one of them ends is no news.
        """
        pairs: dict[tuple[str, str, str], bool] = {}
        for link in links:
            if link.left in going:
                pair = (link.left, link.right_object, link.right)
                pairs[pair] = pairs.get(pair, False) or link.cascades
        for (_, other, id), cascades in pairs.items():
            if cascades:
                self._along[(object, other)] += 1
            elif (other, id) not in ours:
                self._parted[(object, other)] += 1

    def effects(self) -> Iterator[SideEffect]:
        """One for each pair of objects."""
        for (object, other), count in sorted(self._along.items()):
            what = f"records of `{other}` would go along with their `{object}`; they are ours, and go first"
            yield SideEffect("cascade", object, count, what)
        for (object, other), count in sorted(self._parted.items()):
            what = f"`{other}` that stay lose a link to `{object}` that go"
            yield SideEffect("cascade", object, count, what)


def of_automations(
    target: Target, plan: PlanModel, deletes: Mapping[str, int], restores: Mapping[str, int]
) -> tuple[list[SideEffect], tuple[str, ...]]:
    """Active automations that our writes may set off, and what isn't told of them.

    Args:
        deletes, restores: how many records would be written, by object.
    """
    objects = sorted({object for counts in (deletes, restores) for object, n in counts.items() if n})
    if not objects:
        return [], ()
    if not isinstance(target, ListsAutomations):
        return [], (f"`{target.system}` tells nothing of its automations.",)
    told = target.automations(objects)
    found = []
    for each in told.automations:
        if not each.active or each.bypassed:
            continue
        counts = {"deletion": deletes.get(each.object, 0), "update": restores.get(each.object, 0)}
        found += list(_of_one(each, counts, off={each.name, each.id} & set(plan.automations.switch_off)))
    return found, tuple(told.untold)


def _of_one(each: Automation, counts: Mapping[str, int], *, off: set[str]) -> Iterator[SideEffect]:
    fires = {what: n for what, n in counts.items() if n and _acts(each, what)}
    if not fires:
        return
    on = " and ".join(f"{n:,} {what}{'s' if n != 1 else ''}" for what, n in fires.items())
    verb = "may refuse" if each.kind in RULES else "may act on"
    words = f"{each.kind} `{each.name}` {verb} {on}"
    if off:
        words = (
            f"{each.kind} `{each.name}` is switched off while it runs, as the plan says; else it {verb} {on}"
        )
    elif not each.on and each.kind not in RULES:
        words += "; the target doesn't say on which it does"
    yield SideEffect("automation", each.object, 0 if off else sum(fires.values()), words)


def _acts(each: Automation, what: str) -> bool:
    if each.kind in RULES:
        return what == "update"
    told = each.on.lower()
    return not told or ("delete" in told if what == "deletion" else "update" in told)


def of_mail(
    workspace: Workspace, attempts: Sequence[int], restores: Mapping[str, int], created: Mapping[str, int]
) -> tuple[list[SideEffect], list[Residue]]:
    """Mail that putting back would send, and mail that the load has sent, as far as the canaries saw any.

    Args:
        created: records that we made and that are still there, by object.
    """
    effects, sent = [], []
    flights = [each for number in attempts for each in last_flown(workspace.ledger, number)]
    for each in {(each.entry, each.operation): each for each in flights}.values():
        signs = [str(effect) for effect in each.effects if effect.does == MAILS]
        if not signs:
            continue
        made = each.operation == "create"
        many = (created if made else restores).get(each.object, 0)
        if made and many:
            sent.append(Residue(f"mail sent to new {each.object}, at most (the canary {signs[0]})", many))
        elif many:
            words = f"updates may send mail again: at the load the canary {signs[0]}"
            effects.append(SideEffect("mail", each.object, many, words))
    return effects, sent


def of_bin(
    restoring: Sequence[Restorable], catalog: Catalog, deletes: Mapping[str, int]
) -> Iterator[SideEffect]:
    """Other people's rows that our deletions push out of a recycle bin that can be full."""
    by_row: dict[Restorable, int] = {}
    for object, count in deletes.items():
        row = row_for(restoring, Change.RECORD_DELETED, object)
        if row.room is not None and count:
            by_row[row] = by_row.get(row, 0) + count
    users = sum(owner.active and not owner.queue for owner in catalog.owners)
    for row, count in by_row.items():
        room = row.room or 0
        places = room * max(1, users)
        out = max(0, count - places)
        words = (
            f"records go into a recycle bin that holds {room:,} a licence, so for {max(1, users):,} active "
            f"users {places:,} at least: "
        )
        if out:
            words += f"{out:,} too many, which pushes out what others have deleted; that can't come back"
        else:
            words += (
                f"{places - count:,} places are left for what others have deleted in {row.days} days; the "
                "target doesn't tell how much that is"
            )
        yield SideEffect("recycle bin", "", count, words)
