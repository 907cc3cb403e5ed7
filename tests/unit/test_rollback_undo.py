"""What does a rollback make of lost answers? What it covered is listed; what isn't done isn't said to be."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from migrate_rollback.looking import Look
from migrate_rollback.model import PHASE, Row
from migrate_rollback.undo import RecordUndo
from migrate_rollback.unlink import LinkUndo
from migrate_rollback.worklist import Lot

from migrate.connector import Link, Who
from migrate.engine import Engine
from migrate.errors import InDoubt
from migrate.ledger import batches as book
from migrate.load import Loading
from migrate.stages.checkpoint import Checkpoint
from tests.unit.bench import HandClock, workspace
from tests.unit.fake_target import CATALOG, FakeTarget, Fault, Killed
from tests.unit.test_load_protocol import PLAN


@pytest.mark.parametrize("fault", ["fine", "lost after", "killed after"])
def test_an_edit_that_putting_back_covered_is_listed(tmp_path: Path, engine: Engine, fault: Fault) -> None:
    clock = HandClock()
    target, space = FakeTarget(clock, [fault]), workspace(tmp_path, clock, engine)
    space.__dict__["plan"] = SimpleNamespace(model=SimpleNamespace(objects=[PLAN]))
    record = target.make(Who.OURS, name="Ours")
    target.edits = [(record.id, "name", "hers")]
    images = {"before": {"name": "Theirs"}, "after": {"name": "Ours"}, "sent": ({"name": "Ours"},)}
    row = Row(0, 1, "record", "contacts", "k", record.id, "restore", op="restore", **images)  # type: ignore[arg-type]

    for _ in range(2):
        space.__dict__.pop("journal", None)
        with Loading(space, target, CATALOG, 1, PHASE) as loading:
            undo = RecordUndo(loading, Look(space, target, CATALOG))
            doubt = next(iter(book.in_doubt(space.ledger, 1)), None)
            try:
                tally = undo.run(Lot("contacts", "restore", (row,), "f", "p", doubt))
            except Killed:
                continue
        break

    assert record.values["name"] == "Theirs"
    assert tally["lost_edit"] == 1
    [lost] = engine.rows(f"SELECT * FROM {space.journal.source()} WHERE outcome = 'lost_edit'")
    assert dict(lost["before"]) == {"name": "hers"}


@pytest.mark.parametrize("lost", [0, 4, 99])
def test_a_mark_is_back_or_in_doubt(tmp_path: Path, engine: Engine, lost: int) -> None:
    clock = HandClock()
    target, space = FakeTarget(clock, ["lost before"] * lost), workspace(tmp_path, clock, engine)
    target.linked = {Link("contacts", "1", "companies", "2", "default")}
    row = Row(0, 1000, "relink", "contacts>companies", "", "", "relink", "1", "2", "primary", op="link")
    point = Checkpoint("c", 1, "", 0, {}, {}, None)
    with Loading(space, target, CATALOG, 1, PHASE) as loading:
        undo = LinkUndo(loading, point)
        with pytest.raises(InDoubt) if lost > 6 else nullcontext():
            undo.run(Lot("contacts>companies", "relink", (row,), "f", "p"))
    assert (Link("contacts", "1", "companies", "2", "primary") in target.linked) == (lost < 6)
    assert len(book.in_doubt(space.ledger, 1)) == (lost > 6)
