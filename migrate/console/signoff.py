"""What does somebody sign, may they, and how? The sign-off of each cohort, as its page shows it.

Signing here is the function that `migrate approve` calls, with the same refusals. Who signs by link has come
in by a one-time link; their signature takes a token of its own, made for them and used up in the same breath,
beside the name that they type and the code from the report's first page. Who signs with a key gets the
statement, and hands in the signature that they made elsewhere; with a passkey the browser answers for it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate.cutover import gate as gates
from migrate.cutover import people, signing, tokens
from migrate.cutover.cohorts import names
from migrate.cutover.inverses import quick
from migrate.cutover.machine import Cutover
from migrate.errors import MigrateError, UsageError

if TYPE_CHECKING:
    from migrate.cutover.signing import Signature
    from migrate.workspace import Workspace

AT_ONCE = timedelta(minutes=2)
VIA = "the console"


@dataclass(frozen=True)
class SignOff:
    """One cohort's. `lines`: of the last gate, as its document has them; `asked_at`: when that was, "" never.

    `code`: what has to be typed; it isn't on this page, so that who signs has opened the report. `by`: how
    the one who looks signs, "" where the plan asks nothing of them; `why_not`: why they can't now.
    `statement`: in base64, and `challenge`: for their passkey, as JSON.
    """

    cohort: str
    state: str
    asked_at: str
    lines: tuple[Mapping[str, Any], ...]
    excuses: tuple[Mapping[str, Any], ...]
    requested: str
    signers: tuple[tuple[str, str, str], ...]
    signatures: tuple[Signature, ...]
    lossy: tuple[str, ...]
    by: str
    why_not: str
    statement: str = ""
    challenge: str = ""

    @property
    def ready(self) -> bool:
        """Whether the one who looks can sign now."""
        return bool(self.by) and not self.why_not

    @property
    def signed(self) -> Mapping[str, Signature]:
        """The newest signature of each person, by name."""
        return {each.name: each for each in self.signatures}


def signoffs(workspace: Workspace, name: str) -> list[SignOff]:
    """Every cohort's, for whom this is the name of.

    Raises:
        Damaged: an artifact of ours.
    """
    lossy = _lossy(workspace)
    return [_signoff(Cutover(workspace, cohort), name, lossy) for cohort in names(workspace)]


def _lossy(workspace: Workspace) -> tuple[str, ...]:
    try:
        return tuple(each.words for each in quick(workspace).lossy)
    except MigrateError as error:  # before the first discover, or the plan isn't sound
        return (str(error),)


def _signoff(cutover: Cutover, name: str, lossy: tuple[str, ...]) -> SignOff:
    document = _recorded(cutover)
    evidence = gates.current(cutover)
    asked = signing.requested(cutover, evidence)
    signer = next((each for each in people.signers(cutover) if each.name == name), None)
    content, why = b"", ""
    if signer is not None:
        try:
            content = signing.statement(cutover, evidence, signer.name).content()
        except UsageError as error:
            why = error.what
    return SignOff(
        cutover.cohort, cutover.state, document.get("at", ""), tuple(document.get("lines", ())),
        tuple(document.get("excuses", ())), asked.who if asked else "",
        tuple((each.name, each.role, each.by) for each in people.signers(cutover)),
        tuple(signing.signatures(cutover, evidence)), lossy, signer.by if signer else "", why,
        base64.b64encode(content).decode(),
        _challenge(signer.key, content) if signer and signer.by == "passkey" and content else "",
    )  # fmt: skip


def _recorded(cutover: Cutover) -> dict[str, Any]:
    """The document of the last gate that was asked; empty before any."""
    event = gates.last(cutover)
    if event is None:
        return {}
    key = f"cutover/{cutover.cohort}/gate-{event.number:06d}/gate.json"
    try:
        return dict(json.loads(cutover.workspace.storage.read(key)[0]))
    except FileNotFoundError:  # a restored ledger is ahead of what lies beside it
        return {"at": event.at}


def _challenge(key: str | None, content: bytes) -> str:
    from migrate.cutover import passkeys

    return json.dumps(passkeys.ask(passkeys.read(key or ""), content))


def lacks_passkey(workspace: Workspace, name: str) -> bool:
    """Whether the plan wants this person's passkey, and doesn't have it."""
    return any(
        each.name == name and each.by == "passkey" and not each.key
        for each in workspace.plan.model.cutover.sign
    )


def sign_by_link(workspace: Workspace, cohort: str, *, person: str, name: str, code: str) -> str:
    """Sign for the cohort; what is still missing, in words, "" where it is approved.

    Args:
        person: who is logged in; `name`: what they typed.

    Raises:
        UsageError: as `migrate approve`.
    """
    cutover = Cutover(workspace, cohort)
    evidence = gates.current(cutover)
    signing.statement(cutover, evidence, person)  # who can't sign gets no token
    token = tokens.make(workspace.ledger, signing.purpose(cohort), person, AT_ONCE)
    try:
        done = signing.sign_by_link(cutover, evidence, token=token, name=name, code=code, via=VIA)
    finally:
        tokens.spent(workspace.ledger, token)
    return gates.approve_if_complete(cutover, who=done.who)


def sign_by_key(workspace: Workspace, cohort: str, *, person: str, statement: str, proof: bytes) -> str:
    """Take a key's or a passkey's signature over a statement (base64); what is still missing, in words.

    Raises:
        BadSignature: it doesn't hold.
        UsageError: as `migrate approve`; or the statement is somebody else's.
    """
    cutover = Cutover(workspace, cohort)
    try:
        content = base64.b64decode(statement, validate=True)
        theirs = json.loads(content)["name"] == person
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise UsageError("That is no statement of an approval.", "Load the page again.") from error
    if not theirs:
        raise UsageError("That statement is another person's.", "Nobody signs for another.")
    done = signing.sign_by_key(cutover, gates.current(cutover), content=content, proof=proof, via=VIA)
    return gates.approve_if_complete(cutover, who=done.who)
