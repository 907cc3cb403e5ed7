"""What goes where: the plan, its maps and its expressions, read strictly and with positions."""

from migrate.plan.expressions import Expression, parse_expression
from migrate.plan.fields import FieldPlan
from migrate.plan.loading import Plan, load_plan, read_plan
from migrate.plan.maps import NOTHING, Override, OwnerMap, PicklistMap
from migrate.plan.models import LabelMap, LinkPlan, ObjectPlan, PlanModel
from migrate.plan.optouts import ConsentPlan, SubscriptionMap

__all__ = [
    "NOTHING",
    "ConsentPlan",
    "Expression",
    "FieldPlan",
    "LabelMap",
    "LinkPlan",
    "ObjectPlan",
    "Override",
    "OwnerMap",
    "PicklistMap",
    "Plan",
    "PlanModel",
    "SubscriptionMap",
    "load_plan",
    "parse_expression",
    "read_plan",
]
