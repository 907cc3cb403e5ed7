"""Does the gate see what happens in two living systems, and open for them when all is mended and signed?"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from migrate.cutover import inverses
from migrate.cutover.machine import Cutover
from migrate.demo.generated import generated
from migrate.demo.run import credentials, sandboxes
from migrate.ledger.tables import measures
from migrate.workspace import Workspace
from tests.sandbox.test_stages import SIZES, Company

SPEED = 40.0
ADA, BEN, MAX = "Ada_Example", "Ben_Example", "Max_Operator"  # `Company.run` splits at spaces
CUTOVER = """cutover:
  window: 10 working days
  profile: small
  freeze: {{still: 30 seconds}}
  gate: {{fresh: 12 hours}}
  people: [{{name: Max_Operator, email: max@example.com, role: operator}}]
  sign:
    - {{name: Ada_Example, email: ada@example.com}}
    - {{name: Ben_Example, email: ben@example.com, by: key, key: "{key}"}}
"""


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, Ed25519PrivateKey]]:
    base, seed, key = tmp_path_factory.mktemp("gate"), generated(SIZES), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    before = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        salesforce, hubspot = stack.enter_context(sandboxes(base, seed))
        for each in (salesforce, hubspot):
            each.control.post("/clock", {"speed": SPEED})
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in credentials(salesforce, hubspot).items():
            patch.setenv(name, value)
        made = Company(base / "gated", seed, salesforce, hubspot)
        root = made.workspace("gated")
        plan = (root / "plan.yaml").read_text()
        plan = plan.replace('LEGACY_", clock: sandbox}', 'LEGACY_", clock: sandbox, longest_call: 5}')
        plan = plan.replace("cutover: {window: 10 working days}\n", CUTOVER.format(key=public))
        (root / "plan.yaml").write_text(plan)
        yield made, key
    signal.signal(signal.SIGTERM, before)


@pytest.mark.long
def test_a_cutover_s_gate_on_living_systems(
    drained: tuple[Company, Ed25519PrivateKey], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    company, key = drained
    company.capsys = capsys
    company.must("discover", "check", "prepare", "cutover start --as Max_Operator")
    with closing(Workspace(company.root)) as workspace:
        cutover = Cutover(workspace)
        cutover.move("holding", who=MAX)
        with workspace.ledger.write() as tx:  # as a drill leaves it
            tx.put(measures, name="rollback drill", value=600.0, at=tx.at)
    company.must("cutover freeze --wait --as Max_Operator", "cutover delta --as Max_Operator", "validate")

    assert red(company) == ["way-back", "signatures"]
    with closing(Workspace(company.root)) as workspace:
        rules = {
            each.name: {"keep": "source"} if each.verdict == "none" else {"lossy": "accepted"}
            for each in inverses.quick(workspace).asked
        }
    plan = company.root / "plan.yaml"
    said = plan.read_text()
    plan.write_text(
        said.replace("  profile: small\n", f"  profile: small\n  reverse: {{rules: {json.dumps(rules)}}}\n")
    )
    assert red(company) == ["signatures"]

    with closing(Workspace(company.root)) as workspace, closing(workspace.target()) as target:
        portal = target._portal.http  # type: ignore[attr-defined]
        path = "/crm/v3/properties/contacts/lead_source"
        before = portal.call("GET", path, write=False).json()["options"]
        left = [each for each in before if each["value"] != "Web"]
        portal.call("PATCH", path, json={"options": left}, write=True)
        assert red(company) == ["drift", "signatures"]
        portal.call("PATCH", path, json={"options": before}, write=True)
    assert red(company) == ["signatures"]

    code, found = company.run(f"cutover gate --request --as {MAX}")
    assert (code, found["state"], found["requested"]) == (1, "verified", MAX)
    _, link = company.run(f"cutover invite {ADA} --as {MAX}")
    (tmp_path / "link").write_text(link["token"])
    code, first = company.run(f"approve --as {ADA} --code {found['code']} --link {tmp_path / 'link'}")
    assert (code, first["kind"], first["state"]) == (0, "link", "verified")
    statement, proof = tmp_path / "approval.json", tmp_path / "approval.sig"
    company.run(f"approve --as {BEN} --print --out {statement}")
    proof.write_bytes(key.sign(statement.read_bytes()))
    code, second = company.run(f"approve --statement {statement} --signature {proof}")
    assert (code, second["kind"], second["state"], second["missing"]) == (0, "key", "approved", "")
    code, found = company.run(f"cutover gate --as {MAX}")
    assert (code, found["passed"], found["state"]) == (0, True, "approved")

    id = next(row["Id"] for row in company.salesforce.control.ndjson("/truth/Account"))
    company.act("update", "Account", id=id, fields={"Phone": "0815"})
    code, refused = company.run(f"cutover switch --yes --as {MAX}")
    assert (code, refused["error"]) == (1, "MoveRefused"), refused
    assert id in refused["message"]
    code, found = company.run(f"cutover gate --look --as {MAX}")
    assert (code, found["state"]) == (1, "drained")
    company.must(f"cutover thaw --reason somebody_wrote --as {MAX}")
    code, found = company.run(f"cutover gate --look --as {MAX}")
    assert {each["void"] for each in found["signatures"]} == {"the cohort was thawed"}
    code, flaws = company.run("cutover log --verify")
    assert code == 0, flaws


def red(company: Company) -> list[str]:
    _, found = company.run(f"cutover gate --as {MAX}")
    return list(found["red"])
