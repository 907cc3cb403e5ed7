"""Twins: local servers like the systems of a migration, made from what was discovered.

A twin is a catalog, seed data, limits and a clock; out of it come a running server, credentials and, for
two of them, a workspace with the same plan. The drill of a rollback uses them, and so can a rehearsal of
a whole cutover. Nothing here reads or writes a real system. Needs the extra `sandbox`.
"""

from migrate.twins.copied import CopiedWorkspace, twin_workspace
from migrate.twins.planting import Planted, plant, plant_links
from migrate.twins.standing import Calls, Standing, mirror_of, stand
from migrate.twins.twin import Mirror, Twin

__all__ = [
    "Calls",
    "CopiedWorkspace",
    "Mirror",
    "Planted",
    "Standing",
    "Twin",
    "mirror_of",
    "plant",
    "plant_links",
    "stand",
    "twin_workspace",
]
