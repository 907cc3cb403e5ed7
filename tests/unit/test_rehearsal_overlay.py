"""A map of ids reaches every place of a plan where an id stands, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrate.cutover.rehearsal import overlay
from migrate.errors import UsageError


def test_ids_are_replaced_as_whole_words_and_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "owners.csv"
    file.write_text("source,target\n0051,71\n00512,71-0051,\n71,x71\n")
    overlay._replace(file, {"0051": "71", "71": "0051"})
    assert file.read_text() == "source,target\n71,0051\n00512,0051-71,\n0051,x71\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind,sandbox\nowner,1\n", ":1: the column `production` is missing"),
        ("kind,production,sandbox\nowner,1,\n", ":2: an id is missing"),
        ("kind,production,sandbox\nowner,1,2\nowner,1,3\n", ":3: `1` is mapped twice"),
    ],
)
def test_a_map_with_a_mistake_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "ids.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        overlay._ids(file)


@pytest.mark.parametrize(
    "text", ["source: {credentials: 'env:X_'}\n", "- a\n", "source: {}\ntarget: {}\n", "a: ["]
)
def test_an_overlay_names_both_systems(tmp_path: Path, text: str) -> None:
    file = tmp_path / "systems.yaml"
    file.write_text(text)
    with pytest.raises(UsageError):
        overlay._overlay(file)
