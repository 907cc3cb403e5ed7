"""Checkpoints before each wave and by hand, and what a rollback was asked to undo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Those that are there are each the first of their attempt, and have their own baseline."""
    op.add_column("checkpoints", sa.Column("kind", sa.String(8), nullable=False, server_default="load"))
    op.add_column("checkpoints", sa.Column("base", sa.String(128)))
    op.add_column("checkpoints", sa.Column("facts", sa.Text, nullable=False, server_default="{}"))
    op.create_table(
        "rollbacks",
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("checkpoint", sa.String(128), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("began", sa.String(32), nullable=False),
        sa.Column("ended", sa.String(32)),
    )
