"""A rollback survives the loss of our own files: small versions of the proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proofs import rollback_state
from tests.proofs.claims import Ground, Line

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "proof", [rollback_state.ledger_lost, rollback_state.flipped_byte, rollback_state.journal_lost],
    ids=["ledger", "byte", "journal"],
)  # fmt: skip
def test_it_is_told_and_everything_goes_back(tmp_path: Path, proof: Callable[..., Iterator[Line]]) -> None:
    more = {"tries": 2} if proof is rollback_state.flipped_byte else {}
    for line in proof(Ground(tmp_path, lanes=1), **more):
        assert line.ok, line.told
        assert line.n
