"""Does the source still stand still, as when the freeze was verified? Asked now, of the source itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migrate.cutover.freezing import still_frozen
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.gates.systems import AWAY

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover

ID = "frozen"
_NAME = re.compile(" “[^”]*”")  # what a record is called: the gate goes into the trail, which holds no value


def lines(cutover: Cutover) -> Iterator[GateLine]:
    """One line: `frozen`, or `doors` where records came in that aren't in the target yet."""
    try:
        found = still_frozen(cutover)
    except AWAY as error:
        told = str(error).splitlines()[0]
        yield red(ID, f"The source couldn't be asked: {told}", "migrate check --live", about=ID)
        return
    words = _NAME.sub("", found.words)
    yield green(found.id, words) if found.ok else red(found.id, words, found.remedy)
