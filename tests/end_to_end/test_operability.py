"""`modelport serve` in the hands of its operator: several models, models loaded anew, memory, configuration."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.server import Load, Server, command, environment, free_port, running
from tests.end_to_end.test_resilience import DOCUMENT

KEY = {"authorization": "Bearer k"}
ASKED = json.dumps(DOCUMENT).encode()


@pytest.fixture
def served(models: Path, tmp_path: Path) -> Path:
    """A model directory that can be changed."""
    shutil.copytree(models / "wine", tmp_path / "served")
    return tmp_path / "served"


def change(model: Path) -> None:
    """Give the model another name for what it predicts with, and another id."""
    text = (model / "MLmodel").read_text()
    written = yaml.safe_load(text)
    written["model_uuid"] = "changed"
    (model / "draft").write_text(yaml.safe_dump(written, sort_keys=False))
    (model / "draft").rename(model / "MLmodel")


def ask(server: Server, path: str, **headers: str) -> tuple[int, Any]:
    status, body, _ = server.ask(path, ASKED, content_type="application/json", **headers)
    return status, body


def reload(server: Server) -> tuple[int, Any]:
    status, body, _ = server.ask("/-/reload", b"", method="POST", **KEY)
    return status, body


# -- several models


@pytest.mark.parametrize("processes", ["1", "2"])
def test_models_with_names_are_served_beside_one_another(models: Path, tmp_path: Path, processes: str) -> None:
    both = {"wine": models / "wine", "sleeper": models / "sleeper"}
    with running(both, tmp_path, "--processes", processes) as server:
        assert len(server.workers()) == 2
        alone = ask(server, "/models/wine/invocations")
        assert alone[0] == 200
        status, body, _ = server.ask(
            "/models/wine/score",
            json.dumps({"input_data": DOCUMENT["dataframe_split"]}).encode(),
            content_type="application/json",
        )
        assert (status, body) == (200, alone[1]["predictions"])
        assert server.ask("/models/sleeper/ping")[0] == 200
        assert server.ask("/v2/models/wine")[1]["name"] == "wine"
        assert server.ask("/v2/models/sleeper/ready")[1] == {"name": "sleeper", "ready": True}
        document = server.ask("/models/wine/openapi.json")[1]
        assert (document["info"]["title"], document["servers"]) == ("wine", [{"url": "/models/wine"}])
        assert server.ask("/models/wine/swagger.json")[1]["basePath"] == "/models/wine"
        page = server.ask("/models/wine/docs")[1].decode()
        assert '"/models/wine/docs/docs.js"' in page
        assert server.ask("/models/wine/docs/docs.js")[0] == 200
        status, body = ask(server, "/invocations")
        assert (status, body["error_code"]) == (404, "NOT_FOUND")
        assert "/models/wine/invocations" in body["message"]
        text = server.ask("/metrics")[1].decode()
        assert 'modelport_requests_total{model="wine",route="/invocations",status="200"} 1.0' in text
        assert 'modelport_requests_total{model="",route="/invocations",status="404"} 1.0' in text


def test_a_model_that_cannot_be_loaded_stops_the_start_of_all(models: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(models / "wine", broken)
    next(broken.glob("model.*")).unlink()
    started = subprocess.run(
        command({"wine": models / "wine", "broken": broken}, free_port()),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert started.returncode == 1
    assert "[MODEL_NOT_LOADABLE]" in started.stderr
    assert "Traceback" not in started.stderr


# -- loading anew


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_changed_model_is_loaded_anew_under_load_and_no_request_is_lost(
    served: Path, tmp_path: Path, processes: str
) -> None:
    with running(served, tmp_path / "run", "-w", "2", "--processes", processes, "--api-key", "k") as server:
        load = Load(server.port, DOCUMENT, 16, "authorization: Bearer k\r\n")
        answers: list[tuple[int, Any]] = []

        async def operate() -> None:
            before = await asyncio.to_thread(server.workers)
            answers.append(await asyncio.to_thread(reload, server))
            for _ in range(3):
                change(served)
                answers.append(await asyncio.to_thread(reload, server))
                await asyncio.sleep(0.5)
            after = await asyncio.to_thread(server.workers)
            load.stop = True
            assert not set(before) & set(after)

        async def test() -> None:
            await asyncio.gather(load.run(), operate())

        asyncio.run(test())
        states = [(status, body["models"][0]["state"]) for status, body in answers]
        assert states == [(200, "unchanged"), *[(200, "reloaded")] * 3]
        assert set(load.results) == {"200"}, load.results
        assert server.ask("/openapi.json", **KEY)[1]["info"]["version"] == "changed"
        assert len(server.workers()) == 2


def test_a_model_that_became_unreadable_is_served_as_before(served: Path, tmp_path: Path) -> None:
    with running(served, tmp_path / "run", "--api-key", "k") as server:
        next(served.glob("model.*")).write_bytes(b"not a model any more")
        status, body = reload(server)
        assert (status, body["error_code"], body["models"][0]["state"]) == (409, "MODEL_NOT_LOADABLE", "failed")
        assert ask(server, "/invocations", **KEY)[0] == 200
        (served / "MLmodel").write_text("{")
        status, body = reload(server)
        assert (status, body["models"][0]["state"]) == (409, "failed")
        assert ask(server, "/invocations", **KEY)[0] == 200


def test_a_hangup_signal_loads_changed_models_anew(served: Path, tmp_path: Path) -> None:
    with running(served, tmp_path / "run") as server:
        before = server.workers()
        change(served)
        server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 30
        while "anew after" not in server.log.read_text():
            assert time.monotonic() < until, server.log.read_text()
            time.sleep(0.05)
        assert server.ask("/openapi.json")[1]["info"]["version"] == "changed"
        assert ask(server, "/invocations")[0] == 200
        while set(server.workers()) & set(before):
            assert time.monotonic() < until
            time.sleep(0.05)


# -- memory


def test_a_worker_that_grows_is_replaced_and_no_request_is_lost(models: Path, tmp_path: Path) -> None:
    with running(models / "hoarder", tmp_path, "--memory-limit", "400") as server:
        first = server.workers()
        until = time.monotonic() + 40
        while server.workers() == first or len(server.workers()) > 1:
            assert time.monotonic() < until, server.log.read_text()
            assert server.predict({"inputs": {"mebibytes": [20]}})[0] == 200
        assert "MiB of memory, 400 are allowed: it is being replaced" in server.log.read_text()
        assert server.metric("modelport_worker_restarts_total") == 1


# -- configuration


def test_a_file_and_variables_configure_and_flags_win(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump({"model-uri": {"a": str(models / "wine")}, "max-queue": 7, "access-log": "json"}))
    port = free_port()
    variables = {**environment(), "MODELPORT_ACCESS_LOG": "text", "MODELPORT_PORT": str(port)}
    arguments = [command(models / "wine", port)[0], "serve", "--config", str(file)]
    with (tmp_path / "access").open("wb") as access, (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(arguments, env=variables, stdout=access, stderr=log)
    server = Server(process, port, tmp_path)
    try:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, server.log.read_text()
            assert time.monotonic() < until
            try:
                if server.ask("/ping")[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        assert ask(server, "/models/a/invocations")[0] == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert " POST /models/a/invocations 200 " in server.access_log.read_text()


def test_the_model_s_configuration_is_overridden_by_mlflow_s_variable(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVING_MODEL_CONFIG", json.dumps({"greeting": "Good day"}))
    with running(models / "greeter", tmp_path) as server:
        assert server.predict({"inputs": {"name": ["Ada"]}}) == (200, {"predictions": ["Good day, Ada"]})
    assert os.environ["SERVING_MODEL_CONFIG"]
