"""`modelport up` itself: credentials, a restart, TLS, metrics, and a folder that is applied twice."""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelport.client import Client, NotReachable
from modelport.domain.credentials import Keys, Token
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.states import ProvisioningState
from tests.end_to_end.deploying import TINY_BODY, Endpoint, X, multiplying, new_endpoint, until
from tests.end_to_end.server import MODELPORT, free_port
from tests.end_to_end.up_server import READY_WITHIN, UpServer, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpServer]:
    with running(tmp_path_factory.mktemp("up") / "home") as server:
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return multiplying(tmp_path_factory.mktemp("models") / "two", 2.0)


@pytest.fixture(scope="module")
def keyed(server: UpServer, client: Client, tiny: Path) -> Endpoint:
    """An endpoint with keys."""
    endpoint = new_endpoint(server, client)
    endpoint.create(tiny)
    return endpoint


def test_metrics_name_endpoint_and_deployment(keyed: Endpoint, client: Client) -> None:
    assert keyed.ask(X)[0] == 200
    labels = f'deployment="blue",endpoint="{keyed.name}"'
    samples = client.get_metrics().decode().splitlines()
    (answered,) = [
        line for line in samples if line.startswith(f'modelport_requests_total{{{labels},route="/score",status="200"')
    ]
    assert float(answered.rsplit(" ", 1)[1]) >= 1


def test_a_token_works_at_once_and_at_its_own_endpoint_alone(
    keyed: Endpoint, server: UpServer, client: Client, tiny: Path
) -> None:
    endpoint = new_endpoint(server, client, auth_mode="aml_token")
    other = new_endpoint(server, client, auth_mode="aml_token")
    endpoint.create(tiny)
    for _ in range(5):
        token = client.get_credentials(endpoint.name)
        assert isinstance(token, Token)
        assert endpoint.ask(X, token.access_token)[0] == 200
        assert token.refresh_after_time_utc < token.expiry_time_utc
    assert endpoint.ask(X, other.key)[0] == 401
    assert endpoint.ask(X, keyed.key)[0] == 401
    assert keyed.ask(X, endpoint.key)[0] == 401
    assert json.loads(client.invoke(endpoint.name, TINY_BODY))
    for name in (endpoint.name, other.name):
        client.delete_online_endpoint(name)


def test_a_key_stops_at_once_when_it_is_made_anew_and_the_other_goes_on(keyed: Endpoint, client: Client) -> None:
    for number in range(4):
        before = client.get_credentials(keyed.name)
        primary_is_new = number % 2 == 0
        after = client.regenerate_keys(keyed.name, "primary" if primary_is_new else "secondary")
        assert isinstance(before, Keys)
        assert isinstance(after, Keys)
        old, kept = before.primary_key, before.secondary_key
        new, same = after.primary_key, after.secondary_key
        if not primary_is_new:
            old, kept, new, same = kept, old, same, new
        assert same == kept
        assert [keyed.ask(X, key)[0] for key in (old, kept, new)] == [401, 200, 200]
    assert json.loads(client.invoke(keyed.name, TINY_BODY))


def test_after_a_restart_everything_answers_again(
    server: UpServer, client: Client, keyed: Endpoint, tiny: Path
) -> None:
    keyed.create(tiny, "green", instance_count=2)
    client.update_online_endpoint(keyed.name, {"traffic": {"blue": 50, "green": 50}})
    client.wait_for_online_endpoint(keyed.name)
    credentials = client.get_credentials(keyed.name)
    assert server.stop() == 0
    server.start()
    assert client.get_credentials(keyed.name) == credentials
    assert isinstance(credentials, Keys)
    for name in ("blue", "green"):
        headers = {"azureml-model-deployment": name}
        until(lambda headers=headers: keyed.ask(X, credentials.primary_key, **headers)[0] == 200)  # type: ignore[misc]
    states = [deployment.provisioning_state for deployment in client.list_online_deployments(keyed.name)]
    assert states == [ProvisioningState.SUCCEEDED] * 2
    assert client.get_online_endpoint(keyed.name).traffic == {"blue": 50, "green": 50}
    until(lambda: client.get_online_deployment(keyed.name, "green").ready_instances == 2)
    client.update_online_endpoint(keyed.name, {"traffic": {"blue": 100, "green": 0}})
    client.wait_for_online_endpoint(keyed.name)
    client.delete_online_deployment(keyed.name, "green")
    client.wait_until_online_deployment_is_gone(keyed.name, "green")


