"""Nobody who said no can be written to: struck while it loads, rolled back, loaded again. A small version.

`python -m tests.proofs history --only consent-missing` shows it at full size.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.claims import Ground, Line
from tests.proofs.history_consent import company


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Line]:
    return {line.id: line for line in company(Ground(Path(tmp_path_factory.mktemp("consent"))), 120, 10)}


@pytest.mark.parametrize(
    "claim", ["consent-missing", "consent-first", "consent-back", "consent-never-in", "consent-red"]
)
def test_a_small_company_keeps_its_opt_outs(lines: dict[str, Line], claim: str) -> None:
    line = lines[claim]
    assert line.ok, (line.figure, line.told[:10])
    assert line.n
