"""The sheets on which people test their own records, and what they answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _text(name: str, length: int, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=key, nullable=False)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=key, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add both tables."""
    op.create_table(
        "sheets",
        _text("id", 64, key=True),
        _text("tester", 255),
        _int("attempt"),
        _text("digest", 64),
        _int("records"),
        _text("at", 32),
    )
    op.create_table(
        "answers",
        _int("number", key=True),
        _text("sheet", 64),
        _text("tester", 255),
        _int("attempt"),
        _text("entry", 255),
        _text("key", 255),
        _text("field", 255),
        _int("ok"),
        sa.Column("remark", sa.Text, nullable=False),
        sa.Column("expected", sa.Text, nullable=True),
        sa.Column("found", sa.Text, nullable=True),
        _text("file", 255),
        _text("at", 32),
    )
    op.create_index("answers_record", "answers", ["key", "field"])
