"""What the vendors make otherwise, whatever one does: each exception of the journey, written once."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.hubspot_portal import Portal
from tests.sandbox.salesforce_org import Org

OLD = "2019-05-04T03:02:01.000+0000"
AUDITED = {"*": {"PermissionsCreateAuditFields": True}}


def test_a_record_that_is_updated_has_the_updates_date(tmp_path: Path) -> None:
    with Org(tmp_path, permissions=AUDITED) as org:
        id = org.create("Account", Name="Old", CreatedDate=OLD, LastModifiedDate=OLD)
        path = f"/sobjects/Account/{id}"
        assert org.get(path).json["LastModifiedDate"] == OLD
        assert org.patch(path, {"LastModifiedDate": OLD}).code == "INVALID_FIELD_FOR_INSERT_UPDATE"
        org.patch(path, {"Phone": "1"})
        assert org.get(path).json["LastModifiedDate"] > OLD


def test_accounts_cant_stand_in_a_circle(tmp_path: Path) -> None:
    with Org(tmp_path) as org:
        first = org.create("Account", Name="First")
        second = org.create("Account", Name="Second", ParentId=first)
        assert org.patch(f"/sobjects/Account/{first}", {"ParentId": second}).code == "CIRCULAR_DEPENDENCY"
        assert org.get(f"/sobjects/Account/{first}").json["ParentId"] is None


def test_a_company_cant_be_its_own_parent(tmp_path: Path) -> None:
    portal = Portal(tmp_path)
    id = portal.make("companies", name="Alone")
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 14}]
    path = f"/crm/v4/objects/companies/{id}/associations/companies/{id}"
    assert portal.ask("PUT", path, types).status == 400
    assert portal.links("companies", id, "companies") == {}
