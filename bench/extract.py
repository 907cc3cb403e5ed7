"""How fast, and in how much memory, does a completed bulk job become Parquet, beside the usual script?

200,000 rows of 20 columns, about 60 MB of CSV in four pages that were rendered before and that the
simulated Salesforce serves over TLS. Ours: the connector, going on from the job's cursor, and the store.
The peer: simple-salesforce 1.12.10, unchanged, into a folder, then pandas to Parquet. Both write the same
rows in the same types, which is looked at in each run of this program.

    python -m bench.extract
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import ROUNDS, Figures, Side, in_turn, peer, scratch
from migrate.sandbox.salesforce.ids import long_id
from migrate.sandbox.salesforce.seed import ADMIN_TOKEN
from migrate.sandbox.server import Running, launch

OBJECT, JOB = "Account", long_id("7505g0000000001")
ROWS, PAGE_ROWS = 200_000, 50_000
FASTER, LIGHTER = 3.0, 2.0  # bounds: times the peer's rows a second; the peer's peak over ours
REQUIREMENTS = ("simple-salesforce==1.12.10", "pandas==3.1.1", "pyarrow==26.0.1", "requests==2.34.2")

METADATA = {
    OBJECT: {
        "fields": [
            {"name": "Score__c", "type": "double", "precision": 12, "scale": 4},
            {"name": "Balance__c", "type": "currency", "precision": 18, "scale": 2},
            {"name": "Customer_Since__c", "type": "date"},
        ]
    }
}
# In the order of the CSV; with the digits of a decimal.
KINDS: dict[str, list[Any]] = {
    "Id": ["text"],
    "Name": ["text"],
    "Type": ["text"],
    "Industry": ["text"],
    "Balance__c": ["decimal", 18, 2],
    "Score__c": ["decimal", 12, 4],
    "NumberOfEmployees": ["int"],
    "Phone": ["text"],
    "Website": ["text"],
    "BillingStreet": ["text"],
    "BillingCity": ["text"],
    "BillingPostalCode": ["text"],
    "BillingCountry": ["text"],
    "AccountSource": ["text"],
    "Customer_Since__c": ["date"],
    "IsDeleted": ["bool"],
    "OwnerId": ["text"],
    "CreatedDate": ["timestamp"],
    "SystemModstamp": ["timestamp"],
    "Description": ["text"],
}
_WORDS = (
    "harbour", "mill", "copper", "north", "union", "quiet", "bridge", "amber", "field", "granite", "signal",
    "meadow", "orbit", "cedar", "lantern", "summit", "ferry", "canyon", "violet", "Zürich", "Łódź", "Málaga",
)  # fmt: skip


def row(number: int, chance: random.Random) -> list[str]:
    """One record as Salesforce writes it: about 300 characters, one in seven cells empty or odd."""
    words = chance.choices(_WORDS, k=7)
    made = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(300_000_000))
    changed = made + timedelta(seconds=chance.randrange(30_000_000))
    note = " ".join(words[5:])
    if number % 50 == 0:
        note = f'said "{words[5]}",\n{note}'
    return [
        f"0015g00{number:08d}AAA",
        f"{words[0].title()} {words[1].title()} {number}",
        ("Customer - Direct", "Prospect", "Other", "")[number % 4],
        ("Banking", "Energy", "Retail", "NA", "")[number % 5],
        f"{chance.randrange(1_000_000_000) / 100:.2f}" if number % 7 else "",
        f"{chance.randrange(10_000_000) / 10_000:.4f}",
        str(chance.randrange(50_000)) if number % 6 else "",
        f"+44 20 {chance.randrange(10_000_000):07d}",
        f"https://www.{words[2].lower()}-{number}.example",
        f"{chance.randrange(400)} {words[3].title()} Street\nFloor {number % 9}",
        words[4].title(),
        f"{chance.randrange(100_000):05d}",
        ("Germany", "United Kingdom", "Spain")[number % 3],
        ("Web", "Partner Referral", "")[number % 3],
        str(date(2005, 1, 1) + timedelta(days=chance.randrange(7000))) if number % 3 else "",
        "true" if number % 40 == 0 else "false",
        f"0055g00{number % 60:08d}AAA",
        _stamp(made),
        _stamp(changed),
        note,
    ]


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def render(folder: Path, rows: int, page_rows: int) -> tuple[list[dict[str, Any]], int]:
    """The job's pages as files; for each its path and rows, and the bytes of all CSV."""
    chance = random.Random(20261123)  # noqa: S311 - data, not a secret
    pages: list[dict[str, Any]] = []
    size = 0
    for start in range(0, rows, page_rows):
        end = min(rows, start + page_rows)
        plain = folder / "page.csv"
        with plain.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(KINDS)
            writer.writerows(row(number, chance) for number in range(start, end))
        content = plain.read_bytes()
        plain.unlink()
        size += len(content)
        path = folder / f"page-{len(pages)}.csv.gz"
        path.write_bytes(gzip.compress(content, 1))
        pages.append({"path": str(path), "rows": end - start})
    return pages, size