FILES = {
    "model.yml": "name: house-prices\npath: {model}\ntype: mlflow_model\n",
    "endpoint.yml": "name: applied\nauth_mode: key\ntraffic: {{blue: 90, green: 10}}\ntags: {{team: pricing}}\n",
    "blue.yml": "name: blue\nendpoint_name: applied\nmodel: azureml:house-prices@latest\n",
    "green.yml": "name: green\nendpoint_name: applied\nmodel: {{path: {model}, type: mlflow_model}}\n"
    "environment_variables: {{LEVEL: 3}}\n",
}


def test_a_folder_that_is_applied_again_changes_nothing(
    server: UpServer, client: Client, tiny: Path, tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.format(model=tiny))
    first = json.loads(server.run("apply", "-f", str(tmp_path), "-o", "json").stdout)
    assert [one["action"] for one in first] == ["created"] * 4 + ["updated"]
    table = (server.home / "run" / "table.json").read_bytes()
    audit = client.list_audit()
    second = json.loads(server.run("apply", "-f", str(tmp_path), "-o", "json").stdout)
    assert {one["action"] for one in second} == {"unchanged"}
    assert (server.home / "run" / "table.json").read_bytes() == table
    assert client.list_audit() == audit
    assert client.get_online_endpoint("applied").traffic == {"blue": 90, "green": 10}
    client.delete_online_endpoint("applied")


# -- TLS ---------------------------------------------------------------------------------------------------------------


