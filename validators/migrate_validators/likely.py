"""Which of these records are likely one and the same? Pairs out of blocks, scored, joined to clusters.

Comparing a million records with each other is half a trillion pairs. So only records that share a block are
compared: the same e-mail address, phone digits, domain, words of the name, or sound of the name. A block of
more than `CAP` records (`info@`, a switchboard, `John Smith`) would bring the pairs of pairs back: in it each
record meets only its `WINDOW` next neighbours in the order of the names, and the block is named.

Normalising and blocking are DuckDB's, which spills; candidate pairs are streamed as Arrow and scored lot by
lot with rapidfuzz, so that memory is bound by the records and never by the pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from migrate.engine import Engine, text
from migrate.plan.likeness import LEGAL_FORMS

EMAIL, PHONE, DOMAIN, NAME = "email", "phone", "domain", "name"
ASPECTS = (EMAIL, PHONE, DOMAIN, NAME)
CAP = 40  # records of a block that are compared each with each
WINDOW = 5  # neighbours with which a record of a larger block is compared
NAMED = 50  # large blocks that are named
LOT = 50_000  # pairs that are scored at a time
THRESHOLD = 92.0
WEIGHTS = {EMAIL: 4, DOMAIN: 3, PHONE: 2}  # beside the name's, which is 2
_NAME_WEIGHT = 2
BLOCKS = ("email", "phone", "domain", "words of the name", "sound of the name")
Tables = Callable[[str, str], str]


@dataclass(frozen=True)
class Block:
    """A block too large to compare each with each."""

    kind: str
    value: str
    records: int


@dataclass(frozen=True)
class Likely:
    """What was found among some records.

    `pairs`: a table (`a`, `b`: ids, `a` before `b`; `score` 0 to 100; `shared`: what they have in common);
    `clusters`: a table (`id`, `cluster`) of every record that is one of a pair. `candidates`: pairs that were
    scored. `large`: the largest of the `larges` blocks that were not compared each with each.
    """

    pairs: str
    clusters: str
    records: int
    candidates: int
    members: int
    groups: int
    large: tuple[Block, ...]
    larges: int

    @property
    def superfluous(self) -> int:
        """Records that wouldn't be there if every cluster were one record."""
        return self.members - self.groups


def normal(aspect: str, value: str, *, company: bool = False, gmail_dots: bool = False) -> str:
    """SQL that brings a text into the form in which it is compared; null where nothing is left."""
    if aspect == EMAIL:
        mail = f"lower(trim({value}))"
        if gmail_dots:
            own = f"regexp_replace(split_part({mail}, '@', 1), '[.]|[+].*$', '', 'g')"
            mail = (
                f"CASE WHEN regexp_matches({mail}, '@(gmail|googlemail)[.]com$') "
                f"THEN concat({own}, '@gmail.com') ELSE {mail} END"
            )
        return f"CASE WHEN contains({value}, '@') THEN {mail} END"
    if aspect == PHONE:
        digits = f"regexp_replace({value}, '[^0-9]', '', 'g')"
        # The last nine are the same with and without a country's or a trunk's prefix.
        return f"CASE WHEN length({digits}) >= 7 THEN right({digits}, 9) END"
    if aspect == DOMAIN:
        host = f"regexp_replace(lower(trim({value})), '^[a-z]+://|^www[.]', '', 'g')"
        return f"nullif(regexp_extract(regexp_replace({host}, '^www[.]', ''), '^[^/:?#]+'), '')"
    plain = (
        f"regexp_replace(replace(lower(strip_accents({value})), '.', ''), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')"
    )
    words = f"list_filter(string_split({plain}, ' '), lambda w: w <> '')"
    if company:
        listed = ", ".join(map(text, LEGAL_FORMS))
        short = f"list_filter({words}, lambda w: w NOT IN ({listed}))"
        words = f"CASE WHEN len({short}) > 0 THEN {short} ELSE {words} END"
    return f"nullif(array_to_string(list_sort({words}), ' '), '')"


def _sound(name: str) -> str:
    """SQL of a name's consonants by class, as Soundex has them, each run of one class once."""
    classes = f"translate({name}, 'bfpvcgjkqsxzdtlmnraeiouyhw ', '1111222222223345567')"
    for digit in "1234567":
        classes = f"regexp_replace({classes}, '{digit}{digit}+', '{digit}', 'g')"
    return f"CASE WHEN length({classes}) >= 3 THEN left({classes}, 10) END"


