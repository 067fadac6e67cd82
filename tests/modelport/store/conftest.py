"""Each test of the store runs on SQLite and on a real PostgreSQL."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.store.store import Store
from tests.support.postgresql import PostgreSQL, a_server
from tests.support.small_disk import small_disk as mounted

_COUNT = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with a_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgresql").new_database(f"store-{next(_COUNT)}"))


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """``Store.open``, closed at the end."""
    stores = []

    def open_it(url: str) -> Store:
        stores.append(Store.open(url))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def store(url: str, opened: Callable[[str], Store]) -> Store:
    return opened(url)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with mounted(tmp_path / "small", "1m") as folder:
        yield folder
