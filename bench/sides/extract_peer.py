"""The peer's side of the extract: simple-salesforce downloads the job's pages, pandas writes Parquet.

simple-salesforce is unchanged. Its `bulk2.<Object>.download` makes a job, waits, and then calls
`download_job_data` page by page; for a job that is complete already only that last loop is left, written
out here with its own defaults.

pandas is told each column's type, so that the output holds the same values in the same types: money
as decimal128, instants in UTC, an empty text as null, `NA` as a text. Its parser is the default one; the
other (`engine="pyarrow"`) refuses values with line breaks, which Salesforce's addresses have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import requests
from simple_salesforce.api import Salesforce

from bench.measure import arguments, report, timed

DECIMAL = "decimal"


def download(given: dict[str, Any], folder: Path) -> list[str]:
    """The job's pages as CSV files, in their order."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = given["ca"]
        salesforce = Salesforce(
            session_id=given["token"], instance_url=given["url"], session=session, version="66.0"
        )
        client = getattr(salesforce.bulk2, given["object"])._client
        files, locator = [], ""
        while True:
            result = client.download_job_data(str(folder), given["job"], locator)
            files.append(result["file"])
            locator = result["locator"]
            if not locator:
                return files


def convert(given: dict[str, Any], files: list[str], target: Path) -> int:
    """All pages into one Parquet file; its rows."""
    kinds: dict[str, list[Any]] = given["kinds"]
    dtypes = {"int": "Int64", "bool": "boolean"}
    times = [name for name, (kind, *_) in kinds.items() if kind in ("date", "timestamp")]
    pages = [
        pd.read_csv(
            file,
            dtype={name: dtypes.get(kind, "str") for name, (kind, *_) in kinds.items() if name not in times},
            parse_dates=times,
            keep_default_na=False,
            na_values=[""],
        )
        for file in files
    ]
    whole = pd.concat(pages, ignore_index=True).rename(columns={"Id": "_id"})
    for name, (kind, *digits) in kinds.items():
        if kind == DECIMAL:
            # `read_csv` can't be given this type (an error in pandas 3.1.1 where a cell is empty).
            whole[name] = whole[name].astype(pd.ArrowDtype(pa.decimal128(*digits)))
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(
        [
            ("_id" if name == "Id" else name, pa.decimal128(*digits) if kind == DECIMAL else types[kind])
            for name, (kind, *digits) in kinds.items()
        ]
    )
    whole.to_parquet(target, engine="pyarrow", compression="zstd", index=False, schema=schema)
    return len(whole)


def main() -> None:
    """Measure one run."""
    given = arguments()
    into = Path(given["into"])
    pages = into / "pages"
    pages.mkdir()
    with timed() as found:
        rows = convert(given, download(given, pages), into / "Account.parquet")
    report(found, "simple-salesforce", "pandas", "pyarrow", "requests", rows=rows)


if __name__ == "__main__":
    main()
