"""Does `check` tell everything that is wrong, where it stands, in one run, and let sound plans pass?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrate.connector import NewOption
from migrate.engine import Engine
from migrate.errors import PlanError, PlanMistake
from migrate.plan import Plan, load_plan, read_plan
from migrate.stages.check import Checked, Collision, PicklistCounts, Unmapped, check
from migrate.stages.count import count_collisions, count_values
from tests.unit.planning import HEAD, hubspot, salesforce, write


def proved(plan: Plan, counts: PicklistCounts | None = None, collisions: Sequence[Collision] = ()) -> Checked:
    return check(
        plan,
        salesforce(),
        hubspot(),
        counts,
        collisions=collisions,
        connectors={"salesforce", "hubspot"},
        checks={"counts", "sums", "rows"},
    )


# Every line that is wrong says so at its end; nothing else may be found.
WRONG = """\
version: 1
source: {system: legacy, type: salesfrce, credentials: "env:LEGACY_"}  # wrong: no connector for `salesfrce`
target: {system: new, type: hubspot, credentials: NEW_}  # wrong: `credentials` can't be `NEW_`
calendar: {zone: Europe/Berln}  # wrong: `Europe/Berln` isn't a time zone
objekts: []  # wrong: `objekts` isn't a key here
objects:
  - source: Account
    target: companies
    where: Name  # wrong: `where` gives VARCHAR; it must be true or false
    key:
      field: not_unique_key  # wrong: its values needn't be unique
    dedupe:
      "on":
        - lower(Websit)  # wrong: `Websit` isn't a field of `Account`
    match:
      - domian  # wrong: `domian` isn't a field of `companies`
      - description  # wrong: `description` stands under `match`, but nothing fills it
    insert_only:
      - createdat  # wrong: `createdat` isn't a field of `companies`
    fields:  # wrong: takes no record without `name`
      nme: Name  # wrong: `nme` isn't a field of `companies`
      hs_score: AnnualRevenue  # wrong: calculated by the target
      hs_locked: Name  # wrong: can't be written
      annualrevenue: AnnualRevenue / 2  # wrong: gives DOUBLE, but `annualrevenue` takes money
      rating: Score__c  # wrong: has 12 digits behind the point; `rating` keeps 2
      numberofemployees: Phone  # wrong: gives VARCHAR, but `numberofemployees` takes a whole number
      is_public: Industry  # wrong: gives VARCHAR, but `is_public` takes true or false
      founded: CreatedDate  # wrong: gives TIMESTAMP WITH TIME ZONE, but `founded` takes a date
      first_seen: strptime(Phone, '%Y')  # wrong: gives TIMESTAMP without a zone
      domain: lower(NumberOfEmployees)  # wrong: doesn't fit together
      phone: {from: Phone, wins: newst}  # wrong: `newst` isn't a rule
      industry: {from: Industry, picklist: picklists/industry.csv, unmapped: default, default: T}  # wrong: `T
      hubspot_owner_id: {from: OwnerId, owner: owners.csv, inactive: gone@example.com}  # wrong: is inactive
    links:
      - {to: companies, via: ParentIds, label: parent}  # wrong: `ParentIds` isn't a field of `Account`
      - {to: companies, via: ParentId, label: parnt}  # wrong: `parnt` isn't a label
      - {to: companys, via: ParentId}  # wrong: `companys` isn't an object of the target
      - {to: contacts, through: AccountContactRol, left: AccountId, right: Id}  # wrong: `AccountContactRol`
      - {to: contacts, through: AccountContactRole, left: AccountId, right: Role}  # wrong: isn't a reference
      - {to: contacts}  # wrong: exactly one of `via` and `through`
    files: {max_bytes: lots}  # wrong: `lots` isn't a size
  - source: Contact
    target: contacts
    fields:
      email: read_csv('/etc/passwd')  # wrong: function `read_csv` isn't allowed
      lastname: "max(LastName)"  # wrong: is an aggregate
      lifecyclestage: "if(Email is null, 'lead', 'custmer')"  # wrong: `custmer` isn't a value
    links:
      - {to: companies, via: AccountId, where: "AccountId"}  # wrong: `where` gives VARCHAR
  - source: Acount  # wrong: `Acount` isn't an object of the source
    target: company  # wrong: `company` isn't an object of the target
    fields: {name: Name}
