"""A cohort that is loaded, frozen, drained and validated, as far as its gate can tell: all in memory."""

from __future__ import annotations

import copy
import shutil
import textwrap
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from migrate.cutover import freezing, signing, starting, trail
from migrate.cutover import gate as gates
from migrate.cutover.gate import Gate
from migrate.cutover.machine import MOVED, Cutover
from migrate.cutover.states import State
from migrate.engine import Engine
from migrate.ledger.tables import measures
from tests.unit.two_systems import HEAD, Move

ENTRIES = """\
- source: Account
  target: companies
  fields: {name: Name}
"""
ADA, BEN, MAX = "Ada Example", "Ben Example", "Max Operator"
TERMS = """\
  people: [{name: Max Operator, email: max@example.com, role: operator}]
"""


def _nothing() -> None:
    """Before a write of the target's."""


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class Case(Move):
    """`key`: Ben's private one, which no file of the workspace holds."""

    def __init__(self, root: Path, engine: Engine, terms: str = TERMS, *, sign: str | None = None) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.terms = terms
        self.sign = sign or (
            f"  sign: [{{name: {ADA}, email: ada@example.com}}, "
            f'{{name: {BEN}, email: ben@example.com, by: key, key: "{public(self.private)}"}}]\n'
        )
        super().__init__(root, engine, ENTRIES)
        for number in range(3):
            self.source.put("Account", f"001{number}", Name=f"Firm {number}")
        self.ready()

    def copied(self, root: Path, engine: Engine) -> Case:
        """The same once more, with a workspace and systems of its own: each test begins where this stands."""
        shutil.copytree(self.root, root)
        found = copy.copy(self)
        found.root, found.engine = root, engine
        self.target.before_write = _nothing  # left behind by the last load, with all that it holds
        found.clock, found.source, found.target = copy.deepcopy((self.clock, self.source, self.target))
        return found

    def plan(self, text: str) -> None:
        said = HEAD + textwrap.indent(text, "  ") + f"cutover:\n{self.terms}{self.sign}"
        (self.root / "plan.yaml").write_text(said, encoding="utf-8")

    @property
    def cutover(self) -> Cutover:
        """As a new process finds it."""
        return Cutover(self.workspace)

    def ready(self) -> None:
        """Rehearsed, drilled, loaded, frozen, drained, validated."""
        ledger = self.workspace.ledger
        trail.append(ledger, "max", "cutover rehearsed", plan=self.workspace.plan.digest, clean=True)
        with ledger.write() as tx:
            tx.put(measures, name="rollback drill", value=600.0, at=tx.at)
        starting.start(self.cutover, who="max")
        self.moved("holding")
        self.frozen()

    def frozen(self) -> None:
        """Frozen, drained and validated by those who do it."""
        freezing.freeze(self.cutover, who="max", wait=3600)
        self.drained()

    def drained(self) -> None:
        """Drained, and validated after that."""
        freezing.drain(self.cutover, who="max")
        self.clock.sleep(60)
        self.validate()

    def moved(self, to: State, who: str = "max") -> None:
        """A move as its own part records it."""
        cutover = self.cutover
        told: dict[str, Any] = {"from": cutover.state, "to": to}
        trail.append(self.workspace.ledger, who, MOVED, cohort=cutover.cohort, **told)

    def gate(self, *, request: bool = False, who: str = MAX) -> Gate:
        return gates.run(self.cutover, who=who, request=request)

    def red(self) -> list[str]:
        return [each.id for each in gates.look(self.cutover).red]

    def invited(self, name: str = ADA) -> str:
        return signing.invite(self.cutover, name, who=MAX)

    def by_link(self, token: str, *, name: str = ADA, code: str | None = None) -> Any:
        evidence = gates.current(self.cutover)
        return signing.sign_by_link(
            self.cutover, evidence, token=token, name=name, code=evidence.code if code is None else code
        )

    def statement(self, name: str = BEN) -> bytes:
        return signing.statement(self.cutover, gates.current(self.cutover), name).content()

    def by_key(self, content: bytes, proof: bytes) -> Any:
        return signing.sign_by_key(self.cutover, gates.current(self.cutover), content=content, proof=proof)

    def signed(self) -> None:
        """Both have signed, and the cohort is approved."""
        self.gate(request=True)
        self.by_link(self.invited())
        content = self.statement()
        self.by_key(content, self.private.sign(content))
        assert gates.approve_if_complete(self.cutover, who=BEN) == ""

    def standing(self) -> dict[str, str]:
        """Who has signed: why it is void, "" where it stands."""
        return {
            each.name: each.void for each in signing.signatures(self.cutover, gates.current(self.cutover))
        }
