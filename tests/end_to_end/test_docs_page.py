"""`/docs` in a real browser: it shows the model's operations, asks for the key where there is one, and fetches nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from modelport.domain.credentials import Keys
from tests.end_to_end.deploying import multiplying, new_endpoint
from tests.end_to_end.server import Server, running
from tests.end_to_end.up_server import running as running_up
from tests.support.programs import debian_program

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed


@pytest.fixture(scope="module")
def browser() -> str:
    return debian_program("chromium", "chromium")


def shown(browser: str, url: str, profile: Path) -> str:
    """The page's elements once its scripts have run. No host but our own can be reached."""
    options = [
        "--headless",
        "--no-sandbox",  # chromium's own does not work for root
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--virtual-time-budget=20000",
        "--dump-dom",
    ]
    done = subprocess.run([browser, *options, url], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def docs_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/docs"


def test_the_page_shows_what_the_server_answers(models: Path, tmp_path: Path, browser: str) -> None:
    with running(models / "wine", tmp_path) as server:
        page = shown(browser, docs_of(server), tmp_path / "profile")
    paths = set(re.findall(r'data-path="([^"]+)"', page))
    assert {"/invocations", "/score", "/v2/models/mlflow-model/infer", "/metrics"} <= paths
    assert re.search(r'<form id="key-form" hidden', page)


def test_a_server_with_a_key_shows_the_page_and_asks_for_it(models: Path, tmp_path: Path, browser: str) -> None:
    with running(models / "wine", tmp_path, "--api-key", "correct-horse") as server:
        page = shown(browser, docs_of(server), tmp_path / "profile")
    assert re.search(r'<form id="key-form">', page)
    assert "/invocations" not in page


def test_a_browser_opens_the_page_of_an_endpoint_with_its_key_as_the_password(tmp_path: Path, browser: str) -> None:
    with running_up(tmp_path / "home") as server, server.client() as client:
        endpoint = new_endpoint(server, client)
        endpoint.create(multiplying(tmp_path / "two", 2.0))
        credentials = client.get_credentials(endpoint.name)
        assert isinstance(credentials, Keys)
        pages = {}
        for user in ("", "me:wrong@", f"me:{credentials.secondary_key}@"):
            url = f"http://{user}127.0.0.1:{server.scoring_port}/endpoints/{endpoint.name}/docs"
            pages[user] = shown(browser, url, tmp_path / "profile")
    refused, mistaken, page = pages.values()
    assert 'id="documentation"' not in refused + mistaken
    paths = set(re.findall(r'data-path="([^"]+)"', page))
    assert {"/invocations", "/score", f"/v2/models/{endpoint.name}/infer"} <= paths
    assert re.search(r'<form id="key-form" hidden', page)
