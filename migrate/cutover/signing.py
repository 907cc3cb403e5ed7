"""Who has signed, on what, and does it still hold?

A signature is an event of the trail with its statement. Whether it holds is found anew each time, and stands
nowhere: it is void once the evidence differs, after a thaw, a cancel or a switch that used it, for who asked
for the approval, and where a key's signature doesn't check against the key that the plan names now.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from migrate.clock import parse_stamp, stamp
from migrate.cutover import keys, passkeys, people, statements, tokens, trail
from migrate.cutover.gates.lines import GateLine, green, red
from migrate.cutover.machine import MOVED
from migrate.cutover.statements import Statement
from migrate.errors import UsageError

if TYPE_CHECKING:
    from migrate.cutover.gates.evidence import Evidence
    from migrate.cutover.machine import Cutover
    from migrate.cutover.trail import Event
    from migrate.plan.cutover import SignerPlan

SIGNED, REQUESTED = "approval signed", "approval requested"
ID = "signatures"
LINK = timedelta(days=1)  # for how long an invitation lives
SKEW = timedelta(minutes=5)  # of the clock of who wrote a statement
# A move that takes away what was signed, or uses it up.
VOIDS = {
    "holding": "the cohort was thawed",
    "frozen": "the freeze was begun anew",
    "cancelled": "it was cancelled",
    "planned": "it was planned anew",
    "switching": "the switch has used it",
}


@dataclass(frozen=True)
class Signature:
    """One of a person. `kind`: link, key or passkey; `void`: why it holds no more, "" while it does."""

    name: str
    role: str
    kind: str
    at: str
    evidence: str
    event: str
    fingerprint: str
    void: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "stands": not self.void}


def purpose(cohort: str) -> str:
    """What a link for signing opens."""
    return f"approve:{cohort}"


def request(cutover: Cutover, evidence: Evidence, *, who: str) -> Event:
    """Ask for the approval of this evidence; who asks can't approve.

    Raises:
        UsageError: nobody, or nobody that the plan names.
    """
    name = people.must_be_known(cutover, who)
    return trail.append(
        cutover.workspace.ledger, name, REQUESTED, cohort=cutover.cohort, evidence=evidence.digest,
        code=evidence.code, plan=cutover.workspace.plan.agreed,
        via=trail.actor(),
        nonce=secrets.token_hex(16),  # no other request, of no other workspace, has its digest
        keys={each.name: people.fingerprint(each) for each in people.signers(cutover) if each.by != "link"},
    )  # fmt: skip


def requested(cutover: Cutover, evidence: Evidence) -> Event | None:
    """The newest request for this evidence."""
    found = _requests(cutover, evidence.digest)
    return found[-1] if found else None


def _requests(cutover: Cutover, evidence: str) -> list[Event]:
    asked = trail.events(cutover.workspace.ledger, REQUESTED, cutover.cohort)
    return [each for each in asked if each.evidence == evidence]


def invite(cutover: Cutover, name: str, *, who: str, ttl: timedelta = LINK) -> str:
    """A token for one signature of one person, to be given to them and nobody else.

    Raises:
        UsageError: the plan asks nobody of that name, or asks them for a key.
    """
    signer = people.named(cutover, name)
    if signer.by != "link":
        raise UsageError(
            f"`{signer.name}` signs with a {signer.by}, not by a link.",
            "`migrate approve --print` writes what they sign."
            if signer.by == "key"
            else "They sign in the console.",
        )
    return tokens.make(cutover.workspace.ledger, purpose(cutover.cohort), signer.name, ttl, who=who)


def statement(cutover: Cutover, evidence: Evidence, name: str) -> Statement:
    """What a person signs, as of now.

    Raises:
        UsageError: nobody asked for an approval of this evidence, the person asked for it, isn't asked to
            sign, or has signed.
    """
    cutover.need("verified")
    signer = people.named(cutover, name)
    asked = requested(cutover, evidence)
    if asked is None:
        raise UsageError(
            "Nobody asked for an approval of this evidence.",
            "Run `migrate cutover gate --request --as NAME` first.",
        )
    _may_sign(cutover, signer, evidence)
    workspace = cutover.workspace
    return Statement(
        workspace=statements.identity(workspace), cohort=cutover.cohort, evidence=evidence.digest,
        plan=workspace.plan.agreed, code=evidence.code, request=asked.digest,
        head=trail.head(workspace.ledger), name=signer.name, email=signer.email,
        at=stamp(workspace.clock.now()),
    )  # fmt: skip


def sign_by_link(
    cutover: Cutover, evidence: Evidence, *, token: str, name: str, code: str, via: str = ""
) -> Event:
    """Sign with a one-time link: the person types their name, and the code on the report's first page.

    Args:
        via: who or what handed it in, for the trail.

    Raises:
        UsageError: the link opens nothing (any more), is another's, the code is another report's, or whatever
            `statement` refuses. The link isn't used up by a mistake.
    """
    ledger, opens = cutover.workspace.ledger, purpose(cutover.cohort)
    person = tokens.peek(ledger, token, opens)
    if person is None:
        raise _no_link()
    signer = people.named(cutover, person)
    if signer.by != "link":
        raise UsageError(
            f"`{signer.name}` signs with a {signer.by}.", "A link opens nothing for them any more."
        )
    if people.folded(name) != people.folded(signer.name):
        raise UsageError(
            "The name isn't that of the person whom this link was made for.", "Nobody signs for another."
        )
    _must_be_code(code, evidence)
    said = statement(cutover, evidence, signer.name)
    if tokens.redeem(ledger, token, opens) is None:
        raise _no_link()
    return _record(cutover, evidence, signer, said, "link", via=via)


def sign_by_key(
    cutover: Cutover, evidence: Evidence, *, content: bytes, proof: bytes, via: str = ""
) -> Event:
    """Take a signature that was made elsewhere, with a key or a passkey, over a statement of ours.

    Args:
        content: the statement, byte for byte.
        proof: what `ssh-keygen` or OpenSSL wrote, or the browser's answer.

    Raises:
        BadSignature: it doesn't hold.
        UsageError: the statement is of something else than what stands now, or whatever `statement` refuses.
    """
    said = statements.read(content)
    signer = people.named(cutover, said.name)
    if signer.by == "link":
        raise UsageError(
            f"`{signer.name}` signs by a link; the plan names no key of theirs.", "Use the link."
        )
    _must_be_now(cutover, evidence, said)
    _check(signer, content, proof)
    encoded = base64.b64encode(proof).decode()
    event = _record(
        cutover, evidence, signer, said, signer.by, via=via, signature=encoded,
        fingerprint=people.fingerprint(signer),
    )  # fmt: skip
    _keep(cutover, event, content, proof)
    return event


def _keep(cutover: Cutover, event: Event, content: bytes, proof: bytes) -> None:
    """Statement and signature as files, for who wants to check them without us; the event holds both, too."""
    folder = f"cutover/{cutover.cohort}/signatures/{event.number:06d}"
    cutover.workspace.storage.write(f"{folder}/approval.json", content)
    cutover.workspace.storage.write(f"{folder}/approval.json.sig", proof)
    trail.note(cutover.workspace, folder)


def signatures(cutover: Cutover, evidence: Evidence) -> list[Signature]:
    """The newest signature of each person since the cohort was planned, in the order in which they signed."""
    return [each for each, _ in _newest(cutover, evidence)]


def line(cutover: Cutover, evidence: Evidence) -> GateLine:
    """Whether everybody that the plan names has signed this evidence."""
    wanted, least = people.signers(cutover), people.needed(cutover)
    standing = [each.name for each in signatures(cutover, evidence) if not each.void]
    missing = [each.name for each in wanted if each.name not in standing]
    figure = f"{len(standing)} of {max(len(wanted), least)}"
    if not missing and len(standing) >= least:
        return green(ID, f"Signed by {' and '.join(standing)}.", figure)
    if requested(cutover, evidence) is None:
        words = "Nobody asked for an approval of this evidence."
        return red(ID, words, "migrate cutover gate --request", figure, about=ID)
    words = f"Not signed by {' and '.join(missing)}." if missing else "Too few people sign."
    return red(ID, words, "migrate cutover invite NAME; migrate approve", figure, about=ID)


def signers_line(cutover: Cutover) -> GateLine:
    """Whether the plan names enough people to sign, each of them once."""
    wanted, least = people.signers(cutover), people.needed(cutover)
    found = people.flaws(wanted)
    if len(wanted) < least:
        found.append(f"The plan names {len(wanted)} to sign; it takes {least} different people.")
    if found:
        return red("signers", " ".join(found), "`cutover: sign` of the plan", str(len(wanted)), about=found)
    # Whoever knows a key sees here whether it is still that one.
    told = (f"{each.name}: {each.by} {people.fingerprint(each)}".strip() for each in wanted)
    return green("signers", "The plan names who signs.", "; ".join(told))


# -- what holds -----------------------------------------------------------------------------------


def _newest(cutover: Cutover, evidence: Evidence) -> list[tuple[Signature, Event]]:
    moves = cutover.moves()
    began = max((each.number for each in moves if each.facts["to"] == "planned"), default=0)
    found: dict[str, tuple[Signature, Event]] = {}
    for event in trail.events(cutover.workspace.ledger, SIGNED, cutover.cohort):
        if event.number > began:
            found.pop(event.who, None)
            found[event.who] = (_signature(cutover, evidence, event, moves), event)
    return list(found.values())


def _signature(cutover: Cutover, evidence: Evidence, event: Event, moves: Sequence[Event]) -> Signature:
    facts = event.facts
    return Signature(
        event.who, str(facts.get("role", "")), str(facts.get("kind", "")), event.at, event.evidence,
        event.digest, str(facts.get("fingerprint", "")), _void(cutover, evidence, event, moves),
    )  # fmt: skip


def _void(cutover: Cutover, evidence: Evidence, event: Event, moves: Sequence[Event]) -> str:
    """Why an event is no signature now; "" where it is one. Nothing in it is believed that can be checked."""
    for move in moves:
        if move.number > event.number and move.facts["to"] in VOIDS:
            return VOIDS[move.facts["to"]]
    if event.evidence != evidence.digest:
        return "the evidence has changed since"
    try:
        signer = people.named(cutover, event.who)
        content = str(event.facts.get("statement", "")).encode()
        said = statements.read(content)
        _must_be_of(cutover, evidence, said)
        if said.name != signer.name or event.facts.get("kind") != signer.by:
            return "it isn't theirs, or not of the kind that the plan asks for"
        if signer.by != "link":
            _check(signer, content, base64.b64decode(str(event.facts.get("signature", ""))))
    except (UsageError, ValueError) as error:
        return f"it doesn't hold: {str(error).splitlines()[0]}"
    if any(people.is_person(cutover, signer, each.who) for each in _requests(cutover, evidence.digest)):
        return "who asks for an approval can't give it"
    return ""


def _may_sign(cutover: Cutover, signer: SignerPlan, evidence: Evidence) -> None:
    if wrong := people.flaws(people.signers(cutover)):
        raise UsageError(wrong[0], "Mend `cutover: sign` of the plan; a person signs once.")
    if any(people.is_person(cutover, signer, each.who) for each in _requests(cutover, evidence.digest)):
        raise UsageError(
            f"`{signer.name}` asked for this approval, and can't give it.",
            "Two different people: somebody else signs, or somebody else asks.",
        )
    for each in signatures(cutover, evidence):
        if each.name == signer.name and not each.void:
            raise UsageError(f"`{signer.name}` has signed this at {each.at}.", "Nobody signs twice.")


def _must_be_of(cutover: Cutover, evidence: Evidence, said: Statement) -> None:
    """A statement of this workspace, cohort, plan and evidence, on a trail that is still there."""
    workspace = cutover.workspace
    wanted = {
        "workspace": statements.identity(workspace), "cohort": cutover.cohort, "plan": workspace.plan.agreed,
        "evidence": evidence.digest, "code": evidence.code,
    }  # fmt: skip
    for name, value in wanted.items():
        if getattr(said, name) != value:
            raise UsageError(
                f"The statement is of another {name} than the one that stands now.",
                "`migrate approve --print` writes one of what stands now.",
            )
    by_digest = {each.digest: each for each in trail.events(workspace.ledger)}
    asked, head = by_digest.get(said.request), by_digest.get(said.head)
    if asked is None or asked.what != REQUESTED or head is None or head.number < asked.number:
        raise UsageError(
            "The trail doesn't have what the statement covers: its tail was cut, or it is another one.",
            "`migrate cutover log --verify` says where.",
        )


def _must_be_now(cutover: Cutover, evidence: Evidence, said: Statement) -> None:
    """A statement that could be written now, but for the trail's head and the time."""
    fresh = statement(cutover, evidence, said.name)
    _must_be_of(cutover, evidence, said)
    if (said.name, said.email) != (fresh.name, fresh.email):
        raise UsageError("The statement is of another person.", "Nobody signs for another.")
    asked = {each.digest: each for each in _requests(cutover, evidence.digest)}
    if said.request not in asked:
        raise UsageError(
            "The statement is of another request.", "`migrate approve --print` writes a new one."
        )
    if not parse_stamp(asked[said.request].at) <= parse_stamp(said.at) <= parse_stamp(fresh.at) + SKEW:
        raise UsageError(
            f"The statement's time, {said.at}, is before the request or to come.",
            "Write it anew with `--print`.",
        )