validate:
  sums:
    - {object: company, field: annualrevenue}  # wrong: `company` isn't a target of this plan
    - {object: companies, field: anualrevenue}  # wrong: `anualrevenue` isn't a field
    - {object: companies, field: phone}  # wrong: isn't a number
    - object: companies
      field: annualrevenue
      by: [industri]  # wrong: `industri` isn't a field
  checks: [checks/gone.sql]  # wrong: no file `checks/gone.sql`
  tolerances: [{check: rowz, at_most: 1, reason: r, owner: o}]  # wrong: no check `rowz`
  groups:
    Accounts: [name]  # wrong: The plan has no entry `Accounts`
    Contact: [lastname, stage]  # wrong: `Contact` fills no `stage`
  duplicates:
    - {entry: Accounts}  # wrong: The plan has no entry `Accounts`
    - {entry: Contact, on: [emial]}  # wrong: `emial` isn't filled in `contacts`
    - {entry: Contact}  # wrong: `contacts` is looked at twice
cutover: {window: some time}  # wrong: isn't a span of time
overrides: overrides.csv
"""

INDUSTRY = """\
source,count,target,note
Technology,10,Technology,
Agritech,5,Farmin,
N/A,1,Other,
Sonstiges,7,,
"""
OWNERS = """\
source_id,source_email,source_name,active,target_email,note
005A,ann@example.com,Ann,true,ann@example.com,
005B,bob@example.com,Bob,false,,
005C,c@example.com,C,true,nobody@example.com,
"""
OVERRIDES = """\
key,field,old,new,who,why
sf-001.Account.001A,phone,1,2,Ann,typo
sf-002.Account.001A,phone,1,2,Ann,typo
sf-001.Lead.001A,phone,1,2,Ann,typo
sf-001.Account.001B,fax,1,2,Ann,typo
"""


def wrong_lines(text: str) -> list[tuple[int, str]]:
    return [
        (number, found[1].strip())
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.search(r"# wrong: (.*)$", line))
    ]


def test_a_plan_with_many_different_mistakes_gives_each_with_its_line_in_one_run(tmp_path: Path) -> None:
    path = write(
        tmp_path, WRONG, picklists__industry_csv=INDUSTRY, owners_csv=OWNERS, overrides_csv=OVERRIDES
    )

    with pytest.raises(PlanError) as caught:
        proved(read_plan(path))

    told = [(each.at.line, each.what) for each in caught.value.mistakes if each.at.file == str(path)]
    expected = wrong_lines(WRONG)
    assert len(expected) >= 40
    for line, words in expected:
        assert any(words in what for at, what in told if at == line), (
            line,
            words,
            [w for a, w in told if a == line],
        )
    assert sorted(line for line, _ in told) == sorted(line for line, _ in expected)
    beside = {(Path(each.at.file).name, each.at.line): each.what for each in caught.value.mistakes}
    assert "`Farmin` isn't a value" in beside["industry.csv", 3]
    assert "label of several values" in beside["industry.csv", 4]
    assert "`nobody@example.com` isn't an owner" in beside["owners.csv", 4]
    assert "isn't a key of this source" in beside["overrides.csv", 3]
    assert "`Lead` isn't a source object" in beside["overrides.csv", 4]
    assert "`fax` isn't mapped" in beside["overrides.csv", 5]
    assert all(each.at.column for each in caught.value.mistakes)


def test_columns_point_at_the_word_that_is_wrong(tmp_path: Path) -> None:
    path = write(
        tmp_path, WRONG, picklists__industry_csv=INDUSTRY, owners_csv=OWNERS, overrides_csv=OVERRIDES
    )
    with pytest.raises(PlanError) as caught:
        proved(read_plan(path))
    lines = WRONG.splitlines()
    for words, at in [("`Websit` isn't", "Websit)"), ("`read_csv`", "read_csv"), ("`parnt`", "parnt"),
                      ("`max` is an aggregate", "max("), ("`newst`", "newst"), ("`nme`", "nme")]:  # fmt: skip
        mistake = next(each for each in caught.value.mistakes if words in each.what)
        assert lines[mistake.at.line - 1][mistake.at.column - 1 :].startswith(at), mistake


def test_nearest_names_are_offered(tmp_path: Path) -> None:
    path = write(
        tmp_path, WRONG, picklists__industry_csv=INDUSTRY, owners_csv=OWNERS, overrides_csv=OVERRIDES
    )
    with pytest.raises(PlanError) as caught:
        proved(read_plan(path))
    remedies = {each.what: each.remedy for each in caught.value.mistakes}
    for what, near in [("`Websit`", "Website"), ("`salesfrce`", "salesforce"), ("`objekts`", "objects"),
                       ("`parnt`", "parent"), ("Europe/Berln", "Europe/Berlin"), ("`newst`", "newest"),
                       ("`custmer`", "customer"), ("`AccountContactRol`", "AccountContactRole")]:  # fmt: skip
        assert any(what in w and f"Did you mean `{near}`?" in r for w, r in remedies.items()), what


SOUND = (
    HEAD
    + """\
