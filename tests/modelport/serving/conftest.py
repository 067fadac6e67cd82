"""What tests of scoring processes share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For sockets: their paths end at 108 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="modelport-test-"))
    yield folder
    shutil.rmtree(folder)