def _must_be_code(code: str, evidence: Evidence) -> None:
    def bare(text: str) -> str:
        return "".join(each for each in text.upper() if each.isalnum())

    if not evidence.code or bare(code) != bare(evidence.code):
        raise UsageError(
            f"`{code}` isn't the code of the evidence that stands now.",
            "It stands on the first page of the latest report: read that one (`migrate report`).",
        )


def _check(signer: SignerPlan, content: bytes, proof: bytes) -> None:
    if signer.by == "passkey":
        passkeys.check(passkeys.read(signer.key or ""), content, proof)
    else:
        keys.check(signer.key or "", content, proof)


def _record(
    cutover: Cutover, evidence: Evidence, signer: SignerPlan, said: Statement, kind: str, **facts: Any
) -> Event:
    """One ledger transaction; of two that sign at once for one person the second is refused."""
    ledger = cutover.workspace.ledger
    with ledger.write() as tx:
        for each in reversed(trail.within(tx, (MOVED, SIGNED), cutover.cohort)):
            if each.what == MOVED:
                break
            if each.who == signer.name and each.evidence == evidence.digest:
                raise UsageError(f"`{signer.name}` has signed this at {each.at}.", "Nobody signs twice.")
        return trail.put(
            tx, signer.name, SIGNED, cohort=cutover.cohort, evidence=evidence.digest, kind=kind,
            role=signer.role, email=signer.email, head=said.head, code=evidence.code,
            statement=said.content().decode(), **facts,
        )  # fmt: skip


def _no_link() -> UsageError:
    return UsageError(
        "This link opens nothing: it was used, has ended, or was made for another cohort.",
        "Ask for another one: `migrate cutover invite NAME`.",
    )
