"""What hangs under an account, two levels deep, and is it the same in both systems, record by record?

Expected: what was staged, as the row check works it out (`expected.py`), and the staged links. Found: each
record read by its id, and its links, at this moment. What differs is read again until two reads agree.
DeepDiff names the differences of one record at a time, and only of those that differ, so that a tree of
thousands costs no more than its records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrate.engine import identifier, text
from migrate.stages.crosswalk import LOADED
from migrate_validators.again import Values, read_again
from migrate_validators.edges import edges_of
from migrate_validators.expected import shown_of, sides
from migrate_validators.links import expected_of

if TYPE_CHECKING:
    from migrate.plan.models import ObjectPlan
    from migrate_validators.choosing import Chosen
    from migrate_validators.evidence import Evidence

MOST = 2_000  # records of one tree
WHOLE = 50_000  # of all trees
LEVELS = 2
LOST, GONE, HOME = "not linked", "gone", "at home in the target"

Told = dict[str, "str | None"]


@dataclass
class Node:
    """A record of a tree. `under`: the key of the record that it hangs under; None: the account itself.
    `name`: what people call it, by the field `called_by`.

    `state`: `equal`, `differs`, `gone`, `at home in the target`, or its end where it was not moved, with
    `reason`. `expected`,
    `found`: texts by field; `links`: those that should be there, and whether they are. `changes`: (field,
    expected, found) of what differs; of a link `not linked` and its words.
    """

    account: str
    key: str
    entry: str
    level: int
    under: str | None
    source_id: str
    id: str | None
    outcome: str
    reason: str
    name: str = ""
    called_by: str = ""
    state: str = ""
    expected: Told = field(default_factory=dict)
    found: Told = field(default_factory=dict)
    links: dict[str, bool] = field(default_factory=dict)
    changes: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    @property
    def moved(self) -> bool:
        """Whether it is to be in the target as a record of its own."""
        return self.outcome in LOADED


@dataclass(frozen=True)
class Trees:
    """Every node that was looked at, by account; `left`: how many of an account's records were not."""

    nodes: dict[str, list[Node]]
    left: dict[str, int]


def trees(evidence: Evidence, chosen: Chosen) -> Trees:
    """The trees of the chosen accounts, compared."""
    table = _nodes(evidence, chosen)
    found = _bounded(evidence, chosen, table)
    by_entry: dict[str, list[Node]] = {}
    for node in (one for nodes in found.nodes.values() for one in nodes):
        if not node.moved:
            node.state = node.outcome
        elif node.state != HOME:
            by_entry.setdefault(node.entry, []).append(node)
    for name, nodes in by_entry.items():
        _compare(evidence, evidence.plan.object(name), nodes)
    return found


def _nodes(evidence: Evidence, chosen: Chosen) -> str:
    """Table (account, key, entry, level, under) of accounts and what hangs under them, each once a tree."""
    table = evidence.table(
        "spot nodes",
        f"""SELECT key AS account, key, {text(chosen.entry.name)} AS entry, 0 AS level,
        NULL::VARCHAR AS under FROM {chosen.table}""",
    )
    present = evidence.present
    for level in range(1, LEVELS + 1):
        for child in present:
            for parent in present:
                # Firms of one group are looked at one by one; a tree isn't their whole pyramid.
                if child.name == chosen.entry.name or (level > 1 and parent.name == chosen.entry.name):
                    continue
                for pairs in edges_of(evidence, child, parent):
                    evidence.engine.run(
                        f"""INSERT INTO {table} SELECT n.account, p.child, {text(child.name)}, {level},
                        min(n.key) FROM ({pairs}) AS p
                        JOIN {table} AS n ON n.key = p.parent AND n.entry = {text(parent.name)}
                            AND n.level = {level - 1}
                        ANTI JOIN {table} AS t ON t.account = n.account AND t.key = p.child
                        GROUP BY n.account, p.child"""
                    )
    return table


def _bounded(evidence: Evidence, chosen: Chosen, table: str) -> Trees:
    """The nodes as objects: accounts first, `MOST` of a tree and `WHOLE` of all."""
    # What one part of a source object takes, the others skip: that is no loss.
    elsewhere = f"""e.outcome = 'skipped' AND EXISTS (SELECT 1 FROM {evidence.ends} AS o
        WHERE o.source_object = e.source_object AND o.source_id = e.source_id AND o.outcome <> 'skipped')"""
    rows = evidence.rows(
        f"""SELECT *, count(*) OVER (PARTITION BY account) AS size FROM (
            SELECT n.*, NOT {evidence.ours("n.key")} AS home, c.nth, e.source_id, e.target_id, e.outcome,
            coalesce(e.reason, '') AS reason,
            row_number() OVER (PARTITION BY n.account ORDER BY n.level, n.entry, n.key) AS place
            FROM {table} AS n JOIN {chosen.table} AS c ON c.key = n.account
            JOIN {evidence.ends} AS e ON e.entry = n.entry AND e.key = n.key WHERE NOT ({elsewhere}))
        QUALIFY place <= {MOST} AND row_number() OVER (ORDER BY nth, place) <= {WHOLE} ORDER BY nth, place"""
    )
    found: dict[str, list[Node]] = {}
    left: dict[str, int] = {}
    for row in rows:
        account = str(row["account"])
        found.setdefault(account, []).append(
            Node(account, str(row["key"]), str(row["entry"]), int(row["level"]), row["under"],
                 str(row["source_id"]), row["target_id"], str(row["outcome"]), str(row["reason"]),
                 state=HOME if row["home"] else "")
        )  # fmt: skip
        left[account] = int(row["size"])
    return Trees(found, {account: left[account] - len(nodes) for account, nodes in found.items()})


