"""What does the plan of a weekend say of its cutover?"""

from __future__ import annotations

RULES = """\
      companies.domain: {keep: source}
      companies.industry: {lossy: accepted}
      companies.hubspot_owner_id: {lossy: accepted}
      contacts.email: {sql: {Email: email}}
      contacts.hubspot_owner_id: {lossy: accepted}
      deals.closedate: {sql: "CAST(closedate AT TIME ZONE 'America/New_York' AS DATE)"}
      deals.pipeline: {keep: source}
      deals.dealstage: {lossy: accepted}
      deals.source_created: {keep: source}
      deals.hubspot_owner_id: {lossy: accepted}
      deals.links.1: {keep: source}
"""
PLAN = """\
cutover:
  window: 10 working days
  lag: 2 hours
  cohorts:
    - {{name: pilot, where: "Account: Name < '{first}'"}}
    - {{name: second, where: "Account: Name < '{second}' AND Name >= '{shared}'"}}
    - {{name: rest}}
  freeze: {{still: 2 minutes}}
  gate: {{rehearsal: 14 days, validation: 24 hours, fresh: 6 hours, quota: 0.05}}
  intake:
    - {{name: web form, object: Contact, door: form, during: drain, by: ["{form}"]}}
    - {door}
  sign:
    - {{name: Ada Example, email: ada@example.com}}
    - {{name: Ben Example, email: ben@example.com}}
  people:
    - {{name: Max, email: max@example.com, role: operator, zone: Europe/Berlin}}
  hooks:
    - name: repoint the web form
      do: {{command: [sh, -c, "echo done >> form.log"]}}
      undo: {{command: [sh, -c, "echo undone >> form.log"]}}
  reverse:
    mode: {mode}
    rules:
{rules}"""
