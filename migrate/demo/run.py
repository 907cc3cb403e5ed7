"""Does the whole way work, on this machine, now? There, proved, and back.

Starts both sandboxes, seeds them, and drives the command line as a person would, one process a command.
What the commands say (`--json`) is compared with what the seeds planted; the demo ends 0 only if every
figure is the expected one. `said` is the only place that knows the documents' keys.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from migrate.demo import said
from migrate.demo.history import with_history
from migrate.demo.maven import MissingData, maven
from migrate.demo.shape import Seed
from migrate.sandbox.server import Running, launch

PLANS = Path(__file__).resolve().parents[2] / "plans"
MARK = "demo.json"  # in a folder that the demo made, and may so remove
BOUND = 240.0  # seconds, after the set-up
SETTINGS = {"salesforce": {}, "hubspot": {"tier": "professional"}}
# What a sandbox gives to everybody who asks; nothing here opens anything but a simulator on loopback.
CLIENT, WRITER, SECRET, TOKEN = "reader-app", "admin-app", "sandbox-secret", "pat-na1-sandbox"

FORTH: tuple[tuple[str, tuple[int, ...]], ...] = (  # command, exit codes that are no failure
    ("discover", (0,)),
    ("check", (0, 1)),
    ("prepare", (0,)),
    ("extract", (0,)),
    ("transform", (0, 1)),
    ("load", (0, 1)),
    ("validate", (0, 1)),
)
BACK: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("rollback plan", (0, 1)),
    ("rollback run --yes", (0, 1)),
    ("rollback verify", (0, 1)),
)


class Failed(click.ClickException):
    """A command ended otherwise than the demo allows."""

    exit_code = 1


@dataclass(frozen=True)
class Data:
    """A set of input: its seed, and the plan that moves it."""

    plan: str
    seed: Callable[[], Seed]


def _maven() -> Seed:
    shared = os.environ.get("SHARED_DATA", "")
    return maven(Path(shared or "data") / "maven-crm")


DATA = {"generated": Data("sales-and-history", with_history), "maven-crm": Data("maven-to-hubspot", _maven)}


@dataclass
class Demo:
    """One demo: its workspace, how commands are run there, and what they took and said."""

    root: Path
    environment: Mapping[str, str]
    seconds: dict[str, float] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def command(self, words: str, codes: tuple[int, ...]) -> dict[str, Any]:
        """Run one command to its end; its bars go to our stderr.

        Raises:
            Failed: its exit code is none of `codes`, or it printed no JSON document.
        """
        call = [sys.executable, "-m", "migrate", "--workspace", str(self.root), "--json", *words.split()]
        if sys.stderr.isatty():
            click.echo(f"{words} …", err=True)  # its bars come below
        started = time.monotonic()
        done = subprocess.run(call, stdout=subprocess.PIPE, env=dict(self.environment), check=False)
        self.seconds[words] = time.monotonic() - started
        try:
            document: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            document = {"message": done.stdout.decode(errors="replace")[-2000:] or "it said nothing"}
        click.echo(f"  {words:<20}{self.seconds[words]:7.1f} s   {said.line(words, document)}")
        self.documents[words.partition(" --")[0]] = document
        if done.returncode not in codes or "command" not in document:
            told = document.get("message", "")
            raise Failed(f"`migrate {words}` ended with {done.returncode}.\n{told}")
        return document


def prepare_folder(root: Path, plan: str) -> None:
    """A fresh workspace with the plan in it.

    Raises:
        Failed: something else stands there, or the plans aren't.
    """
    if root.exists() and not (root / MARK).exists():
        raise Failed(f"{root} isn't a folder of the demo. Name another one with `--workspace`.")
    if not (PLANS / plan).is_dir():
        raise Failed(f"{PLANS / plan} isn't there. The demo runs from a clone of the repository.")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(PLANS / plan, root)
    (root / MARK).write_text(json.dumps({"plan": plan}) + "\n")


@contextmanager
def sandboxes(root: Path, seed: Seed) -> Iterator[tuple[Running, Running]]:
    """Both CRMs, seeded; their data stay in `<root>/sandbox`."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(launch(name, root / "sandbox" / name, settings=SETTINGS[name]))
            for name in ("salesforce", "hubspot")
        ]
        for each, document in zip(running, (seed.salesforce, seed.hubspot), strict=True):
            each.control.post("/seed", document)
        yield running[0], running[1]


