"""What does one write to whom? Texts to be sent as they are, with this plan's names, times and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

AUDIENCES = {"reps": "To the sales team", "managers": "To the managers", "support": "To support"}


@dataclass(frozen=True)
class Message:
    """One of them. `when`: at which moment it is to be sent."""

    to: str
    when: str
    text: str


def environment() -> Environment:
    """Of texts; a name that isn't known is a defect, and never a hole in a message."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("migrate_rollback.runbook"), autoescape=False, undefined=StrictUndefined,  # noqa: S701
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def messages(facts: Mapping[str, Any]) -> list[Message]:
    """One for each audience, as it begins or, where it is done, as it has ended.

    Args:
        facts: `done`, `system`, `source`, `begin`, `end`, `held`, `touched`, `sponsors`, `verdict`.
    """
    made = environment()
    when = "when it is done" if facts["done"] else "before you put it back"
    return [
        Message(title, when, made.get_template(f"{name}.txt.j2").render(**facts).strip())
        for name, title in AUDIENCES.items()
    ]
