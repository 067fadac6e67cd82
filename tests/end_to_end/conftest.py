"""The models of the end-to-end tests, made once by the real mlflow and kept by the content of the script that makes them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.saved import ROOT, SAVING_PYTHON, saved_by

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="session")
def models() -> Path:
    return saved_by(Path(__file__).with_name("make_models.py"))


@pytest.fixture(scope="session")
def house_prices() -> Path:
    """The model that the example files name."""
    script = EXAMPLES / "make_model.py"
    return made_once(
        ROOT / ".cache" / "examples" / "house-prices",
        lambda draft: (
            subprocess.run([SAVING_PYTHON, "-W", "ignore", script, draft], check=True, capture_output=True) and None
        ),
    )


@pytest.fixture
def examples(tmp_path: Path, house_prices: Path) -> Path:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    shutil.copytree(house_prices, folder / "models" / "house-prices")
    return folder
