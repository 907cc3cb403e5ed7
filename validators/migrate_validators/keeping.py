"""How are the rows behind a result kept? In Parquet beside the report, each difference with a lasting id."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migrate.engine import Engine, identifier, text
from migrate.storage import Storage, sha256_of
from migrate_validators.classes import COLUMNS, FAIL

if TYPE_CHECKING:
    from migrate_validators.model import Result

SAMPLE = 50  # rows that the page shows; the rest is in the Parquet file


@dataclass(frozen=True)
class Kept:
    """Rows that were written. `rows`: path below the report's folder, None where there is none."""

    rows: str | None = None
    row_count: int = 0
    sample: tuple[dict[str, Any], ...] = ()
    grades: dict[str, int] = field(default_factory=dict)

    @property
    def failing(self) -> int:
        """Rows that must be mended, tolerated or waived."""
        return self.grades.get(FAIL, 0)

    def on(self, result: Result) -> Result:
        """The result with these rows."""
        return replace(
            result, rows=self.rows, row_count=self.row_count, sample=self.sample, grades=self.grades
        )


def whole(engine: Engine, id: str, query: str) -> str:
    """A query with every column of `classes.COLUMNS`, and in front each difference's lasting id."""
    given = [str(row["column_name"]) for row in engine.rows(f"DESCRIBE {query}")]
    missing = {"class": text("other"), "grade": text(FAIL)}
    columns = [
        f"CAST(q.{identifier(name)} AS VARCHAR) AS {identifier(name)}"
        if name in given
        else f"{missing.get(name, 'NULL::VARCHAR')} AS {identifier(name)}"
        for name in COLUMNS
    ]
    rest = [f"q.{identifier(name)}" for name in given if name not in COLUMNS]
    # The values may go on changing, and several checks may see it: it stays the same difference.
    entry = id.split(".")[1] if "." in id else id
    of = ["coalesce(w.key, w.id)", "w.field", "w.class"]
    if "key" not in given and "id" not in given:
        of.append("CAST(w AS VARCHAR)")
    listed = ", ".join([text(entry), *(f"coalesce({one}, '')" for one in of)])
    return f"""SELECT 'D-' || upper(left(md5(concat_ws(chr(31), {listed})), 10)) AS difference, w.*
        FROM (SELECT {", ".join([*columns, *rest])} FROM ({query}) AS q) AS w"""


def write_rows(engine: Engine, folder: Storage, id: str, table: str) -> Kept:
    """Write a table of `whole` rows to the folder as `rows/<id>.parquet`; nothing where it is empty."""
    grades = {
        str(row["grade"]): int(row["n"])
        for row in engine.rows(f"SELECT grade, count(*) AS n FROM {table} GROUP BY grade ORDER BY grade")
    }
    if not grades:
        return Kept()
    name = f"rows/{id}.parquet"
    aside = folder.aside(name)
    engine.run(f"COPY {table} TO {text(str(aside))} (FORMAT parquet, COMPRESSION zstd)")
    folder.keep(name, aside, sha256_of(aside))
    sample = tuple(
        {column: shown(value) for column, value in row.items()}
        for row in engine.rows(f"SELECT * FROM {table} LIMIT {SAMPLE}")
    )
    return Kept(name, sum(grades.values()), sample, grades)


def shown(value: Any) -> Any:
    """A value as JSON and the page show it: exact text for what JSON has no word for."""
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
