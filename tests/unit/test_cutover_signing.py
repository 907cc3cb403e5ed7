"""Does anybody sign what changed, twice, or for another? Can who holds the workspace forge a signature?"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from migrate.cutover import gate as gates
from migrate.cutover import keys, people, signing, statements, tokens, trail
from migrate.cutover.keys import BadSignature
from migrate.cutover.signing import SIGNED
from migrate.engine import Engine
from migrate.errors import UsageError
from migrate.ledger.database import event_digest
from migrate.ledger.tables import events
from tests.unit.gate_case import ADA, BEN, MAX, Case, public


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("ready")
    with Engine(folders=[root], temp_dir=root / "spill") as engine:
        return Case(root / "w", engine)


@pytest.fixture(scope="module")
def requested(tmp_path_factory: pytest.TempPathFactory, ready: Case) -> Iterator[Case]:
    """Somebody has asked for the approval. For tests that change nothing."""
    root = tmp_path_factory.mktemp("requested")
    with Engine(folders=[root], temp_dir=root / "spill") as engine:
        made = ready.copied(root / "w", engine)
        made.gate(request=True)
        yield made


@pytest.fixture
def case(tmp_path: Path, engine: Engine, requested: Case) -> Case:
    """Somebody has asked for the approval."""
    return requested.copied(tmp_path / "w", engine)


@pytest.fixture
def drained(tmp_path: Path, engine: Engine, ready: Case) -> Case:
    """Nobody has asked for anything."""
    return ready.copied(tmp_path / "w", engine)


# -- links ----------------------------------------------------------------------------------------


def test_a_link_signs_once_for_its_person_with_the_code_of_the_report(case: Case) -> None:
    token = case.invited()
    with pytest.raises(UsageError, match="isn't the code"):
        case.by_link(token, code="AAA-BBB-CCC")
    with pytest.raises(UsageError, match="Nobody signs for another"):
        case.by_link(token, name=BEN)

    event = case.by_link(token, name="ada  EXAMPLE")

    assert (event.who, event.facts["kind"]) == (ADA, "link")
    assert case.standing() == {ADA: ""}
    assert token not in (case.root / ".migrate" / "ledger-copy.json").read_text()
    with pytest.raises(UsageError, match="opens nothing"):
        case.by_link(token)
    with pytest.raises(UsageError, match="Nobody signs twice"):
        case.by_link(case.invited())


def test_a_link_that_has_ended_was_guessed_or_is_for_something_else_opens_nothing(case: Case) -> None:
    ledger = case.workspace.ledger
    ended = case.invited()
    case.clock.sleep(timedelta(days=1).total_seconds() + 1)
    elsewhere = tokens.make(ledger, "approve:pilot", ADA, timedelta(hours=1))
    console = tokens.make(ledger, "console", ADA, timedelta(hours=1))

    for token in (ended, elsewhere, console, "guess", ""):
        with pytest.raises(UsageError, match="opens nothing"):
            case.by_link(token)
    assert case.standing() == {}


def test_who_signs_with_a_key_isn_t_let_in_by_a_link(case: Case) -> None:
    with pytest.raises(UsageError, match="signs with a key"):
        case.invited(BEN)
    token = tokens.make(case.workspace.ledger, "approve:all", BEN, timedelta(hours=1))
    with pytest.raises(UsageError, match="signs with a key"):
        case.by_link(token, name=BEN)


def test_who_asks_for_an_approval_can_t_give_it(drained: Case) -> None:
    case = drained
    case.gate(request=True, who=ADA)
    with pytest.raises(UsageError, match="asked for this approval"):
        case.by_link(case.invited())

    case.gate(request=True)  # also somebody else: she has asked all the same
    with pytest.raises(UsageError, match="asked for this approval"):
        case.by_link(case.invited())


def test_who_asks_after_having_signed_has_signed_nothing(case: Case) -> None:
    case.by_link(case.invited())
    case.gate(request=True, who=ADA)

    assert case.standing() == {ADA: "who asks for an approval can't give it"}


def test_nobody_whom_the_plan_doesn_t_name_asks_or_signs(case: Case) -> None:
    with pytest.raises(UsageError, match="names nobody called `Eve`"):
        case.gate(request=True, who="Eve")
    with pytest.raises(UsageError, match="asks nobody called `Eve`"):
        case.invited("Eve")


def test_nobody_signs_before_somebody_asks_or_what_has_changed_since(drained: Case) -> None:
    case = drained
    case.gate()
    with pytest.raises(UsageError, match="Nobody asked"):
        case.by_link(case.invited())

    case.gate(request=True)
    token, code = case.invited(), gates.current(case.cutover).code
    case.clock.sleep(60)
    case.validate()
    with pytest.raises(UsageError, match="isn't the code"):
        case.by_link(token, code=code)
    with pytest.raises(UsageError, match="Nobody asked"):
        case.by_link(token)


# -- what voids -----------------------------------------------------------------------------------


def test_evidence_that_changes_voids_every_signature_and_the_state_goes_back(case: Case) -> None:
    case.signed()
    assert case.standing() == {ADA: "", BEN: ""}

    case.source.put("Account", "0019", Name="Late")
    case.move(delta=True)

    assert set(case.standing().values()) == {"the evidence has changed since"}
    assert case.gate().state == "drained"


def test_a_thaw_voids_them_for_good_though_the_evidence_were_the_same(case: Case) -> None:
    case.signed()
    case.moved("holding")

    assert set(case.standing().values()) == {"the cohort was thawed"}


def test_a_swapped_key_in_the_plan_voids_everybody_s_signature(case: Case) -> None:
    case.signed()
    mine = Ed25519PrivateKey.generate()
    case.sign = case.sign.replace(public(case.private), public(mine))
    case.plan("- source: Account\n  target: companies\n  fields: {name: Name}\n")

    assert set(case.standing().values()) == {"the evidence has changed since"}
    assert "plan" not in case.red()  # what was loaded is the same: no new transform
    content = case.statement() if case.gate(request=True) else b""
    with pytest.raises(BadSignature):
        case.by_key(content, case.private.sign(content))


# -- keys -----------------------------------------------------------------------------------------


def test_a_key_s_signature_is_taken_as_openssl_and_as_ssh_keygen_write_it(case: Case, tmp_path: Path) -> None:
    content = case.statement()
    (tmp_path / "approval.json").write_bytes(content)
    key = tmp_path / "id"
    key.write_bytes(case.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    written = tmp_path / "key.pem"
    written.write_bytes(case.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for tool in ("ssh-keygen", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"`{tool}` isn't here: apt-get install openssh-client openssl")
    run = [
        "ssh-keygen",
        "-Y",
        "sign",
        "-q",
        "-n",
        keys.NAMESPACE,
        "-f",
        str(key),
        str(tmp_path / "approval.json"),
    ]
    subprocess.run(run, check=True, capture_output=True)
    by_ssh = (tmp_path / "approval.json.sig").read_bytes()
    run = [
        "openssl",
        "pkeyutl",
        "-sign",
        "-rawin",
        "-inkey",
        str(written),
        "-in",
        str(tmp_path / "approval.json"),
    ]
    by_openssl = subprocess.run(run, check=True, capture_output=True).stdout

    for proof in (by_ssh, by_openssl, base64.encodebytes(by_openssl)):
        keys.check(public(case.private), content, proof)
        with pytest.raises(BadSignature):
            keys.check(public(case.private), content + b" ", proof)
    pem = case.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    raw = base64.b64encode(case.private.public_key().public_bytes_raw()).decode()
    assert {keys.fingerprint(each) for each in (pem, raw, public(case.private) + " ben@desk")} == {
        keys.fingerprint(public(case.private))
    }

    event = case.by_key(content, by_ssh)
    assert case.standing() == {BEN: ""}
    kept = case.root / ".migrate" / "cutover" / "all" / "signatures" / f"{event.number:06d}"
    assert (kept / "approval.json").read_bytes() == content
    assert (kept / "approval.json.sig").read_bytes() == by_ssh


def test_a_signature_that_the_same_key_made_for_something_else_is_none(case: Case, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("`ssh-keygen` isn't here: apt-get install openssh-client")
    content = case.statement()
    key, file = tmp_path / "id", tmp_path / "x"
    key.write_bytes(case.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    file.write_bytes(content)
    run = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(key), str(file)]
    subprocess.run(run, check=True, capture_output=True)

    with pytest.raises(BadSignature):
        case.by_key(content, (tmp_path / "x.sig").read_bytes())


@pytest.mark.parametrize(
    "proof", [b"", b"x", b"A" * 64, b"A" * 88, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n", b"9" * 99_999]
)
def test_what_is_no_signature_is_refused_in_words(requested: Case, proof: bytes) -> None:
    with pytest.raises(BadSignature, match="doesn't hold"):
        requested.by_key(requested.statement(), proof)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workspace", "0" * 64), ("cohort", "pilot"), ("evidence", "0" * 64), ("plan", "0" * 64),
        ("code", "AAA-BBB-CCC"), ("request", "0" * 64), ("head", "0" * 64), ("name", ADA), ("name", MAX),
        ("email", "eve@example.com"), ("at", "2020-01-01T00:00:00.000000Z"),
        ("at", "2099-01-01T00:00:00.000000Z"), ("says", "I don't."), ("format", "migrate approval 2"),
    ],
)  # fmt: skip
def test_a_well_signed_statement_of_anything_else_is_refused(requested: Case, field: str, value: str) -> None:
    told = json.loads(requested.statement()) | {field: value}
    content = (json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    with pytest.raises(UsageError):
        requested.by_key(content, requested.private.sign(content))
    assert requested.standing() == {}


def test_without_the_extra_a_key_is_told_how_to_be_used(
    requested: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "find_spec", lambda name: None if name == "sshsig" else object())

    (line,) = [each for each in gates.look(requested.cutover).red if each.id == "signers"]
    assert "sshsig isn't installed" in line.words


def test_a_statement_that_isn_t_byte_for_byte_ours_is_refused(requested: Case) -> None:
    content = json.dumps(json.loads(requested.statement())).encode()
    for each in (content, b"", b"[]", b"null", b"{}", b"\xff"):
        with pytest.raises(UsageError, match="no statement"):
            requested.by_key(each, requested.private.sign(each))


def test_another_workspace_s_signature_counts_nowhere_else(
    case: Case, tmp_path: Path, engine: Engine
) -> None:
    other = Case(tmp_path / "other", engine, sign=case.sign)
    other.gate(request=True)
    content = other.statement()

    with pytest.raises(UsageError, match="of another"):
        case.by_key(content, case.private.sign(content))


def test_a_signature_is_taken_once_and_not_again_after_a_thaw(case: Case) -> None:
    content = case.statement()
    proof = case.private.sign(content)
    case.by_key(content, proof)
    with pytest.raises(UsageError, match="Nobody signs twice"):
        case.by_key(content, proof)

    case.moved("holding")
    case.frozen()
    case.gate(request=True)
    with pytest.raises(UsageError, match="another evidence"):
        case.by_key(content, proof)
    assert set(case.standing().values()) == {"the cohort was thawed"}


# -- who holds the workspace ----------------------------------------------------------------------


def rewritten(case: Case, change: Mapping[str, object]) -> None:
    """Put an event into the trail as the ledger itself would, and make the whole chain anew: nothing of the
    workspace is out of reach of who does this."""
    ledger = case.workspace.ledger
    with ledger.write() as tx:
        facts = {name: value for name, value in change.items() if name != "who"}
        tx.event(str(change["who"]), SIGNED, **facts)
        previous = ""
        for row in tx.sql.execute(sa.select(events).order_by(events.c.number)).all():
            digest = event_digest(previous, row.at, row.who, row.what, row.facts)
            tx.sql.execute(
                events.update().where(events.c.number == row.number).values(previous=previous, digest=digest)
            )
            previous = digest


def test_who_holds_the_whole_workspace_can_t_forge_a_key_s_signature(case: Case) -> None:
    """The forger writes events, rewrites the chain, and has every byte but Ben's key."""
    evidence = gates.current(case.cutover)
    content = case.statement()
    forger = Ed25519PrivateKey.generate()
    base = {
        "who": BEN,
        "cohort": "all",
        "evidence": evidence.digest,
        "role": "sponsor",
        "head": "",
        "code": evidence.code,
    }
    tries: list[dict[str, object]] = [
        {"kind": "key", "statement": content.decode(), "signature": ""},
        {"kind": "key", "statement": content.decode(),
         "signature": base64.b64encode(forger.sign(content)).decode(),
         "fingerprint": keys.fingerprint(public(case.private))},
        {"kind": "link", "statement": content.decode()},
        {"kind": "passkey", "statement": content.decode(), "signature": "e30="},
        {"kind": "key", "statement": content.decode(), "signature": "not base64!"},
    ]  # fmt: skip
    for each in tries:
        rewritten(case, base | each)
        assert case.standing()[BEN] != "", each

    # An older signature of his, of other evidence, put under this one.
    real = case.private.sign(b"something that Ben has signed elsewhere")
    rewritten(
        case,
        base | {"kind": "key", "statement": content.decode(), "signature": base64.b64encode(real).decode()},
    )
    assert case.standing()[BEN] != ""
    assert not gates.look(case.cutover).passed


