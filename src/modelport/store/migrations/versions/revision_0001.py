"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for name in ("models", "environments"):
        op.create_table(
            name,
            sa.Column("serial", SERIAL, primary_key=True, autoincrement=True),
            sa.Column("name", WORD, nullable=False),
            sa.Column("version", WORD, nullable=False),
            sa.Column("number", sa.BigInteger),
            sa.Column("is_archived", sa.Integer, nullable=False),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column("document", sa.Text, nullable=False),
            sa.UniqueConstraint("name", "version", name=f"{name}_name_version"),
        )
    op.create_table(
        "endpoints",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("name", WORD, nullable=False, unique=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "deployments",
        sa.Column("id", WORD, primary_key=True),
        sa.Column("endpoint_name", WORD, sa.ForeignKey("endpoints.name"), nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.UniqueConstraint("endpoint_name", "name", name="deployments_endpoint_name_name"),
    )
    op.create_table(
        "revisions",
        sa.Column("deployment_id", WORD, sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "credentials",
        sa.Column("endpoint_id", WORD, sa.ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("slot", WORD, primary_key=True),
        sa.Column("digest", WORD, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("expires", sa.Float),
    )
    op.create_table(
        "users",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("digest", WORD, nullable=False, unique=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("serial", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "minutes",
        sa.Column("endpoint", WORD, primary_key=True),
        sa.Column("deployment", WORD, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("minutes_endpoint_at", "minutes", ["endpoint", "at"])
    op.create_index("minutes_at", "minutes", ["at"])
    op.create_table(
        "counters",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", WORD, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
