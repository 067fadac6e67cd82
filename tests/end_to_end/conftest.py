"""The models of the end-to-end tests, made once by the real mlflow and kept by the content of the script that makes them."""

from pathlib import Path

import pytest

from tests.support.saved import saved_by


@pytest.fixture(scope="session")
def models() -> Path:
    return saved_by(Path(__file__).with_name("make_models.py"))
