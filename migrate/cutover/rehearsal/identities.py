"""Who signs and acts in a rehearsal? People who exist nowhere else, so that nothing of it counts elsewhere.

The plan of the rehearsal's workspace asks two of them for a signature, by link. Its hooks, webhooks and dates
are taken out: a rehearsal calls nobody, and may be held on any day. None of that is part of the plan's
digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

OPERATOR = "Rehearsal operator (counts nowhere else)"
SIGNERS = ("Rehearsal signer one (counts nowhere else)", "Rehearsal signer two (counts nowhere else)")
ADDRESS = "{}@rehearsal.invalid"  # a domain that is nobody's, for ever (RFC 2606)
LEFT_OUT = ("calendar", "notify", "triggers", "watch")


def let_in(plan: Path, *, hooks: bool = False) -> list[str]:
    """Let only the rehearsal's people in, in the plan's file; what was left out, in words.

    Args:
        plan: the plan of a rehearsal's workspace; rewritten.
        hooks: leave the hooks of the switch in, and run them.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    document = yaml.load(plan.read_text(encoding="utf-8"))
    terms: dict[str, Any] = document.get("cutover") or {}
    document["cutover"] = terms
    left_out = [name for name in LEFT_OUT if terms.pop(name, None) is not None]
    told = [f"`cutover: {name}` of the plan" for name in left_out]
    if not hooks and terms.pop("hooks", None):
        told.append("the hooks of the switch: they weren't run (`--hooks` runs them)")
    if terms.get("sign"):
        told.append("the people who sign, and their keys: the rehearsal's own signed")
    terms["sign"] = [
        {"name": name, "email": ADDRESS.format(f"signer{number}"), "role": "rehearsal", "by": "link"}
        for number, name in enumerate(SIGNERS, start=1)
    ]
    terms["people"] = [{"name": OPERATOR, "email": ADDRESS.format("operator"), "role": "operator"}]
    with plan.open("w", encoding="utf-8") as out:
        yaml.dump(document, out)
    return told


def of_rehearsal(names: Iterable[str]) -> bool:
    """Whether one of these is a person of a rehearsal, who signs nothing that counts."""
    return bool({OPERATOR, *SIGNERS} & set(names))
