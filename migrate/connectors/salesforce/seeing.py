"""How does our user come to see what was made by API? By a permission set of ours, which it is assigned to.

Fields that are required or master-detail are visible to everyone and can't be granted. The set stays in
the org, so that an administrator can give it to others. Salesforce, Object Reference "PermissionSet",
"PermissionSetAssignment", "FieldPermissions", "ObjectPermissions", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from migrate.connector import NewField, NewHelper
from migrate.connectors.salesforce import soql
from migrate.connectors.salesforce.definitions import ACTIVITIES, made_as
from migrate.connectors.salesforce.ids import long_id
from migrate.connectors.salesforce.org import Org
from migrate.connectors.salesforce.replies import error
from migrate.errors import InDoubt, SystemRefused

NAME, LABEL = "Crm_Migrate", "CRM migration"
HELPER = NewHelper("PermissionSet", "permission set", NAME)
TRIES = 4
FIRST_WAIT = 5.0
MOST = 200
_OBJECT_RIGHTS = ("Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")


class Seeing:
    """Grants to our own user."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self.beside: list[NewHelper] = []  # the permission set, if it was made

    def grant(self, objects: Sequence[str], fields: Sequence[NewField]) -> None:
        """See to it that our user may do everything with these objects, and read and write these fields.

        Raises:
            SystemRefused: the org doesn't let us; what was made is there, and invisible.
        """
        paths = sorted(
            {
                f"{object}.{made_as(each.name)}"
                for each in fields
                if not each.required and not each.detail
                for object in (ACTIVITIES if each.object in ACTIVITIES else (each.object,))
            }
        )
        if not paths and not objects:
            return
        set_id = self._the_one("PermissionSet", {"Name": NAME}, {
            "Label": LABEL, "Description": "What the CRM migration made, for the user that it works as.",
        })  # fmt: skip
        self._the_one(
            "PermissionSetAssignment", {"AssigneeId": self._org.user(), "PermissionSetId": set_id}, {}
        )
        held = self._held("ObjectPermissions", "SobjectType", set_id)
        wanted = [
            {
                "ParentId": set_id,
                "SobjectType": name,
                **{f"Permissions{right}": True for right in _OBJECT_RIGHTS},
            }
            for name in objects
            if name not in held
        ]
        self._all("ObjectPermissions", wanted)
        held = self._held("FieldPermissions", "Field", set_id)
        self._all("FieldPermissions", [
            {"ParentId": set_id, "SobjectType": path.partition(".")[0], "Field": path,
             "PermissionsRead": True, "PermissionsEdit": True}
            for path in paths
            if path not in held
        ])  # fmt: skip

    def _held(self, object: str, field: str, set_id: str) -> set[str]:
        rows = self._org.rest.rows(soql.select(object, [field], [f"ParentId = {soql.text(set_id)}"]))
        return {str(row[field]) for row in rows}

    def _the_one(self, object: str, named: dict[str, str], more: dict[str, str]) -> str:
        """The id of the record of that name, made if there is none."""
        conditions = [f"{name} = {soql.text(value)}" for name, value in named.items()]
        for attempt in range(TRIES):
            rows = self._org.rest.rows(soql.select(object, ["Id"], conditions))
            if rows:
                return long_id(str(rows[0]["Id"]))
            try:
                self._send(object, [{**named, **more}])
                if object == HELPER.object:
                    self.beside.append(HELPER)
            except InDoubt:
                if attempt == TRIES - 1:
                    raise
                self._org.clock.sleep(FIRST_WAIT * 2**attempt)
        raise SystemRefused(self._org.system, f"the {object} that we made isn't there", "Try again later.")

    def _all(self, object: str, records: Sequence[dict[str, Any]]) -> None:
        """Make records, whatever a former try made of them."""
        for first in range(0, len(records), MOST):
            some = records[first : first + MOST]
            try:
                self._send(object, some)
            except InDoubt:
                self._org.clock.sleep(FIRST_WAIT)
                self._send(object, some)  # those that are there say DUPLICATE_VALUE

    def _send(self, object: str, records: Sequence[dict[str, Any]]) -> None:
        body = {"allOrNone": False, "records": [{"attributes": {"type": object}, **each} for each in records]}
        reply = self._org.http.call(
            "POST",
            f"{self._org.base}/composite/sobjects",
            content=orjson.dumps(body),
            headers={"Content-Type": "application/json; charset=UTF-8"},
            write=True,
            ok=(400, 403, 404),
        )
        if reply.status >= 300:
            raise self._refused(object, *error(reply))
        for result in reply.json():
            for each in result.get("errors") or ():
                if each.get("statusCode") not in ("DUPLICATE_VALUE", "DUPLICATE_DEVELOPER_NAME"):
                    raise self._refused(object, str(each.get("statusCode")), str(each.get("message")))

    def _refused(self, object: str, code: str, words: str) -> SystemRefused:
        remedy = (
            "What `prepare` made is there and nobody sees it. Give the user `Manage Profiles and Permission "
            "Sets` and `Assign Permission Sets`, or grant the fields by hand, and run `prepare` again."
        )
        return SystemRefused(self._org.system, f"{object}: {code} {words}".rstrip(), remedy, code=code)
