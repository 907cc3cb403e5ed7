"""Who has to sign, and are two names the same person?

A plan names people; the same one under two names or two addresses would be two signatures of one. So names
and addresses are compared as people read them, and keys by what they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from migrate.cutover import keys, passkeys
from migrate.errors import UsageError

if TYPE_CHECKING:
    from migrate.cutover.machine import Cutover
    from migrate.plan.cutover import SignerPlan

LEAST = 2  # people who sign; a small profile asks for one beside who requests it


def signers(cutover: Cutover) -> list[SignerPlan]:
    """The people that the plan wants a signature of."""
    return list(cutover.workspace.plan.model.cutover.sign)


def needed(cutover: Cutover) -> int:
    """How many different people must sign at least."""
    return 1 if cutover.workspace.plan.model.cutover.profile == "small" else LEAST


def named(cutover: Cutover, name: str) -> SignerPlan:
    """The one of this name.

    Raises:
        UsageError: the plan asks nobody of that name.
    """
    for each in signers(cutover):
        if folded(each.name) == folded(name):
            return each
    there = ", ".join(f"`{each.name}`" for each in signers(cutover)) or "nobody"
    raise UsageError(f"The plan asks nobody called `{name}` to sign.", f"`cutover: sign` names {there}.")


def must_be_known(cutover: Cutover, name: str) -> str:
    """A person that the plan names, if it names any; the name as the plan writes it.

    Raises:
        UsageError: there is no name, or the plan doesn't have it.
    """
    there = [name for name, _ in _known(cutover)]
    if not name.strip():
        raise UsageError("Who does it?", "Give `--as NAME`.")
    for each in there:
        if folded(each) == folded(name):
            return each
    if there:
        known = ", ".join(f"`{each}`" for each in dict.fromkeys(there))
        raise UsageError(
            f"The plan names nobody called `{name}`.", f"It names {known}: give `--as` one of them."
        )
    return name.strip()


def same(one: SignerPlan, other: SignerPlan) -> str:
    """By what two entries are one person; "" where nothing says so."""
    if folded(one.name) == folded(other.name):
        return "name"
    if address(one.email) == address(other.email):
        return "e-mail address"
    if one.key and other.key and fingerprint(one) == fingerprint(other):
        return "key"
    return ""


def is_person(cutover: Cutover, signer: SignerPlan, actor: str) -> bool:
    """Whether who acted under this name is that signer: by the name, or an address that the plan gives it."""
    mails = {address(email) for name, email in _known(cutover) if folded(name) == folded(actor)}
    return folded(actor) == folded(signer.name) or address(signer.email) in {*mails, address(actor)}


def _known(cutover: Cutover) -> list[tuple[str, str]]:
    """Name and address of everybody whom the plan names."""
    terms = cutover.workspace.plan.model.cutover
    return [*((each.name, each.email) for each in terms.people), *((e.name, e.email) for e in terms.sign)]


def flaws(people: Sequence[SignerPlan]) -> list[str]:
    """What is wrong with a list of signers: one person twice, a key that can't be read."""
    found = []
    for at, one in enumerate(people):
        if one.by != "link" and not one.key:
            found.append(f"`{one.name}` signs with a {one.by}, and the plan names none.")
            continue
        try:
            fingerprint(one)
        except UsageError as error:
            found.append(f"`{one.name}`: {error.what}")
            continue
        for other in people[:at]:
            try:
                by = same(one, other)
            except UsageError:
                continue  # told of the other one
            if by:
                found.append(f"`{other.name}` and `{one.name}` are the same person, by the {by}.")
    return found


def fingerprint(signer: SignerPlan) -> str:
    """Of the key or passkey that the plan names; "" of who signs by link.

    Raises:
        UsageError: it can't be read.
    """
    if signer.by == "link" or not signer.key:
        return ""
    return passkeys.read(signer.key).fingerprint if signer.by == "passkey" else keys.fingerprint(signer.key)


def folded(name: str) -> str:
    """A name as people read it: case, accents' form and spaces make no difference."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def address(email: str) -> str:
    """An address as it is delivered to: what stands behind a plus goes to the same person."""
    local, _, domain = unicodedata.normalize("NFKC", email).strip().casefold().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if local else domain
