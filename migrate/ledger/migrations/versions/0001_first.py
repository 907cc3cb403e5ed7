"""The first tables. Frozen: later versions alter them in files of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, size: int, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(size), nullable=null, primary_key=key)


def _int(name: str, *, null: bool = False, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=null, primary_key=key, autoincrement=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "systems",
        _text("label", 64, key=True),
        _text("role", 16),
        _text("type", 64),
        _text("tenant", 128),
        _text("family", 64),
        _text("catalog", 64),
        _text("at", 32),
    )
    op.create_table(
        "attempts",
        _int("number", key=True),
        _text("state", 16),
        _text("opened", 32),
        _text("closed", 32, null=True),
        _text("plan", 64, null=True),
    )
    op.create_table(
        "generations",
        _text("object", 255, key=True),
        _int("number", key=True),
        _int("attempt", key=True),
        _text("state", 16),
        _text("manifest", 64),
        _text("watermark", 32, null=True),
        _text("settled", 32, null=True),
    )
    op.create_table("watermarks", _text("object", 255, key=True), _text("value", 32), _int("generation"))
    op.create_table(
        "extracts",
        _text("folder", 255, key=True),
        _int("part", key=True),
        _text("name", 64),
        _int("rows"),
        _int("bytes"),
        _text("sha256", 64),
        sa.Column("cursor", sa.Text),
    )
    op.create_table(
        "cursors",
        _text("folder", 255, key=True),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text),
        _text("started", 32),
    )
    op.create_table(
        "batches",
        _text("id", 64, key=True),
        _int("attempt"),
        _text("system", 64),
        _text("phase", 16),
        _text("stage", 255),
        _text("part", 64),
        sa.Column("rows", sa.Text, nullable=False),
        _text("object", 255),
        _text("operation", 16),
        _text("payload", 64),
        _int("epoch"),
        _text("state", 16),
        _text("job", 255, null=True),
        _text("intended", 32),
        _text("deadline", 32),
        _text("settled", 32, null=True),
        _int("done"),
        _int("refused"),
        _int("held"),
    )
    op.create_index("ix_batches_stage", "batches", ["attempt", "stage", "part", "state"])
    op.create_table(
        "leases",
        _text("system", 64, key=True),
        _int("epoch"),
        _text("holder", 255, null=True),
        _text("host", 255, null=True),
        _text("boot", 64, null=True),
        _int("pid", null=True),
        _text("process", 64, null=True),
        _text("since", 32, null=True),
        _text("until", 32, null=True),
    )
    op.create_table(
        "checkpoints",
        _text("name", 128, key=True),
        _int("attempt"),
        _text("at", 32),
        _int("segment"),
        sa.Column("watermarks", sa.Text, nullable=False),
        sa.Column("baseline", sa.Text, nullable=False),
        _text("window_end", 32, null=True),
    )
    op.create_table(
        "segments",
        _text("name", 128, key=True),
        _int("epoch"),
        _int("first_seq"),
        _int("last_seq"),
        _int("rows"),
        _text("sha256", 64),
        _text("previous", 64),
    )
    op.create_table(
        "letters",
        _int("attempt", key=True),
        _text("stage", 255, key=True),
        _text("key", 255, key=True),
        _text("object", 255),
        _text("code", 128),
        _text("state", 16),
        _text("at", 32),
    )
    op.create_table(
        "measures",
        _text("name", 128, key=True),
        sa.Column("value", sa.Float, nullable=False),
        _text("at", 32),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        _text("at", 32),
        _text("who", 255),
        _text("what", 64),
        sa.Column("facts", sa.Text, nullable=False),
        _text("previous", 64),
        _text("digest", 64),
        sa.UniqueConstraint("digest"),
    )
