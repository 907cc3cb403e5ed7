"""Is what the documentation says so? Commands parse, links lead somewhere, keys are the models'."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from migrate.cli.root import cli
from migrate.plan import cutover, fields, figures, models, optouts, reverse, validation
from migrate.plan.loading import load_plan

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "plans/**/*.md", "validators/*.md", "rollback/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`(migrate(?: [^`]+)?)`")
TUTORIAL = ROOT / "docs" / "tutorial.md"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def commands(page: Path) -> Iterator[str]:
    """Every `migrate …` of a page: those that it tells to run, and those that it only names."""
    yield from run_by(page)
    yield from named_by(page)


def run_by(page: Path) -> Iterator[str]:
    """Commands in the shell blocks of a page."""
    for language, block in FENCE.findall(text(page)):
        if language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.partition(" #")[0].split(" && "):
                    if part.strip().startswith("migrate "):
                        yield part.strip().removesuffix("&").strip()


def named_by(page: Path) -> Iterator[str]:
    """Commands within the sentences of a page; their arguments may be left out."""
    for found in INLINE.findall(FENCE.sub("", text(page))):
        yield from (part.strip() for part in found.split(" && "))


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Parse a command line down to its last command, whose work isn't done."""
    monkeypatch.setattr(click.Command, "invoke", lambda _self, _context: None)
    return lambda words: cli.main(words, prog_name="migrate", standalone_mode=False)


def placed(line: str, folder: Path) -> list[str]:
    """The words of a line; files that a command wants to be there are made to be."""
    words = shlex.split(line.replace("$COMPANY", "1"))
    for index, word in enumerate(words):
        if word.endswith((".csv", ".json", ".pem", ".key")):
            file = folder / Path(word).name
            file.touch()
            words[index] = str(file)
    return words


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_of_the_documentation_parses(
    page: Path, tmp_path: Path, parse: Callable[[list[str]], None]
) -> None:
    wrong = []
    named = set(named_by(page)) - set(run_by(page))
    for line in commands(page):
        words = placed(line, tmp_path)
        if "COMMAND" in words or words[1:] in (["--help"], ["-h"]):
            continue
        try:
            parse(words[1:])
        except click.exceptions.NoArgsIsHelpError:  # a group by its name alone
            continue
        except click.MissingParameter as error:
            if line not in named:
                wrong.append(f"{line}: {error.format_message()}")
        except click.ClickException as error:
            wrong.append(f"{line}: {error.format_message()}")
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    gone = []
    for where in LINK.findall(FENCE.sub("", text(page))):
        if re.match(r"[a-z]+:", where):
            continue
        path, _, anchor = where.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            gone.append(where)
    assert not gone


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_runnable_page_is_listed_in_an_index(page: Path) -> None:
    if page.parent.name in ("images", "") or page.parent == ROOT or page.name == "README.md":
        return
    indices = [ROOT / "docs" / "README.md", page.parent / "README.md"]
    listed = {
        (index.parent / where.partition("#")[0]).resolve()
        for index in indices
        if index.exists()
        for where in LINK.findall(text(index))
        if not re.match(r"[a-z]+:", where)
    }
    assert page.resolve() in listed


def kinds() -> dict[str, set[str]]:
    """The plan's models, each with its keys as they are written."""
    found: dict[str, set[str]] = {}
    parts = (models, fields, optouts, validation, figures, cutover, reverse)
    named = {part.__name__ for part in parts}
    for each in (each for part in parts for each in vars(part).values()):
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ in named:
            keys = {field.alias or key for key, field in each.model_fields.items()}
            if keys:
                found[each.__name__] = keys
    return found


