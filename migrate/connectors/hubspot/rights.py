"""May this token do what the plan asks of it?

Scopes as HubSpot names them (scopes reference, read 2026-11-23). Activities are covered by the scopes of
contacts; tickets have one scope of their own; owners can only be read.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.connector import CONSENT, Rights
from migrate.connectors.hubspot.consent import BATCH_SCOPES, SCOPES
from migrate.connectors.hubspot.metadata import ACTIVITIES
from migrate.connectors.hubspot.paths import ATTACHMENTS, FILES, OWNERS, STANDARD
from migrate.connectors.hubspot.portal import Portal


def needed(objects: Sequence[str], *, write: bool) -> set[str]:
    """Scopes for reading, or also for writing, these objects."""
    found: set[str] = set()
    ends = (end for name in objects for end in (name.split("_to_") if name not in STANDARD else [name]))
    for name in ends:
        if name == OWNERS:
            continue
        if name == CONSENT:
            found |= SCOPES if write else {"communication_preferences.read"}
            continue
        if name in (FILES, ATTACHMENTS):
            found.add("files")
            if name == FILES:
                continue
            name = "notes"
        if name == "tickets":
            found.add("tickets")
            continue
        family = "contacts" if name in ACTIVITIES else name if name in STANDARD else "custom"
        found |= {f"crm.objects.{family}.read", f"crm.schemas.{family}.read"}
        if write:
            found |= {f"crm.objects.{family}.write", f"crm.schemas.{family}.write"}
        if name == "emails":
            found.add("sales-email-read")  # without it bodies and subjects are withheld
    found.add("crm.objects.owners.read")
    return found


def rights(portal: Portal, objects: Sequence[str], *, write: bool) -> Rights:
    identity = portal.identity()
    wanted = needed(objects, write=write)
    portal.vendor_now()  # a reply whose headers tell the calls that are left
    user = f"user {identity.user}" if identity.user else ""
    label = ", ".join(part for part in (user, f"app {identity.app}" if identity.app else "") if part)
    granted = tuple(sorted(identity.scopes or ()))
    if identity.scopes is None:
        return Rights(
            user=label or f"portal {identity.portal}",
            granted=(),
            missing=(
                "HubSpot doesn't tell this token's scopes; use a private app's token or a service key.",
            ),
            excess=(),
            calls_left=portal.http.calls_left,
            calls_max=portal.http.calls_max,
        )
    return Rights(
        user=label or f"portal {identity.portal}",
        granted=granted,
        missing=tuple(
            f"Scope `{scope}` is needed and not granted." for scope in sorted(wanted - identity.scopes)
        ),
        excess=tuple(
            f"Scope `{scope}` is granted and not needed."
            for scope in granted
            if scope not in wanted
            and not (CONSENT in objects and scope in BATCH_SCOPES)
            and scope.endswith((".write", ".delete", "settings"))
        ),
        calls_left=portal.http.calls_left,
        calls_max=portal.http.calls_max,
    )
