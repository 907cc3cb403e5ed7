"""Do the plan's own rules hold? Each is one SELECT, in a file beside the plan, of the rows that break it.

Tables: `source.<Object>` (the extract, latest state), `target.<object>` (read anew, our records and others),
`ends`, `crosswalk`, and what people call things: `options` (side, object, field, value, label) and `owners`
(side, id, email, name). The statement may read these and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import duckdb
import sqlglot
from sqlglot import exp

from migrate.engine import identifier, reason, text
from migrate.stages.crosswalk import latest_extracted
from migrate_validators.classes import Class
from migrate_validators.evidence import Evidence, sql_type
from migrate_validators.model import Decision, Result, Verdict
from migrate_validators.wording import without_folders

ID = "invariants"
TITLE = "The plan's own rules"


def check(evidence: Evidence) -> Iterator[Result]:
    """One result a file under `validate: checks:`."""
    for file in evidence.plan.model.validate_.checks:
        yield _file(evidence, file)


def _file(evidence: Evidence, file: str) -> Result:
    name = file.rpartition("/")[2].removesuffix(".sql")
    id = f"{ID}.{name}"
    try:
        query = compiled(evidence, evidence.plan.beside(file).read_text(encoding="utf-8"))
        kept = evidence.keep(id, f"SELECT '{Class.RULE}' AS class, q.* FROM ({query}) AS q")
    except (ValueError, OSError, duckdb.Error) as error:
        return Result(
            id=id, check=ID, object="", title=f"{TITLE}: {name}", verdict=Verdict.ERROR,
            summary=f"`{file}` can't be run: {without_folders(reason(error))}.", compared=0,
            decisions=(Decision(Verdict.ERROR, f"`{file}` can't be run", "Migration engineer"),),
        )  # fmt: skip
    compared = sum(evidence.snapshots[each.target].rows for each in evidence.objects)
    verdict = Verdict.FAIL if kept.row_count else Verdict.PASS if compared else Verdict.EMPTY
    summary = f"{kept.row_count:,} rows break the rule." if kept.row_count else "No row breaks the rule."
    decision = Decision(
        Verdict.FAIL, f"{kept.row_count:,} rows break `{name}`", "Data owner", "", f"migrate diff {id}"
    )
    return kept.on(
        Result(
            id=id,
            check=ID,
            object="",
            title=f"{TITLE}: {name}",
            verdict=verdict,
            summary=summary,
            compared=compared,
            figures={"rows that break the rule": kept.row_count},
            decisions=(decision,) if kept.row_count else (),
        )
    )


def compiled(evidence: Evidence, statement: str, *, ours: bool = False) -> str:
    """The statement over this validation's tables.

    Args:
        ours: without the records, on either side, that are at home in the target.

    Raises:
        ValueError: it isn't one SELECT, or reads something else.
    """
    try:
        parsed = [each for each in sqlglot.parse(statement, dialect="duckdb") if each is not None]
    except sqlglot.errors.ParseError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise ValueError("it must be one SELECT")
    tree = cast("exp.Expression", parsed[0])
    known = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if not table.db and table.name.lower() in known:
            continue
        table.replace(_table(evidence, table, ours=ours))
    return tree.sql(dialect="duckdb")


def _table(evidence: Evidence, table: exp.Table, *, ours: bool) -> exp.Expression:
    name, side = table.name, table.db.lower()
    if not isinstance(table.this, exp.Identifier) or table.catalog:
        raise ValueError(f"`{table.sql(dialect='duckdb')}` may not be read")
    alias = table.alias or name
    if side == "source" and name in evidence.source.objects:
        fields = evidence.source.objects[name].fields
        types = {one: sql_type(field) for one, field in fields.items()}
        query = f"SELECT * FROM {latest_extracted(evidence.store, name, types)}"
        if ours:
            query += f""" WHERE coalesce(_id NOT IN (SELECT source_id FROM {evidence.ends}
                WHERE source_object = {text(name)} AND NOT {evidence.ours("key")}), true)"""
    elif side == "target" and name in evidence.snapshots:
        query = f"SELECT * FROM {evidence.found(name)}"
        if ours:
            query += f" WHERE {evidence.ours('_key')}"
    elif not side and name in ("ends", "crosswalk"):
        query = f"SELECT * FROM {evidence.ends if name == 'ends' else evidence.crosswalk}"
    elif not side and name in ("options", "owners"):
        query = f"SELECT * FROM {options_of(evidence) if name == 'options' else owners_of(evidence)}"
    else:
        raise ValueError(f"there is no table `{table.sql(dialect='duckdb')}`")
    parsed = sqlglot.parse_one(f"SELECT * FROM ({query}) AS {identifier(alias)}", dialect="duckdb")
    return cast("exp.Expression", parsed.args["from_" if "from_" in parsed.args else "from"].this)


def options_of(evidence: Evidence) -> str:
    """Table (side, object, field, value, label) of both systems' picklists."""
    rows = [
        {"side": side, "object": schema.name, "field": field.name, "value": one.value, "label": one.label}
        for side, catalog in (("source", evidence.source), ("target", evidence.target))
        for schema in catalog.objects.values()
        for field in schema.fields.values()
        for one in field.options
    ]
    names = ("side", "object", "field", "value", "label")
    return evidence.once(("table", "options"), lambda: evidence.texts("options", rows, names))


def owners_of(evidence: Evidence) -> str:
    """Table (side, id, email, name) of both systems' owners; e-mails in lower case."""
    rows = [
        {"side": side, "id": one.id, "email": (one.email or "").lower() or None, "name": one.name}
        for side, catalog in (("source", evidence.source), ("target", evidence.target))
        for one in catalog.owners
    ]
    names = ("side", "id", "email", "name")
    return evidence.once(("table", "owners"), lambda: evidence.texts("owners", rows, names))