class TlsServer(UpServer):
    """Both addresses speak HTTPS."""

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    @property
    def scoring_url(self) -> str:
        return super().scoring_url.replace("http:", "https:")

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN
        for port in (self.port, self.scoring_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
                    time.sleep(0.05)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of our own, and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    making = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 {subject} -keyout {key} -out {certificate}"
    subprocess.run(making.split(), check=True, capture_output=True)
    return certificate, key


def test_both_addresses_speak_https_with_a_certificate(
    tmp_path: Path, certificate: tuple[Path, Path], tiny: Path
) -> None:
    file, key = certificate
    server = TlsServer(tmp_path / "home", "--ssl-certfile", str(file), "--ssl-keyfile", str(key))
    server.start()
    try:
        with Client(server.url, server.key, verify=str(file)) as client:
            client.create_online_endpoint(OnlineEndpointSpec(name="prices"))
            endpoint = Endpoint(server, client, "prices", "")
            endpoint.create(tiny)
            found = client.get_online_endpoint("prices")
            assert found.scoring_uri == f"{server.scoring_url}/endpoints/prices/score"
            predictions = json.loads(client.invoke("prices", TINY_BODY))
            credentials = client.get_credentials("prices")
        assert isinstance(credentials, Keys)
        context = ssl.create_default_context(cafile=str(file))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        headers = {"Authorization": f"Bearer {credentials.secondary_key}", "Content-Type": "application/json"}
        request = urllib.request.Request(found.scoring_uri, json.dumps(TINY_BODY).encode(), headers)
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            assert json.load(answer) == predictions
        with Client(server.url, server.key) as mistrusting, pytest.raises(NotReachable, match="certificate"):
            mistrusting.get_status()
        with pytest.raises(OSError, match=r"reset|closed|Remote end|Empty|EOF"):
            urllib.request.urlopen(found.scoring_uri.replace("https:", "http:"), timeout=20).close()
        told = server.log.read_text()
        assert f"control plane at {server.url}\n" in told
        assert f"endpoints at {server.scoring_url}\n" in told
    finally:
        server.stop()


# -- behind a proxy ----------------------------------------------------------------------------------------------------


def test_addresses_are_told_as_clients_reach_them(tmp_path: Path, tiny: Path) -> None:
    control, scoring = "https://ml.example.com/control", "https://ml.example.com:8443/predict"
    with running(tmp_path / "home", "--public-url", f"{control}/", MODELPORT_SCORING_PUBLIC_URL=scoring) as server:
        with server.client() as client:
            client.create_online_endpoint(OnlineEndpointSpec(name="prices"))
            endpoint = Endpoint(server, client, "prices", "")
            endpoint.create(tiny)
            found = client.get_online_endpoint("prices")
            credentials = client.get_credentials("prices")
            assert client.get_status()["control_url"] == control
        assert isinstance(credentials, Keys)
        below = f"{scoring}/endpoints/prices"
        assert (found.scoring_uri, found.openapi_uri) == (f"{below}/score", f"{below}/swagger.json")

        def document(url: str, key: str) -> dict[str, Any]:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                read: dict[str, Any] = json.load(answer)
                return read

        own = f"{server.scoring_url}/endpoints/prices"
        for name in ("openapi.json", "swagger.json?version=3.1"):
            assert document(f"{own}/{name}", credentials.primary_key)["servers"] == [{"url": below}]
        swagger = document(f"{own}/swagger.json", credentials.primary_key)
        where = (swagger["schemes"], swagger["host"], swagger["basePath"])
        assert where == (["https"], "ml.example.com:8443", "/predict/endpoints/prices")
        assert document(f"{server.url}/api/v1/openapi.json", server.key)["servers"] == [{"url": control}]


# -- how it begins and ends --------------------------------------------------------------------------------------------


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    options = ("--home", str(home), "--port", str(free_port()), "--scoring-port", str(free_port()), *options)
    return subprocess.Popen([str(MODELPORT), "up", *options], stderr=subprocess.PIPE, text=True)


def refused(home: Path, *options: str) -> list[str]:
    """What a server that cannot start says: what is wrong, and what to do."""
    process = start(home, *options)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = said.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], said
    return lines


def test_a_second_server_with_the_same_home_changes_nothing_of_the_first(server: UpServer) -> None:
    def kept() -> dict[str, bytes]:
        return {name: (server.home / "run" / name).read_bytes() for name in ("lock", "control.json", "supervisor.json")}

    before = kept()
    assert f"already (process {server.process.pid})" in refused(server.home)[0]
    assert kept() == before


def test_a_port_that_is_in_use_is_told(server: UpServer, tmp_path: Path) -> None:
    (tmp_path / "admin.key").touch(0o600)  # else it tells where it wrote one
    for flag in ("--port", "--scoring-port"):
        assert f"127.0.0.1:{server.port}: Address already in use" in refused(tmp_path, flag, str(server.port))[0]


def test_a_home_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "logs").touch()
    for home, wrong in (("file", "file"), ("file/below", "file/below"), ("half", "half/logs")):
        assert f"cannot use the folder '{tmp_path / wrong}'" in refused(tmp_path / home)[0]
    long = tmp_path / ("x" * 100)
    long.mkdir()
    (long / "admin.key").touch(0o600)
    assert "too long for sockets" in refused(long)[0]


@pytest.mark.parametrize("moment", ["admin's key", "control plane at", "listens"])
def test_ctrl_c_ends_it_in_order_at_any_moment(tmp_path: Path, moment: str) -> None:
    with start(tmp_path / "home") as process:
        assert process.stderr is not None
        said = ""
        while moment not in said:
            said = process.stderr.readline()
            assert said, process.wait(60)
        os.kill(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) in (0, 130)
    assert "Traceback" not in rest
    if moment == "listens":
        assert rest.splitlines()[-1].endswith("INFO stopped")
    with (tmp_path / "home" / "run" / "lock").open() as lock:
        assert lock.read() == ""
