"""Fix forward on the whole line: only the named fields, only where they are as we left them, and back again.

Judged by the target's own store. Commands are processes of their own; the tests share a workspace and go on
from each other's loads, each with an attempt of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from migrate.demo.generated import generated
from migrate.demo.run import SETTINGS, environment, prepare_folder
from migrate.demo.shape import Sizes
from migrate.sandbox.server import launch
from tests.proofs.rollback_repair import GROSS, NET, amounts, by_hand, edit, gross
from tests.sandbox.test_rollback import LONGEST, SPEED, Line

pytestmark = pytest.mark.long

SIZES = Sizes(accounts=16, parents=5, opportunities=400, companies=20, known=4, contacts=15)
EDITED = 3


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    root = tmp_path_factory.mktemp("repair") / "workspace"
    seed = generated(SIZES)
    prepare_folder(root, "salesforce-to-hubspot")
    plan = (root / "plan.yaml").read_text()
    plan = plan.replace('"env:LEGACY_"}', '"env:LEGACY_", clock: sandbox}')
    plan = plan.replace("share: 0.8}", f"share: 0.8, clock: sandbox, longest_call: {LONGEST}}}")
    (root / "plan.yaml").write_text(plan)
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, root.parent / name, speed=SPEED, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        made = Line(root, running[1], environment(running[0], running[1]))
        for words in ("discover", "prepare", "extract", "transform"):
            made.run(words, codes=(0, 1))
        yield made


@pytest.fixture(autouse=True)
def _net(line: Line) -> Iterator[None]:
    """Each test begins with the first plan, and leaves no fault and no attempt behind."""
    yield
    line.hubspot.control.delete("/faults")


def ids(line: Line) -> dict[str, str]:
    """Ids of our deals, by migration key."""
    rows = line.truth("deals").items()
    return {r["properties"]["migration_key"]: id for id, r in rows if r["properties"].get("migration_key")}


def test_a_wrong_mapping_is_mended_where_nobody_has_touched_it(line: Line) -> None:
    line.run("load", codes=(0, 1))
    before = amounts(line)
    theirs = by_hand(line, before, EDITED)
    elsewhere = max(before.keys() - theirs.keys())
    line.act(do="update", object="deals", id=ids(line)[elsewhere], fields={"description": "by hand"})
    edit(line, NET, GROSS)
    edit(line, "      dealname: Name\n", "      dealname: upper(Name)\n")

    seen = line.run("repair", "--fields", "deals.amount", "--dry-run")
    assert amounts(line) == before | theirs
    assert seen["records"] == {"Opportunity": len(before)}
    assert [(each["field"], each["records"]) for each in seen["changes"]] == [("amount", len(before))]
    assert {each["field"] for each in seen["others"]} == {"dealname"}

    names = {id: row["properties"]["dealname"] for id, row in line.truth("deals").items()}
    done = line.run("repair", "--fields", "deals.amount", "--yes", "--why", "net, not gross", codes=(1,))

    assert (done["mended"], done["held"]) == (len(before) - EDITED, EDITED)
    assert [(group["name"], group["count"]) for group in done["groups"]] == [("deals.edited", EDITED)]
    assert amounts(line) == {key: gross(value) for key, value in before.items()} | theirs
    assert {id: row["properties"]["dealname"] for id, row in line.truth("deals").items()} == names