def find(
    engine: Engine,
    make: Tables,
    name: str,
    rows: str,
    *,
    threshold: float,
    company: bool,
    gmail_dots: bool = False,
) -> Likely:
    """Find likely duplicates.

    Args:
        make: makes a table of a name out of a query, and gives its name as SQL.
        name: unique among the tables.
        rows: a query of `id` and the texts `email`, `phone`, `domain`, `name`.
        threshold: least score of a pair, 0 to 100.
        company: legal forms are no part of a name, and a name alone may tell that two are one.
        gmail_dots: dots and `+tags` in Gmail addresses make no difference.

    One key of each kind a record; a pair that several blocks hold is scored in the first only.
    """
    forms = ", ".join(
        f"{normal(one, one, company=company, gmail_dots=gmail_dots)} AS {one}" for one in ASPECTS
    )
    keyed = make(
        f"{name} records",
        f"""SELECT row_number() OVER () AS n, id, email, phone, domain, name, email AS k0, phone AS k1,
            domain AS k2, name AS k3, {_sound("name")} AS k4
        FROM (SELECT id, {forms} FROM ({rows}))""",
    )
    pairs = make(
        f"{name} pairs",
        "SELECT 0::BIGINT AS a, 0::BIGINT AS b, 0::DOUBLE AS score, '' AS shared WHERE false",
    )
    candidates = larges = 0
    large: list[Block] = []
    too_large: list[str] = []
    for kind in range(len(BLOCKS)):
        sizes = make(
            f"{name} large {kind}",
            f"SELECT k{kind} AS k, count(*) AS records FROM {keyed} WHERE k{kind} IS NOT NULL "
            f"GROUP BY k{kind} HAVING count(*) > {CAP}",
        )
        larges += int(engine.rows(f"SELECT count(*) AS n FROM {sizes}")[0]["n"])
        large += [
            Block(BLOCKS[kind], str(row["k"]), int(row["records"]))
            for row in engine.rows(f"SELECT k, records FROM {sizes} ORDER BY records DESC, k LIMIT {NAMED}")
        ]
        too_large.append(sizes)
        for query in (_each(keyed, too_large), _neighbours(keyed, kind, sizes)):
            for batch in engine.stream(query, rows=LOT):
                candidates += batch.num_rows
                _keep(engine, pairs, _scored(batch, threshold, company=company))
    records = int(engine.rows(f"SELECT count(*) AS n FROM {keyed}")[0]["n"])
    roots = make(f"{name} roots", "SELECT 0::BIGINT AS n, 0::BIGINT AS root WHERE false")
    _clusters(engine, pairs, records, roots)
    clusters = make(
        f"{name} clusters", f"SELECT k.id, r.root AS cluster FROM {roots} AS r JOIN {keyed} AS k USING (n)"
    )
    told = make(
        f"{name} found",
        f"""SELECT least(x.id, y.id) AS a, greatest(x.id, y.id) AS b, max(p.score) AS score,
            arg_max(p.shared, p.score) AS shared
        FROM {pairs} AS p JOIN {keyed} AS x ON x.n = p.a JOIN {keyed} AS y ON y.n = p.b GROUP BY ALL""",
    )
    counts = engine.rows(f"SELECT count(*) AS n, count(DISTINCT cluster) AS groups FROM {clusters}")[0]
    for table in (keyed, pairs, roots):
        engine.run(f"DROP TABLE {table}")
    large.sort(key=lambda one: (-one.records, one.kind, one.value))
    return Likely(
        told, clusters, records, candidates, int(counts["n"]), int(counts["groups"]), tuple(large[:NAMED]),
        larges,
    )  # fmt: skip


_BOTH = ", ".join(f"{side}.{one} AS {side}_{one}" for one in ASPECTS for side in ("a", "b"))


def _each(keyed: str, sizes: list[str]) -> str:
    """Pairs of the blocks of the last kind that are small enough, without those of earlier kinds."""
    kind = len(sizes) - 1
    rows = (
        f"(SELECT * FROM {keyed} WHERE k{kind} IS NOT NULL AND k{kind} NOT IN (SELECT k FROM {sizes[kind]}))"
    )
    shown = "".join(
        f" AND NOT coalesce(a.k{one} = b.k{one} AND a.k{one} NOT IN (SELECT k FROM {sizes[one]}), false)"
        for one in range(kind)
    )
    return f"""SELECT a.n AS a, b.n AS b, {_BOTH} FROM {rows} AS a JOIN {rows} AS b
        ON a.k{kind} = b.k{kind} WHERE a.n < b.n{shown}"""


