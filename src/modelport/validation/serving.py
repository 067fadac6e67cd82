"""A server for one question: `modelport.server` in a process of its own, on a loopback port that the system chooses.

Run as a module, this is that process. Its standard input tells it what to serve, and ends it when it closes, so that it does
not outlive who asked, however that one ends. Its standard output is a line of JSON: the address, or the error.
"""

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from modelport.errors import CannotStart, ModelportError, WorkerFailed
from modelport.server import serve
from modelport.settings import (
    BUILD_TIMEOUT,
    EnvironmentSettings,
    ModelSource,
    SafetySettings,
    ServeSettings,
    build_timeout,
)

_GRACE = 20
"""Seconds the server has to end by itself."""
_LAST_LINES = 20
"""Of what server and model have written, to be told where the model cannot be served."""


class Reply(NamedTuple):
    """An answer; ``body`` is what its JSON says, or its text where it is none."""

    status: int
    body: Any


@contextlib.contextmanager
def served(settings: ServeSettings) -> Iterator[str]:
    """The address of a server of the one model that ``settings`` name, ready to answer; host and port are chosen here.

    Raises:
        ModelportError: what `modelport serve` would say; ``details`` hold the last lines it and the model have written.
    """
    told = {
        "uri": settings.models[0].uri,
        "home": str(settings.home),
        "environment": asdict(settings.environment),
        "safety": asdict(settings.safety),
        "allow_python_mismatch": settings.allow_python_mismatch,
    }
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-P", "-m", "modelport.validation.serving"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(told).encode() + b"\n")
            process.stdin.flush()
            answer = _answer(process, build_timeout())
            if "address" not in answer:
                log.seek(0)
                lines = log.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
                raise WorkerFailed(
                    answer["message"],
                    code=answer["code"],
                    hint=answer["hint"],
                    details=[{"line": line} for line in lines],
                )
            yield answer["address"]
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _answer(process: subprocess.Popen[bytes], limit: float) -> dict[str, Any]:
    """What the process says of itself: its address, or why there is none."""
    assert process.stdout is not None
    said = select.poll()
    said.register(process.stdout, select.POLLIN)
    if not said.poll(1000 * limit):
        message = f"the model was not loaded after {limit:g} s"
        return {"message": message, "code": WorkerFailed.code, "hint": f"{BUILD_TIMEOUT}=SECONDS gives it more time."}
    line = process.stdout.readline()
    return json.loads(line) if line else _ended(process.wait())


def ask(address: str, body: bytes, timeout: float) -> Reply:
    """What ``/invocations`` answers to a body of JSON.

    Raises:
        CannotStart: there was no answer.
    """
    connection = HTTPConnection(urlsplit(address).netloc, timeout=timeout)
    try:
        connection.request("POST", "/invocations", body, {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except (OSError, HTTPException) as error:
        raise CannotStart(f"the server gave no answer within {timeout:g} s: {error}", code="NO_ANSWER") from None
    finally:
        connection.close()
    try:
        return Reply(response.status, json.loads(content))
    except ValueError:
        return Reply(response.status, content.decode(errors="replace"))


def _ended(code: int) -> dict[str, Any]:
    return {"message": f"the server ended with code {code} before it was ready", "code": "SERVER_ENDED", "hint": None}


def _serve_until_told() -> None:
    told = json.loads(sys.stdin.buffer.readline())
    environment = told["environment"]
    settings = ServeSettings(
        models=(ModelSource("model", told["uri"]),),
        port=0,
        environment=EnvironmentSettings(**{**environment, "overrides": tuple(environment["overrides"])}),
        safety=SafetySettings(**told["safety"]),
        allow_python_mismatch=told["allow_python_mismatch"],
        access_log="off",
        tracebacks=True,
        home=Path(told["home"]),
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(settings, on_ready=lambda address: _say({"address": address}))
    except ModelportError as error:
        _say(error.as_dict())


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve_until_told()
