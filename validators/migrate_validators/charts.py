"""Where do a chart's marks stand? Inline SVG of the report's own figures, each beside its numbers.

Charts are bars and lines without text: labels and figures stand in HTML around them, so that they stay
readable on a phone and for a screen reader. A part that is there is never narrower than a hair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

WIDTH, HAIR = 1000, 4  # units of a bar; the least that a part is drawn with
PARTS = (
    ("loaded", "Loaded"),
    ("merged", "Merged into another"),
    ("archived", "Archived"),
    ("skipped", "Dropped on purpose"),
    ("rejected", "Not moved"),
    ("unexplained", "Unexplained"),
)


def whole(flows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All entries' sums together; `reasons`: the most frequent ones of all, each with its end."""
    listed = list(flows)
    total: dict[str, Any] = {
        name: sum(int(flow.get(name, 0)) for flow in listed)
        for name in ("extracted", *(name for name, _ in PARTS))
    }
    counted: dict[tuple[str, str], int] = {}
    for flow in listed:
        for one in flow.get("reasons", ()):
            key = (str(one["end"]), str(one["reason"]))
            counted[key] = counted.get(key, 0) + int(one["records"])
    total["reasons"] = [
        {"end": end, "reason": reason, "records": count}
        for (end, reason), count in sorted(counted.items(), key=lambda item: -item[1])
    ]
    return total


def bridge(flow: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From extracted to loaded: one bar a part, each beginning where the former ended."""
    extracted = int(flow["extracted"])
    steps = [{"name": "extracted", "label": "Extracted", "count": extracted,
              "bar": _svg([(0, WIDTH, "extracted")])}]  # fmt: skip
    at = 0
    for name, label in PARTS:
        count = int(flow.get(name, 0))
        if count or name == "unexplained" or (name != "archived" and extracted):
            marks = _marks([(at, count, name)], extracted)
            steps.append({"name": name, "label": label, "count": count, "bar": _svg(marks)})
        at += count
    return steps


def stack(flow: Mapping[str, Any]) -> Markup:
    """One bar with all parts of an entry."""
    parts, at = [], 0
    for name, _ in PARTS:
        count = int(flow.get(name, 0))
        parts.append((at, count, name))
        at += count
    return _svg(_marks(parts, int(flow["extracted"])))


def _marks(parts: Iterable[tuple[int, int, str]], of: int) -> list[tuple[float, float, str]]:
    marks = []
    for at, count, name in parts:
        if count > 0 and of > 0:
            width = max(WIDTH * min(count / of, 1.0), HAIR)
            marks.append((min(WIDTH * at / of, WIDTH - width), width, name))
    return marks


def _svg(marks: Iterable[tuple[float, float, str]]) -> Markup:
    drawn = Markup("").join(
        Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="10"/>').format(name, x, wide)
        for x, wide, name in marks
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(WIDTH, drawn)


def trend(points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Differences from validation to validation, oldest first; None where there was only one.

    Args:
        points: `started`, `verdict` and `differences` of each.
    """
    if len(points) < 2:
        return None
    counts = [int(point["differences"]) for point in points]
    most = max(*counts, 1)
    wide, tall, edge = 600, 120, 10
    step = (wide - 2 * edge) / (len(points) - 1)
    places = [
        (edge + index * step, tall - edge - (tall - 2 * edge) * count / most)
        for index, count in enumerate(counts)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = Markup("").join(
        Markup('<circle class="dot {}" cx="{}" cy="{}" r="5"/>').format(
            point["verdict"], f"{x:.1f}", f"{y:.1f}"
        )
        for (x, y), point in zip(places, points, strict=True)
    )
    listed = ", ".join(f"{count:,}" for count in counts)
    svg = Markup(
        '<svg class="trend" viewBox="0 0 {} {}" role="img" aria-label="{}"><line x1="{}" y1="{}" x2="{}" '
        'y2="{}" class="floor"/><polyline points="{}"/>{}</svg>'
    ).format(
        wide, tall, f"Differences of {len(points)} validations, oldest first: {listed}",
        edge, tall - edge, wide - edge, tall - edge, line, dots,
    )  # fmt: skip
    rows = [
        {"at": point["started"], "verdict": point["verdict"], "differences": count}
        for point, count in zip(points, counts, strict=True)
    ]
    return {"svg": svg, "rows": rows[::-1]}