def _neighbours(keyed: str, kind: int, sizes: str) -> str:
    """Pairs of neighbours in the blocks that are too large."""
    rows = f"""(SELECT *, row_number() OVER (PARTITION BY k{kind} ORDER BY name, email, phone, n) AS place
        FROM {keyed} WHERE k{kind} IN (SELECT k FROM {sizes}))"""
    steps = f"(SELECT unnest(range(1, {WINDOW + 1})) AS step)"
    return f"""SELECT a.n AS a, b.n AS b, {_BOTH} FROM
        (SELECT r.*, place + step AS next FROM {rows} AS r CROSS JOIN {steps}) AS a
        JOIN {rows} AS b ON a.k{kind} = b.k{kind} AND a.next = b.place"""


def _scored(batch: pa.RecordBatch, threshold: float, *, company: bool) -> pa.Table:
    """The pairs of a lot that score enough."""
    rows = batch.num_rows
    alike = {one: _alike(batch, one) for one in ASPECTS}
    name, named = alike[NAME]
    best = np.where(named, name, 0.0) if company else np.zeros(rows)
    shared = np.where(best > 0, NAME, "").astype(object)
    for aspect, weight in WEIGHTS.items():
        value, both = alike[aspect]
        with_name = (weight * value + _NAME_WEIGHT * name) / (weight + _NAME_WEIGHT)
        # A phone is often many people's: without a name it says nothing.
        alone = 0.0 if aspect == PHONE else value
        score = np.where(both, np.where(named, with_name, alone), 0.0)
        if aspect in (EMAIL, DOMAIN):
            # Two companies of one name at two addresses are two: the name doesn't count alone there.
            best = np.where(both & (shared == NAME), 0.0, best)
        better = score > best
        best = np.where(better, score, best)
        shared[better] = aspect
    enough = best >= threshold
    labels = [_shared(one, bool(both)) for one, both in zip(shared[enough], named[enough], strict=True)]
    return pa.table(
        {
            "a": batch["a"].filter(pa.array(enough)),
            "b": batch["b"].filter(pa.array(enough)),
            "score": pa.array(np.round(best[enough], 1), pa.float64()),
            "shared": pa.array(labels, pa.string()),
        }
    )


def _shared(aspect: str, named: bool) -> str:
    return aspect if aspect == NAME or not named else f"{aspect} and {NAME}"


def _alike(batch: pa.RecordBatch, aspect: str) -> tuple[Any, Any]:
    """How alike the two sides are, 0 to 100, and where both have a value."""
    left, right = batch[f"a_{aspect}"], batch[f"b_{aspect}"]
    both = np.array(pc.and_(left.is_valid(), right.is_valid()), dtype=bool)
    value = np.zeros(batch.num_rows)
    if both.any():
        mask = pa.array(both)
        left, right = left.filter(mask), right.filter(mask)
        value[both] = process.cpdist(left.to_pylist(), right.to_pylist(), scorer=fuzz.ratio, dtype=np.float32)
        if aspect == EMAIL:
            # `ann.lee1@` and `ann.lee2@` are two mailboxes, and no slip of the pen.
            digits = [pc.replace_substring_regex(side, "[^0-9]", "") for side in (left, right)]
            value[both] *= np.array(pc.equal(*digits), dtype=bool)
    return value, both


def _keep(engine: Engine, pairs: str, found: pa.Table) -> None:
    if found.num_rows:
        engine.insert(pairs, found)


def _clusters(engine: Engine, pairs: str, records: int, into: str) -> None:
    """Who hangs together over any number of pairs: each member with the least number of its cluster."""
    root = array("q", range(records + 1))

    def find_root(one: int) -> int:
        while root[one] != one:
            root[one] = one = root[root[one]]
        return one

    for batch in engine.stream(f"SELECT a, b FROM {pairs}", rows=LOT):
        for a, b in zip(batch["a"].to_pylist(), batch["b"].to_pylist(), strict=True):
            low, high = sorted((find_root(a), find_root(b)))
            root[high] = low
    for batch in engine.stream(
        f"SELECT DISTINCT n FROM (SELECT a AS n FROM {pairs} UNION ALL SELECT b FROM {pairs})", rows=LOT
    ):
        members = batch["n"].to_pylist()
        found = pa.table({"n": members, "root": [find_root(one) for one in members]})
        engine.insert(into, found)
