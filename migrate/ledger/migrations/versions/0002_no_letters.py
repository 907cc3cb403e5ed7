"""Dead letters stand in the journal, their counts with the batches; a table of them was never read."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("letters")
