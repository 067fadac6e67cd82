"""The pages on online endpoints are true: their commands run against one server, their tables agree with the code."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import modelport.cli
from modelport.control import counting, secret, tidying
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.instance_type import INSTANCE_TYPES
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import MAX_MIRROR, OnlineEndpointSpec
from modelport.rest import errors as rest_errors
from modelport.rest.app import create_app
from modelport.serving import exposition, metrics
from modelport.supervisor import log_file, main
from tests.docs.pages import QUICKSTART, SERVING, UP_PAGES, Block, compare, run_in_one_shell, runnable, table_rows
from tests.end_to_end.server import free_port
from tests.end_to_end.up_server import UpServer, running
from tests.support.once import made_once
from tests.support.saved import ROOT, SAVING_PYTHON

EXAMPLES = ROOT / "examples"
DOCS = ROOT / "docs"
CONTROL, SCORING = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
TIMEOUT = 240
"""Seconds: a page has some twenty commands, each a process of its own, and deployments that load models."""
NOUNS = ("model", "environment", "online-endpoint", "online-deployment", "user", "audit")


@pytest.fixture(scope="module")
def model() -> Path:
    """The model that the example files name."""
    script = EXAMPLES / "make_model.py"

    def make(draft: Path) -> None:
        subprocess.run([SAVING_PYTHON, "-W", "ignore", script, draft], check=True, capture_output=True)

    return made_once(ROOT / ".cache" / "examples" / "house-prices", make)


@pytest.fixture
def examples(tmp_path: Path, model: Path) -> Path:
    """A copy of the folder of examples, with the model in it."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    shutil.copytree(model, folder / "models" / "house-prices", dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpServer]:
    with running(tmp_path_factory.mktemp("up") / "home") as server:
        yield server


@pytest.fixture
def empty_server(server: UpServer) -> Iterator[UpServer]:
    """Nothing that one page has made is there for the next."""
    yield server
    client = server.client()
    for endpoint in client.list_online_endpoints():
        client.delete_online_endpoint(endpoint.name)
        client.wait_until_online_endpoint_is_gone(endpoint.name)
    for user in client.list_users():
        client.delete_user(user.name)


def run(steps: list[Block], folder: Path, variables: dict[str, str], addresses: dict[str, str]) -> None:
    """Each block prints what its document shows; those of Python are given to ``python``."""
    texts = []
    for block in steps:
        text = block.text if block.kind == "bash" else f"python - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON\n"
        for shown, real in addresses.items():
            text = text.replace(shown, real)
        texts.append(text)
    for block, output in zip(steps, run_in_one_shell(texts, folder, variables, TIMEOUT), strict=True):
        for shown, real in addresses.items():
            output = output.replace(real, shown)
        compare(block, output)


@pytest.mark.parametrize("page", UP_PAGES, ids=lambda path: path.name)
def test_the_commands_of_a_page_run_and_print_what_it_shows(page: Path, empty_server: UpServer, examples: Path) -> None:
    server = empty_server
    addresses = {CONTROL: server.url, SCORING: server.scoring_url}
    run(runnable(page, "bash", "python"), examples, server.variables, addresses)