def test_a_trail_whose_tail_was_cut_no_longer_has_what_a_signature_covers(case: Case) -> None:
    content = case.statement()
    proof = case.private.sign(content)
    ledger = case.workspace.ledger
    last = trail.events(ledger)[-1]
    with ledger.write() as tx:
        tx.sql.execute(events.delete().where(events.c.number == last.number))

    with pytest.raises(UsageError):
        case.by_key(content, proof)
    assert trail.verify(case.workspace) != []


def test_the_private_key_is_nowhere_in_the_workspace(case: Case) -> None:
    case.signed()
    secret = case.private.private_bytes_raw()
    forms = (secret, base64.b64encode(secret), secret.hex().encode())

    for path in case.root.rglob("*"):
        if path.is_file():
            assert not any(form in path.read_bytes() for form in forms), path


def test_two_who_sign_at_once_for_one_person_leave_one_signature(case: Case) -> None:
    content = case.statement()
    evidence = gates.current(case.cutover)
    said = statements.read(content)
    signer = people.named(case.cutover, BEN)
    proof = base64.b64encode(case.private.sign(content)).decode()
    signing._record(case.cutover, evidence, signer, said, "key", signature=proof)

    with pytest.raises(UsageError, match="Nobody signs twice"):
        signing._record(case.cutover, evidence, signer, said, "key", signature=proof)
