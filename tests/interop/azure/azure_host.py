"""Azure's own inference server on many models, one after the other: ``python azure_host.py REQUESTS ANSWERS``.

REQUESTS: ``{"models": {name: folder}, "requests": [{"id", "model", "method", "path", "headers", "body" (base64)}]}``.
ANSWERS: ``{"answers": {id: {"status", "headers", "text"}}, "unloadable": {model: last words}}``.

Importing MLflow takes seconds and much memory, so it is done once here, and each server begins as a copy of this process.
"""

import base64
import ctypes
import importlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
SERVERS_AT_ONCE = 2
READY_WITHIN = 60.0
ORIGINS = "https://a.example, https://b.example"
NEEDED_BY_ALL = (
    "azure.monitor.opentelemetry.exporter",
    "flask_cors",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.sync",
    "inference_schema.schema_decorators",
    "mlflow.pyfunc.model",
    "mlflow.sklearn",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "pydantic_settings",
    "sklearn.linear_model",
)


def end_with_parent() -> None:
    """Have the kernel end this process when the one that made it is gone (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def serve(folder: str, port: int, said: str) -> None:
    """Be the server, as ``azmlinfsrv --entry_script no_code.py --model_dir FOLDER`` is, but on the loopback address."""
    end_with_parent()
    with open(said, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from azureml_inference_server_http import __version__, amlserver_linux

    os.environ["AZUREML_ENTRY_SCRIPT"] = str(HERE / "no_code.py")
    os.environ["AZUREML_MODEL_DIR"] = folder
    os.environ["AML_APP_ROOT"] = str(Path(said).parent)
    os.environ["AML_APP_INSIGHTS_ENABLED"] = "false"
    os.environ["AML_CORS_ORIGINS"] = ORIGINS
    os.environ["HTTP_X_MS_SERVER_VERSION"] = f"azmlinfsrv/{__version__}"
    amlserver_linux.run("127.0.0.1", port, 1)


def answers_of(folder: str, requests: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The answers of one model's server by request id; or none, and its last words."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        said = Path(scratch, "said.txt")
        server = multiprocessing.get_context("fork").Process(target=serve, args=(folder, port, str(said)))
        server.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                client.headers.clear()
                if not becomes_ready(client, server):
                    return {}, said.read_text(errors="replace")[-2000:]
                return {request["id"]: answer(client, request) for request in requests}, ""
        finally:
            server.terminate()
            server.join()


def becomes_ready(client: httpx.Client, server: Any) -> bool:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and server.is_alive():
        try:
            if client.get("/").status_code == 200:
                return True
        except httpx.TransportError:
            time.sleep(0.05)
    return False


def answer(client: httpx.Client, request: dict[str, Any]) -> dict[str, Any]:
    reply = client.request(
        request["method"], request["path"], headers=request["headers"], content=base64.b64decode(request["body"])
    )
    return {"status": reply.status_code, "headers": dict(reply.headers), "text": reply.text}


def main(requests: Path, answers: Path) -> None:
    asked = json.loads(requests.read_text())
    by_model = defaultdict(list)
    for request in asked["requests"]:
        by_model[request["model"]].append(request)
    for name in NEEDED_BY_ALL:
        importlib.import_module(name)
    forking = multiprocessing.get_context("fork")
    found: dict[str, Any] = {"answers": {}, "unloadable": {}}
    with ProcessPoolExecutor(SERVERS_AT_ONCE, mp_context=forking, initializer=end_with_parent) as lanes:
        folders = [asked["models"][model] for model in by_model]
        for model, (replies, words) in zip(by_model, lanes.map(answers_of, folders, by_model.values()), strict=True):
            found["answers"].update(replies)
            if words:
                found["unloadable"][model] = words
    answers.write_text(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
