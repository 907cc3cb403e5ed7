"""The demo from a clean clone, other people's clients, the measurements, and what `--help` imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proofs.claims import REPOSITORY, Ground, Line, shared_data, shows

HEAVY = ("duckdb", "pyarrow", "sqlalchemy", "pandas", "httpx2")
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def clean() -> dict[str, str]:
    """An environment with nothing of ours; how packages are fetched is the machine's business."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy")
    }


@shows("demo-generated", "demo-maven")
def demo(ground: Ground) -> Iterator[Line]:
    """A clone, one `make` each."""
    clone = ground.folder("clone")
    subprocess.run(
        ["git", "clone", "--quiet", "--no-hardlinks", str(REPOSITORY), str(clone)], check=True, env=clean()
    )
    environment = clean() | {"SHARED_DATA": str(shared_data())}
    for id_, more in (("demo-generated", []), ("demo-maven", ["DATA=maven-crm"])):
        done = subprocess.run(
            ["make", "demo", *more], cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        lines = done.stdout.splitlines()
        checked = [line for line in lines if line.lstrip().startswith(("ok ", "WRONG"))]
        wrong = [line for line in checked if line.lstrip().startswith("WRONG")]
        took = next(
            (line for line in reversed(lines) if line.endswith("s in all.")), "it didn't say how long"
        )
        figure = f"exit {done.returncode}, {len(checked)} figures as expected but for {len(wrong)}, {took}"
        ok = done.returncode == 0 and not wrong
        told = () if ok else (*lines[-15:], *done.stderr.splitlines()[-10:])
        yield Line(id_, figure, len(checked), ok, told)


@shows("clients-salesforce", "clients-hubspot")
def clients(ground: Ground) -> Iterator[Line]:
    """Their tests, run in a process of their own."""
    for vendor in ("salesforce", "hubspot"):
        file = f"tests/sandbox/test_{vendor}_clients.py"
        yield suite(f"clients-{vendor}", file, ground.folder(f"{vendor}-clients.xml"))


def suite(id: str, tests: str, report: Path, where: str = "") -> Line:
    """The line of a claim that tests show, run in a process of their own; a skip counts as a failure.

    Args:
        report: where JUnit XML is written.
        where: the tests ran, for people.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", tests],
        cwd=REPOSITORY,
        env=os.environ | {"REQUIRE_ALL": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest just wrote it
    count = {
        name: int(found.get(name, 0)) if found is not None else 0
        for name in ("tests", "failures", "errors", "skipped")
    }
    bad = count["failures"] + count["errors"] + count["skipped"]
    told = tuple(done.stdout.splitlines()[-12:]) if bad or done.returncode else ()
    figure = f"{count['tests'] - bad} of {count['tests']} tests{where} pass"
    return Line(id, figure, count["tests"], not bad and not done.returncode, told)


def _bench(name: str, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not found:
        raise RuntimeError(f"bench.{name} ended with {done.returncode}: {done.stderr[-800:]}")
    return found


@shows("bench-extract-speed", "bench-extract-memory")
def bench_extract(_: Ground) -> Iterator[Line]:
    """200,000 rows of a completed job, beside simple-salesforce and pandas."""
    (found,) = _bench("extract")
    ours, peer = found["ours"], found["peer"]
    times, share = float(found["times_the_rows_per_second"]), float(found["share_of_the_peak"])
    versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
    figure = (
        f"{ours['rows_per_second']:,} against {peer['rows_per_second']:,} rows/s ({versions}): {times:.1f}x, "
        f"median of {found['n']}"
    )
    yield Line("bench-extract-speed", figure, int(found["rows"]), times >= 3 and found["n"] >= 7)
    figure = f"{ours['peak_mb']:.0f} against {peer['peak_mb']:.0f} MB: {share:.0%}"
    yield Line("bench-extract-memory", figure, int(found["rows"]), share < 0.5)


@shows("bench-diff-join", "bench-diff-peer")
def bench_diff(_: Ground) -> Iterator[Line]:
    """Two tables of 1,000,000 x 21; 0.1% and 10% differing."""
    found = _bench("diff", "--peer", "pandas")
    joins = [float(each["times_the_bare_join"]) for each in found]
    peers = [float(each["times_datacompy"]) for each in found]
    rows = sum(int(each.get("rows", 0)) for each in found)
    seconds = ", ".join(
        f"{each['ours']['seconds']:.2f} s against {each['bare']['seconds']:.2f} s" for each in found
    )
    figure = f"{' and '.join(f'{each:.2f}x' for each in joins)} ({seconds})"
    yield Line("bench-diff-join", figure, rows, len(found) == 2 and max(joins) <= 2)
    versions = found[0]["peer"]["versions"]
    figure = f"{' and '.join(f'{each:.1f}x' for each in peers)} (datacompy {versions.get('datacompy')})"
    yield Line("bench-diff-peer", figure, rows, len(found) == 2 and min(peers) >= 15)


@shows("help-imports")
def help_imports(_: Ground) -> Iterator[Line]:
    """In a fresh process."""
    program = (
        "import sys\n"
        "from migrate.cli.root import run\n"
        "code = run(['--help'])\n"
        "print('\\n' + ' '.join(sorted(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    modules = {name.partition(".")[0] for name in done.stderr.split()}
    heavy = sorted(modules & set(HEAVY))
    figure = f"{len(modules)} top-level modules, of those heavy: {', '.join(heavy) or 'none'}"
    ok = not heavy and done.returncode == 0 and "Usage" in done.stdout
    yield Line("help-imports", figure, len(modules), ok)