# The table of each model, by the heading under which it stands. A key may be explained in words instead.
SECTIONS = {
    "PlanModel": "Top of the file",
    "SystemPlan": "`source`, `target`",
    "Calendar": "`calendar`",
    "ObjectPlan": "An entry of `objects`",
    "ActivityPlan": "`activity`",
    "KeyPlan": "`key`",
    "DedupePlan": "`dedupe`",
    "RelatedPlan": "`related`: values out of other objects",
    "FieldPlan": "A field",
    "CreatePlan": "`create`",
    "NewObjectPlan": "`create_object`",
    "LinkPlan": "A link",
    "FilesPlan": "`files`",
    "EntryAutomationsPlan": "`automations`",
    "AcceptedPlan": "An accepted automation",
    "ConsentPlan": "An entry of `consent`",
    "AutomationsPlan": "`automations` at the top",
    "ValidatePlan": "`validate`",
    "TolerancePlan": "A tolerance",
    "DuplicatesPlan": "Likely duplicates",
    "MoneyPlan": "`money`",
    "HighValuePlan": "`high_value`",
    "QuestionPlan": "`questions`",
    "VendorFigure": "A vendor's own figure",
    "MoneySide": "A side of `money`",
    "CutoverPlan": "`cutover`",
    "TriggerPlan": "A trigger",
    "HookPlan": "A hook",
}
WITHIN = {
    "EmlPlan": ("A field", "eml"),
    "SpansPlan": ("`related`: values out of other objects", "spans"),
    "LabelMap": ("A link", "label"),
    "SubscriptionMap": ("An entry of `consent`", "subscription"),
    "SumPlan": ("`validate`", "sums"),
    "DecisionPlan": ("`validate`", "decision"),
    "NoticePlan": ("`validate`", "notices"),
    "VendorPlan": ("`questions`", "vendor"),
    "VendorWhere": ("A vendor's own figure", "where"),
    "WaivePlan": ("`automations`", "waive"),
    "NotifyPlan": ("`cutover`", "notify"),
    "CohortPlan": ("`cutover`", "cohorts"),
    "FreezePlan": ("`cutover`", "freeze"),
    "IntakePlan": ("`cutover`", "intake"),
    "GatePlan": ("`cutover`", "gate"),
    "CutoverCalendar": ("`cutover`", "calendar"),
    "BlackoutPlan": ("`cutover`", "calendar"),
    "SignerPlan": ("`cutover`", "sign"),
    "ReversePlan": ("`cutover`", "reverse"),
    "ReverseRule": ("`cutover`", "reverse"),
    "WatchPlan": ("`cutover`", "watch"),
    "InvariantPlan": ("`cutover`", "watch"),
    "PersonPlan": ("`cutover`", "people"),
    "ActPlan": ("A hook", "do"),
}


def sections() -> dict[str, str]:
    parts = re.split(r"^#+ (.*)$", text(ROOT / "docs" / "plan.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def explained(section: str) -> set[str]:
    """Keys in the first column of a section's table."""
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_every_model_of_the_plan_has_a_place_in_the_reference() -> None:
    assert set(SECTIONS) | set(WITHIN) == set(kinds())


@pytest.mark.parametrize("model", SECTIONS)
def test_the_keys_of_the_reference_are_the_keys_of_the_model(model: str) -> None:
    found = explained(sections()[SECTIONS[model]])
    if model == "FieldPlan":  # the table of survivorship rules stands in the same section
        found -= set(get_args(models.Rule))
    assert found == kinds()[model]


@pytest.mark.parametrize("model", WITHIN)
def test_keys_of_a_part_are_named_where_it_is_explained(model: str) -> None:
    heading, key = WITHIN[model]
    (row,) = re.findall(rf"^\| `{key}` \|.*$", sections()[heading], re.MULTILINE)
    assert kinds()[model] <= set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("rule", get_args(models.Rule))
def test_every_survivorship_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in sections()["A field"]


def pieces() -> list[str]:
    """YAML of the reference; the first is a whole plan."""
    page = text(ROOT / "docs" / "plan.md")
    return [block for language, block in FENCE.findall(page) if language == "yaml"]


def test_the_first_plan_of_the_reference_is_a_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(pieces()[0], encoding="utf-8")
    assert load_plan(tmp_path / "plan.yaml").model.objects[0].target == "companies"


def test_every_fragment_of_the_reference_fits_the_models() -> None:
    """Pieces of YAML under their own key are put into the whole plan, which must then still be one."""
    whole, *rest = pieces()
    for piece in rest:
        plan: Any = YAML(typ="safe").load(whole)
        for key, value in YAML(typ="safe").load(piece).items():
            if key in plan or key not in models.ObjectPlan.model_fields:
                plan[key] = value
            else:
                plan["objects"][0][key] = value
        models.PlanModel.model_validate(plan)


STAGES = (
    "init", "discover", "check", "prepare", "extract", "transform", "load", "validate", "diff", "trace",
    "dead-letters replay", "crosswalk export", "status", "rollback run", "rollback verify",
)  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_the_tutorial_runs_every_stage(stage: str) -> None:
    told = " ".join(run_by(TUTORIAL)).replace("--workspace acme ", "")
    assert f"migrate {stage}" in told


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_chains_commands_that_end_with_1_when_something_remains(page: Path) -> None:
    assert not re.findall(r"migrate [^`\n]*&& migrate", text(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_holds_a_path_of_somebody_s_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.~…/])/(?:work|tmp|home|root|Users)/", text(page))
