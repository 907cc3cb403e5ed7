"""How alike are two things by their names and labels?

Names are compared as words, in lower case and singular; words by which CRMs call the same thing count
as alike. Nothing here knows a vendor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rapidfuzz import fuzz

# Words by which CRMs call the same thing.
_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split(","))
    for group in (
        "account,company,organization,organisation,business",
        "opportunity,deal,potential",
        "contact,person,people",
        "case,ticket",
        "user,owner",
        "website,url",
        "title,job title,position",
        "stage,deal stage,stage name,status,pipeline stage,ticket status",
        "close date,closing date",
        "billing city,city,mailing city",
        "billing country,country,mailing country",
        "billing state,state,mailing state",
        "billing street,street address,street,mailing street",
        "billing postal code,postal code,zip,mailing postal code",
        "employees,number of employees",
        "annual revenue,revenue",
        "phone,phone number",
        "owner,owner id,account owner,company owner,contact owner,deal owner,opportunity owner",
    )
)

# What companies call their legal form, in the tongues of those who use CRMs most; dots are gone already.
LEGAL_FORMS = (
    "inc", "incorporated", "corp", "corporation", "co", "company", "llc", "llp", "ltd", "limited", "plc",
    "gmbh", "mbh", "ag", "kg", "kgaa", "ohg", "ug", "se", "ev", "sa", "sas", "sarl", "srl", "spa", "sl",
    "bv", "nv", "oy", "ab", "as", "aps", "pty", "pte", "kk", "holding", "group", "the", "und", "and",
)  # fmt: skip


def pair(left: Mapping[str, str], right: Mapping[str, str], least: float) -> dict[str, str]:
    """Names of `left` to names of `right` (both: label by name), each at most once, best first."""
    scored = sorted((-likeness(a, left[a], b, right[b]), a, b) for a in left for b in right)
    found: dict[str, str] = {}
    for score, a, b in scored:
        if -score >= least and a not in found and b not in found.values():
            found[a] = b
    return {name: found[name] for name in left if name in found}


def likeness(name: str, label: str, other: str, other_label: str) -> float:
    """How alike two things are by their names and labels, 0 to 100."""
    ours, theirs = {words(name), words(label)}, {words(other), words(other_label)}
    if ours & theirs:
        return 100.0
    if any(ours & group and theirs & group for group in _SAME):
        return 95.0
    best = max(fuzz.token_sort_ratio(a, b) for a in ours for b in theirs)
    compact = max(fuzz.ratio(a.replace(" ", ""), b.replace(" ", "")) for a in ours for b in theirs)
    return float(max(best, compact)) * 0.94


def words(text: str) -> str:
    """Lower-case words, singular: `NumberOfEmployees__c` is `number of employee`, as is its label."""
    text = re.sub(r"__c$|^hs_|_id$|Id$", "", text)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-./]+", " ", text).casefold()
    text = " ".join(text.split())
    plain = re.sub(r"ies$", "y", text) if text.endswith("ies") else re.sub(r"(?<=[^s])s$", "", text)
    return next((word for group in _SAME for word in group if word == text), plain)
