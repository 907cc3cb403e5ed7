"""Where does an old link lead now? A static map for whoever serves the old addresses.

A line for each address under which a moved record was found: every pattern that the catalog knows, with the
id and its short form. Records that went into another lead to the survivor. Only the path counts, for the old
host is what the map is served at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from migrate.catalog import Catalog
from migrate.engine import text
from migrate.stages.exporting import aside, ends
from migrate.workspace import Workspace

Server = Literal["nginx", "apache", "json"]
_FRAME = {  # before, between two lines, after; {0}: path, {1}: address
    "nginx": ("map $uri $moved_to {\n", '  "{0}" "{1}";', "\n", "\n}\n"),
    "apache": ("", "{0} {1}", "\n", "\n"),
    "json": ("{\n", ' "{0}": "{1}"', ",\n", "\n}\n"),
}


def redirects(workspace: Workspace, out: Path, server: Server = "nginx") -> int:
    """Write the map of old paths to new addresses; returns its lines.

    `nginx`: a `map` block over `$uri`; `apache`: the text of a `RewriteMap`; `json`: one object.

    Raises:
        UsageError: nothing has been transformed yet, or the folder isn't there.
        NoSpace: the disk refused.
    """
    begin, line, between, end = _FRAME[server]
    lines = 0
    with aside(out) as path, path.open("w", encoding="utf-8") as file:
        file.write(begin)
        for old, new in _moved(workspace):
            file.write((between if lines else "") + line.replace("{0}", old).replace("{1}", new))
            lines += 1
        file.write(end)
    return lines


def _moved(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Old path and new address of everything that is in the target; no path that could mean two.

    A record of which several were made leads to that of its first entry.
    """
    source = workspace.catalog("source")
    with ends(workspace) as rows:
        reader = workspace.engine.stream(
            f"""SELECT old_path, arg_min(new_url, entry) AS new_url FROM (
                SELECT {_paths(source)} AS old_path, old_id, entry, new_url FROM {rows}
                WHERE new_url IS NOT NULL AND target_id IS NOT NULL)
            WHERE old_path IS NOT NULL GROUP BY old_path
            HAVING count(DISTINCT old_id) = 1 ORDER BY old_path"""
        )
        for batch in reader:
            for row in batch.to_pylist():
                yield quote(row["old_path"], safe="/-_.~"), row["new_url"].replace('"', "%22")


def _paths(catalog: Catalog) -> str:
    """SQL: a row for each path under which a record of the source was found; none without a pattern."""
    cases = []
    for name, schema in catalog.objects.items():
        patterns = dict.fromkeys(urlsplit(each).path for each in (schema.url, *schema.urls) if each)
        ids = ["old_id", *(["old_id_short"] if schema.short_id else [])]
        paths = []
        for before, _, after in (pattern.partition("{id}") for pattern in patterns):
            paths += [f"{text(before)} || {id} || {text(after)}" for id in ids]
        if paths:
            cases.append(f"WHEN source_object = {text(name)} THEN [{', '.join(paths)}]")
    return f"unnest(CASE {' '.join(cases)} END)" if cases else "NULL::VARCHAR"
