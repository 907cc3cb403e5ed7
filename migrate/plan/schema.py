"""What JSON Schema lets an editor complete and check a plan?

It is made from the models, never by hand; `python -m migrate.plan.schema` prints it, and a test
compares plans/plan.schema.json with it. Two things it can't say are left to the command line: one
entry a source object and part, and everything that needs the catalogs.
"""

from __future__ import annotations

import json
import sys

from migrate.plan.models import PlanModel


def plan_schema() -> str:
    """The JSON Schema of plan.yaml (draft 2020-12), as text with a newline at its end."""
    schema = PlanModel.model_json_schema(by_alias=True)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Migration plan"}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(plan_schema())
