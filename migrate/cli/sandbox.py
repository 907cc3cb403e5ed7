"""Commands about sandboxes: local servers that behave like a vendor's API."""

from __future__ import annotations

import json
from pathlib import Path

import click

from migrate.cli.output import Result


@click.group()
def sandbox() -> None:
    """Start, fill and steer local servers that behave like a vendor's API."""


@sandbox.command()
@click.argument("vendor", type=click.Choice(["salesforce", "hubspot"]))
@click.option("--port", type=int, default=0, show_default=True, help="0 takes a free one.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where its state lies."
)
@click.option("--tls", is_flag=True, help="Speak https with a throwaway certificate authority.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="Seconds of its clock per second.")
@click.option("--settings", default="{}", help="JSON: limits, delays, switches.")
def start(vendor: str, port: int, data: Path, tls: bool, speed: float, settings: str) -> None:
    """Serve until interrupted; prints one JSON line with its address.

    \b
    migrate sandbox start hubspot --port 8081 --data .hubspot
    """
    from migrate.sandbox.server import serve

    serve(vendor, data, port=port, tls=tls, speed=speed, settings=json.loads(settings))


@sandbox.command()
@click.argument("url")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def seed(url: str, file: Path) -> Result:
    """Put a JSON document of records and metadata into a sandbox.

    \b
    migrate sandbox seed http://127.0.0.1:8081 seed.json
    """
    from migrate.sandbox.control import Control

    answer = Control(url).post("/seed", json.loads(file.read_text()))
    return Result("sandbox seed", {"answer": answer}, json.dumps(answer, indent=1))


@sandbox.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def sample(folder: Path) -> Result:
    """Write small made-up seeds for both sandboxes: salesforce.json and hubspot.json.

    \b
    migrate sandbox sample seeds
    """
    from migrate.demo.generated import generated
    from migrate.demo.shape import TINY
    from migrate.store import write_aside

    made = generated(TINY)
    files = [folder / "salesforce.json", folder / "hubspot.json"]
    for file, document in zip(files, (made.salesforce, made.hubspot), strict=True):
        write_aside(file, json.dumps(document, ensure_ascii=False, indent=1).encode())
    return Result("sandbox sample", {"files": files}, "Wrote\n" + "\n".join(f"  {file}" for file in files))


@sandbox.command()
@click.argument("url")
@click.argument("path")
@click.argument("body", required=False)
def control(url: str, path: str, body: str | None) -> Result:
    """Ask or steer a sandbox: clock, faults, act, automations, settings, truth, log, save, restore.

    Without BODY it asks; with BODY, which is JSON, it steers. `act` does what a person does in the
    vendor's own pages, under the name or e-mail address in `as`.

    \b
    migrate sandbox control http://127.0.0.1:8081 act '{"as": "ada@example.com", "do": "update",
      "object": "companies", "id": 98001, "fields": {"city": "Graz"}}'
    migrate sandbox control http://127.0.0.1:8081 clock '{"speed": 10}'
    """
    from migrate.sandbox.control import Control

    client = Control(url)
    where = "/" + path.lstrip("/")
    answer = client.get(where) if body is None else client.post(where, json.loads(body))
    return Result("sandbox control", {"answer": answer}, json.dumps(answer, indent=1))
