"""The models of the end-to-end tests, made once by the real mlflow and kept by the content of the script that makes them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelport.client import Client
from tests.end_to_end.deploying import Endpoint, new_endpoint
from tests.end_to_end.up_server import UpServer
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


@pytest.fixture(scope="module")
def client(server: UpServer) -> Iterator[Client]:
    """Of the server that the test's module runs."""
    with server.client() as client:
        yield client


@pytest.fixture
def endpoint(server: UpServer, client: Client) -> Iterator[Endpoint]:
    """A new one there, deleted after the test."""
    endpoint = new_endpoint(server, client)
    yield endpoint
    client.delete_online_endpoint(endpoint.name)
