"""How are posts made in the source, once, where their records are at home there after all?

After a thaw the source is in use again. A post is created with its id in a unique field of the source (the
door's `key`), and only where no record has it: what was sent and not answered is looked up by that field, and
not sent again before. No value of a post opts anybody in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from migrate.catalog import says_yes
from migrate.connector import Batch, BatchRefused, Operation, Target, Write
from migrate.cutover.posted import ID, End, rows_of
from migrate.cutover.posts import WAITING, Post, Posts
from migrate.errors import InDoubt, Parked, Retriable, UsageError
from migrate.ledger import Lease
from migrate.types import Kind

if TYPE_CHECKING:
    from migrate.catalog import ObjectSchema
    from migrate.plan.cutover import IntakePlan
    from migrate.workspace import Workspace

TRIES = 4


def give_back(workspace: Workspace, posts: Posts, doors: Mapping[str, IntakePlan], run: int) -> None:
    """Make a run's posts in the source.

    Raises:
        UsageError: a door names no unique field, or the source has none of that name.
        LeaseHeld: somebody writes to the source.
        Parked, SystemRefused: the source; what isn't there yet waits.
    """
    catalog = workspace.catalog("source")
    with closing(workspace.connector("source")) as source:
        waiting = {name: door for name, door in doors.items() if posts.of(run, name, most=1)}
        for door in waiting.values():
            _must_have_key(catalog.objects[door.object], door)
        source.bind({door.object: door.key for door in waiting.values()})
        longest = source.limits.longest_call
        lease = Lease.take(workspace.ledger, source.system, 2 * longest + 60)
        try:
            source.before_write = lambda: lease.guard(longest)
            for door in waiting.values():
                _door(workspace, source, posts, catalog.objects[door.object], door, run)
        finally:
            lease.release()


def _door(
    workspace: Workspace, source: Target, posts: Posts, schema: ObjectSchema, door: IntakePlan, run: int
) -> None:
    size, after = source.limits.records_of(door.object), ""
    while some := posts.of(run, door.name, most=size, after=after):
        after = some[-1].id
        _lot(workspace, source, posts, schema, door, [each for each in some if each.state == WAITING])


def _must_have_key(schema: ObjectSchema, door: IntakePlan) -> None:
    field = schema.fields.get(door.key or "")
    if field is None or not field.unique or not field.createable:
        raise UsageError(
            f"Posts of `{door.name}` can't be made in the source once only: the door has no `key`.",
            f"Make a unique text field on `{door.object}` in the source, name it as the door's `key`, and "
            "discover again.",
        )


def _lot(
    workspace: Workspace, source: Target, posts: Posts, schema: ObjectSchema, door: IntakePlan,
    some: Sequence[Post],
) -> None:  # fmt: skip
    """One call's worth of posts, to their ends."""
    names = [each.name for each in schema.fields.values() if each.createable and each.kind is not Kind.BINARY]
    table, bad = rows_of(workspace, schema, names, door, some)
    posts.settle(bad)
    writes: list[Write] = []
    for batch in table.to_batches():
        ids = batch.column("_id").to_pylist()
        values = source.encode(door.object, batch.select(names))
        for id, wire in zip(ids, values, strict=True):
            kept = {
                name: value
                for name, value in wire.items()
                if value is not None and not says_yes(schema.fields[name], value)
            }
            writes.append(Write(id, values={**kept, str(door.key): id}))
    clashes: dict[str, str] = {}
    for attempt in range(TRIES):
        keys = [each.key for each in writes]
        found = {each.asked: each.id for each in source.read_back(door.object, [str(door.key)], keys=keys)}
        posts.settle([_end(key, "created", id, "") for key, id in found.items()])
        # Another unique value than ours clashed: the record isn't ours, and this post can't be made.
        posts.settle([_end(key, "refused", "", why) for key, why in clashes.items() if key not in found])
        writes = [each for each in writes if each.key not in found and each.key not in clashes]
        if not writes:
            return
        if attempt:
            workspace.clock.sleep(2**attempt)
        try:
            writes, clashes = _sent(source, posts, door.object, writes)
        except InDoubt:
            if source.safe_create(door.object) == "settled":
                workspace.clock.sleep(source.limits.longest_call)
        except Retriable as error:
            workspace.clock.sleep(error.after or 1.0)
    raise Parked(source.system, f"{len(writes)} posts of `{door.name}` aren't there after {TRIES} tries")


def _sent(
    source: Target, posts: Posts, object: str, writes: Sequence[Write]
) -> tuple[list[Write], dict[str, str]]:
    """Send; those whose end is still to be looked up, and of them those that clashed, with the vendor's
    words."""
    try:
        outcomes = source.send(Batch(Operation.CREATE, object, tuple(writes)))
    except BatchRefused as error:
        if len(writes) == 1:
            posts.settle([_end(writes[0].key, "refused", "", f"{error.code}: {error.reason}")])
            return [], {}
        middle = len(writes) // 2
        left, clashes = _sent(source, posts, object, writes[:middle])
        more, others = _sent(source, posts, object, writes[middle:])
        return left + more, clashes | others
    ends, left, clashes = [], [], {}
    for each in outcomes:
        write = writes[each.index]
        if each.status == "done" and each.id:
            ends.append(_end(write.key, "created", each.id, ""))
            continue
        if each.status == "refused":
            ends.append(_end(write.key, "refused", "", f"{each.code}: {each.reason}"))
            continue
        left.append(write)
        if each.status == "conflict":
            clashes[write.key] = f"{each.code}: {each.reason}"
    posts.settle(ends)
    return left, clashes


def _end(key: str, state: str, id: str, reason: str) -> End:
    return key.removeprefix(ID), state, key, id, reason
