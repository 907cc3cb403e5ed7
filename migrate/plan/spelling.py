"""How are names, values and expressions spelt in a plan that a program writes?"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def yaml_name(name: str) -> str:
    """A name as a key or a value."""
    return name if _NAME.fullmatch(name) else _quoted(name)


def yaml_expression(sql: str, *, inside: bool = False) -> str:
    """An expression as a value. `inside`: braces or brackets, where commas mean something to YAML."""
    plain = _NAME.match(sql) and not re.search(r":(\s|$)|\s#|[\n]", sql) and sql == sql.strip()
    return sql if plain and not (inside and re.search(r"[\[\]{},]", sql)) else _quoted(sql)


def sql_name(name: str) -> str:
    """A field's name in an expression; names with special characters go in double quotes."""
    return name if _NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def sql_text(value: str) -> str:
    """A text in an expression."""
    return "'" + value.replace("'", "''") + "'"


def _quoted(text: str) -> str:
    if "'" in text and not re.search(r'["\\\n]', text):
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def yaml_list(indent: str, what: str, names: Sequence[str]) -> list[str]:
    """A comment that lists names; none where there are none."""
    if not names:
        return []
    return yaml_comment(indent, f"{what}: {', '.join(names)}.")


def yaml_comment(indent: str, text: str) -> list[str]:
    """A text as lines of a comment."""
    return textwrap.wrap(text, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")
