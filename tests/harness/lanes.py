"""Where does a campaign run? In a lane: a workspace, a pair of sandboxes, saved copies of all three.

Lanes share nothing, so two run side by side. Sandbox clocks run fast, and the plan's `clock: sandbox` makes
the product follow; the longest call is 2 s of that clock. A saved copy is the workspace's `.migrate` folder
and the two stores; restoring never turns the clocks back.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from migrate.demo.run import credentials, prepare_folder, sandboxes
from migrate.demo.shape import Seed
from migrate.sandbox.server import Running
from tests.harness.s3 import Seaweed
from tests.harness.under import Order, as_document

REPOSITORY = Path(__file__).resolve().parents[2]
SPEED = 30.0
IDLE = 20.0  # wall seconds that a sandbox may take to get rid of a dead client's requests
PATIENCE = 120.0  # wall seconds that a product may take


class Stuck(Exception):
    """Something that must happen didn't, in time."""


@dataclass(frozen=True)
class Ended:
    """How a product ended. `code` is negative for a signal, as in `subprocess`."""

    words: str
    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Products:
    """A server of products (`under --serve`): each start is a fork of a process that imported everything."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._number = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.under", "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
                "OPENBLAS_NUM_THREADS": "1",  # a process that forks must have no threads
            },
        )  # fmt: skip
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Stuck("the server of products ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def _ask(self, document: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return self._read()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], order: Order) -> Child:
        """Start a product."""
        self._number += 1
        out, err = self._folder / f"{self._number}.out", self._folder / f"{self._number}.err"
        told = {"arguments": list(arguments), "environment": dict(environment), "order": as_document(order),
                "out": str(out), "err": str(err)}  # fmt: skip
        return Child(self, int(self._ask({"start": told})["pid"]), " ".join(arguments), out, err)

    def wait(self, pid: int) -> int:
        """The exit code of a product, once it has ended."""
        return int(self._ask({"wait": pid})["code"])

    def close(self) -> None:
        """End the server and what it started."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@dataclass
class Child:
    """A product that runs."""

    server: Products
    pid: int
    words: str
    out: Path
    err: Path

    def state(self) -> str:
        """The process's state letter (R, S, T, Z); Z also where it is gone."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return "Z"
        return text.rpartition(")")[2].split()[0]

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for its end; a product that takes too long is killed."""
        end = time.monotonic() + PATIENCE
        while self.state() != "Z":
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                raise Stuck(f"`{self.words}` ran for {PATIENCE:.0f} s: {self.err.read_text()[-2000:]}")
            time.sleep(0.01)
        code = self.server.wait(self.pid)
        ended = Ended(self.words, code, self.out.read_text(), self.err.read_text())
        self.out.unlink()
        self.err.unlink()
        return ended

    def kill(self) -> Ended:
        """SIGKILL it now."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def until_stopped(self) -> bool:
        """Wait until it is stopped (SIGSTOP); False if it ended instead."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state = self.state()
            if state in ("T", "Z"):
                return state == "T"
            time.sleep(0.005)
        raise Stuck(f"`{self.words}` neither stopped nor ended")