def plant(running: Running, pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the sandbox the finished job; what a side must know to read it."""
    running.control.post(
        "/seed",
        {
            "metadata": METADATA,
            "rendered_jobs": [
                {
                    "id": JOB,
                    "object": OBJECT,
                    "query": f"SELECT {', '.join(KINDS)} FROM {OBJECT}",
                    "pages": [page["path"] for page in pages],
                    "rows": [page["rows"] for page in pages],
                }
            ],
        },
    )
    return {
        "url": running.url,
        "ca": str(running.ca),
        "token": ADMIN_TOKEN,
        "object": OBJECT,
        "job": JOB,
        "fields": list(KINDS)[1:],
        "kinds": KINDS,
    }


def equal(ours: Path, peers: Path, rows: int) -> None:
    """Look whether two folders of Parquet hold the same rows, in the same order and types.

    Raises:
        ValueError: they don't, or aren't `rows` rows.
    """
    tables = []
    for folder in (ours, peers):
        files = sorted(folder.rglob("*.parquet"))
        whole = pa.concat_tables([pq.ParquetFile(file).read() for file in files]).replace_schema_metadata()
        fields = [
            pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
            for field in whole.schema
        ]
        tables.append(whole.cast(pa.schema(fields)))
    if tables[0].num_rows != rows or not tables[0].equals(tables[1]):
        odd = [name for name in tables[0].column_names if tables[0][name] != tables[1][name]]
        raise ValueError(f"the sides wrote different rows: {[table.num_rows for table in tables]}, {odd}")


def measure(*, rows: int, page_rows: int, rounds: int) -> dict[str, Any]:
    """Both sides in turn; the JSON document."""
    python = peer("extract", *REQUIREMENTS)
    folder = scratch("extract")
    print("  rendering the job's pages", file=sys.stderr)
    pages, size = render(folder, rows, page_rows)
    sides = [Side("ours", "extract_ours"), Side("peer", "extract_peer", python)]
    with launch("salesforce", folder / "sandbox", tls=True) as running:
        known = plant(running, pages)
        figures = in_turn(
            sides, {side.name: {**known, "into": str(folder / side.name)} for side in sides}, rounds=rounds
        )
    equal(folder / "ours", folder / "peer", rows)
    return document(figures["ours"], figures["peer"], rows=rows, size=size, rounds=rounds)


def document(ours: Figures, peers: Figures, *, rows: int, size: int, rounds: int) -> dict[str, Any]:
    """Figures, ratios and bounds."""
    faster, lighter = peers.seconds / ours.seconds, peers.peak / ours.peak
    return {
        "bench": "extract",
        "rows": rows,
        "columns": len(KINDS),
        "csv_mb": round(size / 1e6, 1),
        "n": rounds,
        "ours": {**ours.document(), "rows_per_second": round(rows / ours.seconds)},
        "peer": {**peers.document(), "rows_per_second": round(rows / peers.seconds)},
        "times_the_rows_per_second": round(faster, 2),
        "share_of_the_peak": round(1 / lighter, 3),
        "ok": faster >= FASTER and lighter > LIGHTER,
    }


def main() -> int:
    """Print the JSON line and the human one; 1 where a bound isn't kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.extract", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--page-rows", type=int, default=PAGE_ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    found = measure(rows=options.rows, page_rows=options.page_rows, rounds=options.rounds)
    print(json.dumps(found))
    ours, peers = found["ours"], found["peer"]
    print(
        f"extract: {ours['rows_per_second']:,} rows/s in {ours['peak_mb']:.0f} MB, simple-salesforce "
        f"{peers['versions']['simple-salesforce']} + pandas {peers['versions']['pandas']} "
        f"{peers['rows_per_second']:,} rows/s in {peers['peak_mb']:.0f} MB: "
        f"{found['times_the_rows_per_second']:.1f}x the rows/s (n={found['n']}, at least {FASTER:.0f}x), "
        f"{found['share_of_the_peak']:.0%} of the peak (under half) {'ok' if found['ok'] else 'FALLS SHORT'}"
    )
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
