"""Which commands are there, and how does each end? The top of the command line.

Commands are found by name and imported only when they are asked for; their modules import nothing
heavy at their top, so that `migrate --help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click

from migrate import __version__
from migrate.cli.lazy import Lazy
from migrate.cli.output import Result, Session, fail, show
from migrate.errors import MigrateError

COMMANDS = {
    "init": "migrate.cli.plans:init",
    "plan": "migrate.cli.copies:plan",
    "discover": "migrate.cli.plans:discover",
    "check": "migrate.cli.plans:check",
    "prepare": "migrate.cli.plans:prepare",
    "extract": "migrate.cli.stages:extract",
    "transform": "migrate.cli.stages:transform",
    "load": "migrate.cli.stages:load",
    "run": "migrate.cli.stages:run",
    "validate": "migrate.cli.evidence:validate",
    "report": "migrate.cli.evidence:report",
    "diff": "migrate.cli.evidence:diff",
    "waive": "migrate.cli.evidence:waive",
    "uat": "migrate.cli.uat:uat",
    "trace": "migrate.cli.evidence:trace",
    "crosswalk": "migrate.cli.evidence:crosswalk",
    "dead-letters": "migrate.cli.letters:letters",
    "automations": "migrate.cli.automations:automations",
    "repair": "migrate.cli.repair:repair",
    "rollback": "migrate.cli.rollback:rollback",
    "cutover": "migrate.cli.cutover:cutover",
    "approve": "migrate.cli.cutover_gate:approve",
    "override": "migrate.cli.cutover_gate:override",
    "console": "migrate.cli.console:console",
    "status": "migrate.cli.evidence:status",
    "anonymize": "migrate.cli.anonymize:anonymize",
    "backup": "migrate.cli.care:backup",
    "restore": "migrate.cli.care:restore",
    "fsck": "migrate.cli.care:fsck",
    "rebuild": "migrate.cli.care:rebuild",
    "purge": "migrate.cli.care:purge",
    "sandbox": "migrate.cli.sandbox:sandbox",
}


class Terminated(BaseException):
    """SIGTERM arrived: stop taking new work, let what is in flight end, keep everything."""


class Where(click.Path):
    """A folder, or a place on S3."""

    name = "place"

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An address stays a text."""
        text = str(value)
        return text if text.startswith("s3://") else super().convert(value, param, ctx)


@click.group(
    cls=Lazy, commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip
@click.option(
    "--workspace", "-w", type=Where(), default=Path(),
    help="Folder of the migration, with its plan.yaml; or s3://bucket/prefix.  [default: this folder]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, whatever happens.")
@click.option("-v", "--verbose", is_flag=True, help="Show progress on stderr even where it is no terminal.")
@click.version_option(__version__, prog_name="migrate")
@click.pass_context
def cli(ctx: click.Context, workspace: Path | str, as_json: bool, verbose: bool) -> None:
    """Move a company's CRM history to another system, prove it arrived, and put everything back.

    \b
    The usual way:
      migrate init               write a first plan
      migrate discover           read what both systems hold
      migrate check --live       is the plan sound, do we have the rights?
      migrate prepare            make the fields that the target lacks
      migrate run                extract, transform, load, validate; each is a command, too
      migrate report             where the evidence is
      migrate rollback plan      what going back would do
      migrate rollback run       put everything back

    `migrate status` says at any time where everything stands. The options below stand before the
    command: `migrate -w acme --json status`.

    Exit codes: 0 done and clean; 1 done, but something remains to look at; 2 the plan or the command
    is wrong; 3 a system refused or is away; 4 another operator is at work; 5 our disk or files;
    70 a defect of ours; 130 and 143 interrupted, with everything kept.
    """
    ctx.obj = Session(workspace, as_json, verbose)


class _Signals:
    """The signal that ended the work. DuckDB swallows what a handler raises and says `Query interrupted`."""

    def __init__(self) -> None:
        self.seen: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on)

    def _on(self, number: int, _frame: FrameType | None) -> None:
        self.seen = number
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _words(error: click.ClickException) -> str:
    """click's own words; an option that only stands in the wrong place isn't one that there is none of."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.parent is not None:
        command = error.ctx.command_path.removeprefix("migrate ")
        for option in cli.params:
            if error.option_name in option.opts:
                value = "" if getattr(option, "is_flag", False) else f" {option.make_metavar(error.ctx)}"
                return (
                    f"`{error.option_name}` stands before the command: "
                    f"`migrate {error.option_name}{value} {command}`."
                )
    return error.format_message()


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its exit code; nothing escapes as a traceback but a defect of ours."""
    as_json = "--json" in arguments
    signals = _Signals()
    try:
        result: Any = cli.main(list(arguments), prog_name="migrate", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        return fail(
            "interrupted", "Stopped; everything done so far is kept. Run it again to go on.", 130, as_json
        )
    except click.exceptions.NoArgsIsHelpError as error:
        if not as_json:
            click.echo(error.format_message(), err=True)
            return 2
        return fail("usage", "A command is missing; `--help` lists them.", 2, as_json)
    except click.ClickException as error:
        return fail("usage", _words(error), 2, as_json, usage=getattr(error, "ctx", None))
    except (KeyboardInterrupt, Terminated):
        return _interrupted(signals.seen, as_json)
    except MigrateError as error:
        return fail(type(error).__name__, str(error), error.exit_code, as_json, error=error)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes an exit code
        if signals.seen is not None:
            return _interrupted(signals.seen, as_json)
        import traceback

        traceback.print_exc()
        words = (
            f"A defect of ours: {type(error).__name__}. What was done is kept; please report the lines above."
        )
        return fail("Defect", words, 70, as_json)
    if isinstance(result, Result):
        show(result, as_json)
        return result.exit_code
    return int(result or 0)


def _interrupted(number: int | None, as_json: bool) -> int:
    words = "Stopped; everything done so far is kept. Run the same command again to go on."
    return fail("interrupted", words, 128 + (number or signal.SIGINT), as_json)
