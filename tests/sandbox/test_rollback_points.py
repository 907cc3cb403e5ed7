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
READY, LOADED = "ready", "loaded"


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
        lane.save(READY)
        lane.must("load")
        site.before["after-base"] = site.now()
        lane.must("rollback checkpoint after-base --note base")
        deals = site.source("Opportunity")
        for number, row in enumerate(deals[:4]):
            site.act(do="update", object="Opportunity", id=row["Id"], fields={"Amount": 1000 + number})
        there = {str(record.key).rsplit(".", 1)[-1] for record in site.now().ours()}
        firms = [row["Id"] for row in site.source("Account") if row["Id"] in there]
        for firm in firms[:2]:  # the first one is the canary, which goes ahead of all waves
            site.act(do="update", object="Account", id=firm, fields={"NumberOfEmployees": 4711})
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


def test_each_load_and_each_wave_that_sends_anything_has_its_point(site: Site) -> None:
    def names() -> list[str]:
        found = site.lane.must("rollback checkpoints")[0].document["checkpoints"]
        return [each["name"] for each in found if each["returnable"]]

    before = names()
    waves = ["Account", "Contact", "Opportunity", "links"]
    assert before == [
        "before-load-1", *(f"before-load-1.{wave}" for wave in waves), "after-base",
        "before-load-1.2", "before-load-1.2.Account", "before-load-1.2.Opportunity",
        "before-load-1.3", "before-load-1.3.Opportunity",
    ]  # fmt: skip
    site.lane.must("load")
    assert names() == before


def test_a_point_that_was_read_anew_has_a_baseline_of_its_own(site: Site) -> None:
    lane, company = site.lane, next(r for r in site.end.ours() if r.object == "companies")
    lane.hubspot.control.post(
        "/act", {"do": "update", "object": "companies", "id": company.id, "fields": {"city": "Ulm"}}
    )
    [taken] = lane.must("rollback checkpoint anew --read --note Ulm")
    there = site.now()
    site.act(do="update", object="Opportunity", id=site.source("Opportunity")[0]["Id"], fields={"Name": "N"})
    lane.must("extract --since-watermark", "transform", "load")
    assert oracle.put_back(there, site.now()) != []

    site.back("--to anew")

    assert taken.document["checkpoint"]["facts"]["note"] == "Ulm"
    assert oracle.put_back(there, site.now()) == []
    assert lane.must("rollback verify")[0].document["foreign"] == {}


def test_a_wave_is_undone_and_those_before_it_stay(site: Site) -> None:
    site.back("--to before-load-1.Opportunity")

    now, then = site.now(), site.before["after-base"]
    # The canary of the deals went ahead of all waves.
    assert len([record for record in now.ours() if record.object == "deals"]) == 1
    for record in then.live():
        if record.object != "deals":
            found = now.records[record.object, record.id]
            assert found.live
            told = {name for name in record.values if record.values[name] != found.values.get(name)}
            assert told <= oracle.SYSTEM | oracle.REFERENCES
    site.loads_all_again()


def untouched(site: Site, gone: set[str]) -> None:
    """Everything but the records with these keys (and their links) is as the last load left it."""
    now, ids = site.now(), {r.id for r in site.end.ours() if r.key in gone}
    there = site.before["before-load-1"].records
    for record in site.end.live():
        found = now.records[record.object, record.id]
        side = record.key is None and (record.object, record.id) not in there
        assert found.live or record.key in gone or side, record
        ids |= {record.id} if side else set()
        if found.live and record.key not in gone:
            told = {name for name in record.values if record.values[name] != found.values.get(name)}
            assert told <= oracle.SYSTEM | oracle.REFERENCES, (record, told)
    for link in site.end.links - now.links:
        assert {link[1], link[3]} & ids, link


@pytest.mark.parametrize("object", ["deals", "contacts", "companies"])
def test_one_object_is_undone_alone_and_what_stays_is_not_written_again(site: Site, object: str) -> None:
    ours = {str(record.key) for record in site.end.ours() if record.object == object}
    site.back(f"--to before-load-1 --object {object}")

    left = [record for record in site.now().ours() if record.object == object]
    assert left == []
    untouched(site, ours)
    seq = oracle.last(site.lane.hubspot)
    site.loads_all_again()
    wrote = {
        entry["object"]
        for entry in oracle.log(site.lane.hubspot, seq)
        if entry["op"] in ("create", "update") and entry["actor"] == oracle.OURS
    }
    assert wrote <= {object}


