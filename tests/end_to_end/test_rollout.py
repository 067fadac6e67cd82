"""Azure's safe rollout, under load and with nothing lost: in az-style commands, through the SDK and through mlflow's plugin."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelport.client import Client
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from tests.end_to_end.conftest import EXAMPLES
from tests.end_to_end.up_server import Load, UpServer, running
from tests.support.saved import ROOT, SAVING_PYTHON

REQUEST = json.loads((EXAMPLES / "requests" / "split.json").read_text())
ENDPOINT = "house-prices"
UV = Path(sys.executable).with_name("uv")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UpServer]:
    with running(tmp_path / "home") as server:
        yield server


def blue(client: Client, examples: Path, **more: Any) -> None:
    """The endpoint with its first deployment, and all traffic on it."""
    client.create_online_endpoint(OnlineEndpointSpec(name=ENDPOINT))
    client.wait_for_online_endpoint(ENDPOINT)
    client.create_online_deployment(spec(examples, "blue", **more), all_traffic=True)
    client.wait_for_online_deployment(ENDPOINT, "blue")


def spec(examples: Path, name: str, **more: Any) -> OnlineDeploymentSpec:
    path = str(examples / "models" / "house-prices")
    model = {"name": ENDPOINT, "path": path, "type": "mlflow_model"}
    return OnlineDeploymentSpec.read({"name": name, "endpoint_name": ENDPOINT, "model": model, **more}, "a test")


def load_on(server: UpServer, clients: int = 4) -> Load:
    credentials = server.client().get_credentials(ENDPOINT)
    return Load(
        server.scoring_url, f"/endpoints/{ENDPOINT}/score", getattr(credentials, "primary_key", ""), REQUEST, clients
    )


def test_the_script_of_az_commands_loses_no_request(server: UpServer, examples: Path) -> None:
    deployment = (
        examples / "online-deployment-nocode.yml"
    )  # Azure's limits in it would refuse more than 4 requests at once
    deployment.write_text(
        deployment.read_text().replace(
            "max_concurrent_requests_per_instance: 2", "max_concurrent_requests_per_instance: 100"
        )
    )
    script = examples / "safe-rollout.sh"
    first, rest = script.read_text().split("# green beside it")
    head = first[: first.index("modelport online-endpoint create")]
    script.write_text(first)
    run = lambda: subprocess.run(  # noqa: E731
        ["sh", script], env={**server.variables, "MIRROR_SECONDS": "2"}, capture_output=True, text=True, timeout=300
    )
    begun = run()
    assert begun.returncode == 0, begun.stderr + server.log.read_text()[-3000:]
    assert "[237000" in begun.stdout or "[236999.99" in begun.stdout
    script.write_text(head + "#" + rest)
    with load_on(server) as load:
        done = run()
    assert done.returncode == 0, done.stderr + server.log.read_text()[-3000:]
    assert (load.failures, load.dropped) == ([], [])
    assert set(load.deployments) == {"blue", "green"}
    assert load.deployments["blue"] > 50
    assert load.deployments["green"] > 20
    client = server.client()
    client.wait_until_online_deployment_is_gone(ENDPOINT, "blue")
    assert client.get_online_endpoint(ENDPOINT).traffic == {"green": 100}
    metrics = client.get_metrics().decode()
    assert float(_sample(metrics, "modelport_mirrored_requests_total", "green")) > 0


def test_the_sdk_loses_no_request(server: UpServer, examples: Path) -> None:
    client = server.client()
    blue(client, examples)
    with load_on(server) as load:
        client.create_online_deployment(spec(examples, "green"))
        client.wait_for_online_deployment(ENDPOINT, "green")
        assert client.get_online_endpoint(ENDPOINT).traffic == {"blue": 100}
        assert len(json.loads(client.invoke(ENDPOINT, REQUEST, deployment="green"))) == 2
        for change in (
            {"mirror_traffic": {"green": 10}},
            {"mirror_traffic": {}},
            {"traffic": {"blue": 90, "green": 10}},
            {"traffic": {"blue": 0, "green": 100}},
        ):
            client.update_online_endpoint(ENDPOINT, change)
            client.wait_for_online_endpoint(ENDPOINT)
        client.delete_online_deployment(ENDPOINT, "blue")
        client.wait_until_online_deployment_is_gone(ENDPOINT, "blue")
    assert (load.failures, load.dropped) == ([], [])
    assert load.deployments["blue"]
    assert load.deployments["green"]


def test_all_traffic_is_moved_ten_times_and_nothing_is_lost(server: UpServer, examples: Path) -> None:
    client = server.client()
    blue(client, examples)
    client.create_online_deployment(spec(examples, "green"))
    client.wait_for_online_deployment(ENDPOINT, "green")
    with load_on(server, clients=64) as load:
        for number in range(10):
            to, away = ("green", "blue") if number % 2 == 0 else ("blue", "green")
            before = load.deployments[to]
            client.update_online_endpoint(ENDPOINT, {"traffic": {to: 100, away: 0}})
            client.wait_for_online_endpoint(ENDPOINT)
            _until(lambda to=to, before=before: load.deployments[to] > before + 50)  # type: ignore[misc]
    assert (load.failures, load.dropped) == ([], [])


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """modelport as it is installed beside mlflow, whose environment has the rest of what the client needs."""
    folder = tmp_path_factory.mktemp("installed")
    command = [UV, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--target", folder, ROOT / "runtime", ROOT], check=True, capture_output=True)
    return folder


def test_the_same_through_the_plugin_of_the_real_mlflow(server: UpServer, examples: Path, installed: Path) -> None:
    script = Path(__file__).with_name("rollout_by_plugin.py")
    done = subprocess.run(
        [SAVING_PYTHON, "-W", "ignore", script, server.url, examples / "models" / "house-prices"],
        cwd=examples,
        env={**server.variables, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr + server.log.read_text()[-3000:]


def _sample(text: str, name: str, deployment: str) -> str:
    return next(
        line.rsplit(" ", 1)[1]
        for line in text.splitlines()
        if line.startswith(f"{name}{{") and f'deployment="{deployment}"' in line
    )


def _until(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
