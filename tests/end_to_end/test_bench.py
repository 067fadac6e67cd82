"""`modelport bench` on real servers: what it measures, what it says of a server that fails, and how it ends."""

import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import MODELPORT, running

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def bench(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name != "MODELPORT_API_KEY"}
    command = [MODELPORT, "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**known, **variables})


def measured(*arguments: str | Path, **variables: str) -> dict[str, Any]:
    done = bench(*arguments, "--json", **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def plain_server(answer: Answer, protocol: str = "HTTP/1.1") -> Iterator[str]:
    """Another server than ours, which knows nothing but POST; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that left
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def respond(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"{}") -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    file = tmp_path / "body.json"
    file.write_text('{"dataframe_split": {"columns": ["seconds"], "data": [[0.01]]}}')
    return file


# -- a Modelport server


def test_a_models_own_example_is_sent_and_both_sides_are_told(models: Path, tmp_path: Path) -> None:
    with running(models / "wine", tmp_path) as server:
        done = bench(server.address, "-c", "1", "-c", "8", "--duration", "0.4")
        assert done.returncode == 0, done.stderr
        assert 'first answer: 200 {"predictions":[0,0]}' in done.stderr
        assert "of the model mlflow-model" in done.stdout
        rows = [line.split() for line in done.stdout.splitlines() if re.match(r" *[18]  +[\d,.]+ ", line)]
        assert [row[0] for row in rows] == ["1", "8", "1", "8"]
        assert [row[-1] for row in rows[:2]] == ["0", "0"]
        report = measured(server.address, "-c", "8", "--requests", "40")
    assert (report["model"], report["flavor"], report["interrupted"]) == ("mlflow-model", "sklearn", False)
    [level] = report["levels"]
    assert (level["answers"], level["errors"]) == (40, {})
    assert 0 < level["latency_ms"]["p50"] <= level["latency_ms"]["p99"] <= level["latency_ms"]["max"]
    side = level["server"]
    assert (side["requests"], side["rows"], side["workers"]) == (40, 80, 1)
    assert 1 <= side["predict_calls"] <= 40
    assert min(side["waiting_ms"], side["decode_ms"], side["predict_ms"]) >= 0 < side["busy"]


def test_one_of_several_models_is_measured_by_itself(models: Path, tmp_path: Path) -> None:
    both = {"wine": models / "wine", "sleeper": models / "sleeper"}
    with running(both, tmp_path, "--api-key", "k") as server:
        url = f"{server.address}/models/wine/invocations"
        report = measured(url, "-c", "2", "--requests", "10", "--api-key", "k")
        assert report["model"] == "wine"
        assert report["levels"][0]["server"]["requests"] == 10
        assert (
            measured(f"{server.address}/models/wine/score", "--requests", "3", MODELPORT_API_KEY="k")["model"] == "wine"
        )
        for arguments in ([], ["-m", models / "wine"], ["--api-key", "wrong"]):
            refused = bench(url, *arguments)
            assert refused.returncode == 1
            assert "give the endpoint's key with --api-key" in refused.stderr
            assert "Traceback" not in refused.stderr


def test_requests_that_are_turned_away_are_counted_apart(models: Path, tmp_path: Path, body: Path) -> None:
    with running(models / "sleeper", tmp_path, "--max-queue", "4", "--threads", "2") as server:
        report = measured(server.address, "-i", body, "-c", "16", "--duration", "0.4")
    [level] = report["levels"]
    assert level["answers"] > 0
    assert level["errors"].keys() == {"429"}
    assert "REQUEST_LIMIT_EXCEEDED" in level["error_sample"]
    assert report["advice"][0]["topic"] == "queue"


def test_a_body_that_does_not_fit_ends_the_run_with_what_the_server_says(
    models: Path, tmp_path: Path, body: Path
) -> None:
    with running(models / "wine", tmp_path) as server:
        refused = bench(server.address, "-i", body)
        assert refused.returncode == 1
        assert re.search(r"answered 400: .*missing", refused.stderr), refused.stderr
        nowhere = bench(f"{server.address}/predict", "-i", body)
        assert "answered 404" in nowhere.stderr and "/invocations" in nowhere.stderr


def test_tls_is_spoken_where_the_certificate_is_trusted(models: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate, "-days", "1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files], check=True, capture_output=True
    )
    flags = ("--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
    with running(models / "wine", tmp_path / "server", *flags, scheme="https") as server:
        arguments = (server.address, "-m", models / "wine", "-c", "2", "--requests", "6")
        assert measured(*arguments, SSL_CERT_FILE=str(certificate))["levels"][0]["answers"] == 6
        untrusted = bench(*arguments)
        assert untrusted.returncode == 1
        assert "is not trusted" in untrusted.stderr and "SSL_CERT_FILE" in untrusted.stderr
        plain = bench(server.address.replace("https", "http"))
        assert plain.returncode == 1
        assert "begins with https://" in plain.stderr


# -- other servers


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_another_server_is_measured_from_outside(protocol: str, body: Path) -> None:
    with plain_server(lambda handler: respond(handler, 200), protocol) as address:
        done = bench(address, "-i", body, "-c", "2", "--requests", "20")
        report = measured(address, "-i", body, "-c", "2", "--requests", "20")
    assert "shows no metrics of Modelport's" in done.stdout
    assert (report["levels"][0]["answers"], report["levels"][0]["errors"]) == (20, {})
    assert report["levels"][0]["server"] is None


def test_an_answer_without_a_length_ends_with_its_connection(body: Path) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"ok")

    with plain_server(answer, "HTTP/1.0") as address:
        report = measured(address, "-i", body, "-c", "2", "--requests", "10")
    assert (report["levels"][0]["answers"], report["levels"][0]["errors"]) == (10, {})


def test_without_an_example_it_asks_for_a_body() -> None:
    with plain_server(lambda handler: respond(handler, 200)) as address:
        refused = bench(address)
    assert refused.returncode == 1
    assert "nothing to send" in refused.stderr and "-i FILE" in refused.stderr


def test_errors_under_load_are_counted_by_what_they_are(body: Path) -> None:
    asked = iter(range(10_000))

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        number = next(asked)
        if number % 5 == 3:
            respond(handler, 500, b'{"message": "out of luck"}')
        elif number % 5 == 4:
            handler.close_connection = True  # without a word
        else:
            respond(handler, 200)

    with plain_server(answer) as address:
        [level] = measured(address, "-i", body, "-c", "1", "--requests", "50")["levels"]
    assert level["answers"] == 30
    assert level["errors"] == {"500": 10, "connection lost": 10}
    assert level["error_sample"] == '{"message": "out of luck"}'


def test_a_request_that_takes_too_long_is_given_up(body: Path) -> None:
    asked = iter(range(10_000))

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0 if next(asked) == 0 else 1)
        respond(handler, 200)

    with plain_server(answer) as address:
        began = time.monotonic()
        done = bench(address, "-i", body, "-c", "4", "--duration", "0.3", "--timeout", "0.2")
    assert time.monotonic() - began < 10
    assert done.returncode == 1
    assert "timeout: " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_server_that_never_answers_is_told_apart(body: Path) -> None:
    with plain_server(lambda handler: time.sleep(0.6)) as address:
        silent = bench(address, "-i", body, "--timeout", "0.3")
    assert silent.returncode == 1
    assert "no answer from" in silent.stderr and "--timeout" in silent.stderr


def test_ctrl_c_ends_it_with_what_was_measured(body: Path) -> None:
    with plain_server(lambda handler: respond(handler, 200)) as address:
        command = [MODELPORT, "bench", address, "-i", body, "-c", "1,2", "--duration", "30"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert "first answer" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "ended early" in out
    assert re.search(r"^ +1  +[1-9]", out, re.MULTILINE), out
    assert err == ""


def test_nothing_heavy_is_imported_for_its_help() -> None:
    script = "import sys; from modelport import cli; assert not {'uvloop', 'httptools', 'prometheus_client'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