def test_a_cohort_goes_with_what_hangs_under_it_and_the_rest_stays(site: Site) -> None:
    deals = site.source("Opportunity")
    account = deals[0]["AccountId"]
    below = [account, *(r["Id"] for o in ("Contact", "Opportunity") for r in site.source(o)
                        if r["AccountId"] == account)]  # fmt: skip
    gone = {str(r.key) for r in site.end.ours() if str(r.key).rsplit(".", 1)[-1] in below}
    assert len(gone) > 2

    site.back(f"--to before-load-1 --cohort Account:Id='{account}'")

    assert {str(r.key) for r in site.now().ours()} == {str(r.key) for r in site.end.ours()} - gone
    untouched(site, gone)
    site.loads_all_again()


def test_a_part_a_load_and_then_all_of_it(site: Site) -> None:
    site.back("--to after-base --object deals")
    site.loads_all_again()
    site.back("--to before-load-1")
    assert oracle.put_back(site.before["before-load-1"], site.now()) == []
    site.loads_all_again()


def test_killed_in_the_midst_of_a_part_it_goes_on_with_that_part_and_no_other(site: Site) -> None:
    lane = site.lane
    lane.fault({"kind": "hold", "at": "after_commit"}, method="POST", path="deals/batch/archive")
    child = lane.start("rollback run --yes --to before-load-1 --object deals")
    assert lane.wait_held(child)
    child.kill()
    lane.calm()

    refused = lane.run("rollback run --yes --to before-load-1")
    assert (refused.code, "unfinished" in refused.out + refused.err) == (2, True)
    assert lane.run("load").code == 2
    site.back()

    assert {r.object for r in site.now().ours()} == {"companies", "contacts"}
    untouched(site, {str(r.key) for r in site.end.ours() if r.object == "deals"})
    site.loads_all_again()


def test_back_to_the_wave_in_which_a_load_was_killed_and_the_next_load_is_complete(site: Site) -> None:
    lane = site.lane
    lane.restore(READY)
    lane.fault({"kind": "hold", "at": "after_commit"}, method="POST", path="deals/batch/create", nth=2)
    child = lane.start("load")
    assert lane.wait_held(child)
    child.kill()
    lane.calm()

    site.back("--to before-load-1.Opportunity")

    kinds = {record.object for record in site.now().ours()} - {"deals"}
    assert kinds == {"companies", "contacts"}
    lane.must("load")
    origin, wanted = site.before["before-load-1"], site.before["after-base"]
    assert oracle.unequal(oracle.state(wanted, origin), oracle.state(site.now(), origin)) == []


def test_a_point_that_was_passed_and_names_that_are_not_there_are_refused(site: Site) -> None:
    lane = site.lane

    def refused(options: str) -> str:
        ended = lane.run(f"rollback run --yes {options}")
        assert ended.code == 2, options
        return ended.out + ended.err

    assert "`before-load-1.2`" in refused("--to before-laod")
    assert "`deals`" in refused("--object deal")
    assert "can't be read" in refused("--cohort Account:Nmae='x'")
    assert "has no record" in refused("--cohort Account:Name='nobody'")
    assert "has no object" in refused("--cohort Acount:Name='x'")
    assert lane.run("rollback checkpoint before-load-9").code == 2
    site.back("--to after-base")
    assert "went back past it" in refused("--to before-load-1.3")


def test_a_damaged_baseline_is_refused_and_left_alone(site: Site) -> None:
    part = sorted((site.lane.root / ".migrate/stage/baseline/attempt-1/companies").glob("part-*"))[0]
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"x")
    ended = site.lane.run("rollback run --yes --to after-base")
    assert (ended.code, str(part.name) in ended.out + ended.err) == (5, True)
    part.write_bytes(content)
    site.back("--to after-base")


def test_a_dry_run_of_a_part_counts_it_and_writes_nothing(site: Site) -> None:
    seq = oracle.last(site.lane.hubspot)
    [ended] = site.lane.must("rollback run --dry-run --to before-load-1 --object deals")
    ours = [record for record in site.end.ours() if record.object == "deals"]
    assert ended.document["counts"]["delete"] == len(ours)
    assert oracle.last(site.lane.hubspot) == seq
