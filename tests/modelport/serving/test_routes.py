"""What is answered where, over real sockets on both sides: HTTP in front, a scripted worker behind."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

import modelport_runtime
from modelport.serving import exposition, http
from modelport.serving.access_log import AccessLog
from modelport.serving.http import HttpServer, Limits, Request
from modelport.serving.invocations import read_accept
from modelport.serving.metrics import Memory, Metrics, shared_memory
from modelport.serving.model_routes import ModelRoutes, Options
from modelport.serving.routes import Routes
from modelport.serving.served_model import ServedModel
from modelport.workers.pool import Pool
from modelport_runtime import wire
from tests.modelport.workers.peer import Peer


class Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        named = {"host": "x", "content-length": str(len(body)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def answer(self, head_only: bool = False) -> tuple[int, Any, dict[str, str]]:
        assert self.reader is not None
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = b"" if head_only else await self.reader.readexactly(int(headers["content-length"]))
        if headers["content-type"] == "application/json" and body.strip():
            return int(head[0].split()[1]), json.loads(body), headers
        return int(head[0].split()[1]), body, headers

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, dict[str, str]]:
        await self.send(method, path, body, **headers)
        return await self.answer(head_only=method == "HEAD")


class Bench:
    def __init__(
        self, folder: Path, api_key: str | None, tracebacks: bool, max_queue: int, timing: bool = False
    ) -> None:
        self.folder = folder
        self.overrun: list[int] = []
        self.pool = Pool(
            timeout=20,
            max_queue=max_queue,
            retry_user_code=False,
            on_answer=lambda id: None,
            on_overrun=self.overrun.append,
        )
        self.descriptor = shared_memory(1)
        self.metrics = Metrics(Memory(self.descriptor, 1))
        self.log = AccessLog("off")
        self.requests: list[Request] = []
        model = ServedModel("m", folder, {"flavors": {"python_function": {"loader_module": "x", "streamable": True}}})
        self.reloads: list[list[dict[str, Any]]] = []

        async def reload() -> list[dict[str, Any]]:
            return self.reloads.pop()

        routes = Routes({"m": self.metrics}, self.log, ready=lambda: self.pool.ready, api_key=api_key, on_reload=reload)
        options = Options(tracebacks=tracebacks, timing=timing, max_body=1 << 20, wants_key=api_key is not None)
        routes.serve("m", ModelRoutes(self.pool, self.metrics, self.log, model, "", options))

        def application(request: Request) -> None:
            self.requests.append(request)
            routes(request)

        self.server = HttpServer(application, Limits(1 << 20, 1 << 24), lambda status: None)
        self.clients: list[Client] = []
        self.peers: list[Peer] = []

    async def listen(self) -> None:
        import socket

        self.sock = socket.create_server(("127.0.0.1", 0))
        await self.server.listen(self.sock, None)

    def client(self) -> Client:
        self.clients.append(Client(self.sock.getsockname()[1]))
        return self.clients[-1]

    async def worker(self) -> Peer:
        self.peers.append(await Peer(len(self.peers) + 1, self.folder).listen())
        await self.pool.update([peer.address for peer in self.peers])
        return self.peers[-1]

    async def close(self) -> None:
        for client in self.clients:
            if client.writer is not None:
                client.writer.close()
        await self.server.drain(1)
        self.pool.close()
        for peer in self.peers:
            await peer.die()
        await asyncio.sleep(0.02)
        os.close(self.descriptor)


Test = Callable[[Bench], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def with_bench(
        test: Test, api_key: str | None = None, tracebacks: bool = False, max_queue: int = 100, timing: bool = False
    ) -> None:
        async def main() -> None:
            bench = Bench(tmp_path, api_key, tracebacks, max_queue, timing)
            await bench.listen()
            try:
                await asyncio.wait_for(test(bench), 20)
            finally:
                await bench.close()

        uvloop.run(main())

    return with_bench


JSON = {"content_type": "application/json"}


def test_unknown_paths_and_methods_say_what_there_is(run: Any) -> None:
    async def test(bench: Bench) -> None:
        client = bench.client()
        status, body, _ = await client.ask("GET", "/nowhere")
        assert (status, body["error_code"]) == (404, "NOT_FOUND")
        assert "/invocations" in body["message"]
        for method, path, allowed in (
            ("GET", "/invocations", "POST"),
            ("POST", "/ping", "GET, HEAD"),
            ("DELETE", "/health", "GET, HEAD"),
            ("POST", "/version", "GET"),
            ("PUT", "/metrics", "GET"),
        ):
            status, body, headers = await client.ask(method, path)
            assert (status, body["error_code"], headers["allow"]) == (405, "METHOD_NOT_ALLOWED", allowed)

    run(test)


def test_readiness_follows_the_workers(run: Any) -> None:
    async def test(bench: Bench) -> None:
        client = bench.client()
        for path in ("/ping", "/health"):
            status, body, headers = await client.ask("GET", path)
            assert (status, body["error_code"], headers["retry-after"]) == (503, "NOT_READY", "1")
        await bench.worker()
        for path in ("/ping", "/health", "/ping?full=1"):
            assert (await client.ask("GET", path))[:2] == (200, b"\n")
            assert (await client.ask("HEAD", path))[0] == 200

    run(test)


def test_the_version_is_mlflow_s_and_a_header_tells_ours(run: Any) -> None:
    async def test(bench: Bench) -> None:
        status, body, headers = await bench.client().ask("GET", "/version")
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert body.decode().split(".")[0] == "3"
        assert headers["x-modelport-version"] == modelport_runtime.__version__

    run(test)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", "json"),
        ("Application/JSON; charset=UTF-8", "json"),
        ('application/json;charset="utf-8"; format=pandas-split', "json"),
        ("text/csv", "csv"),
        ("application/csv; charset=utf8", "csv"),
    ],
)
def test_the_carrier_and_the_body_reach_the_worker_as_they_came(run: Any, content_type: str, content: str) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"\x00 any bytes", content_type=content_type)
        sent = await peer.next(wire.INFER)
        form = {"content": content, "dialect": "mlflow", "policy": "lenient", "answer": "json"}
        assert (json.loads(sent.head), sent.body) == (form, b"\x00 any bytes")
        peer.result(sent.id, b'{"predictions":[1]}')
        assert (await client.answer())[:2] == (200, {"predictions": [1]})

    run(test)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_type": ""},
        {"content_type": "application/xml"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": "application/json", "content_encoding": "gzip"},
    ],
)
def test_a_body_nobody_can_read_is_refused_before_the_worker(run: Any, headers: dict[str, str]) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        for _ in range(2):
            status, body, _ = await client.ask("POST", "/invocations", b"x", **headers)
            assert (status, body["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert peer.inbox.empty()

    run(test)


def test_a_key_is_wanted_everywhere_but_for_readiness(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.worker()
        client = bench.client()
        for given in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "secret"},
            {"authorization": "Basic secret"},
        ):
            for method, path in (
                ("POST", "/invocations"),
                ("POST", "/score"),
                ("POST", "/v2/models/m/infer"),
                ("GET", "/v2/models/m"),
                ("GET", "/openapi.json"),
                ("GET", "/version"),
                ("GET", "/metrics"),
            ):
                status, body, headers = await client.ask(method, path, **given)
                assert (status, body.get("error_code", "UNAUTHENTICATED")) == (401, "UNAUTHENTICATED")
                assert headers["www-authenticate"] == "Bearer"
        for path in ("/ping", "/health", "/", "/docs", "/docs/docs.js", "/v2/health/live", "/v2/health/ready"):
            assert (await client.ask("GET", path))[0] == 200
        assert (await client.ask("OPTIONS", "/score"))[0] == 200
        assert (await client.ask("GET", "/version", authorization="Bearer secret"))[0] == 200

    run(test, api_key="secret")


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/invocations", {"error_code", "message"}),
        ("/score", {"message"}),
        ("/v2/models/m/infer", {"error", "error_code"}),
    ],
)
def test_an_error_looks_as_the_dialect_of_its_path_has_it(run: Any, path: str, shape: set[str]) -> None:
    async def test(bench: Bench) -> None:
        client = bench.client()
        status, body, _ = await client.ask("POST", path)
        assert (status, body.keys()) == (401, shape)
        status, body, headers = await client.ask("DELETE", path, authorization="Bearer secret")
        assert (status, body.keys()) == (405, shape)
        assert "POST" in headers["allow"]

    run(test, api_key="secret")


def test_an_unknown_model_is_told_the_known_one_s_name(run: Any) -> None:
    async def test(bench: Bench) -> None:
        status, body, _ = await bench.client().ask("GET", "/v2/models/another")
        assert status == 404
        assert "/v2/models/m/infer" in body["error"]

    run(test)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("BAD_REQUEST", 400),
        ("INVALID_PARAMETER_VALUE", 400),
        ("UNSUPPORTED_MEDIA_TYPE", 415),
        ("RESOURCE_DOES_NOT_EXIST", 404),
        ("NOT_IMPLEMENTED", 501),
        ("INTERNAL_ERROR", 500),
        ("NEVER_HEARD_OF", 500),
    ],
)
@pytest.mark.parametrize("tracebacks", [False, True])
def test_an_error_has_its_status_and_tells_the_traceback_only_when_asked(
    run: Any, code: str, status: int, tracebacks: bool
) -> None:
    error = {
        "code": code,
        "message": "no",
        "hint": "do this",
        "details": [{"column": "a"}],
        "traceback": "Traceback ...",
    }

    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"x", **JSON)
        peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, {"rows": 0, "phases": None, "error": error})
        found, body, _ = await client.answer()
        assert found == status
        expected = {"error_code": code, "message": "no", "details": [{"column": "a"}], "hint": "do this"}
        assert body == ({**expected, "stack_trace": "Traceback ..."} if tracebacks else expected)

    run(test, tracebacks=tracebacks)


@pytest.mark.parametrize("path", ["/invocations", "/score", "/v2/models/m/infer"])
def test_the_time_of_each_phase_is_told_where_it_is_wanted(run: Any, path: str) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", path, b"{}", **JSON)
        sent = await peer.next(wire.INFER)
        peer.say(wire.RESULT, sent.id, {"rows": 3, "phases": [10, 250, 3000, 4]}, b"{}")
        _, _, headers = await client.answer()
        assert headers["server-timing"] == "queue;dur=0.01, decode;dur=0.25, predict;dur=3, encode;dur=0.004"

    run(test, timing=True)


def test_a_full_queue_is_answered_with_when_to_come_back(run: Any) -> None:
    async def test(bench: Bench) -> None:
        first, second = bench.client(), bench.client()
        await first.send("POST", "/invocations", b"x", **JSON)
        await asyncio.sleep(0.05)
        status, body, headers = await second.ask("POST", "/invocations", b"x", **JSON)
        assert (status, body["error_code"], headers["retry-after"]) == (429, "REQUEST_LIMIT_EXCEEDED", "1")
        peer = await bench.worker()
        peer.result((await peer.next(wire.INFER)).id, b"{}")
        assert (await first.answer())[0] == 200

    run(test, max_queue=1)


def test_a_client_that_leaves_takes_its_request_back(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"x", **JSON)
        sent = await peer.next(wire.INFER)
        assert client.writer is not None
        client.writer.close()
        assert (await peer.next(wire.CANCEL)).id == sent.id
        peer.say(wire.ERROR, sent.id, {"error": {"code": "CANCELLED"}})
        await asyncio.sleep(0.05)
        assert (bench.pool.open, bench.server.buffered) == (0, 0)

    run(test)


def test_an_answered_request_holds_nothing_that_holds_its_body(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"x", **JSON)
        peer.result((await peer.next(wire.INFER)).id, b"{}")
        await client.answer()
        assert [request.on_disconnect for request in bench.requests] == [None]

    run(test)


PARQUET = "application/vnd.apache.parquet"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("*/*", "json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("image/png", "json"),
        ("text/csv", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        (f"application/json;q=0.5, {PARQUET}", "parquet"),
        (f"{PARQUET};q=0.1, application/json;q=0.2", "json"),
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("text/event-stream", "events"),
        ("application/json, text/event-stream", "json"),
        ("text/event-stream, application/json", "events"),
        ("application/json;q=x, text/csv;q=0.1", "csv"),
    ],
)
def test_what_an_accept_header_prefers(accept: str, answer: str) -> None:
    assert read_accept(accept.encode(), streams=True) == answer
    alone = accept == "text/event-stream"
    assert read_accept(accept.encode(), streams=False) == (answer if answer != "events" or alone else "json")


@pytest.mark.parametrize(
    ("path", "accept", "answer"),
    [
        ("/invocations", "text/csv", "columns"),
        ("/invocations", PARQUET, "columns"),
        ("/invocations", "text/event-stream", "stream"),
        ("/invocations?stream=true", "*/*", "stream"),
        ("/invocations?stream=false", "*/*", "json"),
        ("/invocations?other=1", "*/*", "json"),
    ],
)
def test_the_worker_is_told_how_to_answer(run: Any, path: str, accept: str, answer: str) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", path, b"{}", accept=accept, **JSON)
        sent = await peer.next(wire.INFER)
        assert json.loads(sent.head)["answer"] == answer

    run(test)


def test_a_stream_is_sent_as_it_comes_and_ends_with_done(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"{}", accept="text/event-stream", **JSON)
        sent = await peer.next(wire.INFER)
        peer.say(wire.STREAM, sent.id, body=b"data: 1\n\n")
        assert client.reader is not None
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"content-type: text/event-stream\r\n" in head
        assert b"cache-control: no-cache\r\n" in head
        assert await client.reader.readuntil(b"\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"
        peer.say(wire.RESULT, sent.id, {"rows": 1, "phases": [1, 2, 3, 4], "joined": [1, 1]})
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
        assert bench.metrics.totals()[0] == 1

    run(test)


FAILED = {"type": "ModelFailed", "code": "BAD_REQUEST", "message": "no", "hint": None, "details": [], "traceback": None}


def test_a_stream_that_fails_at_once_has_a_status_and_one_that_fails_later_an_event(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"{}", accept="text/event-stream", **JSON)
        peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, {"rows": 0, "phases": None, "error": FAILED})
        status, body, _ = await client.answer()
        assert (status, body) == (400, {"error_code": "BAD_REQUEST", "message": "no"})
        await client.send("POST", "/invocations", b"{}", accept="text/event-stream", **JSON)
        sent = await peer.next(wire.INFER)
        peer.say(wire.STREAM, sent.id, body=b"data: 1\n\n")
        peer.say(wire.ERROR, sent.id, {"rows": 0, "phases": None, "error": FAILED})
        assert client.reader is not None
        told = await client.reader.readuntil(b"0\r\n\r\n")
        assert b'event: error\ndata: {"error_code":"BAD_REQUEST","message":"no"}\n\n' in told
        assert told.index(b"event: error") < told.index(b"data: [DONE]")

    run(test)


def test_a_client_that_leaves_its_stream_cancels_it(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"{}", accept="text/event-stream", **JSON)
        sent = await peer.next(wire.INFER)
        peer.say(wire.STREAM, sent.id, body=b"data: 1\n\n")
        assert client.reader is not None
        await client.reader.readuntil(b"data: 1")
        assert client.writer is not None
        client.writer.close()
        assert (await peer.next(wire.CANCEL)).id == sent.id

    run(test)


def test_answers_are_counted_by_route_and_status(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"x", **JSON)
        sent = await peer.next(wire.INFER)
        peer.say(wire.RESULT, sent.id, {"rows": 3, "phases": [1, 2, 3, 4], "joined": [2, 5]}, b"{}")
        await client.answer()
        await client.ask("POST", "/invocations", b"x")
        await client.ask("GET", "/no/such/path")
        status, text, headers = await client.ask("GET", "/metrics")
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        lines = exposition.text({"m": bench.metrics}).decode().splitlines()
        for line in (
            'modelport_requests_total{model="m",route="/invocations",status="200"} 1.0',
            'modelport_requests_total{model="m",route="/invocations",status="415"} 1.0',
            'modelport_requests_total{model="m",route="other",status="404"} 1.0',
            'modelport_requests_total{model="m",route="/metrics",status="200"} 1.0',
            'modelport_joined_rows_sum{model="m"} 5.0',
            'modelport_open_requests{model="m"} 0.0',
        ):
            assert line in lines
        assert b'modelport_joined_requests_sum{model="m"} 2.0' in text

    run(test)


def test_requests_read_whole_before_one_that_is_refused_are_answered(run: Any) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/invocations", b"x", **JSON)
        await client.send("GET", "/ping")
        await client.send("GET", "/version", too_large="x" * (http.MAX_HEAD + 1))
        peer.result((await peer.next(wire.INFER)).id, b"{}")
        assert (await client.answer())[:2] == (200, {})
        status, body, headers = await client.answer()
        assert (status, body, headers["connection"]) == (200, b"\n", "close")
        assert client.reader is not None
        assert await client.reader.read() == b""

    run(test)


def test_a_route_that_fails_is_answered_and_the_connection_goes_on(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bench: Bench) -> None:
        monkeypatch.setattr(bench.pool, "submit", None)
        client = bench.client()
        status, body, _ = await client.ask("POST", "/invocations", b"x", **JSON)
        assert (status, body["error_code"]) == (500, "INTERNAL_ERROR")
        assert (await client.ask("GET", "/version"))[0] == 200
        assert bench.server.buffered == 0

    run(test)


def test_models_are_loaded_anew_for_who_has_the_key(run: Any) -> None:
    async def test(bench: Bench) -> None:
        client, key = bench.client(), {"authorization": "Bearer k"}
        status, answer, _ = await client.ask("POST", "/-/reload")
        assert (status, answer["error_code"]) == (401, "UNAUTHENTICATED")
        bench.reloads.append([{"name": "m", "state": "reloaded", "seconds": 1.5}])
        status, answer, _ = await client.ask("POST", "/-/reload", **key)
        assert (status, answer) == (200, {"models": [{"name": "m", "state": "reloaded", "seconds": 1.5}]})
        failed = {"name": "m", "state": "failed", "error_code": "MODEL_NOT_LOADABLE", "message": "no"}
        bench.reloads.append([{"name": "n", "state": "unchanged"}, failed])
        status, answer, _ = await client.ask("POST", "/-/reload", **key)
        assert (status, answer["error_code"], answer["models"][1]) == (409, "MODEL_NOT_LOADABLE", failed)
        assert (await client.ask("GET", "/-/reload", **key))[0] == 405

    run(test, api_key="k")


def test_without_a_key_nobody_loads_models_anew_by_request(run: Any) -> None:
    async def test(bench: Bench) -> None:
        status, answer, _ = await bench.client().ask("POST", "/-/reload")
        assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
        assert "SIGHUP" in answer["message"]

    run(test)