calendar: {zone: Europe/Berlin}
objects:
  - source: Account
    target: companies
    where: "isdeleted = false"
    key: {field: migration_key, old_id: old_id, old_url: old_url}
    dedupe: {"on": ["lower(Website)"], losers: merge}
    match: [domain]
    create:
      source_created: {kind: timestamp}
    fields:
      name: NAME
      domain: lower(regexp_replace(Website, '^https?://(www\\.)?', ''))
      annualrevenue: AnnualRevenue
      rating: CAST(round(Score__c, 2) AS DECIMAL(18,2))
      numberofemployees: NumberOfEmployees
      is_public: Industry = 'Technology'
      founded: Founded__c
      first_seen: CAST(Founded__c AS TIMESTAMP) AT TIME ZONE 'Europe/Berlin'
      source_created: CreatedDate
      industry: {from: Industry, picklist: picklists/industry.csv}
      phone: {from: Phone, wins: "case when length(source.phone) > 5 then source.phone else target.phone end"}
      hubspot_owner_id: {from: OwnerId, owner: owners.csv, inactive: ops@example.com, former: former_owner}
      description: {from: Description, python: "cleaning:tidy"}
    links:
      - {to: companies, via: ParentId, label: parent, missing: reject}
      - {to: contacts, through: AccountContactRole, left: AccountId, right: ContactId,
         label: {from: Role, picklist: roles.csv}}
  - source: Contact
    target: contacts
    fields:
      email: lower(trim(Email))
      lastname: LastName
      lifecyclestage: "'lead'"
    links:
      - {to: companies, via: AccountId, label: primary}
validate:
  sums: [{object: companies, field: annualrevenue, by: [industry]}]
  tolerances: [{check: sums, within: 0.01, reason: cents, owner: Finance}]
