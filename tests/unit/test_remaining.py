"""What is still to be sent counts every record once, by its newest version, and as the load then does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from migrate.engine import Engine
from migrate.load.work import crosswalk
from migrate.plan.models import ObjectPlan
from migrate.stages.remaining import Remaining, foreseen, remaining
from tests.unit.fake_target import Fault, Killed
from tests.unit.test_load_protocol import PLAN, Case, key

WAITING = ObjectPlan.model_validate(
    PLAN.model_dump(by_alias=True, exclude_unset=True)
    | {"links": [{"to": "companies", "via": "AccountId", "label": "primary", "missing": "reject"}]}
)


class Company(Case):
    """A case that can be asked what is left."""

    def stage(self, generation: int, rows: Any, *, whole: str = "") -> None:
        """Also the names that are to be in the target then, apart from those staged."""
        super().stage(generation, rows)
        if whole:
            self.workspace.store.discard(f"full/Contact/g{generation:04d}")
            live = [name for name, row in rows.items() if not row.get("deleted")]
            names = [{"_key": key(name), "_hash": "1"} for name in [*whole.split(), *live]]
            schema = pa.schema([("_key", pa.string()), ("_hash", pa.string())])
            self._publish("full", "Contact", generation, names, schema)

    def foreseen(self, plan: ObjectPlan = PLAN, **more: Any) -> dict[str, int]:
        self.workspace.__dict__.pop("journal", None)
        crosswalk(self.workspace)
        return dict(foreseen(self.workspace, plan, 1, **more))

    def left(self) -> Remaining:
        self.workspace.__dict__.pop("journal", None)
        crosswalk(self.workspace)
        return remaining(self.workspace, "Contact", 1)


def person(name: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, "email": f"{name}@a.test", **more}}


def test_a_record_in_two_generations_counts_once_and_one_that_has_gone_not_at_all(
    tmp_path: Path, engine: Engine
) -> None:
    case = Company(tmp_path, engine)
    there = case.target.make(email="adopted@a.test").id
    case.stage(
        0,
        person("twice") | person("once") | person("gone") | person("rejected") | person("taken", adopt=there),
    )
    case.stage(1, person("twice", phone="1") | person("gone", deleted=True), whole="once taken")

    assert case.foreseen() == {"create": 2, "adopt": 1}
    assert case.left() == Remaining(ready=3, done=0, left=3)

    case.load()

    assert len(case.live()) == 3
    assert case.foreseen() == {}
    assert case.left() == Remaining(ready=3, done=3, left=0)


def test_a_delta_that_waits_is_an_update_or_a_deletion(tmp_path: Path, engine: Engine) -> None:
    case = Company(tmp_path, engine)
    case.stage(0, person("kept") | person("changed") | person("gone"))
    case.load()
    case.stage(1, person("changed", phone="1") | person("gone", deleted=True) | person("new"), whole="kept")

    assert case.foreseen() == {"create": 1, "delete": 1, "update": 1}
    assert case.left() == Remaining(ready=3, done=1, left=3)

    case.load()

    assert case.foreseen() == {}
    assert case.left() == Remaining(ready=3, done=3, left=0)


def test_a_version_older_than_the_one_that_is_there_is_not_sent(tmp_path: Path, engine: Engine) -> None:
    case = Company(tmp_path, engine)
    case.stage(0, person("a", version=5))
    case.load()
    case.stage(1, person("a", version=3, phone="old"))
    assert case.foreseen() == {}
    case.stage(2, person("a", version=5, phone="same stamp, other plan"))
    assert case.foreseen() == {"update": 1}


@pytest.mark.parametrize("fault", ["killed before", "killed after"])
def test_what_is_in_doubt_is_still_to_be_done(tmp_path: Path, engine: Engine, fault: Fault) -> None:
    case = Company(tmp_path, engine, [fault])
    case.stage(0, person("a"))
    with pytest.raises(Killed):
        case.load()
    assert case.foreseen() == {"create": 1}
    assert case.left() == Remaining(ready=1, done=0, left=1)


def test_a_child_whose_parent_is_nowhere_is_blocked_and_one_whose_parent_comes_first_is_not(
    tmp_path: Path, engine: Engine
) -> None:
    case = Company(tmp_path, engine)
    case.stage(0, person("free") | person("child"))
    case.stage_links(0, ("child", "parent"))
    assert case.foreseen(WAITING) == {"blocked": 1, "create": 1}

    # As the dry run of the parent's object leaves it.
    crosswalk(case.workspace)
    engine.run("INSERT INTO crosswalk (key) VALUES ('src.Account.parent')")
    assert foreseen(case.workspace, WAITING, 1) == {"create": 2}


def test_only_the_sample_is_counted_where_only_a_sample_is_loaded(tmp_path: Path, engine: Engine) -> None:
    case = Company(tmp_path, engine)
    case.stage(0, person("a") | person("b"))
    engine.run(f"CREATE OR REPLACE TABLE sample AS SELECT '{key('a')}' AS key")
    assert case.foreseen(sample=True) == {"create": 1}
