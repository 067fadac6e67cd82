"""The tables as they are now. An object lies in ``document`` as JSON, beside the columns by which it is looked for.

Whatever changes here, and every field that a class of ``domain`` loses or renames, takes a revision in ``migrations``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Word = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by code point, in both databases alike."""
Serial = BigInteger().with_variant(Integer, "sqlite")
"""Grows with each row: SQLite knows that of its own integers only."""


class Instant(TypeDecorator[datetime]):
    """Microseconds since the epoch: they sort and compare alike in both databases, and have no time zone to lose."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


metadata = MetaData()


def _assets(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("serial", Serial, primary_key=True, autoincrement=True),
        Column("name", Word, nullable=False),
        Column("version", Word, nullable=False),
        Column("number", BigInteger),
        Column("is_archived", Integer, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("document", Text, nullable=False),
        UniqueConstraint("name", "version", name=f"{name}_name_version"),
    )


models = _assets("models")
"""``number``: the version, where it is a whole number."""
environments = _assets("environments")

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Word, primary_key=True),
    Column("name", Word, nullable=False, unique=True),
    Column("document", Text, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Word, primary_key=True),
    Column("endpoint_name", Word, ForeignKey("endpoints.name"), nullable=False),
    Column("name", Word, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("endpoint_name", "name", name="deployments_endpoint_name_name"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("deployment_id", Word, ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("endpoint_id", Word, ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", Word, primary_key=True),
    Column("digest", Word, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("expires", Float),
)

users = Table(
    "users",
    metadata,
    Column("name", Word, primary_key=True),
    Column("digest", Word, nullable=False, unique=True),
    Column("document", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("serial", Serial, primary_key=True, autoincrement=True),
    Column("document", Text, nullable=False),
)

minutes = Table(
    "minutes",
    metadata,
    Column("endpoint", Word, primary_key=True),
    Column("deployment", Word, primary_key=True),
    Column("at", Instant, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Index("minutes_endpoint_at", "endpoint", "at"),
    Index("minutes_at", "at"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Word, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Word, primary_key=True),
    Column("value", Text, nullable=False),
)
