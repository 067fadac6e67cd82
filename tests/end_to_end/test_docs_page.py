"""`/docs` in a real browser: it shows the model's operations, asks for the key where there is one, and fetches nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.server import Server, running
from tests.support.programs import debian_program

pytestmark = pytest.mark.timeout(600)  # the browser may have to be installed


@pytest.fixture(scope="module")
def browser() -> str:
    return debian_program("chromium", "chromium")


def shown(browser: str, server: Server, profile: Path) -> str:
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
    done = subprocess.run(
        [browser, *options, f"http://127.0.0.1:{server.port}/docs"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_page_shows_what_the_server_answers(models: Path, tmp_path: Path, browser: str) -> None:
    with running(models / "wine", tmp_path) as server:
        page = shown(browser, server, tmp_path / "profile")
    paths = set(re.findall(r'data-path="([^"]+)"', page))
    assert {"/invocations", "/score", "/v2/models/mlflow-model/infer", "/metrics"} <= paths
    assert re.search(r'<form id="key-form" hidden', page)


def test_a_server_with_a_key_shows_the_page_and_asks_for_it(models: Path, tmp_path: Path, browser: str) -> None:
    with running(models / "wine", tmp_path, "--api-key", "correct-horse") as server:
        page = shown(browser, server, tmp_path / "profile")
    assert re.search(r'<form id="key-form">', page)
    assert "/invocations" not in page
