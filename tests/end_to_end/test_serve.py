"""`modelport serve` as a user meets it: what it answers, what it writes, what it refuses, and what it costs when idle."""

import asyncio
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_wine

import modelport
from tests.end_to_end.server import Load, Server, command, environment, free_port, running

WINE = load_wine(as_frame=True).data
DOCUMENT = {"dataframe_split": {"columns": list(WINE.columns), "data": WINE.head(3).to_numpy().tolist()}}
JSON = {"content_type": "application/json"}


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(models / "wine", tmp_path_factory.mktemp("server"), "--access-log", "json") as server:
        yield server


@pytest.fixture(scope="module")
def guarded(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes, a key, and tracebacks for the client."""
    options = ("--processes", "2", "--api-key", "secret", "--tracebacks", "--enable-mlserver")
    with running(models / "sleeper", tmp_path_factory.mktemp("guarded"), *options) as server:
        yield server


def wait_for(condition: Any, what: object) -> None:
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def entries(server: Server, id: str) -> list[str]:
    """The access log's lines of one request, once they are written."""
    wait_for(lambda: id in server.access_log.read_text(), id)
    return [line for line in server.access_log.read_text().splitlines() if id in line]


# -- what it answers ---------------------------------------------------------------------------------------------------


def test_it_says_where_it_serves_and_that_it_is_ready(server: Server) -> None:
    assert f"at http://127.0.0.1:{server.port}: ready after" in server.log.read_text()
    for path in ("/ping", "/health"):
        for method in ("GET", "HEAD"):
            status, body, headers = server.ask(path, method=method)
            assert (status, body) == (200, b"\n" if method == "GET" else b"")
            assert headers["content-length"] == "1"


def test_the_version_is_mlflow_s_and_a_header_tells_ours(server: Server) -> None:
    status, body, headers = server.ask("/version")
    assert status == 200
    assert re.fullmatch(rb"3\.\d+\.\d+", body)
    assert headers["x-modelport-version"] == modelport.__version__


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("POST", "/predict", 404, "NOT_FOUND"),
        ("GET", "/invocations", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/ping", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_what_is_not_served_is_answered_in_json(server: Server, method: str, path: str, status: int, code: str) -> None:
    found, body, headers = server.ask(path, method=method)
    assert (found, body["error_code"], headers["content-type"]) == (status, code, "application/json")
    assert ("allow" in headers) is (status == 405)


def test_a_body_needs_a_content_type_that_can_be_read(server: Server) -> None:
    import http.client

    for headers in ({}, {"content-type": "application/xml"}, {"content-type": "application/json; charset=utf-16"}):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/invocations", json.dumps(DOCUMENT), headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
        connection.close()


def test_json_and_csv_are_predicted_alike(server: Server) -> None:
    status, from_json = server.predict(DOCUMENT)
    csv = WINE.head(3).to_csv(index=False).encode()
    assert (status, server.ask("/invocations", csv, content_type="text/csv")[:2]) == (200, (200, from_json))
    assert len(from_json["predictions"]) == 3


def test_text_that_utf_8_does_not_have_leaves_the_server_well(server: Server) -> None:
    for body in (b'{"\\ud800": 1}', b'{"inputs": {"alcohol": ["\\udfff"]}}'):
        assert server.ask("/invocations", body, **JSON)[0] == 400
    assert server.predict(DOCUMENT)[0] == 200


# -- what it writes ----------------------------------------------------------------------------------------------------


def test_the_access_log_tells_each_request_in_json(server: Server) -> None:
    status, _, headers = server.ask("/invocations", json.dumps(DOCUMENT).encode(), **JSON, x_request_id="mine-1")
    assert (status, headers["x-request-id"]) == (200, "mine-1")
    (line,) = entries(server, "mine-1")
    entry = json.loads(line)
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/invocations", 200)
    assert (entry["client"], entry["request_id"], entry["rows"]) == ("127.0.0.1", "mine-1", 3)
    assert entry["predict_us"] > 0
    assert entry["milliseconds"] * 1000 >= entry["decode_us"] + entry["predict_us"]
    server.ask("/invocations", b"{", **JSON, x_request_id="mine-2")
    (line,) = entries(server, "mine-2")
    assert (json.loads(line)["status"], json.loads(line)["error_code"]) == (400, "BAD_REQUEST")


def test_the_access_log_tells_each_request_in_text(guarded: Server) -> None:
    body = json.dumps({"inputs": {"seconds": [0.0]}}).encode()
    guarded.ask("/invocations", body, **JSON, authorization="Bearer secret", x_request_id="text-1")
    (line,) = entries(guarded, "text-1")
    phases = r"queue=\d+ decode=\d+ predict=\d+ encode=\d+us"
    assert re.search(rf"Z 127\.0\.0\.1 POST /invocations 200 [\d.]+ms rows=1 {phases} id=text-1$", line), line


def test_requests_that_come_together_are_predicted_together(server: Server) -> None:
    load = Load(server.port, DOCUMENT, 24)

    async def test() -> None:
        running_load = asyncio.ensure_future(load.run())
        await asyncio.sleep(1.5)
        load.stop = True
        await running_load

    asyncio.run(test())
    assert set(load.results) == {"200"}, load.results
    calls = server.metric("modelport_joined_requests_count")
    alone = server.metric('modelport_joined_requests_bucket{le="1.0"}')
    assert calls - alone >= 5
    assert server.metric("modelport_joined_rows_sum") >= 3 * load.results["200"]


def processor_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_it_costs_nothing_while_nobody_asks(server: Server) -> None:
    server.predict(DOCUMENT)
    pids = [server.process.pid, *server.workers()]
    assert len(pids) == 2
    time.sleep(1)
    before = processor_seconds(pids)
    time.sleep(5)
    assert processor_seconds(pids) - before < 0.005 * 5


# -- keys, processes, encryption ---------------------------------------------------------------------------------------


def test_without_the_key_only_readiness_is_told(guarded: Server) -> None:
    body = json.dumps({"inputs": {"seconds": [0.0]}}).encode()
    for key in ({}, {"authorization": "Bearer wrong"}):
        status, answer, headers = guarded.ask("/invocations", body, **JSON, **key)
        assert (status, answer["error_code"], headers["www-authenticate"]) == (401, "UNAUTHENTICATED", "Bearer")
    assert guarded.ask("/invocations", body, **JSON, authorization="Bearer secret")[:2] == (200, {"predictions": [0.0]})
    assert guarded.ask("/ping")[0] == 200


def test_every_process_shows_what_all_of_them_counted(guarded: Server) -> None:
    def shown() -> str:
        return guarded.ask("/metrics", authorization="Bearer secret")[1].decode()

    def pings() -> float:
        found = re.search(r'modelport_requests_total\{model="mlflow-model",route="/ping",status="200"\} (\S+)', shown())
        return float(found[1]) if found else 0.0

    before = pings()
    for _ in range(40):  # each on a connection of its own, so that both processes get some
        assert guarded.ask("/ping")[0] == 200
    assert [pings() - before for _ in range(6)] == [40.0] * 6
    assert len(re.findall("modelport_worker_memory_bytes{", shown())) == 1
    children = Path(f"/proc/{guarded.process.pid}/task/{guarded.process.pid}/children").read_text().split()
    assert len(children) == 3


def test_a_failing_model_tells_its_traceback_when_asked_to(guarded: Server, server: Server) -> None:
    body = json.dumps({"inputs": {"seconds": [float(2**62)]}}).encode()
    status, answer, _ = guarded.ask("/invocations", body, **JSON, authorization="Bearer secret")
    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")
    assert "OverflowError" in answer["stack_trace"]
    assert "stack_trace" not in server.ask("/invocations", b"{", **JSON)[1]


def test_mlserver_is_answered_in_one_line(guarded: Server) -> None:
    assert guarded.log.read_text().count("--enable-mlserver is not needed") == 1


def test_it_serves_https_with_a_certificate(models: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    making = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 {subject} -keyout {key} -out {certificate}"
    subprocess.run(making.split(), check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(certificate))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    options = ("--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
    with running(models / "wine", tmp_path / "server", *options, scheme="https") as server:
        body = json.dumps(DOCUMENT).encode()
        request = urllib.request.Request(server.address + "/invocations", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            assert len(json.load(answer)["predictions"]) == 3
        with pytest.raises(OSError, match=r"reset|closed|Remote end|Empty|EOF"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/ping", timeout=20).close()


# -- what it refuses ---------------------------------------------------------------------------------------------------


def refused(arguments: list[str], code: int = 1) -> str:
    """What the command says on its way out."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_in_use_is_named(models: Path, server: Server) -> None:
    said = refused(command(models / "wine", server.port))
    assert f"error: cannot listen on 127.0.0.1:{server.port}: Address already in use" in said
    assert "[INVALID_STATE]\nhint: " in said


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in refused(command(tmp_path / "none", free_port()))
    (tmp_path / "empty").mkdir()
    assert "MLmodel" in refused(command(tmp_path / "empty", free_port()))


def test_a_model_that_cannot_be_loaded_tells_its_cause(models: Path) -> None:
    said = refused(command(models / "broken", free_port()))
    assert "the licence file is missing" in said
    assert "[MODEL_NOT_LOADABLE]" in said


def test_a_model_that_ends_its_process_while_loading_tells_how(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "crashing", tmp_path / "model")
    (tmp_path / "model" / "code" / "crashing_estimator.py").write_text("import os\n\nos._exit(7)\n")
    said = refused(command(tmp_path / "model", free_port()))
    assert "error: the worker ended while it loaded the model (exit code 7) [MODEL_NOT_LOADABLE]" in said


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/ls", "/bin/true"])
def test_what_is_no_interpreter_is_refused(models: Path, python: str) -> None:
    said = refused([*command(models / "wine", free_port()), "--python", python])
    assert "error: " in said
    assert "hint: " in said


def test_other_environment_managers_are_refused_with_what_to_do(models: Path) -> None:
    start = command(models / "wine", free_port())
    assert "There is uv, virtualenv, conda, local." in refused([*start, "--env-manager", "docker"], code=2)
    assert "give one of the two" in refused([*start, "--env-manager", "conda"], code=2)


def test_a_stop_while_the_model_loads_is_obeyed(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "crashing", tmp_path / "model")
    source = "import pathlib, time\n\npathlib.Path(__file__ + '.began').touch()\ntime.sleep(60)\n"
    estimator = tmp_path / "model" / "code" / "crashing_estimator.py"
    estimator.write_text(source)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command(tmp_path / "model", free_port()), stderr=log, env=environment())
    wait_for(lambda: estimator.with_suffix(".py.began").exists(), (tmp_path / "log").read_text())
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
