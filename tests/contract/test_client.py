"""What the client does beside the operations: upload, wait, ask for predictions, go on when connections break."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelport.client import Client, NotReachable, ProvisioningFailed, read_spec
from modelport.domain.access import Grant
from modelport.domain.credentials import Keys
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.states import ProvisioningState
from modelport.errors import Conflict, InvalidInput, ModelportError, NotFound, Unauthenticated
from tests.contract.world import ADMIN_KEY, World


@pytest.fixture
def client(http_world: World) -> Iterator[Client]:
    with Client(http_world.url, ADMIN_KEY) as client:
        yield client


def test_a_local_path_is_uploaded_once(client: Client, http_world: World, model_folder: Path) -> None:
    first = client.create_model(ModelSpec(name="churn", path=str(model_folder)))
    second = client.create_model(ModelSpec(name="churn", path=model_folder.as_uri()))
    assert first.path == second.path == http_world.control.content.all()[0]
    assert client.upload(model_folder) == first.path


def test_the_paths_of_a_file_reach_the_server_as_content(client: Client, model_folder: Path) -> None:
    folder = model_folder.parent
    (folder / "conda.yml").write_text("dependencies: [python=3.11]\n")
    (folder / "environment.yml").write_text("name: sklearn\nconda_file: conda.yml\n")
    (folder / "blue.yml").write_text(
        "name: blue\nendpoint_name: churn\nmodel: {name: churn, path: model, type: mlflow_model}\n"
    )
    environment = client.create_environment(read_spec(EnvironmentSpec, folder / "environment.yml"))
    assert environment.conda_file == {"dependencies": ["python=3.11"]}
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    blue = client.create_online_deployment(read_spec(OnlineDeploymentSpec, folder / "blue.yml"))
    assert blue.model == "azureml:churn:1"
    assert client.get_model("churn").path.startswith("content://")


@pytest.mark.parametrize(
    ("path", "error"), [("nowhere", NotFound), ("runs:/1/model", InvalidInput), ("azureml:churn:1", InvalidInput)]
)
def test_what_cannot_be_uploaded_is_said(client: Client, path: str, error: type[ModelportError]) -> None:
    with pytest.raises(error):
        client.create_model(ModelSpec(name="churn", path=path))


def test_waiting_ends_when_it_has_succeeded(client: Client, http_world: World) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    threading.Timer(0.3, http_world.settle).start()
    states: list[str] = []
    endpoint = client.wait_for_online_endpoint("churn", timeout=10, on_state=lambda state, _: states.append(state))
    assert endpoint.provisioning_state == "Succeeded"
    assert (states[0], states[-1]) == ("Creating", "Succeeded")


def test_waiting_ends_with_the_reason_when_it_has_failed(client: Client, http_world: World, model_folder: Path) -> None:
    http_world.deployed(model_folder)
    with http_world.control.store.writing() as transaction:
        blue = transaction.deployment("churn", "blue")
        assert blue is not None
        error = {"code": "ENVIRONMENT_NOT_BUILT", "message": "no such package", "hint": "name another"}
        failed = {"provisioning_state": ProvisioningState.FAILED, "error": error}
        transaction.replace_deployment(blue.model_copy(update=failed))
    with pytest.raises(ProvisioningFailed, match="no such package") as raised:
        client.wait_for_online_deployment("churn", "blue")
    assert (raised.value.code, raised.value.hint) == ("ENVIRONMENT_NOT_BUILT", "name another")
    assert raised.value.outcome.name == "blue"


def test_waiting_has_an_end(client: Client) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    with pytest.raises(ModelportError, match="still Creating") as raised:
        client.wait_for_online_endpoint("churn", timeout=0.2)
    assert raised.value.code == "DEADLINE_EXCEEDED"


def test_waiting_until_it_is_gone(client: Client, http_world: World) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    client.delete_online_endpoint("churn")
    threading.Timer(0.2, http_world.settle).start()
    client.wait_until_online_endpoint_is_gone("churn", timeout=10)
    with pytest.raises(NotFound):
        client.get_online_endpoint("churn")


def test_predictions_are_asked_for_with_the_key_of_now(client: Client, world: World, tmp_path: Path) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    with _scoring(client) as asked:
        settings = replace(world.control.settings, scoring_port=asked.server_port)
        world.control = replace(world.control, settings=settings)
        assert client.invoke("churn", {"input_data": [1]}) == b'{"input_data": [1]}'
        file = tmp_path / "request.json"
        file.write_bytes(b"[2]")
        assert client.invoke("churn", request_file=file, deployment="green") == b"[2]"
        assert asked.deployments == [None, "green"]
        client.regenerate_keys("churn", "primary")
        assert client.invoke("churn", b"[3]") == b"[3]"
        with pytest.raises(ModelportError, match="does not fit") as raised:
            client.invoke("churn", "refuse")
        assert raised.value.code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(InvalidInput, match="one of"):
        client.invoke("churn")


@pytest.mark.parametrize("grants", [["invoke:churn"], ["invoke"], ["read:churn", "invoke:churn"]])
def test_a_user_who_may_only_invoke_asks_with_the_users_own_key(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, grants: list[str]
) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    given = [Grant(scope=scope, endpoint=of or "*") for scope, _, of in (grant.partition(":") for grant in grants)]  # type: ignore[arg-type]
    _, key = client.create_user("shop", given)
    with _scoring(client) as asked:
        settings = replace(world.control.settings, scoring_port=asked.server_port)
        world.control = replace(world.control, settings=settings)
        monkeypatch.setenv("MODELPORT_SCORING_URL", f"http://127.0.0.1:{asked.server_port}")
        asked.keys = {key}
        with Client(client.url, key) as shop:
            assert shop.invoke("Churn", b"[1]") == b"[1]"
        assert asked.paths == ["/endpoints/churn/score"]


def test_a_key_of_the_endpoint_is_enough_to_ask_it(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    keys = client.get_credentials("churn")
    assert isinstance(keys, Keys)
    with _scoring(client) as asked:
        monkeypatch.setenv("MODELPORT_SCORING_URL", f"http://127.0.0.1:{asked.server_port}/")
        monkeypatch.setenv("MODELPORT_KEY", keys.primary_key)
        with Client(client.url) as caller:
            assert caller.invoke("churn", b"[1]") == b"[1]"
        with Client(client.url, "wrong") as stranger, pytest.raises(Unauthenticated, match="does not take this key"):
            stranger.invoke("churn", b"[1]")


def test_the_administrators_key_is_told_to_no_address_that_was_guessed(
    client: Client, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the key of another server: this one does not know it."""
    (tmp_path / "admin.key").touch(0o600)
    (tmp_path / "admin.key").write_text("of-another-server")
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path))
    monkeypatch.delenv("MODELPORT_KEY", raising=False)
    with _scoring(client) as asked:
        monkeypatch.setenv("MODELPORT_SCORING_URL", f"http://127.0.0.1:{asked.server_port}")
        with Client(client.url) as stranger, pytest.raises(Unauthenticated, match="wants a key"):
            stranger.invoke("churn", b"[1]")
        assert asked.paths == []


