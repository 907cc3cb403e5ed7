"""Do the vendors' pages tell what people have to do for a freeze, in the words of the command?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from migrate.connector.freezing import LEVELS, Instruction, Level
from migrate.connectors.hubspot import freezing as hubspot
from migrate.connectors.salesforce import freezing as salesforce

PAGES = Path(__file__).parents[2] / "docs" / "vendors"
Tells = Callable[[Mapping[str, Level]], Sequence[Instruction]]


@pytest.mark.parametrize(
    ("page", "tells"), [("hubspot", hubspot.instructions), ("salesforce", salesforce.instructions)]
)
def test_a_vendors_page_has_each_instruction(page: str, tells: Tells) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    for each in tells({"any": "data"}):
        row = f"| {each.level} | {each.do} | {each.undo} | {each.source or 'no page'} |"
        assert row in text


@pytest.mark.parametrize("tells", [hubspot.instructions, salesforce.instructions])
def test_a_lower_level_asks_less_and_a_higher_one_holds_it(tells: Tells) -> None:
    asked = [{each.do for each in tells({"x": level})} for level in LEVELS]

    assert asked[0] < asked[1] < asked[2]
    assert not tells({})
