"""A group whose commands are imported when they are asked for, so that `--help` answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Lazy(click.Group):
    """Finds its commands by name.

    Args:
        commands: `module:name` by command, in the order in which one uses them.
    """

    def __init__(self, *given: Any, commands: Mapping[str, str], **more: Any) -> None:
        super().__init__(*given, **more)
        self.places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names, in the order in which one uses them."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        where = self.places.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.places, 1)
            hint = f" Did you mean `{near[0]}`?" if near else f" There are: {', '.join(self.places)}."
            raise click.UsageError(f"There is no command `{args[0]}`.{hint}", ctx) from error