"""
)
FINE = {
    "picklists__industry_csv": "source,count,target,note\n"
    "Technology,10,Technology,\nN/A,1,(nothing),\nAgritech,5,,\n",
    "owners_csv": OWNERS.replace("nobody@example.com", "ANN@example.com"),
    "roles_csv": "source,count,target,note\nDecision Maker,3,decision_maker,\nOther,1,Advisor,\n",
    "cleaning_py": "def tidy(values):\n    return values\n",
}


def sound(folder: Path, plan: str = SOUND, **files: str) -> Checked:
    return proved(load_plan(write(folder, plan, **{**FINE, **files})))


def test_a_sound_plan_is_resolved(tmp_path: Path) -> None:
    checked = sound(tmp_path)
    account = checked.objects["Account"]
    assert account.fields["name"].expression.sql == '"Name"'
    assert account.fields["annualrevenue"].type == "DECIMAL(18,2)"
    assert account.fields["source_created"].type == "TIMESTAMP WITH TIME ZONE"
    assert account.fields["industry"].home == {"Technology": "COMPUTER_SOFTWARE", "N/A": None}
    owners = account.fields["hubspot_owner_id"].owners
    assert owners is not None
    assert owners.inactive is not None
    assert owners.inactive.id == "2"
    assert {source: owner.id for source, owner in owners.home.items()} == {"005A": "1", "005C": "1"}
    assert account.fields["description"].function is not None
    assert [link.label for link in account.links] == ["parent", None]
    assert account.links[1].labels == {"Decision Maker": "decision_maker", "Other": "Advisor"}
    assert [each.label for each in checked.labels] == ["Advisor"]
    assert checked.unmapped == (Unmapped("Account", "industry", "Agritech", 5, "reject"),)
    assert checked.warnings[0].what == "`Industry` has 1 value without a home in `industry`."


def test_values_without_a_home_are_listed_with_their_counts(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path, SOUND, **FINE))
    counts = {("Account", "Industry"): {"Agritech": 1204, "N/A": 88, "Sonstiges": 7, "Technology": 3}}
    checked = proved(plan, counts)
    (warning,) = (each for each in checked.warnings if "without a home" in each.what)
    assert str(warning).splitlines() == [
        f"{plan.path}:24:24: `Industry` has 2 values without a home in `industry`.",
        "  `Agritech` (1,204 records), `Sonstiges` (7)",
        "  Add them to picklists/industry.csv; with `unmapped: reject` these records become rejects.",
    ]


def test_add_makes_options_for_values_that_the_target_lacks(tmp_path: Path) -> None:
    checked = sound(tmp_path, SOUND.replace("industry.csv}", "industry.csv, unmapped: add}"))
    assert checked.added == (NewOption("companies", "industry", "Agritech", "Agritech"),)


def test_what_is_counted_in_an_extract_reaches_the_check(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path, SOUND, **FINE))
    stage = tmp_path / "stage"
    stage.mkdir()
    contacts = {"_id": ["1", "2", "3", "4"], "Email": ["A@x.test", "a@x.test ", "b@x.test", None]}
    pq.write_table(pa.table({**contacts, "LastName": ["x"] * 4}), stage / "c.parquet")
    accounts = {
        "_id": ["1", "2", "3"],
        "Industry": ["Agritech", "Agritech", None],
        "OwnerId": ["005A"] * 3,
        "IsDeleted": [False] * 3,
        "Website": ["https://a.test", "http://www.a.test", "https://A.test"],
    }
    pq.write_table(pa.table(accounts), stage / "a.parquet")
    files = {"Contact": [str(stage / "c.parquet")], "Account": [str(stage / "a.parquet")]}
    with Engine(folders=[stage]) as engine:
        counts = count_values(plan, salesforce(), files, engine)
        collisions = count_collisions(plan, salesforce(), hubspot(), files, engine)
    assert counts == {("Account", "Industry"): {"Agritech": 2}, ("Account", "OwnerId"): {"005A": 3}}
    assert collisions == [Collision("Account", "domain", 1, 2), Collision("Contact", "email", 1, 2)]
    checked = proved(plan, counts, collisions)
    assert any("1 value of unique `email` is shared by 2 records" in each.what for each in checked.warnings)


@pytest.mark.parametrize(
    ("field", "words", "remedy"),
    [
        ("annualrevenue: CAST(AnnualRevenue AS DOUBLE)", "gives DOUBLE", "AS DECIMAL(18,2)"),
        ("annualrevenue: Phone", "gives VARCHAR", "CAST(Phone AS DECIMAL(18,2))"),
        ("description: NumberOfEmployees", "gives BIGINT", "CAST(NumberOfEmployees AS VARCHAR)"),
        ("description: AnnualRevenue", "gives DECIMAL(18,2)", "AS VARCHAR)"),
        ("description: CreatedDate", "gives TIMESTAMP WITH TIME ZONE", "strftime"),
        ("founded: Phone", "gives VARCHAR", "strptime(Phone"),
        ("founded: CreatedDate", "TIMESTAMP WITH TIME ZONE", "AT TIME ZONE 'Europe/Berlin' AS DATE"),
        ("first_seen: Founded__c", "gives DATE", "AS TIMESTAMP) AT TIME ZONE 'Europe/Berlin'"),
        ("first_seen: CAST(Founded__c AS TIMESTAMP)", "TIMESTAMP without a zone", "AT TIME ZONE"),
        ("numberofemployees: AnnualRevenue", "gives DECIMAL(18,2)", "AS BIGINT"),
        ("industry: Industry", "is a picklist", "picklist: picklists/industry.csv"),
        ("industry: \"'Technology'\"", "is a label", "COMPUTER_SOFTWARE"),
        ("phone: {from: Phone, python: 'os:system'}", "no installed package `os`", "beside the plan"),
        ("phone: {from: Phone, python: 'cleaning:gone'}", "has no `gone`", "beside the plan"),
        ("phone: {from: Phone, python: 'cleaning'}", "module:function", "beside the plan"),
        ("phone: {from: Phone, picklist: gone.csv}", "no file `gone.csv`", "source,count,target,note"),
        ("phone: {from: Phone, picklist: ../gone.csv}", "outside the plan's folder", "Copy it"),
        ("phone: {from: Phone, wins: source.phone}", "", ""),
        ("phone: {from: Phone, wins: length(source.phone)}", "gives BIGINT", "AS VARCHAR"),
        ("phone: {from: Phone, wins: source.fax}", "`fax` isn't a field", ""),
        ("phone: {from: OwnerId, owner: owners.csv}", "doesn't hold an owner", "hubspot_owner_id"),
        ("hubspot_owner_id: {from: ParentId, reference: Contact}", "isn't a reference to `Contact`", ""),
        ("migration_key: Name", "filled by itself", "Remove it"),
    ],
)
def test_a_value_goes_where_it_fits_or_the_remedy_is_told(
    tmp_path: Path, field: str, words: str, remedy: str
) -> None:
    name = field.partition(":")[0]
    lines = [line for line in SOUND.splitlines() if not line.strip().startswith(f"{name}:")]
    at = next(index for index, line in enumerate(lines) if line.strip() == "fields:")
    lines.insert(at + 1, f"      {field}")
    if not words:
        assert sound(tmp_path, "\n".join(lines))
        return
    with pytest.raises(PlanError) as caught:
        sound(tmp_path, "\n".join(lines))
    (mistake,) = caught.value.mistakes
    assert mistake.at.line == at + 2
    assert words in mistake.what
    assert remedy in mistake.remedy


def test_values_that_become_one_are_told_with_their_counts_unless_another_field_keeps_them(
    tmp_path: Path,
) -> None:
    entry = HEAD + "objects:\n  - source: Account\n    target: companies\n    fields: "
    lossy = entry + "{name: Name, industry: {from: Industry, picklist: industry.csv}}"
    whole = entry + "{name: Name, description: Industry, industry: {from: Industry, picklist: industry.csv}}"
    one = "COMPUTER_SOFTWARE"
    rows = (f"Technology,,{one},", f"IT,,{one},", f"it ,,{one},", "Banking,,FARMING,", "")
    file = "\n".join(("source,count,target,note", *rows))
    counts = {("Account", "Industry"): {"Technology": 30, "IT": 4, "it ": 1, "Banking": 9}}

    def told(plan: str, seen: PicklistCounts) -> list[PlanMistake]:
        made = load_plan(write(tmp_path, plan, industry_csv=file))
        return [each for each in proved(made, seen).warnings if "puts" in each.what]

    [warning] = told(lossy, counts)
    assert warning.what == "The map of `industry` puts 3 values of `Industry` into 1."
    assert warning.remedy.startswith("`Technology` (30), `IT` (4), `it ` (1) become `")
    assert warning.at.line
    assert told(whole, counts) == []
    assert told(lossy, {}) == []
    assert told(lossy, {("Account", "Industry"): {"IT": 4, "it ": 1}}) == []  # one value, spelt in two ways


def test_what_two_maps_of_a_field_lose_is_told_by_the_finer_one_and_a_reject_loses_nothing(
    tmp_path: Path,
) -> None:
    plan = HEAD + (
        "objects:\n  - source: Account\n    target: companies\n    fields:\n      name: Name\n"
        "      description: {from: Industry, picklist: coarse.csv}\n"
        "      industry: {from: Industry, picklist: fine.csv}\n"
    )
    head = "source,count,target,note\n"
    coarse = head + "Technology,,some firm,\nIT,,some firm,\nBanking,,some firm,\n"
    counts = {("Account", "Industry"): {"Technology": 30, "IT": 4, "Banking": 9}}

    def told(fine: str) -> list[PlanMistake]:
        made = load_plan(write(tmp_path, plan, coarse_csv=coarse, fine_csv=head + fine))
        return [each for each in proved(made, counts).warnings if "puts" in each.what]

    [warning] = told("Technology,,COMPUTER_SOFTWARE,\nIT,,COMPUTER_SOFTWARE,\nBanking,,FARMING,\n")
    assert warning.what == "The map of `industry` puts 2 values of `Industry` into 1."
    assert warning.remedy.startswith("`Technology` (30), `IT` (4) become `")
    assert (
        told("Technology,,COMPUTER_SOFTWARE,\nBanking,,FARMING,\n") == []
    )  # the records of `IT` are rejected


def test_what_is_kept_must_be_an_object_of_the_source_that_nothing_moves(tmp_path: Path) -> None:
    plan = SOUND + "archive: [Acount, Account]\n"
    with pytest.raises(PlanError) as told:
        proved(load_plan(write(tmp_path, plan, **FINE)))
    assert [mistake.what for mistake in told.value.mistakes] == [
        "`Acount` isn't an object of the source.", "`Account` is moved by this plan.",
    ]  # fmt: skip
