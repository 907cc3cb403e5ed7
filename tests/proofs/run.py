"""Are all claims shown? `python -m tests.proofs main` prints a line a claim; exit 1 if one falls short."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.proofs import (
    bad_input,
    cutover,
    faults,
    figures,
    history,
    history_canary,
    history_consent,
    kills,
    others,
    people,
    rollback,
    rollback_others,
    rollback_runbook,
    stopped,
    validation,
    validation_screen,
)
from tests.proofs.claims import TABLES, Ground, Line, Shower, bounds

MAIN = (figures, others, bad_input, people, stopped, faults, kills)
HISTORY = (history, history_consent, history_canary)
VALIDATION = (validation, validation_screen)
ROLLBACK = (rollback, rollback_others, rollback_runbook)
CUTOVER = (cutover,)
SHOWN = 6  # of what was wrong, a claim
WIDE = 400  # signs of a line of it


def shown(ids: tuple[str, ...], shower: Shower, ground: Ground) -> Iterator[Line]:
    """The lines of one shower; for a claim that it doesn't come to, a line that says so."""
    missing = dict.fromkeys(ids)
    try:
        for line in shower(ground):
            missing.pop(line.id, None)
            yield line
    except Exception as error:  # noqa: BLE001 - the other claims are still to be shown
        told = tuple(traceback.format_exc().splitlines()[-8:])
        why = " ".join(str(error).split())[:300]
        for id in missing:
            yield Line(id, f"not shown: {type(error).__name__}: {why}", 0, False, told)
            told = ()
        return
    for id in missing:
        yield Line(id, "absent", 0, False)


def main() -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=tuple(TABLES))
    parser.add_argument("--only", action="append", default=[], help="a claim's id; may be repeated")
    parser.add_argument("--step", type=int, default=1, help="only every n-th kill point")
    parser.add_argument("--instants", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="keep what is written here")
    given = parser.parse_args()
    minutes, wanted = bounds(given.name)
    started = time.monotonic()
    short = 0
    named: set[str] = set()
    with contextlib.ExitStack() as stack:
        root = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proof-")))
        ground = Ground(root.resolve(), step=given.step, instants=given.instants)
        for ids, shower in TABLES[given.name]:
            named.update(ids)
            if given.only and not set(ids) & set(given.only):
                continue
            began = time.monotonic()
            for line in shown(ids, shower, ground):
                good = line.ok and line.n > 0
                short += not good
                print(line.text(wanted[line.id]), flush=True)
                for told in line.told[: SHOWN if good else 4 * SHOWN]:
                    print(f"    {told[:WIDE]}", flush=True)
            print(f"    [{time.monotonic() - began:.0f} s]", file=sys.stderr, flush=True)
    for id in wanted.keys() - named:
        short += 1
        print(f"{id}: absent (n=0, {wanted[id]}) FALLS SHORT")
    took = (time.monotonic() - started) / 60
    late = took > minutes
    print(f"duration: {took:.1f} minutes (bound {minutes:g}) {'FALLS SHORT' if late else 'ok'}")
    if given.step > 1 or given.instants < 200 or given.only:
        print("This was a part of the proof only.")
    return int(bool(short) or late)


if __name__ == "__main__":
    sys.exit(main())
