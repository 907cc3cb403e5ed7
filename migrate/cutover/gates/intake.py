"""Does every post that came through a buffered door have its end, or a place where it waits for one?

Posts that wait are in nobody's way: they are replayed after the switch, where their records are at home then.
One that was refused is nowhere, and a door that is nearly full turns people away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from migrate.cutover import posts
from migrate.cutover.gates.lines import GateLine, green, red

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover

ID = "intake"
STATUS, REPLAY = "migrate cutover intake status", "migrate cutover intake replay --again"
ROOM = 0.9  # of a door's most posts, from which on it is nearly full


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One line; none where no door is buffered."""
    workspace = cutover.workspace
    doors = [each for each in workspace.plan.model.cutover.intake if each.during == "buffer"]
    if not doors:
        return
    if not posts.there(workspace):
        yield green(ID, "Nothing came through a buffered door on this machine.", "0 received")
        return
    with closing(posts.opened(workspace)) as kept:
        counts = kept.counts()
    total = {name: sum(each[name] for each in counts.values()) for name in ("received", "waiting", "refused")}
    figure = f"{total['received']:,} received, {total['waiting']:,} wait, {total['refused']:,} refused"
    full = [each.name for each in doors if counts.get(each.name, {}).get("waiting", 0) >= ROOM * each.most]
    if total["refused"]:
        words = f"{total['refused']:,} posts were refused, and are in neither system."
        yield red(ID, words, f"{STATUS}; {REPLAY}", figure, about=[ID, total["refused"]])
    elif full:
        names = " and ".join(f"`{each}`" for each in full)
        words = f"The buffer of {names} is nearly full; then the door turns people away."
        yield red(ID, words, "`cutover: intake: most` of the plan", figure, about=[ID, *full])
    else:
        yield green(ID, "Every post has its end, or waits to be replayed after the switch.", figure)
