"""What the first record of each entry set off in the target, and which automations we switched off there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _text(name: str, length: int, *, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=null)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=key, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "canaries",
        _int("attempt", key=True),
        _text("entry", 255, key=True),
        _text("operation", 16, key=True),
        _int("number", key=True),
        _text("catalog", 64),
        _text("state", 16),
        _text("object", 255),
        _text("batch", 64),
        _text("key", 255),
        _text("target_id", 255, null=True),
        _text("at", 32),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
    )
    op.create_table(
        "switches",
        _int("number", key=True),
        _text("system", 64),
        _text("automation", 255),
        _text("name", 255),
        _text("object", 255),
        _text("kind", 64),
        _int("attempt"),
        sa.Column("was", sa.Text, nullable=False),
        _text("state", 16),
        _text("at", 32),
        _text("ended", 32, null=True),
    )