class _Scoring(ThreadingHTTPServer):
    """Answers with what it was sent, to whoever has the endpoint's key, or one of ``keys``."""

    client: Client
    keys: set[str]
    paths: list[str]
    deployments: list[str | None]


class _Handler(BaseHTTPRequestHandler):
    server: _Scoring

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.append(self.path)
        keys = self.server.client.get_credentials("churn")
        assert isinstance(keys, Keys)
        status = 200 if self.headers["authorization"][7:] in {keys.primary_key, *self.server.keys} else 401
        if status == 200:
            self.server.deployments.append(self.headers["azureml-model-deployment"])
        if body == b"refuse":
            status = 400
            body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "it does not fit"}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _scoring(client: Client) -> Iterator[_Scoring]:
    with _Scoring(("127.0.0.1", 0), _Handler) as server:
        server.client, server.deployments, server.keys, server.paths = client, [], set(), []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _breaking(times: int, answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that breaks so many connections once it has read a request, then answers."""
    requests: list[bytes] = []

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                requests.append(connection.recv(65536))
                if len(requests) > times:
                    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
                    connection.sendall(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_what_is_only_looked_at_is_asked_again_when_the_connection_breaks() -> None:
    with _breaking(3, b"[]") as (url, requests):
        assert Client(url, "key").list_models() == []
        assert len(requests) == 4


def test_what_changes_something_is_asked_once() -> None:
    spec = OnlineDeploymentSpec(name="blue", endpoint_name="churn", model="azureml:churn:1")
    calls: list[Callable[[Client], object]] = [
        lambda client: client.create_user("somebody", []),
        lambda client: client.update_online_endpoint("churn", {}),
        lambda client: client.create_online_deployment(spec),
        lambda client: client.delete_user("somebody"),
    ]
    for call in calls:
        with _breaking(1, b"{}") as (url, requests):
            with pytest.raises(NotReachable, match="broke") as raised:
                call(Client(url, "key"))
            assert "not known" in (raised.value.hint or "")
            assert len(requests) == 1


def test_nobody_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(NotReachable, match="nothing answers") as raised:
        Client(f"http://127.0.0.1:{port}", "key").list_models()
    assert "modelport up" in (raised.value.hint or "")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("answer", [b"<html>", b'[{"name": "churn", "newer": 1}]'])
def test_an_answer_of_somebody_else_is_told(answer: bytes) -> None:
    with _breaking(0, answer) as (url, _), pytest.raises(NotReachable, match="cannot read"):
        Client(url, "key").list_models()


def test_a_wrong_key_is_told_where_answers_have_no_body(http_world: World) -> None:
    with pytest.raises(Unauthenticated):
        Client(http_world.url, "wrong").has_content(f"content://{'0' * 64}/model")


def test_names_are_not_paths(client: Client) -> None:
    for name in ("../users", "a/b", "..", "?x=1", "ü#", "%2F"):
        with pytest.raises(NotFound):
            client.get_model(name)


def test_several_threads_share_a_client(client: Client) -> None:
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            client.create_environment(EnvironmentSpec(name="sklearn", version=str(number)))
        except Conflict as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(client.list_environments("sklearn")) == 8


def test_importing_the_client_imports_nothing_of_the_server() -> None:
    program = (
        "import sys, modelport; modelport.Client; "
        "print([m for m in ('fastapi', 'starlette', 'sqlalchemy', 'uvicorn', 'httptools', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout == "[]\n"