def environment(salesforce: Running, hubspot: Running) -> dict[str, str]:
    """The credentials that the plan's `env:LEGACY_` and `env:NEW_` name."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("LEGACY_", "NEW_"))}
    return inherited | credentials(salesforce, hubspot)


def credentials(salesforce: Running, hubspot: Running, *, back: bool = False) -> dict[str, str]:
    """Only ours.

    Args:
        back: HubSpot is the source and Salesforce the target, which must let us write.
    """
    old, new = ("NEW_", "LEGACY_") if back else ("LEGACY_", "NEW_")
    return {
        f"{old}INSTANCE_URL": salesforce.url,
        f"{old}CLIENT_ID": WRITER if back else CLIENT,
        f"{old}CLIENT_SECRET": SECRET,
        f"{new}TOKEN": TOKEN,
        f"{new}BASE_URL": hubspot.url,
    }


def compare(findings: list[said.Finding]) -> bool:
    """Print what was expected and what was found; whether all of it agrees."""
    for each in findings:
        mark = "ok   " if each.holds else "WRONG"
        wanted = "" if each.holds else f"   expected {each.expected}"
        click.echo(f"  {mark} {each.what}: {each.found}{wanted}")
    return all(each.holds for each in findings)


def demonstrate(data: str, root: Path, *, keep: bool) -> bool:
    """Run the demo; whether every figure is the expected one."""
    chosen = DATA[data]
    try:
        seed = chosen.seed()
    except MissingData as error:
        raise Failed(str(error)) from error
    prepare_folder(root, chosen.plan)
    if seed.made:
        click.echo("Made up by fixed rules, because the files lack it and Salesforce requires it:")
        for what, count in seed.made.items():
            click.echo(f"  {count:7,}  {what}")
    with sandboxes(root, seed) as (salesforce, hubspot):
        click.echo(f"Salesforce sandbox at {salesforce.url}, occupied HubSpot sandbox at {hubspot.url}")
        demo = Demo(root, environment(salesforce, hubspot))
        started = time.monotonic()
        for words, codes in FORTH:
            demo.command(words, codes)
        good = compare(said.arrived(seed.expected, demo.documents))
        for line in said.shown(demo.documents):
            click.echo(f"  {line}")
        click.echo(
            f"\nVerdict: {said.verdict(demo.documents)}.  Report: {said.report(root, demo.documents)}\n"
        )
        if keep:
            _linger(root, salesforce, hubspot)
            return good
        for words, codes in BACK:
            demo.command(words, codes)
        good = compare(said.undone(demo.documents)) and good
        for line in said.residue(demo.documents):
            click.echo(f"  stays: {line}")
        total = time.monotonic() - started
    in_time = total < BOUND
    click.echo(f"\n{total:.1f} s in all{'' if in_time else f', over the bound of {BOUND:.0f} s'}.")
    click.echo(f"The workspace stays in {root}; the sandboxes' data in {root / 'sandbox'}.")
    return good


def _linger(root: Path, salesforce: Running, hubspot: Running) -> None:
    click.echo("The sandboxes go on running. In another terminal:")
    for name, value in credentials(salesforce, hubspot).items():
        click.echo(f"  export {name}={value}")
    click.echo(f"  {sys.executable} -m migrate --workspace {root} status")
    click.echo("Press Ctrl-C to stop them.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("")


@click.command()
@click.option("--data", type=click.Choice(list(DATA)), default="generated", show_default=True,
              help="Made-up data, or the real ones in SHARED_DATA.")  # fmt: skip
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), default=Path(".demo"),
              show_default=True, help="Folder in which the demo makes one for each set of data.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Stop before the rollback, and leave the sandboxes running.")
def main(data: str, workspace: Path, keep: bool) -> None:
    """Move a Salesforce org into an occupied HubSpot portal, prove it, and put everything back.

    Both are sandboxes on this machine. Ends 0 if the verdict and every count are the expected ones.
    """
    if not demonstrate(data, workspace / data, keep=keep):
        raise Failed("Something isn't as expected; see the lines marked WRONG.")
