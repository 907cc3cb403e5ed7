"""Every error says what happened, to what, and what to do; and survives the way between processes."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from migrate import errors
from migrate.connector import BatchRefused, BlobRefused, NotAnswered
from migrate.errors import MigrateError, PlanError, PlanMistake, Position

AT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
MISTAKE = PlanMistake(Position("plan.yaml", 41, 17), "`Industry` has no home", "Add it to the map.")
EXAMPLES: dict[MigrateError, tuple[int, tuple[str, ...]]] = {
    PlanError([MISTAKE]): (2, ("plan.yaml:41:17", "`Industry` has no home", "Add it to the map.")),
    errors.UsageError("Nothing is ready.", "Run `migrate transform` first."): (2, ("Run `migrate",)),
    errors.Busy("`migrate validate` is at work.", "Let it end."): (2, ("is at work", "Let it end")),
    NotAnswered("new", "it gives no sums"): (3, ("`new` doesn't answer this itself", "no sums")),
    errors.SystemRefused("new", "401", "Check the token.", code="X"): (3, ("`new`", "401", "Check")),
    errors.Drifted([errors.ValueChange("new", "contacts", "kind", "A", "`A` is gone.", matters=True)]): (
        2, ("new: contacts.kind: `A` is gone.", "nothing was written", "Run `migrate discover`")),
    errors.CanaryStopped("new", [("the first `Account` to create", ["fills `city`"])]): (
        3, ("`new` did more", "first `Account`", "fills `city`", "Switch it off", "accept it")),
    errors.Parked("new", "the daily quota is used up", AT): (3, ("`new`", "after 2026-11-23 04:05:06 UTC")),
    errors.Parked("new", "it doesn't answer"): (3, ("nothing is lost", "Run the same command again when")),
    errors.Retriable("new", "429", 3.0, throttled=True): (3, ("`new`: 429", "Run the same command again")),
    errors.InDoubt("new", "read time-out"): (3, ("read time-out", "reads back what happened")),
    errors.CursorLost("old", "Account", "job gone"): (3, ("`Account`", "job gone", "`migrate extract`")),
    errors.GapTooLong("old", "Account", AT, AT): (3, ("`Account`", "2026-11-23 04:05", "compare every id")),
    errors.LeaseHeld("new", "ann", "box", "since", "until"): (4, ("ann on box since since", "ends at until")),
    errors.LeaseLost("new", "taken over"): (4, ("`new`", "taken over", "Run `migrate status`")),
    errors.Overtaken("a/b"): (4, ("a/b was written by another", "`migrate status`")),
    errors.Damaged("a/b", "is missing", "Run it again."): (5, ("a/b: is missing", "Run it again.")),
    errors.Behind("j", "2026", {"deals": 3}, ["`k`"]): (5, ("3 deals", "--from-target")),
    errors.JournalDamaged("a/b", "is missing", "Restore it."): (5, ("a/b: is missing", "Restore it.")),
    errors.NoSpace("a/b", "No space left"): (5, ("a/b", "No space left", "Free some space")),
    errors.LedgerAway("postgresql://db", "refused"): (5, ("postgresql://db", "refused", "the server runs")),
    errors.Defect("an invariant"): (70, ("an invariant",)),
    BlobRefused("old", "Attachment", "00P1", "404", "gone"): (1, ("`old`", "Attachment 00P1", "404 gone")),
    BatchRefused("new", "VALIDATION", "bad", 3): (3, ("`new`", "VALIDATION bad")),
}  # fmt: skip
each_error = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)


@each_error
def test_an_error_says_what_happened_and_what_to_do(error: MigrateError) -> None:
    code, words = EXAMPLES[error]
    assert error.exit_code == code
    for each in words:
        assert each in str(error)


@each_error
def test_an_error_comes_back_from_another_process_as_it_was(error: MigrateError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert (str(back), back.args) == (str(error), error.args)


def _all(cls: type[MigrateError]) -> set[type[MigrateError]]:
    return {cls} | {each for below in cls.__subclasses__() for each in _all(below)}


def test_every_class_of_the_tree_is_tried_here() -> None:
    places = ("migrate.errors", "migrate.connector.")
    ours = {cls for cls in _all(MigrateError) if cls.__module__.startswith(places)}
    assert ours - {MigrateError} == {type(error) for error in EXAMPLES}


def test_a_plan_error_carries_every_mistake_once_in_the_order_of_the_file() -> None:
    first = PlanMistake(Position("plan.yaml", 3, 1), "a")
    error = PlanError([MISTAKE, first, MISTAKE])
    assert error.mistakes == (first, MISTAKE)
    assert str(error).startswith("2 mistakes in the plan.\nplan.yaml:3:1: a\n")


def test_a_mistake_of_a_whole_file_has_no_line() -> None:
    assert str(PlanMistake(Position("owners.csv"), "isn't there")) == "owners.csv: isn't there"
