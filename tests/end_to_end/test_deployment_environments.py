"""Deployments with environments that are really built: beside the model, registered, and in a package."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelport.client import Client
from modelport.domain.environment import EnvironmentSpec
from tests.end_to_end.deploying import Endpoint, X
from tests.end_to_end.up_server import UpServer, running
from tests.modelport.environments.tiny import PINS, tiny_model

OTHER_SIX = "six==1.16.0"
"""Another than the model's own."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpServer]:
    home = tmp_path_factory.mktemp("up") / "home"
    with running(home, MODELPORT_ENV_MANAGER="uv", UV_SYSTEM_CERTS="1") as server:
        yield server


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that tells the version of six, as a number: 17 is 1.17.0."""
    model = tiny_model(tmp_path_factory.mktemp("models") / "telling", 1.0)
    loader = model / "code" / "tiny_loader.py"
    loader.write_text(loader.read_text().replace("self._factor)", "float(six.__version__.split('.')[1]))"))
    return model


@pytest.fixture(scope="module")
def conda_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("conda") / "conda.yml"
    pip = "".join(f"  - {line}\n" for line in (*PINS, OTHER_SIX))
    file.write_text(f"channels: [conda-forge]\ndependencies:\n- python=3.11\n- pip\n- pip:\n{pip}")
    return file


def six_of(endpoint: Endpoint, **headers: str) -> Any:
    status, answer = endpoint.ask(X, **headers)
    assert status == 200, answer
    return answer[0]["y"]


def python_of(endpoint: Endpoint) -> str:
    """The interpreter of the deployment's worker."""
    (worker,) = endpoint.workers()
    return Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")[0].decode()


def test_a_model_runs_in_its_own_environment_and_then_in_that_of_a_conda_file_beside_it(
    endpoint: Endpoint, server: UpServer, client: Client, telling: Path, conda_file: Path
) -> None:
    endpoint.create(telling)
    assert six_of(endpoint) == 17
    assert Path(python_of(endpoint)).is_relative_to(server.home / "envs")
    endpoint.create(telling, "green", environment={"conda_file": str(conda_file)})
    assert six_of(endpoint, **{"azureml-model-deployment": "green"}) == 16
    assert six_of(endpoint) == 17
    story = client.get_logs(endpoint.name, "green", container="storage-initializer")
    assert "runs with" in story


def test_a_registered_environment_is_the_deployments_and_an_image_is_told_of(
    endpoint: Endpoint, client: Client, telling: Path, conda_file: Path
) -> None:
    image = "registry.example/base:20.04"
    for file in (conda_file, conda_file):
        client.create_environment(EnvironmentSpec(name="sixteen", image=image, conda_file=str(file)))
    blue = endpoint.create(telling, environment="azureml:sixteen@latest")
    assert blue.environment == "azureml:sixteen:2"
    (notice,) = blue.notices
    assert notice.startswith(f"image {image} is not used")
    assert six_of(endpoint) == 16
    updated = endpoint.update(environment=None)
    assert (updated.environment, updated.notices) == (None, [])
    assert six_of(endpoint) == 17


def test_what_azures_server_needs_is_not_installed_and_told_of(
    endpoint: Endpoint, client: Client, telling: Path
) -> None:
    azures = ["azureml-defaults==0.0.0", "azureml-dataset-runtime[fuse]"]
    conda = {"dependencies": ["python=3.11", "pip", {"pip": [*PINS, OTHER_SIX, *azures]}]}
    blue = endpoint.create(telling, environment={"conda_file": conda, "inference_config": {"scoring_route": {}}})
    azure, routes = sorted(blue.notices, reverse=True)
    assert azure.endswith("stands in for them: azureml-dataset-runtime, azureml-defaults")
    assert routes.startswith("inference_config is not used")
    assert six_of(endpoint) == 16
    assert azure in client.get_logs(endpoint.name, "blue", container="storage-initializer")


def test_what_cannot_be_built_fails_and_says_so(endpoint: Endpoint, client: Client, telling: Path) -> None:
    conda = {"dependencies": ["python=3.11", {"pip": [*PINS, "six==99.9"]}]}
    endpoint.begin(telling, environment={"conda_file": conda})
    failed = endpoint.failure()
    assert failed.error is not None
    assert "six" in failed.error["message"]
    assert failed.error["code"].startswith("ENVIRONMENT_")
    assert "six" in client.get_logs(endpoint.name, "blue", container="storage-initializer")


def test_a_package_is_deployed_as_an_environment_without_a_network(
    endpoint: Endpoint, server: UpServer, client: Client, telling: Path, tmp_path: Path
) -> None:
    package = tmp_path / "telling.mpkg"
    server.run("package", "create", str(telling), "-o", str(package))
    path = client.upload(package)
    assert client.upload(package) == path
    client.create_environment(EnvironmentSpec(name="packed", path=path))
    blue = endpoint.create(None, environment="azureml:packed@latest", egress_public_network_access="disabled")
    assert (blue.model, blue.environment) == (None, "azureml:packed:1")
    assert six_of(endpoint) == 17


def test_a_model_is_packaged_on_the_way(
    endpoint: Endpoint, server: UpServer, client: Client, telling: Path, tmp_path: Path
) -> None:
    file = tmp_path / "blue.yml"
    file.write_text(
        f"name: blue\nendpoint_name: {endpoint.name}\nmodel:\n  path: {telling}\n  type: mlflow_model\n"
        "egress_public_network_access: disabled\n"
    )
    words = ("online-deployment", "create", "-f", str(file), "--with-package", "--all-traffic", "-o", "json")
    done = server.run(*words)
    blue = json.loads(done.stdout)
    assert blue["provisioning_state"] == "Succeeded"
    assert (blue["model"], blue["environment"]) == (None, f"azureml:{endpoint.name}-blue:1")
    assert f"environment {endpoint.name}-blue:1" in done.stderr
    environment = client.get_environment(f"{endpoint.name}-blue", "1")
    assert "packaged" in str(environment.description)
    assert six_of(endpoint) == 17
