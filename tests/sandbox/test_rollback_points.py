"""To which points can one return, and to what of them? Each judged by the sandbox's own store.

One workspace is loaded in three rounds (a base and two deltas) and saved; each test begins from that copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from migrate.demo.generated import generated
from migrate.demo.shape import Sizes
from tests.harness import oracle
from tests.harness.lanes import Lane
from tests.harness.oracle import Truth
from tests.proofs.claims import Ground

pytestmark = pytest.mark.long

SIZES = Sizes(accounts=10, parents=3, opportunities=14, companies=12, known=3, contacts=8)
LOADED = "loaded"


@dataclass
class Site:
    """A lane that was loaded in three rounds. `before`, by checkpoint: HubSpot's store as it stood then."""

    lane: Lane
    before: dict[str, Truth] = field(default_factory=dict)
    end: Truth = field(default_factory=lambda: Truth({}, set()))

    def act(self, **action: Any) -> None:
        """A user of the source does something."""
        self.lane.salesforce.control.post("/act", action)

    def source(self, object: str) -> list[dict[str, Any]]:
        rows = self.lane.salesforce.control.ndjson(f"/truth/{object}")
        return [row for row in rows if not row.get("deleted")]

    def now(self) -> Truth:
        return oracle.truth(self.lane.hubspot)

    def back(self, options: str = "", *, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Roll back, see that it verifies, and that a further run does nothing."""
        [ended] = self.lane.must(f"rollback run --yes {options}".strip(), codes=codes)
        [verified] = self.lane.must("rollback verify", codes=codes)
        assert verified.document["verdict"] == "pass", verified.document["failures"]
        [again] = self.lane.must("rollback run --yes", codes=codes)
        assert again.document["objects"] == {}
        found: dict[str, Any] = ended.document
        return found

    def loads_all_again(self) -> None:
        """A load brings everything back, and no twin."""
        self.lane.must("load")
        origin = self.before["before-load-1"]
        wanted, found = oracle.state(self.end, origin), oracle.state(self.now(), origin)
        assert oracle.unequal(wanted, found) == []
        assert oracle.twins(self.now()) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Ground(tmp_path_factory.mktemp("points")).lane("one", generated(SIZES)) as lane:
        site = Site(lane)
        lane.must("discover", "prepare", "extract", "transform")
        site.before["before-load-1"] = site.now()
        lane.must("load")
        site.before["after-base"] = site.now()
        lane.must("rollback checkpoint after-base --note base")
        deals = site.source("Opportunity")
        for number, row in enumerate(deals[:4]):
            site.act(do="update", object="Opportunity", id=row["Id"], fields={"Amount": 1000 + number})
        site.act(do="update", object="Account", id=site.source("Account")[0]["Id"], fields={"Phone": "+1 9"})
        lane.must("extract --since-watermark", "transform")
        site.before["before-load-1.2"] = site.now()
        lane.must("load")
        for row in deals[2:6]:
            site.act(do="update", object="Opportunity", id=row["Id"], fields={"Name": "Renamed"})
        lane.must("extract --since-watermark", "transform")
        site.before["before-load-1.3"] = site.now()
        lane.must("load")
        site.end = site.now()
        lane.save(LOADED)
        yield site


@pytest.fixture
def site(made: Site) -> Site:
    made.lane.restore(LOADED)
    return made


@pytest.mark.parametrize("name", ["before-load-1", "after-base", "before-load-1.2", "before-load-1.3"])
def test_one_returns_to_each_checkpoint_and_a_load_after_it_is_complete(site: Site, name: str) -> None:
    site.back(f"--to {name}")
    assert oracle.put_back(site.before[name], site.now()) == []
    site.loads_all_again()
