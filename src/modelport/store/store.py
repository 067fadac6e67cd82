"""``Store``: the database, opened and migrated, and its transactions."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from modelport.errors import CannotStart, InvalidInput, StoreFailed
from modelport.store.failures import reason, translated
from modelport.store.migrating import migrate
from modelport.store.transaction import Transaction

WAIT = 30.0
"""Seconds that somebody who writes waits for others who do."""
WRITERS = 0x6D6F64656C706F72
"""Names the advisory lock of PostgreSQL that those who write take in turn."""
POSTGRESQL = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}
"""A server that is gone without a word is noticed. Milliseconds the last one, seconds the others; the URL may say otherwise."""
_WRITES = "modelport_writes"


class Store:
    """Safe to use from several threads, and by several processes at once."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name
        """Its URL, without a password."""
        self._writing = threading.Lock()
        self._writer: int | None = None

    @classmethod
    def open(cls, url: str) -> "Store":
        """The store at a URL, made where there is none, its tables brought to what this modelport knows.

        Raises:
            CannotStart: it cannot be reached, read or written, or is of a newer modelport.
        """
        parsed = _parsed(url)
        name = parsed.render_as_string(hide_password=True)
        store = None
        try:
            store = cls(_engine(parsed), name)
            with store._begun(writes=True) as connection:
                migrate(connection, name)
        except (SQLAlchemyError, StoreFailed, InvalidInput, ImportError, OSError) as error:
            if store is not None:
                store.close()
            said = reason(error.__cause__ if isinstance(error.__cause__, Exception) else error)
            raise CannotStart(
                f"the store {name} cannot be opened: {said}", hint=getattr(error, "hint", None)
            ) from error
        except CannotStart:
            if store is not None:
                store.close()
            raise
        return store

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One view: what others write meanwhile is not seen."""
        with self._begun(writes=False) as connection:
            yield Transaction(connection, self.name, writes=False)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """All of it is kept at the end, or nothing after an exception. One writes at a time, whichever process it is in."""
        if self._writer == threading.get_ident():
            raise RuntimeError("this thread is writing already: it would wait for itself")
        if not self._writing.acquire(timeout=WAIT):
            raise StoreFailed(f"the store {self.name} was busy for {WAIT:g} seconds")
        try:
            self._writer = threading.get_ident()
            with self._begun(writes=True) as connection:
                transaction = Transaction(connection, self.name, writes=True)
                yield transaction
                transaction.check()
        finally:
            self._writer = None
            self._writing.release()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _begun(self, writes: bool) -> Iterator[Connection]:
        is_sqlite = self._engine.dialect.name == "sqlite"
        options: dict[str, Any] = {_WRITES: writes}
        if not is_sqlite and not writes:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            translated(self.name),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            if not is_sqlite and writes:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(WAIT * 1000)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
            yield connection


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise CannotStart(
            "the store's address is no URL", hint="sqlite:////FOLDER/FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise CannotStart(
            f"there is no store of kind {parsed.drivername!r}", hint="sqlite:////FOLDER/FILE or postgresql://…"
        )
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise CannotStart("the store needs a file", hint="sqlite:////FOLDER/FILE")
    return parsed


def _engine(url: URL) -> Engine:
    if url.drivername != "sqlite":
        arguments = {key: value for key, value in POSTGRESQL.items() if key not in url.query}
        return create_engine(url, pool_pre_ping=True, max_overflow=15, connect_args=arguments)
    file = Path(str(url.database))
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(url, max_overflow=15, connect_args={"timeout": WAIT})
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begin)
    return engine


def _connected(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # ``_begin`` says how a transaction begins, not the driver
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: who writes is alone from the beginning, and never finds out at the first change that somebody was faster.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
