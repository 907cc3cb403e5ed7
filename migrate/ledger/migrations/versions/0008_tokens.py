"""One-time links, and who is logged in at the console."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "tokens",
        sa.Column("digest", sa.String(64), primary_key=True, nullable=False),
        sa.Column("purpose", sa.String(255), nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("made", sa.String(32), nullable=False),
        sa.Column("until", sa.String(32), nullable=False),
        sa.Column("used", sa.String(32)),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True, nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("made", sa.String(32), nullable=False),
        sa.Column("seen", sa.String(32), nullable=False),
    )
