"""Our side of the extract: a completed bulk job to Parquet parts, by the connector and the store."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from bench.measure import arguments, report, timed
from migrate.clock import SystemClock
from migrate.connector import Query, Settings
from migrate.connectors.salesforce import SalesforceConnector
from migrate.store import Manifest, Store, generation_folder


def extract(given: dict[str, Any]) -> int:
    """Read the job's pages from its start and publish them; the rows written."""
    credentials = {"instance_url": given["url"], "access_token": given["token"]}
    source = SalesforceConnector(Settings("source", credentials, {"ca": given["ca"]}, SystemClock()))
    store = Store(Path(given["into"]))
    folder = generation_folder("source", given["object"], 0)
    pages = source.read(Query(given["object"], tuple(given["fields"])), after=f"bulk:{given['job']}:")
    first = next(pages)
    with store.writer(folder, first.batch.schema) as writer:
        writer.write(first.batch)
        for page in pages:
            writer.write(page.batch)
    source.close()
    rows = sum(part.rows for part in writer.parts)
    store.publish(Manifest(folder, "source", given["object"], 0, rows, tuple(writer.parts)))
    return rows


def main() -> None:
    """Measure one run."""
    given = arguments()
    import_module("pyarrow.parquet")  # the store does so at its first write
    with timed() as found:
        rows = extract(given)
    report(found, "crm-migrate", "pyarrow", "httpx2", rows=rows)


if __name__ == "__main__":
    main()
