"""What kinds of difference are there? The one list of classes for all checks, and the columns of its rows.

A check hands rows to `Evidence.keep` with these columns first, as texts; whatever else it knows comes behind.
`grade` says how much a row weighs: a `fail` turns the check red until it is mended, tolerated or waived, a
`warn` asks for somebody's yes, and `known` is told and asks for nothing.
"""

from __future__ import annotations

from enum import StrEnum

# What identifies a difference from run to run, and what it shows. Missing ones are filled with null.
COLUMNS = ("key", "id", "field", "class", "grade", "expected", "found")
FAIL, WARN, KNOWN = "fail", "warn", "known"


class Class(StrEnum):
    """What is different, as the report, the filters and the published matrix name it."""

    MISSING = "missing"
    EXTRA = "extra"
    TWIN = "twin"
    CHANGED = "changed"
    EMPTIED = "emptied"
    FILLED = "filled"
    TRUNCATED = "truncated"
    CASE = "case changed"
    SPACE = "white space"
    HOURS = "time shifted by hours"
    DAY = "date shifted"
    AMOUNT = "amount changed"
    PRECISION = "precision lost"
    CURRENCY = "currency swapped"
    OPTION = "option swapped"
    UNMAPPED = "option unmapped"
    ENCODING = "encoding damaged"
    NUMBER = "taken for a number"
    OWNER = "owner swapped"
    PARENT = "parent swapped"
    LINK_LOST = "link lost"
    LINK_EXTRA = "link added"
    LABEL = "label lost"
    FILE_LOST = "file lost"
    FILE_DAMAGED = "file damaged"
    OPT_OUT = "opt-out lost"
    UNEXPLAINED = "without an end"
    NOT_MOVED = "not moved"
    RULE = "rule broken"
    DUPLICATE = "likely duplicate"
    HIDDEN = "field not readable"
    SCHEMA = "schema changed"
    COUNT = "count differs"
    SUM = "sum differs"
    WEIGHT = "weighed otherwise"
    TREE = "tree differs"
    REPORTED = "reported by a person"
    OTHER = "other"
