"""The same requests, answered by MLflow's own scoring apps and by ``modelport serve``."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import httpx

from tests.interop.case import Case
from tests.interop.environment import HERE, Environment, python_of
from tests.interop.models import run, saved_models

READY_WITHIN = 60.0
SERVERS_AT_ONCE = 2


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is None where there was no answer, and ``text`` says why."""

    status: int | None
    media_type: str
    text: str


@dataclass(frozen=True)
class Both:
    theirs: Answer
    ours: Answer


def all_answers(environments: Iterable[Environment], cases: list[Case]) -> dict[tuple[str, str], Both]:
    """(environment, case id) → MLflow's answer and ours. MLflow is asked beside our servers, once for each version."""
    environments = list(environments)
    found = {}
    asked = {
        environment.name: [case for case in cases if environment.asks(case.model, case.form)]
        for environment in environments
    }
    of_mlflow: dict[str, dict[str, Case]] = defaultdict(dict)
    for environment in environments:
        of_mlflow[environment.mlflow].update((case.id, case) for case in asked[environment.name])
    with ThreadPoolExecutor(1) as beside:
        folders = {mlflow: saved_models(mlflow) for mlflow in of_mlflow}
        theirs = {
            mlflow: beside.submit(answers_of_mlflow, mlflow, folders[mlflow], list(of_mlflow[mlflow].values()))
            for mlflow in folders
        }
        for environment in environments:
            ours = answers_of_modelport(environment.python, folders[environment.mlflow], asked[environment.name])
            for case in asked[environment.name]:
                both = Both(theirs[environment.mlflow].result()[case.id], ours[case.id])
                found[environment.name, case.id] = both
    return found


def answers_of_mlflow(mlflow: str, folder: Path, cases: list[Case]) -> dict[str, Answer]:
    models = {case.model: str(folder / case.model) for case in cases}
    with tempfile.TemporaryDirectory() as scratch:
        asked, found = Path(scratch, "requests.json"), Path(scratch, "answers.json")
        asked.write_text(json.dumps({"models": models, "requests": [case.request() for case in cases]}))
        run([python_of(mlflow), HERE / "mlflow_host.py", asked, found], timeout=300)
        replies = json.loads(found.read_text())
    answers = {case.id: Answer(None, "", replies["unloadable"].get(case.model, "")) for case in cases}
    for case_id, reply in replies["answers"].items():
        answers[case_id] = Answer(reply["status"], media_type(reply["headers"]), reply["text"])
    return answers


def answers_of_modelport(python: Path, folder: Path, cases: list[Case]) -> dict[str, Answer]:
    by_model = defaultdict(list)
    for case in cases:
        by_model[case.model].append(case)

    def ask_server(model: str) -> dict[str, Answer]:
        try:
            with served(folder / model, python) as address:
                return ask_all(address, by_model[model])
        except RuntimeError as error:
            return {case.id: Answer(None, "", str(error)) for case in by_model[model]}

    with ThreadPoolExecutor(SERVERS_AT_ONCE) as servers:
        parts = list(servers.map(ask_server, by_model))
    return {case_id: answer for part in parts for case_id, answer in part.items()}


@contextmanager
def served(model: Path, python: Path) -> Iterator[str]:
    """The address of a ``modelport serve`` that is ready; RuntimeError with its own words if it does not get there."""
    port = free_port()
    modelport = Path(sys.executable).with_name("modelport")
    options: list[str | Path] = ["-m", model, "-h", "127.0.0.1", "-p", str(port), "-w", "1", "--python", python]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([modelport, "serve", *options], stdout=said, stderr=said)
        try:
            if not becomes_ready(process, port):
                said.seek(0)
                raise RuntimeError(f"modelport serve is not ready:\n{said.read().decode(errors='replace')[-2000:]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(process)


def becomes_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ask_all(address: str, cases: list[Case]) -> dict[str, Answer]:
    with httpx.Client(base_url=address, timeout=30) as client:
        return {case.id: ask(client, case) for case in cases}


def ask(client: httpx.Client, case: Case) -> Answer:
    try:
        reply = client.request(case.method, case.path, headers=case.headers(), content=case.body)
    except httpx.TransportError as error:
        return Answer(None, "", f"{type(error).__name__}: {error}")
    return Answer(reply.status_code, media_type(dict(reply.headers)), reply.text)


def media_type(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
