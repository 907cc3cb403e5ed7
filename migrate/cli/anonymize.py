"""The command that makes a shareable copy of an extract: anonymize."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrate.cli.output import Result, Session, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrate.stages.anonymize import Leak


def _key(where: str | None) -> bytes | None:
    import os

    from migrate.errors import UsageError

    if where is None:
        return None
    kind, _, name = where.partition(":")
    if kind == "env":
        found = os.environ.get(name, "").encode()
    elif kind == "file":
        path = Path(name).expanduser()
        found = path.read_bytes().strip() if path.is_file() else b""
    else:
        raise UsageError(f"`{where}` is no place of a key.", "Write `env:NAME` or `file:PATH`.")
    if len(found) < 16:
        raise UsageError(
            f"There is no key of 16 bytes or more at `{where}`.", "Put a random one there, and keep it apart."
        )
    return found


@click.command(short_help="Make an extract of the same shape that holds nobody.")
@click.argument("to", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--key",
    "where",
    metavar="env:NAME|file:PATH",
    help="Key of the pseudonyms, to get the same again; without it, one is made and thrown away.",
)
@click.option("--scan", is_flag=True, help="Write nothing; search a result once more for what is left.")
@click.pass_obj
def anonymize(session: Session, to: Path, where: str | None, scan: bool) -> Result:
    """Write what is extracted, with plan and maps, into a workspace of the same shape without personal data.

    Lengths, nulls, duplicates, references, picklists, numbers and dates stay; names, addresses, ids, texts
    and files get keyed pseudonyms. Then the result is searched for every name, e-mail address and telephone
    number of the original: exit code 1 says that one is left, and where. Next: `migrate -w TO transform`.

    \b
    migrate anonymize ../shareable
    """
    from migrate.stages.anonymize import anonymize as run
    from migrate.stages.anonymize import look_again

    with session.workspace() as workspace, session.bars() as bars:
        if scan:
            left = look_again(workspace, to, bars)
            return Result("anonymize", {"folder": str(to), "leaks": left}, _left(left), int(bool(left)))
        found = run(workspace, to, key=_key(where), progress=bars)
    lines = [table(list(found.rows.items()), ("what", "rows"))]
    if found.files:
        lines.append(f"{found.files:,} files of {found.bytes:,} bytes were replaced by others of their size.")
    looked = ", ".join(f"{number:,} {name}" for name, number in found.looked.items())
    lines.append(f"Looked for {looked} of the original.")
    if found.exempt:
        lines.append(
            f"{found.exempt:,} names are also words of a picklist, a label or the plan; they stay there, and "
            "weren't looked for."
        )
    lines += [_left(found.leaks), f"The result lies in {found.folder}."]
    return Result("anonymize", {"result": found}, "\n".join(lines), int(bool(found.leaks)))


def _left(leaks: Sequence[Leak]) -> str:
    if not leaks:
        return "Nothing of anybody is left."
    rows = [(each.place, each.what, each.found) for each in leaks]
    return "Something is left; don't pass this on:\n" + table(rows, ("where", "what", "different ones"))
