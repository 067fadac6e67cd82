"""A store in which there is nothing yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'modelport.db'}")
    yield store
    store.close()
