"""Every command explains itself, every slip is answered with what would be right, every end has its code."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from migrate.cli import main
from migrate.cli.output import Session
from migrate.cli.root import COMMANDS, cli
from migrate.engine import Engine
from migrate.errors import MigrateError, NoSpace, Parked, PlanError, PlanMistake, Position

PLAN = """\
version: 1
source: {system: old, type: salesforce, credentials: "env:CLI_TEST_OLD_"}
target: {system: new, type: hubspot, credentials: "env:CLI_TEST_NEW_"}
objects:
  - source: Account
    target: companies
    fields: {name: Name}
"""


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(cli))
each_command = pytest.mark.parametrize("words", ALL, ids=" ".join)


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def document(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    """Code and the one document of a command run with `--json`."""
    code, out, _ = run(capsys, "--json", *words)
    found = json.loads(out)
    assert isinstance(found, dict)
    assert len(out.strip().splitlines()) == 1
    assert found["exit_code"] == code
    return code, found


# -- help -------------------------------------------------------------------------------------


@each_command
def test_help_tells_what_a_command_does_and_shows_one_that_works(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *words, "--help")
    assert (code, err) == (0, "")
    examples = [line.split() for line in out.splitlines() if line.strip().startswith("migrate ")]
    assert any(" ".join(words) in " ".join(line) for line in examples), out
    known = {name for parameter in [*ALL[words].params, *cli.params] for name in parameter.opts}
    for line in examples:
        assert {word for word in line if word.startswith("-")} <= known


@each_command
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    for parameter in ALL[words].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, parameter.name


def test_every_command_is_in_the_first_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in COMMANDS:
        assert f"\n  {name}" in out
    assert "Exit codes" in out


def test_help_needs_nothing_heavy() -> None:
    import subprocess

    script = (
        "import sys\nfrom migrate.cli import main\ncode = main(['--help'])\n"
        "heavy = {'duckdb', 'pyarrow', 'sqlalchemy', 'httpx2', 'pandas', 'boto3'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verbose", [False, True])
def test_progress_is_shown_off_the_terminal_only_where_it_was_asked_for(
    capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    with Session(Path(), as_json=True, verbose=verbose).bars() as progress:
        progress("Account", 3, 3)
    said = capsys.readouterr()
    assert said.out == ""
    assert ("Account" in said.err) == verbose


# -- usage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("lod",), "`load`"),
        (("dead-leters",), "`dead-letters`"),
        (("dead-letters", "lst"), "list"),
        (("crosswalk", "exprt"), "export"),
        (("extract", "--since-watermrk"), "--since-watermark"),
        (("load", "--dryrun"), "--dry-run"),
        (("--workspce", "x", "load"), "--workspace"),
        (("status", "-v"), "`migrate -v status`"),
        (("load", "-w", "x"), "`migrate -w DIRECTORY load`"),
        (
            ("rollback", "hold", "list", "--workspace", "x"),
            "`migrate --workspace DIRECTORY rollback hold list`",
        ),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
def test_a_slip_is_answered_with_the_near_miss(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], near: str
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert near in err.rpartition("Error: ")[2]
    code, found = document(capsys, *words)
    assert (code, found["error"]) == (2, "usage")
    assert near in found["message"]


def test_a_word_that_is_near_nothing_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "qqqqq")
    assert code == 2
    assert "There are: init, plan, discover" in err


@pytest.mark.parametrize(
    "words", [(), ("dead-letters",), ("crosswalk",)], ids=["migrate", "letters", "crosswalk"]
)
def test_a_group_alone_shows_its_help_and_is_no_success(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert "Usage: migrate" in out + err
    assert (out + err).count("Usage: migrate") == 1
    assert document(capsys, *words)[0] == 2


def test_a_missing_argument_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "trace")
    assert code == 2
    assert "NEEDLE" in err


# -- ends -------------------------------------------------------------------------------------


def test_where_no_plan_is_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, found = document(capsys, "-w", tmp_path, "status")
    assert (code, found["error"]) == (2, "UsageError")
    assert "migrate init" in found["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_plan_names_file_line_and_column(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    (workspace / "plan.yaml").write_text(PLAN.replace("target: companies", "tagret: companies"))
    code, out, err = run(capsys, "-w", workspace, "check")
    assert (code, out) == (2, "")
    assert "plan.yaml:6:5" in err
    assert "`target`" in err


@pytest.mark.parametrize("words", ["check", "extract", "transform", "load", "validate"])
def test_a_stage_before_its_time_names_the_one_to_run_first(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    for name in ("OLD_INSTANCE_URL", "OLD_CLIENT_ID", "OLD_CLIENT_SECRET", "NEW_TOKEN"):
        monkeypatch.setenv(f"CLI_TEST_{name}", "https://nobody.example")
    code, found = document(capsys, "-w", workspace, words)
    assert (code, found["error"]) == (2, "UsageError")
    assert "migrate " in found["message"]


def test_missing_credentials_name_the_variables(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    code, found = document(capsys, "-w", workspace, "discover")
    assert code == 2
    assert "CLI_TEST_OLD_" in found["message"]


@pytest.mark.parametrize(
    "address", ["foo", "api.example.com", "http:/one-slash", "https://", "https://h:port", "pat-na1-hunter2"]
)
@pytest.mark.parametrize(
    ("words", "variable", "clock"),
    [("discover", "OLD_INSTANCE_URL", ""), ("status", "NEW_BASE_URL", ", clock: sandbox")],
)
def test_an_address_that_is_none_is_2_and_names_its_variable(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch,
    address: str, words: str, variable: str, clock: str,
) -> None:  # fmt: skip
    (workspace / "plan.yaml").write_text(PLAN.replace('_NEW_"', f'_NEW_"{clock}'))
    monkeypatch.setenv(f"CLI_TEST_{variable}", address)
    code, found = document(capsys, "-w", workspace, words)
    assert (code, found["error"]) == (2, "UsageError")
    assert f"`CLI_TEST_{variable}`" in found["message"]
    assert "hunter2" not in found["message"]


def test_a_certificate_authority_that_isn_t_there_is_2(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "INSTANCE_URL": "https://x.example",
        "CA": "absent.pem",
        "CLIENT_ID": "a",
        "CLIENT_SECRET": "b",
    }.items():
        monkeypatch.setenv(f"CLI_TEST_OLD_{name}", value)
    code, found = document(capsys, "-w", workspace, "discover")
    assert code == 2
    assert "absent.pem can't be read (No such file" in found["message"]


def test_an_address_in_the_plan_that_is_none_is_2_and_names_its_key(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "plan.yaml").write_text(PLAN.replace('_OLD_"', '_OLD_", instance_url: foo'))
    monkeypatch.setenv("CLI_TEST_OLD_CLIENT_ID", "x")
    code, found = document(capsys, "-w", workspace, "discover")
    assert code == 2
    assert "`instance_url` of `old`" in found["message"]


def test_the_workspaces_state_is_nobody_elses_to_read(
    capsys: pytest.CaptureFixture[str], workspace: Path
) -> None:
    run(capsys, "-w", workspace, "status")
    assert (workspace / ".migrate").stat().st_mode & 0o077 == 0


ENDS: dict[BaseException, tuple[int, str]] = {
    PlanError([PlanMistake(Position("p", 1, 1), "wrong")]): (2, "PlanError"),
    Parked("new", "away"): (3, "Parked"),
    NoSpace("x", "full"): (5, "NoSpace"),
    ZeroDivisionError(): (70, "Defect"),
    KeyboardInterrupt(): (130, "interrupted"),
}


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_however_a_command_ends_it_has_its_code_and_one_document(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("migrate.stages.status.status", fails)
    code, kind = ENDS[error]
    found = document(capsys, "-w", workspace, "status")
    assert (found[0], found[1]["error"]) == (code, kind)
    code_of_text, out, err = run(capsys, "-w", workspace, "status")
    assert (code_of_text, out) == (code, "")
    assert "Error: " in err
    assert ("Traceback" in err) == (code == 70)
    if isinstance(error, MigrateError):
        assert str(error) in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_midst_of_a_query_is_no_defect(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals, code: int,
) -> None:  # fmt: skip
    def query(*_: object) -> None:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
        timer.start()
        with Engine() as engine:
            engine.rows("SELECT count(*) AS n FROM range(1000000000000)")

    monkeypatch.setattr("migrate.stages.status.status", query)
    found = document(capsys, "-w", workspace, "status")
    assert (found[0], found[1]["error"]) == (code, "interrupted")


# -- dead letters -----------------------------------------------------------------------------


@pytest.fixture
def refused(workspace: Path) -> list[str]:
    """Keys of what the target refused: twelve records and a link."""
    from migrate.journal import Entry
    from migrate.ledger import Lease
    from migrate.workspace import Workspace

    opened = Workspace(workspace)
    keys = [f"sf.Account.{number:03}" for number in range(12)]
    lease = Lease.take(opened.ledger, "new", 60)
    opened.journal.open(lease)
    opened.journal.append(
        Entry(1, "b", "new", "companies", kind, key, "create", "refused", reason="VALIDATION_ERROR: no")
        for kind, key in [
            *(("record", key) for key in keys),
            ("link", "sf.Account.000>sf.Account.001>parent"),
        ]
    )
    lease.release()
    opened.close()
    return keys


def test_dead_letters_are_listed_with_their_first_keys_and_how_to_see_all(
    capsys: pytest.CaptureFixture[str], workspace: Path, refused: list[str]
) -> None:
    code, out, _ = run(capsys, "-w", workspace, "dead-letters", "list")
    assert code == 1
    assert [key for key in refused if f"  {key}\n" in out] == refused[:10]
    assert "and 2 more: `--limit` shows more, `migrate dead-letters export FILE` has all" in out
    assert "  sf.Account.000>sf.Account.001>parent" in out

    _, found = document(capsys, "-w", workspace, "dead-letters", "list", "--limit", "3")
    records = found["groups"][0]
    assert (records["count"], records["keys"]) == (12, refused[:3])

    assert "more" not in run(capsys, "-w", workspace, "dead-letters", "list", "--limit", "12")[1]


# -- sandboxes --------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else holds."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("start", "zoho"), "'salesforce', 'hubspot'"),
        (("start", "hubspot", "--port", "TAKEN"), "--port"),
        (("start", "hubspot", "--port", "99999"), "--port"),
        (("start", "hubspot", "--speed", "0"), "--speed"),
        (("start", "hubspot", "--settings", "{tier"), "`--settings` isn't JSON"),
        (("start", "hubspot", "--settings", "[1]"), "`--settings` isn't a JSON object"),
        (("start", "hubspot", "--settings", '{"teir": 1}'), "No setting is called `teir`"),
        (("start", "hubspot", "--data", "FILE/below"), "Name a folder with `--data`"),
        (("seed", "http://127.0.0.1:TAKEN", "absent.json"), "absent.json"),
        (("seed", "http://127.0.0.1:TAKEN", "FILE"), "isn't JSON"),
        (("control", "http://127.0.0.1:1", "clock"), "No sandbox answers at http://127.0.0.1:1"),
        (("control", "nowhere", "clock"), "No sandbox answers at nowhere"),
        (("control", "http://127.0.0.1:TAKEN", "clock", "{speed"), "BODY isn't JSON"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_a_slip_with_a_sandbox_is_no_defect_of_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int,
    words: tuple[str, ...], told: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("migrate.sandbox.server.Server.run", lambda *_, **__: pytest.fail("it serves"))
    (tmp_path / "file").write_text("{no json")
    given = [word.replace("TAKEN", str(taken)).replace("FILE", str(tmp_path / "file")) for word in words]
    if "start" in given and "--data" not in given:
        given += ["--data", str(tmp_path / "data")]
    code, out, err = run(capsys, "sandbox", *given)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


# -- asking -----------------------------------------------------------------------------------


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A target that lacks one thing; what `prepare` has made of it."""
    made: list[object] = []
    monkeypatch.setattr("migrate.stages.pipeline.checked", lambda _: SimpleNamespace(added=()))
    monkeypatch.setattr("migrate.workspace.Workspace.catalog", lambda *_: None)
    monkeypatch.setattr("migrate.stages.prepare.changes", lambda *_: ["one"])

    def prepare(*_: object, **__: object) -> list[object]:
        made.append("one")
        return []

    monkeypatch.setattr("migrate.stages.prepare.prepare", prepare)
    return made


@pytest.mark.parametrize("words", ["prepare", "rollback run", "rollback hold force companies.edited"])
@pytest.mark.parametrize("closed", [False, True], ids=["at its end", "closed"])
def test_where_nobody_can_answer_it_ends_with_2_and_names_the_option(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch,
    lacking: list[object], words: str, closed: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", None if closed else io.StringIO(""))
    code, out, err = run(capsys, "-w", workspace, *words.split())
    assert (code, out) == (2, "")
    assert "`--yes`" in err
    assert not lacking


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130)])
def test_an_answer_through_a_pipe_counts(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch,
    lacking: list[object], answer: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert run(capsys, "-w", workspace, "prepare")[0] == code
    assert bool(lacking) == (code == 0)


def test_a_polite_end_by_signal_is_143(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrate.stages.status.status", lambda *_: signal.raise_signal(signal.SIGTERM))
    code, found = document(capsys, "-w", workspace, "status")
    assert (code, found["error"]) == (143, "interrupted")
