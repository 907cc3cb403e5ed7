"""Commands about sandboxes: local servers that behave like a vendor's API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrate.cli.output import Result
from migrate.errors import Damaged, MigrateError, UsageError

if TYPE_CHECKING:
    from migrate.sandbox.control import Control, ControlError

HELP = "`migrate sandbox control --help` names what it can be asked and told."
ELSEWHERE = (
    "Name the `url` that `migrate sandbox start` printed; where it begins with https, give `--ca` as well."
)
LINES = ("/truth/", "/log", "/requests")  # what is answered with a JSON document a line
url_argument = click.argument("url")
ca_option = click.option(
    "--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Certificate authority of a sandbox started with `--tls`: the `ca` that `start` printed.",
)  # fmt: skip


@click.group(short_help="Local servers that behave like a vendor's API.")
def sandbox() -> None:
    """Start, fill and steer local servers that behave like a vendor's API."""


@sandbox.command(short_help="Serve until interrupted.")
@click.argument("vendor", type=click.Choice(["salesforce", "hubspot"]))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for its state; what an earlier one left there is taken up.",
)
@click.option("--tls", is_flag=True, help="Speak https with a throwaway certificate authority.")
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
    help="Seconds of its clock per second.",
)  # fmt: skip
@click.option(
    "--settings",
    default="{}",
    help="A JSON object: limits, delays, switches; `migrate sandbox control URL settings` lists them.",
)
def start(vendor: str, port: int, data: Path, tls: bool, speed: float, settings: str) -> None:
    """Serve until interrupted (Ctrl-C); prints one JSON line with its address.

    \b
    migrate sandbox start hubspot --port 8081 --data .hubspot
    """
    from migrate.sandbox.server import serve

    wanted = _json(settings, "`--settings`")
    if not isinstance(wanted, dict):
        raise UsageError("`--settings` isn't a JSON object.", """Write it as '{"tier": "professional"}'.""")
    serve(vendor, data, port=port, tls=tls, speed=speed, settings=wanted)


@sandbox.command(short_help="Put records and metadata into a sandbox.")
@url_argument
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--profile", type=click.Choice(["nasty", "dreamhouse", "ebikes"]),
    help="Records instead of a FILE. nasty: every trap that old data hold; dreamhouse, ebikes: data of the "
    "sample apps, in the folder that SHARED_DATA names (all Salesforce).",
)  # fmt: skip
@ca_option
def seed(url: str, file: Path | None, profile: str | None, ca: Path | None) -> Result:
    """Put a JSON document of records and metadata into a sandbox; `sample` writes two to begin with.

    \b
    migrate sandbox seed http://127.0.0.1:8081 seed.json
    migrate sandbox seed http://127.0.0.1:8080 --profile nasty
    """
    if (file is None) == (profile is None):
        raise UsageError("Name either a FILE or a `--profile`.", "`migrate sandbox sample` writes two files.")
    document = _seed_file(file) if file is not None else _profile(str(profile))
    with _steering(url, ca) as client:
        answer = client.post("/seed", document)
    return Result("sandbox seed", {"answer": answer}, json.dumps(answer, indent=1))


def _seed_file(file: Path) -> Any:
    try:
        return _json(file.read_text(encoding="utf-8"), str(file), "Mend it, or name another file.")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} isn't UTF-8 (byte {error.start:,}).", "Save it as UTF-8.") from error


def _profile(name: str) -> Any:
    if name == "nasty":
        from migrate.demo.nasty import nasty

        return nasty()
    from migrate.demo.maven import MissingData
    from migrate.demo.trees import PROFILES

    try:
        return PROFILES[name](Path(os.environ.get("SHARED_DATA") or "data") / name)
    except MissingData as error:
        raise UsageError(str(error), "Name the folder in SHARED_DATA.") from error


@sandbox.command(short_help="Write small made-up seeds.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def sample(folder: Path) -> Result:
    """Write small made-up seeds for both sandboxes: salesforce.json and hubspot.json.

    Next: `migrate sandbox seed URL FILE`.

    \b
    migrate sandbox sample seeds
    """
    from migrate.demo.generated import generated
    from migrate.demo.shape import TINY
    from migrate.storage import write_aside

    made = generated(TINY)
    files = [folder / "salesforce.json", folder / "hubspot.json"]
    for file, document in zip(files, (made.salesforce, made.hubspot), strict=True):
        write_aside(file, json.dumps(document, ensure_ascii=False, indent=1).encode())
    return Result("sandbox sample", {"files": files}, "Wrote\n" + "\n".join(f"  {file}" for file in files))


@sandbox.command(short_help="Ask or steer a sandbox.")
@url_argument
@click.argument("path")
@click.argument("body", required=False)
@ca_option
def control(url: str, path: str, body: str | None, ca: Path | None) -> Result:
    """Ask or steer a sandbox: clock, faults, act, automations, settings, truth, log, save, restore.

    Without BODY it asks; with BODY, which is JSON, it steers. `truth` counts what it holds, `truth/NAME`
    shows every record of an object, `log` every write that it has taken. `act` does what a person does in the
    vendor's own pages, under the name or e-mail address in `as`.

    \b
    migrate sandbox control http://127.0.0.1:8081 act '{"as": "ada@example.com", "do": "update",
      "object": "companies", "id": 98001, "fields": {"city": "Graz"}}'
    migrate sandbox control http://127.0.0.1:8081 clock '{"speed": 10}'
    """
    where = "/" + path.lstrip("/")
    document = None if body is None else _json(body, "BODY")
    with _steering(url, ca) as client:
        if body is not None:
            answer = client.post(where, document)
        else:
            answer = client.ndjson(where) if where.startswith(LINES) else client.get(where)
    return Result("sandbox control", {"answer": answer}, json.dumps(answer, indent=1))


def _json(text: str, name: str, remedy: str = "The shell wants it in single quotes.") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{name} isn't JSON: {error}.", remedy) from error


@contextmanager
def _steering(url: str, ca: Path | None) -> Iterator[Control]:
    """A sandbox's control endpoint.

    Raises:
        UsageError: no sandbox answers there, or it refused what it was told.
        Damaged: the sandbox itself failed.
    """
    import httpx2

    from migrate.sandbox.control import Control, ControlError

    try:
        client = Control(url, ca)
    except OSError as error:
        raise UsageError(
            f"{ca} is no certificate authority ({error.strerror or error}).", ELSEWHERE
        ) from error
    try:
        yield client
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UsageError(f"No sandbox answers at {url} ({error}).", ELSEWHERE) from error
    except ControlError as error:
        raise _refused(url, error) from error
    except ValueError as error:
        raise UsageError(f"What answers at {url} is no sandbox.", ELSEWHERE) from error
    finally:
        client.close()


def _refused(url: str, error: ControlError) -> MigrateError:
    """What a refusal comes to. Only a sandbox's own words are told: another server may have said anything."""
    plain = {404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}
    if error.text == plain.get(error.status):
        if error.status == 500:
            return Damaged(url, "the sandbox itself failed", "It says why where it was started.")
        return UsageError("A sandbox has nothing of this name to ask or to steer.", HELP)
    try:
        return UsageError(f"The sandbox refused: {json.loads(error.text)['message']}", HELP)
    except (ValueError, KeyError, TypeError):
        return UsageError(f"What answers at {url} is no sandbox.", ELSEWHERE)
