"""Does the sandbox's org keep consent as Salesforce does: flags of people, and objects where they are on?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.salesforce_org import Org

OBJECTS = (
    "Individual", "DataUsePurpose", "ContactPointEmail", "ContactPointConsent", "ContactPointTypeConsent",
    "PartyConsent",
)  # fmt: skip


def names(org: Org) -> set[str]:
    return {str(each["name"]) for each in org.get("/sobjects").json["sobjects"]}


def fields(org: Org, object: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in org.get(f"/sobjects/{object}/describe").json["fields"]}


@pytest.mark.parametrize("object", ["Contact", "Lead"])
def test_flags_of_people_are_never_null(tmp_path: Path, object: str) -> None:
    with Org(tmp_path) as org:
        body = {"LastName": "A", **({"Company": "X"} if object == "Lead" else {})}
        made = org.post(f"/sobjects/{object}", body).json["id"]
        told = org.get(f"/sobjects/{object}/{made}").json
        flags = ("HasOptedOutOfEmail", "HasOptedOutOfFax", "DoNotCall")
        assert [told[name] for name in flags] == [False] * 3
        assert org.patch(f"/sobjects/{object}/{made}", {"EmailBouncedReason": "550"}).status == 204


def test_objects_of_consent_are_there_once_the_feature_is_on(tmp_path: Path) -> None:
    with Org(tmp_path) as org:
        assert not names(org) & set(OBJECTS)
        assert "IndividualId" not in fields(org, "Contact")
        org.vendor.set({"data_privacy": True})
        assert names(org) >= set(OBJECTS)
        assert fields(org, "Contact")["IndividualId"]["referenceTo"] == ["Individual"]


def test_a_consent_belongs_to_a_person_and_a_kind_of_contact_point(tmp_path: Path) -> None:
    with Org(tmp_path, data_privacy=True) as org:
        person = org.post("/sobjects/Individual", {"LastName": "A", "HasOptedOutSolicit": True}).json["id"]
        org.post("/sobjects/Contact", {"LastName": "A", "IndividualId": person})
        consent = {
            "Name": "Mail",
            "PartyId": person,
            "ContactPointType": "Email",
            "PrivacyConsentStatus": "OptOut",
        }
        made = org.post("/sobjects/ContactPointTypeConsent", consent).json["id"]
        query = "SELECT PrivacyConsentStatus, Party.HasOptedOutSolicit FROM ContactPointTypeConsent"
        (row,) = org.rows(query)
        assert (row["PrivacyConsentStatus"], row["Party"]["HasOptedOutSolicit"]) == ("OptOut", True)
        wrong = {"PrivacyConsentStatus": "Perhaps"}
        assert org.patch(f"/sobjects/ContactPointTypeConsent/{made}", wrong).status == 400
