"""A ledger that several hosts share knows whose it is, and counts further."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the owner; sequence numbers and sizes beyond 2^31 (SQLite's integers are that long anyway)."""
    op.create_table(
        "owner",
        sa.Column("workspace", sa.String(64), primary_key=True, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    if op.get_bind().dialect.name != "sqlite":
        for table, column in (("segments", "first_seq"), ("segments", "last_seq"), ("extracts", "bytes")):
            op.alter_column(table, column, type_=sa.BigInteger)
