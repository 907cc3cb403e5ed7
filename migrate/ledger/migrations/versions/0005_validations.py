"""Which validations there were and what each found, and which differences somebody waived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _text(name: str, length: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=null)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=key, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "validations",
        _int("number", key=True),
        _text("started", 32),
        _text("ended", 32, null=True),
        _int("attempt"),
        _text("folder", 64),
        _text("digest", 64, null=True),
        _text("verdict", 16, null=True),
        _int("part"),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_table(
        "waivers",
        _int("number", key=True),
        _text("difference", 32),
        _text("who", 255),
        sa.Column("reason", sa.Text, nullable=False),
        _text("until", 32),
        _text("at", 32),
        _text("ended", 32, null=True),
    )
    op.create_index("waivers_difference", "waivers", ["difference"])
