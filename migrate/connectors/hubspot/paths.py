"""Where is a resource, in either family of HubSpot's paths?

Numbered paths (`/crm/v3/objects`, `/crm/v4/associations`) and dated ones (`/crm/objects/2026-03`)
serve the same store. HubSpot ends support of v4 on 2027-03-30 and of v3 in September 2027
(changelog, read 2026-11-23), so the dated family is the default and the version is a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

DEFAULT_API = "2026-03"

STANDARD = {  # plural name as in paths: object type id (HubSpot, object type ids, read 2026-11-23)
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "products": "0-7",
    "line_items": "0-8",
    "notes": "0-46",
    "meetings": "0-47",
    "calls": "0-48",
    "emails": "0-49",
    "tasks": "0-27",
}
# Records' pages had the object's name in them before they had its id; texts and mails are full of both.
OLD_PAGES = {"contacts": "contact", "companies": "company", "deals": "deal", "tickets": "ticket"}
FILES = "files"  # no CRM object, but an object of the catalog
ATTACHMENTS = "attachments"  # which files hang on which records, as an object of the catalog
MAIN = ("companies", "contacts", "deals", "tickets")
# The end of a link that is named first: what hangs under the other. Custom objects stand at `CUSTOM`.
ORDER = ("notes", "emails", "calls", "meetings", "tasks", "line_items", "tickets", "deals", "contacts",
         "companies", "products")  # fmt: skip
CUSTOM = ORDER.index("tickets")
OWNERS = "owners"
CUSTOM_PREFIX = "p_"
PIPELINED = {"deals": ("pipeline", "dealstage"), "tickets": ("hs_pipeline", "hs_pipeline_stage")}


class Paths:
    """Paths of one API version: `v3` for the numbered family, else a date.

    `tenant` tells the portal's id: a custom object is called `p_<name>` by plans and catalogs, whatever
    the portal, and `p<portal>_<name>` by HubSpot (custom objects guide, read 2026-11-26).
    """

    def __init__(self, api: str, tenant: Callable[[], str] = str) -> None:
        self._tenant = tenant
        self.api = "v3" if api.lower() in ("v3", "v4", "3", "4") else api
        self._numbered = self.api == "v3"

    def qualified(self, object: str) -> str:
        """HubSpot's own name of an object."""
        return f"p{self._tenant()}_{object[2:]}" if object.startswith(CUSTOM_PREFIX) else object

    def objects(self, object: str, tail: str = "") -> str:
        return self._at("/crm/v3/objects", "/crm/objects", self.qualified(object), tail)

    def properties(self, object: str, tail: str = "") -> str:
        return self._at("/crm/v3/properties", "/crm/properties", self.qualified(object), tail)

    def pipelines(self, object: str) -> str:
        return self._at("/crm/v3/pipelines", "/crm/pipelines", self.qualified(object), "")

    def associations(self, left: str, right: str, tail: str) -> str:
        pair = f"{self.qualified(left)}/{self.qualified(right)}"
        return self._at("/crm/v4/associations", "/crm/associations", pair, tail)

    def owners(self) -> str:
        return "/crm/v3/owners" if self._numbered else f"/crm/owners/{self.api}"

    def schemas(self, object: str = "", tail: str = "") -> str:
        version = "v3" if self._numbered else self.api
        return (
            f"/crm-object-schemas/{version}/schemas"
            + (f"/{quote(self.qualified(object))}" if object else "")
            + tail
        )

    def imports(self) -> str:
        return "/crm/v3/imports" if self._numbered else f"/crm/imports/{self.api}"

    def files(self, tail: str) -> str:
        """Of the files tool: `/files…` or `/folders…` below it."""
        return f"/files/{'v3' if self._numbered else self.api}{tail}"

    def preferences(self, tail: str) -> str:
        """Communication preferences: v4 in the numbered family, whose v3 keeps less."""
        return f"/communication-preferences/{'v4' if self._numbered else self.api}{tail}"

    def account(self) -> str:
        return "/account-info/v3/details" if self._numbered else f"/account-info/{self.api}/details"

    def token(self) -> str:
        """An OAuth app's token endpoint; `/introspect` below it tells whose a token is."""
        return "/oauth/v3/token" if self._numbered else f"/oauth/{self.api}/token"

    def token_info(self) -> str:
        """A private app's own token: user, portal, app and scopes."""
        return "/oauth/v2/private-apps/get/access-token-info"

    def _at(self, numbered: str, dated: str, rest: str, tail: str) -> str:
        return f"{numbered if self._numbered else f'{dated}/{self.api}'}/{quote(rest, safe='/-_')}{tail}"