def _compare(evidence: Evidence, each: ObjectPlan, nodes: Sequence[Node]) -> None:
    """Fill in both sides of loaded records of one entry, and what differs."""
    two = sides(evidence, each)
    keys = sorted({node.key for node in nodes})
    ids = {node.key: str(node.id) for node in nodes}
    expected = _expected(evidence, two.expected, two.columns, keys)
    found = _found(evidence, each, two.columns, _by_id(evidence, each, two.columns, ids))
    links = _links(evidence, each, ids)
    compared = [name for name in two.columns if name not in two.unsure]
    odd = [
        key
        for key in keys
        if _side(expected.get(key), compared) != _side(found.get(key), compared)
        or not all(links.get(key, {}).values())
    ]
    if odd:
        settled = {key: ids[key] for key in odd}
        now = read_again(evidence, each.target, list(settled.values()), list(two.columns))
        back = {id: key for key, id in settled.items()}
        found = {key: told for key, told in found.items() if key not in settled}
        found |= _found(evidence, each, two.columns, {back[id]: values for id, values in now.items()})
        links |= _links(evidence, each, settled)
    for node in nodes:
        node.expected, node.found = expected.get(node.key, {}), found.get(node.key, {})
        node.links = links.get(node.key, {})
        if node.key not in found:
            node.state = GONE
            continue
        node.changes = list(_changes(node, compared))
        node.state = "differs" if node.changes else "equal"


def _side(told: Told | None, names: Iterable[str]) -> Told | None:
    return None if told is None else {name: told.get(name) for name in names}


def _changes(node: Node, names: Sequence[str]) -> Iterator[tuple[str, str | None, str | None]]:
    """What DeepDiff finds in one record: its fields by name, its links one by one."""
    old, new = _side(node.expected, names) or {}, _side(node.found, names) or {}
    there = [words for words, is_there in node.links.items() if is_there]
    if old == new and len(there) == len(node.links):
        return
    from deepdiff import DeepDiff

    found = DeepDiff(
        {"fields": old, "links": dict.fromkeys(node.links, True)},
        {"fields": new, "links": dict.fromkeys(there, True)},
        view="tree",
    )
    for levels in found.values():
        for level in levels:
            where, name = level.path(output_format="list")[:2]
            if where == "links":
                yield LOST, str(name), None
            else:
                yield str(name), old.get(str(name)), new.get(str(name))


def _expected(evidence: Evidence, table: str, columns: Sequence[str], keys: Sequence[str]) -> dict[str, Told]:
    listed = "".join(f", CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" for name in columns)
    wanted = evidence.texts("spot keys", [{"_key": key} for key in keys], ["_key"])
    return _told(evidence, f"SELECT _key{listed} FROM {table} SEMI JOIN {wanted} USING (_key)", columns)


def _by_id(
    evidence: Evidence, each: ObjectPlan, columns: Sequence[str], ids: Mapping[str, str]
) -> dict[str, Values]:
    """Wire values by key of the records as they are now."""
    back = {id: key for key, id in ids.items()}
    return {
        back[record.asked]: record.values
        for record in evidence.connector.read_back(each.target, list(columns), ids=list(back))
        if record.id == record.asked and not record.archived
    }


def _found(
    evidence: Evidence, each: ObjectPlan, columns: Sequence[str], now: Mapping[str, Values]
) -> dict[str, Told]:
    """Wire values in the form in which they are compared."""
    rows = [{"_key": key, **values} for key, values in now.items()]
    read = evidence.texts(f"spot read {each.name}", rows, ["_key", *columns])
    listed = "".join(
        f", CAST({shown_of(evidence, each, name, f'n.{identifier(name)}', wire=True)} AS VARCHAR) "
        f"AS {identifier(name)}"
        for name in columns
    )
    return _told(evidence, f"SELECT n._key{listed} FROM {read} AS n", columns)


def _told(evidence: Evidence, query: str, columns: Sequence[str]) -> dict[str, Told]:
    return {str(row["_key"]): {name: row[name] for name in columns} for row in evidence.rows(query)}


def _links(evidence: Evidence, each: ObjectPlan, ids: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    """By key: each link that should be there, in words, and whether it is at this moment."""
    found: dict[str, dict[str, bool]] = {}
    wanted = evidence.texts("spot ids", [{"id": id} for id in ids.values()], ["id"])
    there: dict[str, set[tuple[str, str, str]]] = {}
    for index, link in enumerate(each.links):
        if link.to not in there:
            there[link.to] = {
                (one.left, one.right, one.label)
                for one in evidence.connector.read_links(each.target, list(ids.values()), link.to)
            }
        rows = evidence.rows(
            f"""SELECT "left", "right", label, left_id, right_id
            FROM {expected_of(evidence, f"{each.name}.{index}")}
            WHERE left_id IN (SELECT id FROM {wanted}) AND {evidence.ours('"right"')} ORDER BY ALL"""
        )
        for row in rows:
            words = f"{link.to} {row['right']} ({row['label']})"
            seen = (str(row["left_id"]), str(row["right_id"]), str(row["label"])) in there[link.to]
            found.setdefault(str(row["left"]), {})[words] = seen
    return found
