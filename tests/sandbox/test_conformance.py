"""Every connector keeps the same promises: what is read is what is there, what is sent is what is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrate.connector import (
    Batch,
    KeepsHistory,
    Link,
    Operation,
    Outcome,
    Page,
    Query,
    Target,
    TellsPicklists,
    Who,
    Write,
)
from migrate.errors import GapTooLong, InDoubt, LeaseLost
from migrate.held import held
from migrate.types import arrow_type
from tests.sandbox import conformance
from tests.sandbox.conformance import ROWS, WHOLE, Harness, TargetHarness, row

SOURCES = ("salesforce by rest", "salesforce by bulk", "hubspot", "hubspot's custom objects", "mime")
TARGETS = ("hubspot", "salesforce")


@pytest.fixture(scope="module", params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    folder = tmp_path_factory.mktemp("source")
    if "hubspot" in request.param:
        opened = conformance.hubspot_custom if "custom" in request.param else conformance.hubspot
        with opened(folder) as harness:
            yield harness
    elif request.param == "mime":
        yield conformance.Mime(folder)
    else:
        with conformance.salesforce(folder, 0 if "bulk" in request.param else 1_000_000) as org:
            yield org


def rows(pages: list[Page]) -> list[dict[str, Any]]:
    return [each for page in pages for each in page.batch.to_pylist()]


def query(harness: Harness, **facts: Any) -> Query:
    names = (harness.mark, harness.text, harness.number, harness.whole)
    return Query(harness.object, tuple(name for name in names if name), **facts)


# -- sources ----------------------------------------------------------------------------------


def test_a_catalog_is_the_same_catalog_when_nothing_has_changed(source: Harness) -> None:
    first, second = source.connect().discover(), source.connect().discover()
    assert first.digest() == second.digest()
    assert first.family.replace("_", "").replace("-", "").isalnum()
    fields = first.objects[source.object].fields
    assert {source.text, source.number, source.mark} - {""} <= fields.keys()
    assert all(name == each.name for name, each in fields.items())


def test_picklists_asked_anew_are_those_of_the_catalog(source: Harness) -> None:
    connector = source.connect()
    if not isinstance(connector, TellsPicklists):
        assert connector.type == "mime"  # its discover makes no call
        return
    found = 0
    for object, schema in connector.discover().objects.items():
        told = {name: field.options for name, field in schema.fields.items() if field.options}
        if told:
            assert connector.picklists(object, [*told, "not_there"]) == told
            found += 1
    assert found


def test_as_many_are_read_as_a_second_route_counts(source: Harness) -> None:
    connector = source.connect()
    connector.clock.sleep(60)  # a search index may lag
    found = rows(list(connector.read(query(source), after=None)))
    assert Counter(each["_id"] for each in found) == Counter(list(source.marks()))
    assert connector.count(query(source)) == len(found) == ROWS


def test_every_text_and_number_arrives_as_it_is(source: Harness) -> None:
    marks = source.marks()
    for each in rows(list(source.connect().read(query(source), after=None))):
        said, exact = row(marks[each["_id"]])
        assert each[source.text] == said
        if source.number:
            assert each[source.number] == exact
            assert isinstance(each[source.number], Decimal | None)
            assert each[source.whole] == WHOLE
        assert each[source.mark] == f"m{marks[each['_id']]}"


def test_columns_have_the_types_of_the_catalog_and_the_order_of_the_query(source: Harness) -> None:
    connector = source.connect()
    schema = connector.discover().objects[source.object].fields
    fields = [name for name, each in schema.items() if each.kind != "binary"][:40]
    fields = list(dict.fromkeys([*fields, *(n for n in (source.text, source.number, source.mark) if n)]))
    for page in connector.read(Query(source.object, tuple(fields)), after=None):
        assert page.batch.schema.names == ["_id", *fields]
        for name in fields:
            each = schema[name]
            assert page.batch.schema.field(name).type == arrow_type(each.kind, each.precision, each.scale), (
                name
            )


def test_reading_goes_on_from_every_cursor_without_a_loss_or_a_double(source: Harness) -> None:
    connector = source.connect()
    pages = list(connector.read(query(source), after=None))
    whole = [each["_id"] for each in rows(pages)]
    assert len(pages) >= source.pages
    assert pages[-1].cursor is None
    for number, page in enumerate(pages[:-1]):
        rest = rows(list(source.connect().read(query(source), after=page.cursor)))
        assert [each["_id"] for each in rows(pages[: number + 1])] + [each["_id"] for each in rest] == whole


def test_a_window_holds_what_changed_in_it_and_deletions_are_told(source: Harness) -> None:
    connector = source.connect()
    connector.clock.sleep(120)
    start = connector.now()
    connector.clock.sleep(5)
    edited, gone = sorted(source.marks())[:2]
    source.edit(edited)
    source.delete(gone)
    connector.clock.sleep(90)
    changed = rows(list(connector.read(query(source, since=start), after=None)))
    assert {each["_id"] for each in changed} == {edited}
    deleted = Query(source.object, (), since=start, deleted=True)
    if source.remembers:
        assert [each["_id"] for each in rows(list(connector.read(deleted, after=None)))] == [gone]
    else:
        with pytest.raises(GapTooLong):
            list(connector.read(deleted, after=None))
    later = query(source, since=connector.now() + timedelta(hours=1))
    assert rows(list(connector.read(later, after=None))) == []
    live = rows(list(connector.read(query(source), after=None)))
    assert gone not in {each["_id"] for each in live}


# -- targets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=TARGETS)
def taker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetHarness]:
    folder = tmp_path_factory.mktemp("target")
    opened = conformance.hubspot if request.param == "hubspot" else conformance.salesforce_target
    with opened(folder) as harness:
        yield harness


@pytest.fixture
def target(taker: TargetHarness) -> Iterator[Target]:
    connector = taker.target()
    connector.use(connector.discover())
    yield connector
    taker.running.control.delete("/faults")


_number = iter(range(10**9))


def key() -> str:
    return f"fam.Contact.{next(_number)}"


def create(target: Target, taker: TargetHarness, *writes: Write) -> list[Outcome]:
    return target.send(Batch(Operation.CREATE, taker.object, writes))


def made(target: Target, taker: TargetHarness, name: str, **values: str | None) -> str:
    [outcome] = create(target, taker, taker.record(name, **values))
    assert outcome.status == "done", outcome
    return str(outcome.id)


def arm(taker: TargetHarness, do: dict[str, Any]) -> None:
    order = {"on": {"path": taker.create_path, "nth": 1}, "do": do}
    taker.running.control.post("/faults", [order])


VALUES = {
    "first": st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40),
    "text": st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=300),
    "exact": st.decimals(-(10**11), 10**11, places=6),
    "met": st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - made aware here
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    "born": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "vip": st.booleans(),
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(
        st.fixed_dictionaries({name: st.none() | each for name, each in VALUES.items()}),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_sent_is_held_as_the_catalogs_rules_say(
    target: Target, taker: TargetHarness, people: list[dict[str, Any]]
) -> None:
    if taker.object not in _SCHEMAS:
        _SCHEMAS[taker.object] = target.discover().objects[taker.object].fields
    schema = {name: _SCHEMAS[taker.object][field] for name, field in taker.names.items()}
    columns = {
        name: pa.array(
            [each[name] for each in people],
            arrow_type(schema[name].kind, schema[name].precision, schema[name].scale),
        )
        for name in VALUES
    }
    wire = target.encode(taker.object, pa.RecordBatch.from_pydict(columns))
    writes = [taker.record(key(), **{n: v for n, v in values.items() if v is not None}) for values in wire]
    assert {outcome.status for outcome in create(target, taker, *writes)} == {"done"}
    names = [taker.names[name] for name in VALUES]
    back = {each.asked: each for each in target.read_back(taker.object, names, keys=[w.key for w in writes])}
    for write, values in zip(writes, wire, strict=True):
        for name, value in values.items():
            assert back[write.key].values[taker.names[name]] == held(schema[name].held, value), name


_SCHEMAS: dict[str, Any] = {}


def test_a_key_that_is_there_is_a_conflict_and_the_record_stays_as_it_is(
    target: Target, taker: TargetHarness
) -> None:
    name, first = key(), taker.names["first"]
    id = made(target, taker, name, first="first")
    [outcome] = create(target, taker, taker.record(name, first="second"))
    assert outcome.status == "conflict"
    [there] = target.read_back(taker.object, [first], keys=[name])
    assert (there.id, there.values[first]) == (id, "first")


def test_each_outcome_belongs_to_its_row_in_whatever_order_it_is_told(
    target: Target, taker: TargetHarness
) -> None:
    taken = key()
    made(target, taker, taken)
    names = [key() for _ in range(8)]
    writes = [taker.record(name) for name in names]
    writes[3] = taker.bad(names[3])
    writes[6] = taker.record(taken)
    arm(taker, {"kind": "shuffle"})
    outcomes = create(target, taker, *writes)
    assert [outcome.index for outcome in sorted(outcomes, key=lambda each: each.index)] == list(range(8))
    status = {outcome.index: outcome.status for outcome in outcomes}
    assert status == {n: {3: "refused", 6: "conflict"}.get(n, "done") for n in range(8)}
    back = {each.asked: each.id for each in target.read_back(taker.object, [], keys=names)}
    assert {names[o.index]: o.id for o in outcomes if o.status == "done"} == back


def test_a_write_whose_answer_was_lost_is_in_doubt_and_found_by_its_key(
    target: Target, taker: TargetHarness
) -> None:
    name = key()
    arm(taker, {"kind": "drop", "at": "after_commit"})
    with pytest.raises(InDoubt):
        create(target, taker, taker.record(name))
    found = target.read_back(taker.object, [taker.names["first"]], keys=[name, key()])
    assert [each.asked for each in found] == [name]


def test_nothing_is_sent_once_before_write_has_raised_and_it_is_asked_before_each_try(
    target: Target, taker: TargetHarness
) -> None:
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise LeaseLost("new", "taken over")

    target.before_write = ask
    name = key()
    target.read_back(taker.object, [], keys=[name])  # so that nothing but the write is left to be called
    taker.throttle(on=True)
    with pytest.raises(LeaseLost):
        create(target, taker, taker.record(name))
    taker.throttle(on=False)
    target.before_write = lambda: None
    assert len(asked) == 3
    assert target.read_back(taker.object, [], keys=[name]) == []


def test_an_update_sets_what_is_said_clears_what_is_null_and_leaves_the_rest(
    target: Target, taker: TargetHarness
) -> None:
    name = key()
    first, second, phone = (taker.names[each] for each in ("first", "second", "phone"))
    id = made(target, taker, name, first="a", second="b", phone="1")
    [outcome] = target.send(
        Batch(Operation.UPDATE, taker.object, (Write(name, id, {first: "x", second: None}),))
    )
    assert outcome.status == "done"
    [there] = target.read_back(taker.object, [first, second, phone], ids=[id])
    assert there.values == {first: "x", second: None, phone: "1"}
    assert there.asked == id
    assert outcome.stamp in ("", there.stamp)  # a vendor whose reply tells no stamp


def test_history_tells_whose_value_lies_under_ours(target: Target, taker: TargetHarness) -> None:
    assert isinstance(target, KeepsHistory)
    name, phone = key(), taker.names["phone"]
    id = made(target, taker, name, phone="ours")
    taker.edit(id)
    newest = target.history(taker.object, [id], [phone])[id][0]
    assert (newest.value, newest.who) == ("1", Who.PERSON)
    target.send(Batch(Operation.UPDATE, taker.object, (Write(name, id, {phone: "ours again"}),)))
    told = [(each.value, each.who) for each in target.history(taker.object, [id], [phone])[id]]
    assert told[:2] == [("ours again", Who.OURS), ("1", Who.PERSON)]


def test_links_are_made_and_removed_any_number_of_times(target: Target, taker: TargetHarness) -> None:
    if not taker.links:
        return  # references are fields there; `test_salesforce_target` asks for what hangs under a record
    id = made(target, taker, key())
    firm = key()
    [outcome] = target.send(
        Batch(Operation.CREATE, "companies", (Write(firm, values={"migration_key": firm, "name": "F"}),))
    )
    link = Link("contacts", id, "companies", str(outcome.id), "default")
    for operation, there in ((Operation.LINK, True), (Operation.UNLINK, False)):
        for _ in range(2):
            [said] = target.send(Batch(operation, "contacts>companies", links=(link,)))
            assert said.status == "done"
            assert (link in target.read_links("contacts", [id], "companies")) is there


def test_a_pair_can_be_parted_whole(target: Target, taker: TargetHarness) -> None:
    if not taker.links:
        return
    id, firm = made(target, taker, key()), key()
    company = Write(firm, values={"migration_key": firm, "name": "F"})
    [outcome] = target.send(Batch(Operation.CREATE, "companies", (company,)))
    links = [Link("contacts", id, "companies", str(outcome.id), label) for label in ("default", "primary")]
    target.send(Batch(Operation.LINK, "contacts>companies", links=tuple(links)))
    assert set(links) <= set(target.read_links("contacts", [id], "companies"))
    pair = Link("contacts", id, "companies", str(outcome.id), "*")
    assert target.send(Batch(Operation.UNLINK, "contacts>companies", links=(pair,)))[0].status == "done"
    assert target.read_links("contacts", [id], "companies") == []


def test_a_deleted_record_is_absent_and_deleting_it_again_is_no_error(
    target: Target, taker: TargetHarness
) -> None:
    name = key()
    id = made(target, taker, name)
    for _ in range(2):
        [outcome] = target.send(Batch(Operation.DELETE, taker.object, (Write(name, id),)))
        assert outcome.status == "done"
    assert target.read_back(taker.object, [], ids=[id], keys=[name]) == []


def test_a_sweep_sees_every_live_record_once(target: Target, taker: TargetHarness) -> None:
    swept = [each.id for each in target.sweep(taker.object, [taker.key])]
    assert Counter(swept) == Counter(taker.live())


def test_what_is_prepared_twice_is_there_the_second_time(target: Target, taker: TargetHarness) -> None:
    before = target.discover().digest()
    assert {outcome for _, outcome in target.prepare(taker.fields)} == {"there"}
    assert target.discover().digest() == before


def test_limits_are_kept_and_sane(target: Target, taker: TargetHarness) -> None:
    limits = target.limits
    assert min(limits.write_records, limits.read_back_records, limits.link_writes, limits.link_reads) >= 1
    assert limits.concurrency >= 1
    assert limits.longest_call > 0
    names = [key() for _ in range(limits.write_records)]
    assert {outcome.status for outcome in create(target, taker, *map(taker.record, names))} == {"done"}
    found = target.read_back(taker.object, [taker.names["phone"]], keys=[*names, *names[:3]])
    assert len(found) >= len(names)