class Lane:
    """A workspace and its two sandboxes. Use as a context manager.

    Args:
        options: more keys of the plan's `target` entry, for example `concurrency`.
        postgres: URL of a server that is to hold the ledger, in a database of the lane's own.
        s3: a server that is to hold the workspace's state; the plan stays in the folder.
        back: the plan's source is HubSpot, its target Salesforce.
    """

    def __init__(
        self,
        root: Path,
        seed: Seed,
        *,
        plan: str = "salesforce-to-hubspot",
        speed: float = SPEED,
        longest_call: float | None = 2,
        options: Mapping[str, object] | None = None,
        folder: Path | None = None,
        postgres: str = "",
        s3: Seaweed | None = None,
        back: bool = False,
    ) -> None:
        self.postgres, self.back = postgres, back
        self.name = re.sub(r"\W", "_", root.name.lower())
        self.s3 = s3.prefix(self.name) if s3 else None
        self.base, self.root, self.seed, self.plan = root, root / "workspace", seed, plan
        self.speed, self.longest_call, self.options = speed, longest_call, dict(options or {})
        self._folder = folder
        self._stack = ExitStack()
        self.salesforce: Running
        self.hubspot: Running
        self.environment: dict[str, str] = {}
        self.products: Products

    def __enter__(self) -> Self:
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir(parents=True)
        prepare_folder(self.root, self.plan)
        if self._folder is not None:
            shutil.copytree(self._folder, self.root, dirs_exist_ok=True)
        self._hurry()
        self.salesforce, self.hubspot = self._stack.enter_context(sandboxes(self.base, self.seed))
        for each in (self.salesforce, self.hubspot):
            each.control.post("/clock", {"speed": self.speed})
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LEGACY_", "NEW_"))}
        self.environment = inherited | credentials(self.salesforce, self.hubspot, back=self.back)
        if self.postgres:
            self._sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", f"CREATE DATABASE {self.name}")
            self.environment["MIGRATE_LEDGER"] = self.postgres.replace("/postgres?", f"/{self.name}?")
        if self.s3:
            (self.root / ".migrate").write_text(f"{self.s3.address}\n")
            self.environment |= self.s3.environment()
            self.environment |= {"MIGRATE_CACHE": str(self.base / "cache"), "MIGRATE_S3_PATIENCE": "5"}
        self.products = Products(self.base / "products")
        self._stack.callback(self.products.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _hurry(self) -> None:
        """Make the plan follow the sandbox's clock."""
        path = self.root / "plan.yaml"
        more = ", clock: sandbox"
        if self.longest_call is not None:
            more += f", longest_call: {self.longest_call}"
        target = more + "".join(f", {name}: {json.dumps(value)}" for name, value in self.options.items())
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith(("source: {", "target: {")):
                added = more if line.startswith("source") else target
                lines[number] = line[: line.rindex("}")] + added + "}"
        path.write_text("\n".join(lines) + "\n")

    def _sql(self, *statements: str) -> None:
        import psycopg

        with psycopg.connect(self.postgres, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    # -- the product --------------------------------------------------------------------------

    def start(self, words: str, order: Order | None = None, **environment: str) -> Child:
        """Start one command; it runs under the order."""
        arguments = ["-w", str(self.root), "--json", *words.split()]
        return self.products.start(arguments, self.environment | environment, order or Order())

    def run(self, words: str, order: Order | None = None, **environment: str) -> Ended:
        """Run one command to its end."""
        return self.start(words, order, **environment).wait()

    def must(self, *commands: str, codes: Sequence[int] = (0, 1)) -> list[Ended]:
        """Run commands that have to succeed.

        Raises:
            Stuck: one ended with another code.
        """
        done = []
        for words in commands:
            ended = self.run(words)
            if ended.code not in codes:
                raise Stuck(f"`{words}` ended with {ended.code}: {ended.out[-1500:]}{ended.err[-3000:]}")
            done.append(ended)
        return done

    def points(self, words: str, order: Order) -> list[tuple[int, str, str]]:
        """Run one command straight on and list the passages that the order counts: number, kind, what.

        Raises:
            Stuck: it failed.
        """
        ended, found = self.recorded(words, replace(order, at=0))
        if ended.code not in (0, 1):
            raise Stuck(f"`{words}` ended with {ended.code}: {ended.out[-1500:]}{ended.err[-3000:]}")
        return found

    def recorded(self, words: str, order: Order) -> tuple[Ended, list[tuple[int, str, str]]]:
        """Run one command under the order; how it ended, and the passages that it came to."""
        record = self.base / "points.jsonl"
        record.unlink(missing_ok=True)
        ended = self.run(words, replace(order, record=str(record)))
        lines = record.read_text().splitlines() if record.exists() else []
        found = [json.loads(line) for line in lines]
        return ended, [(int(number), str(kind), str(what)) for number, kind, what in found]

    # -- the sandboxes ------------------------------------------------------------------------

    def both(self) -> tuple[Running, Running]:
        """Both sandboxes."""
        return self.salesforce, self.hubspot

    @property
    def target(self) -> Running:
        """The sandbox that is written to."""
        return self.salesforce if self.back else self.hubspot

    @property
    def source(self) -> Running:
        """The sandbox that is read."""
        return self.hubspot if self.back else self.salesforce

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """Requests that the target got."""
        return self.target.control.ndjson(f"/requests?after={after}")

    def last_request(self) -> int:
        """Number of the target's newest request."""
        seen = self.requests()
        return int(seen[-1]["number"]) if seen else 0

    def fault(self, do: Mapping[str, Any], **on: Any) -> None:
        """Arm one fault on the target; all others there are gone."""
        self.target.control.delete("/faults")
        self.target.control.post("/faults", [{"on": on, "do": dict(do)}])

    def hits(self) -> int:
        """How often the armed faults happened."""
        return sum(int(each["hits"]) for each in self.target.control.get("/faults"))

    def settle(self) -> None:
        """Disarm all faults and wait until no request is under way and the silent writers are done."""
        end = time.monotonic() + IDLE
        self.calm()
        for each in self.both():
            while each.control.get("/health")["soon"]:
                if time.monotonic() > end:
                    raise Stuck(f"{each.url} still has something to do by itself")
                time.sleep(0.01)

    def calm(self, sandbox_seconds: float = 0.0) -> None:
        """Disarm all faults and wait until no request is under way, then that much longer.

        Nothing is released: a held request ends by itself once its client has gone.
        """
        end = time.monotonic() + IDLE
        for each in self.both():
            each.control.delete("/faults")
            while True:
                health = each.control.get("/health")
                if not health["underway"] and not health["held"]:
                    break
                if time.monotonic() > end:
                    raise Stuck(f"{each.url} is still at work for a client that has gone")
                time.sleep(0.01)
        if sandbox_seconds:
            time.sleep(sandbox_seconds / self.speed)

    def wait_held(self, child: Child) -> bool:
        """Wait until the target holds a request; False if the product ended without that."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.target.control.get("/health")["held"]:
                return True
            if child.state() == "Z":
                return False
            time.sleep(0.01)
        raise Stuck(f"`{child.words}` sent nothing that was to be held")

    # -- saved copies -------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Save workspace and stores under a name."""
        self.calm()
        to = self.base / "saved" / name
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        if self.s3:
            self.s3.save(name)
        elif (self.root / ".migrate").exists():
            shutil.copytree(self.root / ".migrate", to / ".migrate")
        shutil.copy2(self.root / "plan.yaml", to / "plan.yaml")
        for each in self.both():
            each.control.post("/save", {"to": str(to / each.data.name)})
        if self.postgres:
            self._sql(
                f"DROP DATABASE IF EXISTS {self.name}_{name} WITH (FORCE)",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'",
                f"CREATE DATABASE {self.name}_{name} TEMPLATE {self.name}",
            )

    def take_over(self, other: Lane, name: str) -> None:
        """Have another lane's saved copy, too: of a lane with the same seed, in folders. Its newest stamp is
        of the other lane's clock, so that this one is put ahead of it."""
        shutil.copytree(other.base / "saved" / name, self.base / "saved" / name)
        for mine, theirs in zip(self.both(), other.both(), strict=True):
            now, then = (datetime.fromisoformat(each.control.get("/clock")["now"]) for each in (mine, theirs))
            mine.control.post("/clock", {"offset": max(0.0, (then - now).total_seconds()) + 1})

    def restore(self, name: str) -> None:
        """Go back to a saved copy."""
        self.calm()
        kept = self.base / "saved" / name
        if self.s3:
            self.s3.restore(name)
        else:
            shutil.rmtree(self.root / ".migrate", ignore_errors=True)
        if (kept / ".migrate").exists():
            shutil.copytree(kept / ".migrate", self.root / ".migrate")
        shutil.copy2(kept / "plan.yaml", self.root / "plan.yaml")
        for each in self.both():
            each.control.post("/restore", {"from": str(kept / each.data.name)})
        if self.postgres:
            self._sql(
                f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)",
                f"CREATE DATABASE {self.name} TEMPLATE {self.name}_{name}",
            )


def side_by_side(lanes: Sequence[Lane], works: Sequence[Any], do: Callable[[Lane, Any], Any]) -> list[Any]:
    """Do all works, each in the lane that is free first; results in the order of the works."""
    import queue
    import threading

    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(works)):
        todo.put(number)
    results: list[Any] = [None] * len(works)
    errors: list[BaseException] = []

    def drain(lane: Lane) -> None:
        while not errors:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[number] = do(lane, works[number])
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)

    threads = [threading.Thread(target=drain, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


@contextlib.contextmanager
def several(make: Callable[[int], Lane], count: int) -> Iterator[list[Lane]]:
    """Several lanes at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(make(number)) for number in range(count)]