def test_the_quickstart_leads_from_nothing_to_a_rollout(tmp_path: Path, model: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (".venv", ".envs"):
        (checkout / name).symlink_to(ROOT / name)
    shutil.copytree(EXAMPLES, checkout / "examples")
    shutil.copytree(model, checkout / "examples" / "models" / "house-prices", dirs_exist_ok=True)
    control, scoring = free_port(), free_port()
    addresses = {CONTROL: f"http://127.0.0.1:{control}", SCORING: f"http://127.0.0.1:{scoring}"}
    variables = {
        "MODELPORT_HOME": str(tmp_path / "home"),
        "MODELPORT_URL": addresses[CONTROL],
        "MODELPORT_PORT": str(control),
        "MODELPORT_SCORING_PORT": str(scoring),
    }
    run(runnable(QUICKSTART, "bash"), checkout, variables, addresses)


# -- agreeing ----------------------------------------------------------------------------------------------------------


def first_cells(document: Path) -> dict[str, list[str]]:
    """What stands in backquotes in the first cell of a row → the other cells."""
    return {name: cells[1:] for cells in table_rows(document) for name in re.findall(r"`([^`]+)`", cells[0])}


@pytest.mark.parametrize("kind", [OnlineEndpointSpec, OnlineDeploymentSpec, ModelSpec, EnvironmentSpec])
def test_every_key_of_a_file_is_told_with_what_becomes_of_it(kind: Any) -> None:
    rows = first_cells(DOCS / "endpoints.md")
    assert not [key for key in kind.model_fields if key not in rows]


def test_instance_types_have_the_sizes_that_the_page_says() -> None:
    rows = first_cells(DOCS / "endpoints.md")
    for name, size in INSTANCE_TYPES.items():
        assert rows[name] == [str(size.cpus), f"{size.memory / (1 << 30):g} GiB"]


def test_every_flag_of_up_is_documented_with_its_default_and_variable() -> None:
    rows = {flag: cells for flag, cells in first_cells(DOCS / "operations.md").items() if flag.startswith("-")}
    command = typer.main.get_command(modelport.cli.app).commands["up"]  # type: ignore[attr-defined]
    assert rows.keys() == {flag for parameter in command.params for flag in parameter.opts}
    for parameter in command.params:
        cells = rows[parameter.opts[0]]
        if isinstance(parameter.default, (int, str)) and not isinstance(parameter.default, bool):
            assert cells[1] == str(parameter.default)
        assert cells[2] == f"`MODELPORT_{parameter.name.upper()}`"


def test_every_command_stands_beside_that_of_az() -> None:
    told = " ".join(" ".join(cells) for cells in table_rows(DOCS / "from-azure-ml.md"))
    built = {"list", "show", "remove", "prune", "repair"}
    groups = typer.main.get_command(modelport.cli.app).commands  # type: ignore[attr-defined]
    missing = [
        f"{noun} {verb}"
        for noun in NOUNS
        for verb in groups[noun].commands
        if not (noun == "environment" and verb in built) and f"{noun} {verb}" not in told
    ]
    assert not missing


def test_every_route_of_the_api_is_in_its_table() -> None:
    def no_plane(key: str | None) -> Any:
        raise AssertionError(key)

    document = create_app(no_plane).openapi()
    routes = {f"{method.upper()} {path}" for path, of_path in document["paths"].items() for method in of_path}
    told = set(re.findall(r"`([A-Z]+ /[^`]*)`", (DOCS / "rest-api.md").read_text()))
    assert told == {route.replace(" /api/v1/", " /") for route in routes}


def test_every_code_of_the_api_is_told_with_its_status() -> None:
    rows = first_cells(DOCS / "rest-api.md")
    assert {code: int(cells[0]) for code, cells in rows.items() if re.fullmatch(r"[A-Z_]+", code)} == rest_errors.STATUS


def test_every_metric_of_endpoints_is_documented() -> None:
    memory = metrics.Memory(metrics.shared_memory(1, 2), 1)
    shown = exposition.endpoints_text(memory, {1: exposition.DeploymentGauges("e", "d")}).decode()
    names = dict(re.findall(r"^# TYPE (\w+) (\w+)$", shown, re.MULTILINE))
    rows = {**first_cells(SERVING), **first_cells(DOCS / "operations.md")}
    assert {name: cells[0] for name, cells in rows.items() if name.startswith("modelport_")} == names


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("endpoints", f"at most {MAX_MIRROR} percent"),
        ("endpoints", f"{metrics.MAX_DEPLOYMENTS - 1} deployments"),
        ("endpoints-security", f"{secret.TOKEN_LIFE / 60:.0f} minutes"),
        ("operations", f"after {counting.KEPT.days} days"),
        ("operations", f"for {tidying.KEPT.days} days"),
        ("operations", f"{log_file.MAX_SIZE >> 20} MiB"),
        ("operations", f"{main.DRAIN_GRACE:.0f} seconds"),
    ],
)
def test_a_limit_on_a_page_is_the_one_in_the_code(page: str, text: str) -> None:
    assert text in (DOCS / f"{page}.md").read_text()


def test_pages_are_short() -> None:
    assert not [page.name for page in [QUICKSTART, *UP_PAGES] if len(page.read_text().splitlines()) >= 200]
