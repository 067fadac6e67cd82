"""Commands against a real control plane over HTTP, in which everything that is wanted is so at once."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from modelport import cli
from modelport.domain.states import ProvisioningState
from modelport_runtime.errors import ModelportError
from tests.contract.world import ADMIN_KEY, World, made, served


class Server:
    """A server and the commands that are given to it."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.variables = {"MODELPORT_URL": url, "MODELPORT_KEY": ADMIN_KEY}

    def run(self, *words: str, **options: Any) -> Result:
        """The command's result, whatever it is."""
        return CliRunner().invoke(cli.app, list(words), env=self.variables, **options)

    def ask(self, *words: str, **options: Any) -> Any:
        """What the command answers, which succeeds."""
        result = self.run(*words, **options)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return json.loads(result.stdout) if result.stdout else None

    def refuse(self, *words: str, **options: Any) -> ModelportError:
        """Why the command fails."""
        result = self.run(*words, **options)
        assert isinstance(result.exception, ModelportError), result.output + repr(result.exception)
        return result.exception


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with made(tmp_path / "home") as world:
        control = dataclasses.replace(world.control, wake=world.settle)
        with served(World(control, None, world.failure)) as url:
            yield Server(world, url)


@pytest.fixture
def scored(tmp_path: Path) -> Iterator[tuple[Server, list[Any]]]:
    """A server whose endpoints' address is another one, which keeps what it is asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked.append((self.path, self.headers["authorization"], self.headers["azureml-model-deployment"], body))
            answer = '[1.5, "café"]'.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as scoring, made(tmp_path / "home") as world:
        threading.Thread(target=scoring.serve_forever).start()
        settings = dataclasses.replace(world.control.settings, scoring_port=scoring.server_port)
        control = dataclasses.replace(world.control, wake=world.settle, settings=settings)
        with served(World(control)) as url:
            yield Server(world, url), asked
        scoring.shutdown()


@pytest.fixture
def failing_server(tmp_path: Path) -> Iterator[Server]:
    """Deployments do not become what they should."""
    with made(tmp_path / "home") as world:

        def fail() -> None:
            world.settle()
            error = {
                "code": "ENVIRONMENT_NO_VERSION",
                "message": "there is no scikit-learn 9.9",
                "hint": "Ask for 1.9.",
            }
            with world.control.store.writing() as transaction:
                for deployment in transaction.deployments():
                    failed = {"provisioning_state": ProvisioningState.FAILED, "error": error}
                    transaction.replace_deployment(deployment.model_copy(update=failed))

        with served(World(dataclasses.replace(world.control, wake=fail))) as url:
            yield Server(world, url)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that nobody here looks into."""
    folder = tmp_path / "rent"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)))
    return folder
