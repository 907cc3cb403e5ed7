"""A small migration whose own state is to be cared for: companies and contacts, one of them there before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from migrate.connector import Who
from migrate.engine import Engine
from tests.unit.two_systems import Move

PLAN = """
- source: Account
  target: companies
  key: {field: migration_key}
  fields:
    name: Name
- source: Contact
  target: contacts
  key: {field: migration_key}
  match: [email]
  fields:
    name: LastName
    email: Email
    company: {from: AccountId, reference: Account}
  links:
    - {to: companies, via: AccountId, label: default}
"""


def made(root: Path, engine: Engine, *, accounts: int = 6, contacts: int = 6) -> Move:
    """Sources with so many records; contact C1 stands in the target already, under another name."""
    move = Move(root, engine, PLAN)
    for number in range(accounts):
        move.source.put("Account", f"A{number}", Name=f"Company {number}")
    for number in range(contacts):
        move.source.put(
            "Contact", f"C{number}", LastName=f"Person {number}", Email=f"p{number}@old.test",
            AccountId=f"A{number % accounts}",
        )  # fmt: skip
    move.target.make(Who.PERSON, "contacts", name="Stood here", email="p1@old.test")
    return move


def loaded(root: Path, engine: Engine) -> Move:
    """A small one, extracted, transformed and loaded."""
    move = made(root, engine, accounts=3, contacts=4)
    move.move()
    return move


def segments(move: Move) -> list[Path]:
    """The journal's live files, in order."""
    return [Path(path) for path in move.workspace.journal.files()]


def flip(path: Path, where: Callable[[bytes], int]) -> None:
    """Change one byte, at the place that `where` finds."""
    content = bytearray(path.read_bytes())
    content[where(bytes(content))] ^= 0x40
    path.write_bytes(content)
