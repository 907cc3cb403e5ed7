"""Is what somebody planted found, in its class and at its record; and nothing where nothing was planted?

Small sizes of `make prove-validation`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs import validation, validation_broken, validation_stories
from tests.proofs.seeded_judge import judge
from tests.proofs.validation_rig import LITTLE, LITTLE_AMOUNTS, TENTH_AMOUNTS, Rig, migrated

GENERATOR = ("seeded.py", "seeded_portal.py", "seeded_values.py")


@pytest.mark.parametrize("name", GENERATOR)
def test_the_generator_shares_no_code_with_the_product(name: str) -> None:
    tree = ast.parse((Path(validation.__file__).parent / name).read_text(encoding="utf-8"))
    modules = [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    modules += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert modules
    assert not [
        one for one in modules if one.split(".")[0] in ("migrate", "migrate_validators", "migrate_rollback")
    ]


@pytest.mark.slow
def test_two_of_each_kind_of_corruption_are_found_in_their_class_and_at_their_record(tmp_path: Path) -> None:
    with migrated(tmp_path, LITTLE, LITTLE_AMOUNTS) as rig:
        planted = validation.plant(rig, 2)
        rig.run("validate")
        found = judge(rig.report(), planted)
        red = list(validation.red(rig.report(), planted))

    assert (found.found, found.told) == (40, [])
    assert found.false == []
    assert red == []


@pytest.mark.slow
def test_a_clean_migration_of_another_org_raises_no_alarm(tmp_path: Path) -> None:
    told, compared, _ = validation.clean(tmp_path, LITTLE, TENTH_AMOUNTS, 606)

    assert told == []
    assert compared > 1_000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A small migration with a good validation."""
    with validation_broken.little(tmp_path_factory.mktemp("little")) as made:
        yield made


@pytest.mark.slow
def test_a_third_partys_check_stands_in_the_report_like_ours(rig: Rig, tmp_path: Path) -> None:
    assert validation_broken.third_party(rig, validation_broken.installed(tmp_path / "acme")) == []


@pytest.mark.slow
def test_a_killed_validation_leaves_no_verdict_but_error(rig: Rig) -> None:
    rig.run("validate")

    midway, told = validation_broken.killed(rig, 4)

    assert told == []
    assert midway


@pytest.mark.slow
def test_half_of_the_target_is_an_error_and_never_a_pass(rig: Rig) -> None:
    told = {way: lines for way, lines in validation_broken.cut_short(rig.lane) if lines}

    assert told == {}


@pytest.mark.slow
def test_checks_with_nothing_to_compare_open_no_gate(tmp_path: Path) -> None:
    with validation_broken.vacant(tmp_path) as nothing:
        ran, told = validation_broken.on_nothing(nothing, ["rows", "counts", "links", "untouched", "files"])

    assert (ran, told) == (5, [])


@pytest.mark.slow
def test_the_story_of_a_record_of_each_outcome_is_what_both_systems_know_of_it(tmp_path: Path) -> None:
    with validation_stories.moved(tmp_path, 3) as (rig, must, before):
        found = validation_stories.told(rig, must, before, 3)
        lies = validation_stories.red(rig, must, before)

    assert found.wrong == []
    assert lies == []
    assert dict(found.stories) == dict.fromkeys(validation_stories.OUTCOMES, 3)
