"""What of the opt-outs that a load brought will stay? All of them: a no is never taken back.

By address: those that weren't there before the attempt. In fields: those of records that stood there before
and were changed; a record that we created goes with its fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from migrate.catalog import ANY, Catalog, Consent
from migrate.connector import ALL, CONSENT, KeepsConsent
from migrate.engine import Engine, text
from migrate.journal import OPTED_OUT, Entry
from migrate.ledger import BatchRow
from migrate.load import Loading


def landed(loading: Loading, batch: BatchRow, told: Collection[str]) -> Iterator[Entry]:
    """Opt-outs of a batch in doubt that are in the target now, so that they are counted as staying.

    Args:
        told: keys whose outcome is in the journal already.
    """
    rows = loading.workspace.engine.rows(
        f"""SELECT key, "left", "right", label, was_there FROM {loading.journal.source()}
        WHERE batch = {text(batch.id)} AND kind = '{CONSENT}' AND outcome = 'intent'"""
    )
    rows = [row for row in rows if row["key"] not in told]
    if not rows or not isinstance(loading.target, KeepsConsent):
        return
    held = {
        (channel, each.address, each.subscription)
        for channel in {row["right"] for row in rows}
        for each in loading.target.read_consent(channel, [r["left"] for r in rows if r["right"] == channel])
        if each.out
    }
    for row in rows:
        if any((row["right"], row["left"], each) in held for each in (ALL, row["label"])):
            yield Entry(
                loading.attempt, batch.id, loading.system, CONSENT, CONSENT, row["key"], batch.operation,
                "done",
                left=row["left"], right=row["right"], label=row["label"], was_there=row["was_there"],
                reason="found in the target by a rollback",
            )  # fmt: skip


def by_address(engine: Engine) -> dict[str, int]:
    """How many opt-outs of what is undone were written by address, as `consent`; nothing for none."""
    return _some({CONSENT: _count(engine, brought())})


def brought() -> str:
    """SQL: the opt-outs by address (`key`, `address`, `subscription`) of what is undone. Needs the tables of
    `deeds`."""
    due = "(SELECT * FROM undo_journal WHERE due)"
    return f"""SELECT key, any_value(address) AS address, any_value(subscription) AS subscription
        FROM ({OPTED_OUT.format(journal=due)}) WHERE NOT was_there GROUP BY key"""


def to_stay(engine: Engine, catalog: Catalog) -> dict[str, int]:
    """How many values a rollback won't put back, by `object.field`. Needs the tables of `deeds`."""
    return _some(
        {
            f"{object}.{name}": _count(engine, staying(object, name, consent))
            for object, name, consent in marked(catalog, list(catalog.objects))
        }
    )


def staying(object: str, name: str, consent: Consent) -> str:
    """SQL: `key` and `id` of the records of which a rollback won't put this field back."""
    before, after = f"before[{text(name)}]", f"after[{text(name)}]"
    return f"""SELECT key, id FROM undo_records WHERE object = {text(object)} AND action = 'restore'
        AND {says_no(consent, after)} AND NOT {says_no(consent, before)}"""


def stayed(engine: Engine) -> dict[str, int]:
    """How many values weren't put back, by `object.field`. Needs `kept`."""
    rows = engine.rows(
        """SELECT object || '.' || field AS what, count(*) AS n FROM undo_differences WHERE kind = 'consent'
        GROUP BY ALL ORDER BY ALL"""
    )
    return {row["what"]: int(row["n"]) for row in rows}


def kept(engine: Engine, catalog: Catalog, objects: Sequence[str]) -> None:
    """What isn't as before because a no stays is no failure: such differences get a kind of their own."""
    for object, name, consent in marked(catalog, objects):
        engine.run(
            f"""UPDATE undo_differences SET kind = 'consent', what = 'opted out; it stays'
            WHERE kind = 'unrestored' AND object = {text(object)} AND field = {text(name)}
            AND {says_no(consent, '"now"')}"""
        )


def marked(catalog: Catalog, objects: Sequence[str]) -> Iterator[tuple[str, str, Consent]]:
    """(object, field, what it says) of every field that keeps opt-outs."""
    for object in objects:
        schema = catalog.objects.get(object)
        for name, field in (schema.fields if schema else {}).items():
            if field.consent is not None:
                yield object, name, field.consent


def says_no(consent: Consent, value: str) -> str:
    """SQL: whether a wire value opts out."""
    if ANY in consent.out:
        return f"(coalesce({value}, '') <> '')"
    return f"(coalesce({value}, '') IN ({', '.join(map(text, consent.out))}))"


def _some(found: dict[str, int]) -> dict[str, int]:
    return {what: n for what, n in found.items() if n}


def _count(engine: Engine, query: str) -> int:
    return int(engine.rows(f"SELECT count(*) AS n FROM ({query})")[0]["n"])
