"""A backup on a real S3 server comes back whole; what was damaged there is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from migrate_rollback import verify

from migrate.engine import Engine
from migrate.errors import Damaged
from migrate.stages.care.backup import backup, names, object_key, place_of, read
from migrate.stages.care.fsck import fsck
from migrate.stages.care.restore import restore
from migrate.workspace import Workspace
from tests.unit.care_case import made
from tests.unit.two_systems import Move

if TYPE_CHECKING:
    from tests.harness.s3 import Seaweed


def test_a_backup_on_s3_brings_everything_back(
    tmp_path: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = seaweed.prefix("backups")
    environment = {**prefix.environment(), "MIGRATE_CACHE": str(tmp_path / "cache")}
    plain = Workspace.__init__
    monkeypatch.setattr(
        Workspace,
        "__init__",
        lambda self, where, env=None: plain(self, where, {**(env or {}), **environment}),
    )
    with Engine(folders=[tmp_path], temp_dir=tmp_path / "spill") as engine:
        move: Move = made(tmp_path / "w", engine, accounts=2, contacts=3)
        move.move()
        taken = backup(move.workspace, prefix.address)
        assert backup(move.workspace, prefix.address).copied <= 1
        restore(move.workspace, prefix.address, replace=True)
        assert [each for each in fsck(move.workspace, deep=True).findings if each.counts] == []

        with place_of(prefix.address, environment) as there:
            assert taken.name in names(there)
            assert read(there, taken.name).files == taken.files
            part = next(key for key in taken.files if key.startswith("journal/"))
            there.write(object_key(taken.files[part].sha256), b"x")
        with pytest.raises(Damaged, match="isn't what its name says"):
            restore(move.workspace, prefix.address, taken.name, replace=True)
        move.roll_back()
        assert verify(move.workspace).words.startswith("pass, 0 held")
    assert list((tmp_path / "cache" / "desks").iterdir()) == []
