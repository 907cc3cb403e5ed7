"""A workspace on S3 survives what one in a folder does: kills at every kind of point, a store that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import kill, oracle
from tests.harness.kill import Strike
from tests.harness.lanes import Ended, Lane
from tests.harness.proxy import Fault, Proxy
from tests.harness.s3 import Seaweed
from tests.harness.under import Order
from tests.proofs.claims import Ground
from tests.proofs.kills import ready

pytestmark = pytest.mark.long

CREATE = 29  # near the first create among the requests of a load


@dataclass
class Remote:
    """A lane whose state is on S3 and whose ledger is in PostgreSQL, brought to the point before the load."""

    lane: Lane
    before: oracle.Truth
    judge: kill.Judge
    straight: kill.Straight

    def went_on(self, seq: int) -> list[str]:
        """What a load that goes on leaves wrong."""
        ended = self.lane.run("load")
        told = [] if ended.code == self.straight.code else [f"exit {ended.code}: {kill.last_words(ended)}"]
        told += kill.difference(self.straight.left, self.judge(self.lane))
        creates = oracle.creates(oracle.log(self.lane.hubspot, seq))
        return told + [f"created twice: {key}" for key, n in creates.items() if n > 1]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, postgres: str, seaweed: Seaweed) -> Iterator[Remote]:
    with Ground(tmp_path_factory.mktemp("remote")).lane("remote", postgres=postgres, s3=seaweed) as lane:
        before = ready([lane])
        judge = kill.loaded(before)
        yield Remote(lane, before[id(lane)], judge, kill.straight(lane, "ready", "load", judge))


@pytest.fixture(scope="module")
def proxy(seaweed: Seaweed) -> Iterator[Proxy]:
    with Proxy(seaweed.endpoint) as between:
        yield between


def points(remote: Remote, words: str, kinds: tuple[str, ...]) -> list[tuple[int, str, str]]:
    remote.lane.restore("ready")
    return remote.lane.points(words, Order(kinds=kinds))


@pytest.mark.slow
def test_a_load_killed_at_any_call_that_changes_s3_ends_as_the_straight_run(remote: Remote) -> None:
    found = points(remote, "load", ("put", "answer"))
    journal = [number for number, kind, what in found if kind == "put" and "/journal/" in what]
    assert len(journal) > 10
    middle = journal[len(journal) // 2]
    # The first segment of all isn't sent; one in the midst is sent whole; and its answer is read.
    for number, side in ((journal[0], "before"), (middle + 1, "before"), (middle + 1, "after")):
        remote.lane.restore("ready")
        seq = oracle.last(remote.lane.hubspot)
        assert remote.lane.run("load", Order(number, side, ("put", "answer"))).killed
        assert remote.went_on(seq) == []


def test_a_load_killed_after_a_commit_of_the_target_ends_as_the_straight_run(remote: Remote) -> None:
    strike = Strike("request", CREATE, "after_commit")
    result = kill.survive(remote.lane, "ready", "load", strike, remote.straight, remote.judge)
    assert result.hit
    assert result.told == []


@pytest.mark.slow
def test_a_transform_killed_before_its_manifest_has_published_nothing(remote: Remote) -> None:
    found = points(remote, "transform", ("put", "answer"))
    manifest = next(n for n, _, what in found if "/ready/Contact/" in what and "manifest.json" in what)
    lane = remote.lane
    assert lane.s3
    lane.restore("ready")
    before = {key: tag for key, tag in lane.s3.tags().items() if "/ready/Contact/" in key}
    # Another plan, so that there is something to publish.
    path = lane.root / "plan.yaml"
    text = path.read_text()
    path.write_text(text.replace("firstname: FirstName", "firstname: upper(FirstName)"))
    assert path.read_text() != text
    assert lane.run("transform", Order(manifest, "before", ("put", "answer"))).killed
    after = {key: tag for key, tag in lane.s3.tags().items() if "/ready/Contact/" in key}
    assert {key: after.get(key) for key in before} == before
    path.write_text(text)
    lane.must("transform")
    seq = oracle.last(lane.hubspot)
    assert remote.went_on(seq) == []


def test_a_storm_of_503_in_the_midst_parks_the_load_and_the_next_one_completes_it(
    remote: Remote, proxy: Proxy
) -> None:
    lane = remote.lane
    lane.restore("ready")
    seq = oracle.last(lane.hubspot)
    proxy.order(Fault(r"PUT .*/journal/", "refuse", -1, skip=6))
    ended = lane.run("load", AWS_ENDPOINT_URL_S3=proxy.endpoint, MIGRATE_S3_PATIENCE="2")
    assert ended.code == 3

    assert "S3 answers 503 SlowDown to put_object" in ended.out
    assert "parked; nothing is lost" in ended.out
    # A write waits for its journal: what was sent has its intent on S3.
    assert remote.went_on(seq) == []


@pytest.mark.slow
def test_a_journal_whose_answers_are_lost_goes_on_without_a_gap(remote: Remote, proxy: Proxy) -> None:
    lane = remote.lane
    lane.restore("ready")
    proxy.order(Fault(r"PUT .*/journal/", "lost", 3, skip=2), Fault(r"PUT .*/journal/", "half", 2, skip=3))
    ended = lane.run("load", AWS_ENDPOINT_URL_S3=proxy.endpoint)
    assert ended.code == remote.straight.code, kill.last_words(ended)
    assert sum(each.hits for each in proxy.faults) == 5
    assert kill.difference(remote.straight.left, remote.judge(lane)) == []


def test_a_part_that_differs_from_its_manifest_stops_the_load_before_anything_is_sent(remote: Remote) -> None:
    lane = remote.lane
    assert lane.s3
    lane.restore("ready")
    seq = oracle.last(lane.hubspot)
    [part] = lane.s3.keys("stage/ready/Contact/g0000/part-")
    body = bytearray(lane.s3.read(part))
    body[len(body) // 2] ^= 1
    lane.s3.write(part, bytes(body))
    ended = lane.run("load")
    assert ended.code == 5
    told = ended.out
    assert f"{lane.s3.address}/{part}" in told
    assert "differs from its digest and was set aside" in told
    assert "migrate transform" in told
    assert oracle.log(lane.hubspot, seq) == []
    lane.must("transform")
    assert remote.went_on(seq) == []


def test_a_second_operator_is_refused_with_name_host_and_since(remote: Remote) -> None:
    lane = remote.lane
    lane.restore("ready")
    seq = oracle.last(lane.hubspot)
    # The first some forty puts are the copy of the plan, which needs no lease.
    child = lane.start("load", Order(at=60, kinds=("put",), do="stop"))
    assert child.until_stopped()
    second = lane.run("load")
    assert second.code == 4
    assert "is being written to by" in second.out
    busy = lane.run("transform")  # the ready parts are being read
    assert busy.code == 2
    assert "Another process is busy with" in busy.out
    kill.go_on(child)
    assert child.wait().code == remote.straight.code
    assert remote.went_on(seq) == []


@pytest.mark.slow
def test_another_machine_goes_on_with_nothing_but_the_address(remote: Remote, tmp_path: Path) -> None:
    lane = remote.lane
    assert lane.s3
    lane.restore("ready")
    address, s3 = lane.s3.address, lane.s3

    def there(words: str, *codes: int) -> Ended:
        """A command on another machine: another cache, no folder."""
        more = {"MIGRATE_CACHE": str(tmp_path / "cache")}
        arguments = ["-w", address, "--json", *words.split()]
        ended = lane.products.start(arguments, lane.environment | more, Order()).wait()
        assert ended.code in (codes or (0,)), f"{words}: {kill.last_words(ended)}"
        return ended

    assert there("status", 2).document["message"].startswith(f"There is no plan.yaml in {address}")
    (lane.root / "secrets.env").write_text("token=secret\n")
    assert lane.must("plan push --dry-run")[0].document["files"][0] == {
        "file": "plan.yaml", "outcome": "written"
    }  # fmt: skip
    lane.must("plan push")
    assert "plan/plan.yaml" in s3.tags()
    assert "plan/secrets.env" not in s3.tags()
    there("load")
    assert there("status").document["status"]["in_doubt"] == 0
    report = there("validate", 0, 1).document["report"]
    assert report.startswith(f"{address}/reports/")
    assert s3.read(report.removeprefix(f"{address}/")).startswith(b"<!doctype html>")
    assert there("report").document["report"] == report
    folder = tmp_path / "copy"
    there(f"plan pull {folder}")
    assert (folder / "plan.yaml").read_bytes() == (lane.root / "plan.yaml").read_bytes()
    assert (folder / ".migrate").read_text().strip() == address
    there("rollback plan", 0, 1)
    there("rollback run --yes", 0, 1)
    assert there("rollback verify", 0, 1).document["verdict"] == "pass"
    lane.settle()
    assert oracle.put_back(remote.before, oracle.truth(lane.hubspot)) == []
    assert list((tmp_path / "cache" / "desks").iterdir()) == []


def test_without_a_ledger_in_postgresql_nothing_is_begun(remote: Remote) -> None:
    lane = remote.lane
    assert lane.s3
    before = lane.s3.tags()
    for words in ("status", "load", "extract"):
        ended = lane.run(words, MIGRATE_LEDGER="")
        assert ended.code == 2
        assert "needs its ledger in PostgreSQL" in ended.out
    assert lane.s3.tags() == before


def test_a_workspace_can_begin_on_s3(remote: Remote, database: str, seaweed: Seaweed, tmp_path: Path) -> None:
    lane, fresh = remote.lane, seaweed.prefix("fresh")
    more = {"MIGRATE_LEDGER": database, "MIGRATE_CACHE": str(tmp_path / "cache")}

    def there(words: str) -> Ended:
        arguments = ["-w", fresh.address, "--json", *words.split()]
        return lane.products.start(arguments, lane.environment | more, Order()).wait()

    begun = there("init --clock sandbox")
    assert begun.code == 0, kill.last_words(begun)
    assert f"{fresh.address}/plan/plan.yaml" in begun.document["written"]
    assert "plan/plan.yaml" in fresh.tags()
    assert there("init --clock sandbox").code == 2  # there is a plan already
    text = fresh.read("plan/plan.yaml")
    fresh.write("plan/plan.yaml", text + b"surprise: 1\n")
    wrong = there("check")
    assert wrong.code == 2
    assert f"{fresh.address}/plan/plan.yaml:" in wrong.out
