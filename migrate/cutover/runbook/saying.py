"""Which words may a message name? Whole sentences, so that none has a hole where a fact isn't known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrate.plan.cutover import CutoverPlan


@dataclass(frozen=True)
class Audience:
    """The facts of the window, as readers read them. `planned`: a point of no return is known."""

    source: str
    target: str
    begins: str
    ends: str
    no_return: str
    switched: str
    at: bool
    until: bool
    planned: bool


def said(
    facts: Audience, terms: CutoverPlan, *, people: Sequence[tuple[str, str, str]], criteria: Sequence[str]
) -> dict[str, str]:
    """The names that a template may use, each a word or whole sentences.

    Args:
        people: name, role and address of everybody whom the plan names.
    """
    operators = [f"{name} ({email})" for name, role, email in people if role == "operator"]
    signers = [each.name for each in terms.sign]
    drained = [each.name for each in terms.intake if each.during == "drain"]
    kept = [each.name for each in terms.intake if each.during == "buffer"]
    doors = []
    if drained:
        doors.append(f"What comes in by {_and(drained)} meanwhile is brought along.")
    if kept:
        doors.append(f"What comes in by {_and(kept)} meanwhile is kept and entered afterwards.")
    hooks = [each.name for each in terms.hooks]
    return {
        "source": facts.source, "target": facts.target,
        "begins": facts.begins if facts.at else "at the time that we tell you in good time",
        "ends": f"We expect to be done by {facts.ends}." if facts.until else "We write when it is done.",
        "opens": f"From {facts.ends} at the latest" if facts.until else "As soon as we write that it is open",
        "effort": (
            f"At its longest the switch is done by {facts.switched}."
            if facts.at and facts.planned
            else "We write as soon as it is done."
        ),
        "return_until": (
            f"Until {facts.no_return} we can decide to return and still be done in time."
            if facts.planned
            else "Until the switch we can decide at any time to work on in the old system."
        ),
        "window": f"The way back stays open for {terms.window}.",
        "signers": _and(signers) if signers else "the people who are named for it",
        "contact": _and(operators) if operators else "the migration team",
        "doors": " ".join(doors) or "What reaches us meanwhile waits until we are done.",
        "hooks": (
            f"As we switch, we change by ourselves: {_and(hooks)}."
            if hooks
            else "Nothing is switched over for you: please do it yourselves."
        ),
        "criteria": (
            f"We stop or return if it comes to this: {'; '.join(criteria)}."
            if criteria
            else "Who sees a reason to stop says so at once."
        ),
    }  # fmt: skip


def _and(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
