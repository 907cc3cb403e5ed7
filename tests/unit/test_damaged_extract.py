"""An extract that isn't whole is found by whoever reads it first, is named, and is made anew.

Whoever reads it again in the same command doesn't hash it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.engine import Engine
from migrate.errors import Damaged
from migrate.stages.pipeline import checked, transform
from migrate.storage.folder import FolderStorage
from migrate.storage.kind import Found
from tests.unit.two_systems import Move

PLAN = """
    - source: Account
      target: companies
      fields: {name: Name}
"""


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_check_names_the_damaged_part_and_an_extract_mends_it(tmp_path: Path, damage: str) -> None:
    with Engine(folders=[tmp_path]) as engine:
        move = Move(tmp_path / "w", engine, PLAN)
        move.source.put("Account", "A1", Id="A1", Name="Ark")
        move.stage()
        [part] = (move.workspace.root / ".migrate/stage/source/Account/g0000").glob("*.parquet")
        whole = part.read_bytes()
        middle = len(whole) // 2
        part.write_bytes(
            whole[:middle] if damage == "cut" else whole[:middle] + b"\xff\xff" + whole[middle + 2 :]
        )

        with pytest.raises(Damaged, match=part.name):
            checked(move.workspace)

        move.move()
        assert [row.values["name"] for row in move.target.live("companies")] == ["Ark"]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_transform_compares_each_part_of_the_extract_with_its_digest_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    hashed: list[str] = []
    find = FolderStorage.find

    def counted(self: FolderStorage, key: str) -> Found | None:
        hashed.append(key)
        return find(self, key)

    with Engine(folders=[tmp_path]) as engine:
        move = Move(tmp_path / "w", engine, PLAN)
        move.source.put("Account", "A1", Id="A1", Name="Ark")
        move.stage()
        [part] = (move.workspace.root / ".migrate/stage/source/Account/g0000").glob("*.parquet")
        monkeypatch.setattr(FolderStorage, "find", counted)
        if damaged:
            part.write_bytes(part.read_bytes()[:-9])
            with pytest.raises(Damaged, match=part.name):
                transform(move.workspace)
        else:
            transform(move.workspace)
    assert [key for key in hashed if key.startswith("source/")] == [f"source/Account/g0000/{part.name}"]
