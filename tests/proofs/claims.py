"""What is a claim, and who shows it? The table that `run` goes through.

A shower is a function that sets something up and shows one claim or several. Every id of `bounds.toml` must
be named by exactly one shower; one that yields nothing for an id falls short.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from migrate.demo.generated import generated
from migrate.demo.shape import Seed, Sizes
from tests.harness.kill import Strike
from tests.harness.lanes import Lane, several
from tests.harness.s3 import Seaweed

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
# As many users as the plan's owners.csv names; three objects, a ring of parents, two adoptions, a merge.
SMALL = Sizes(
    accounts=12, parents=4, opportunities=30, users=35, inactive=6, companies=12, known=2, contacts=8
)
# Several batches of each object, so that four of them can be under way at once.
WIDE = Sizes(
    accounts=110, parents=12, opportunities=420, users=35, inactive=6, companies=20, known=5, contacts=10
)


@dataclass(frozen=True)
class Line:
    """One claim as shown. `n`: how many things were compared; 0 falls short."""

    id: str
    figure: str
    n: int
    ok: bool
    told: tuple[str, ...] = ()

    def text(self, bound: str) -> str:
        """As it is printed."""
        word = "ok" if self.ok and self.n else "FALLS SHORT"
        return f"{self.id}: {self.figure} (n={self.n:,}, {bound}) {word}"


@dataclass
class Ground:
    """Where proofs run. `step`: only every so manieth kill point, for small versions."""

    root: Path
    lanes: int = 2
    step: int = 1
    instants: int = 200

    def folder(self, name: str) -> Path:
        """A folder of its own."""
        return self.root / name

    def several(
        self, name: str, sizes: Sizes = SMALL, *, longest_call: float | None = 2, postgres: str = "",
        s3: Seaweed | None = None, **options: object,
    ) -> AbstractContextManager[list[Lane]]:  # fmt: skip
        """Lanes with the same seed, for work side by side."""
        seed = generated(sizes, cycle=True)
        options.setdefault("concurrency", 1)
        return several(
            lambda n: Lane(
                self.folder(f"{name}-{n}"),
                seed,
                longest_call=longest_call,
                options=options,
                postgres=postgres,
                s3=s3,
            ),
            self.lanes,
        )

    def lane(self, name: str, seed: Seed | None = None, plan: str = "salesforce-to-hubspot",
             longest_call: float | None = 2, postgres: str = "", s3: Seaweed | None = None,
             **options: object) -> Lane:  # fmt: skip
        """One lane."""
        document = seed or generated(SMALL, cycle=True)
        options.setdefault("concurrency", 1)
        return Lane(self.folder(name), document, plan=plan, longest_call=longest_call, options=options,
                    postgres=postgres, s3=s3)  # fmt: skip

    def thin(self, works: list[Strike]) -> list[Strike]:
        """Every so manieth."""
        return works[:: self.step]


Shower = Callable[[Ground], Iterator[Line]]
TABLES: dict[str, list[tuple[tuple[str, ...], Shower]]] = {}


def shows(*ids: str, proof: str = "main") -> Callable[[Shower], Shower]:
    """Register a function as the one that shows these claims of a proof."""

    def register(shower: Shower) -> Shower:
        TABLES.setdefault(proof, []).append((ids, shower))
        return shower

    return register


def bounds(name: str) -> tuple[float, dict[str, str]]:
    """Minutes for all, and the bound of each claim by id."""
    found = tomllib.loads((HERE / "bounds.toml").read_text(encoding="utf-8"))[name]
    return float(found["minutes"]), dict(found["claims"])


def shared_data() -> Path:
    """Where real input lies."""
    return Path(os.environ.get("SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
