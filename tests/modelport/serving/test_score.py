"""Azure's dialect over real sockets on both sides: HTTP in front, a scripted worker behind."""

import asyncio
import json
from typing import Any

import pytest

import modelport_runtime
from modelport.serving.score import body_of_query
from modelport_runtime import wire
from tests.modelport.serving.test_routes import JSON, Bench, run  # noqa: F401  run is a fixture
from tests.modelport.workers.peer import Peer

FORM = {"content": "json", "dialect": "azure", "policy": "strict", "answer": "json"}
BODY = b'{"input_data": [[1]]}'


def failure(**fields: Any) -> dict[str, Any]:
    known = {
        "type": "InvalidInput",
        "code": "BAD_REQUEST",
        "message": "no",
        "hint": None,
        "details": [],
        "traceback": None,
    }
    return {"error": {**known, **fields}}


async def refused(bench: Bench, error: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    """The answer to a request that the worker answers with an error."""
    peer, client = await bench.worker(), bench.client()
    await client.send("POST", "/score", BODY, **JSON)
    peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, error)
    return await client.answer()


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.scoring+json", "application/json; a=b"],
)
def test_json_reaches_the_worker_as_it_came_and_the_answer_the_client(run: Any, content_type: str) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/score", b"\x00 any bytes", content_type=content_type)
        sent = await peer.next(wire.INFER)
        assert (json.loads(sent.head), sent.body) == (FORM, b"\x00 any bytes")
        peer.result(sent.id, b"[1]")
        status, body, headers = await client.answer()
        assert (status, body, headers["content-type"]) == (200, [1], "application/json")
        assert headers["x-ms-run-function-failed"] == "False"
        assert headers["x-ms-run-fn-exec-ms"] == "0.009"
        assert headers["x-ms-server-version"] == f"modelport/{modelport_runtime.__version__}"

    run(test)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({}, {"x-ms-request-id": "x-request-id", "x-ms-client-request-id": None}),
        ({"x_request_id": "a"}, {"x-request-id": "a", "x-ms-request-id": "a", "x-ms-client-request-id": None}),
        ({"x_ms_client_request_id": "b"}, {"x-ms-request-id": "b", "x-ms-client-request-id": "b"}),
        ({"x_ms_request_id": "c"}, {"x-ms-request-id": "c", "x-ms-client-request-id": "c"}),
        (
            {"x_request_id": "a" * 100, "x_ms_client_request_id": "b" * 100, "x_ms_request_id": "c" * 100},
            {"x-request-id": "a" * 100, "x-ms-request-id": "c" * 100, "x-ms-client-request-id": "b" * 100},
        ),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/csv"])
def test_ids_are_given_back_also_with_errors(
    run: Any,  # noqa: F811
    sent: dict[str, str],
    answered: dict[str, str | None],
    content_type: str,
) -> None:
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", "/score", BODY, content_type=content_type, **sent)
        if content_type == "application/json":
            peer.result((await peer.next(wire.INFER)).id, b"[1]")
        _, _, headers = await client.answer()
        for name, value in answered.items():
            assert headers.get(name) == (headers["x-request-id"] if value == "x-request-id" else value)

    run(test)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("x-request-id", "x-request-id"),
        ("x-ms-request-id", "x-ms-request-id and x-ms-client-request-id"),
        ("x-ms-client-request-id", "x-ms-request-id and x-ms-client-request-id"),
    ],
)
def test_an_id_of_more_than_100_characters_is_refused(run: Any, name: str, named: str) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        client = bench.client()
        status, body, _ = await client.ask("POST", "/score", BODY, **JSON, **{name: "a" * 101})
        assert (status, body) == (431, {"message": f"{named} must not exceed 100 characters"})

    run(test)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Expects Content-Type to be application/json"),
        ({"content_type": "text/csv"}, "Expects Content-Type to be application/json"),
        ({"content_type": "text/json"}, "Expects Content-Type to be application/json"),
        ({"content_type": "application/x-json"}, "Expects Content-Type to be application/json"),
        ({**JSON, "content_encoding": "gzip"}, "compressed bodies are not read; send the body as it is"),
    ],
)
def test_what_is_no_json_is_refused_before_the_worker(run: Any, headers: dict[str, str], message: str) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer = await bench.worker()
        status, body, answered = await bench.client().ask("POST", "/score", BODY, **headers)
        assert (status, body) == (415, {"message": message})
        assert answered["x-ms-run-function-failed"] == "False"
        assert peer.inbox.empty()

    run(test)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (failure(message="no rows", hint="send some"), 400, "no rows\nsend some"),
        (failure(type="SchemaMismatch", code="INVALID_PARAMETER_VALUE"), 400, "no"),
        (failure(type="HintMismatch", code="INVALID_PARAMETER_VALUE"), 400, "no"),
        (failure(type="ModelportError", code="INTERNAL_ERROR"), 500, "no"),
        (failure(type="ModelportError", code="DEADLINE_EXCEEDED"), 408, "no"),
        (failure(type="ModelportError", code="NEVER_HEARD_OF"), 500, "no"),
    ],
)
def test_the_callers_fault_is_400_and_the_servers_500(run: Any, error: Any, status: int, message: str) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        found, body, headers = await refused(bench, error)
        assert (found, body) == (status, {"message": message})
        assert headers["x-ms-run-function-failed"] == "False"
        assert "ms-azureml-model-error-statuscode" not in headers
        assert "x-ms-run-fn-exec-ms" not in headers

    run(test)


@pytest.mark.parametrize("code", ["BAD_REQUEST", "INTERNAL_ERROR", "RESOURCE_DOES_NOT_EXIST", "NEVER_HEARD_OF"])
@pytest.mark.parametrize("tracebacks", [False, True])
def test_what_the_model_raises_is_424_whatever_its_code(run: Any, code: str, tracebacks: bool) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        details = [{"exception": "ValueError", "message": "no such luck"}]
        error = failure(
            type="ModelFailed", code=code, message="the model raised", details=details, traceback="Traceback ..."
        )
        status, body, headers = await refused(bench, error)
        more = "\nTraceback ..." if tracebacks else ""
        assert (status, body) == (424, {"message": "the model raised: no such luck" + more})
        assert headers["x-ms-run-function-failed"] == "True"
        assert headers["ms-azureml-model-error-statuscode"] == "500"
        assert headers["ms-azureml-model-error-reason"] == "model_error"

    run(test, tracebacks=tracebacks)


def test_a_worker_that_died_is_the_models_failure(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await Peer(1, bench.folder, user_code=True).listen(), bench.client()
        await bench.pool.update([peer.address])
        await client.send("POST", "/score", BODY, **JSON)
        peer.begin((await peer.next(wire.INFER)).id)
        await peer.die()
        await bench.pool.update([])
        status, body, headers = await client.answer()
        assert (status, list(body)) == (424, ["message"])
        assert headers["x-ms-run-function-failed"] == "True"
        assert headers["ms-azureml-model-error-statuscode"] == "500"

    run(test)


def test_a_full_queue_is_429(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        first = bench.client()
        await first.send("POST", "/score", BODY, **JSON)
        while bench.pool.open == 0:
            await asyncio.sleep(0.001)
        status, body, headers = await bench.client().ask("POST", "/score", BODY, **JSON)
        assert (status, list(body), headers["retry-after"]) == (429, ["message"], "1")
        assert headers["x-ms-run-function-failed"] == "False"

    run(test, max_queue=1)


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("", {}),
        ("input_data=[[1,2.5]]", {"input_data": [[1, 2.5]]}),
        ("input_data=%5B%22a%20b%22%5D&params=%7B%22k%22:1%7D", {"input_data": ["a b"], "params": {"k": 1}}),
        ("input_data=1&input_data=x+y&input_data=", {"input_data": [1, "x y", ""]}),
        ("input_data=null&a=true", {"input_data": None, "a": True}),
        ("input_data=" + "[" * 20000, {"input_data": "[" * 20000}),
        ("input_data=%ff%22", {"input_data": '\ufffd"'}),
        ("input_data=12345678901234567890123", {"input_data": 12345678901234567890123}),
    ],
)
def test_a_query_stands_for_a_body(query: str, document: Any) -> None:
    assert json.loads(body_of_query(query.encode())) == document


def test_get_sends_the_query_to_the_worker(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("GET", "/score?input_data=[[1]]&input_data=x")
        sent = await peer.next(wire.INFER)
        assert (json.loads(sent.head), json.loads(sent.body)) == (FORM, {"input_data": [[[1]], "x"]})
        peer.result(sent.id, b"[1]")
        assert (await client.answer())[:2] == (200, [1])

    run(test)


PREFLIGHT = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}


@pytest.mark.parametrize(
    ("setting", "origin", "allowed"),
    [
        (None, "https://a.example", False),
        ("", "https://a.example", False),
        ("https://b.example", "https://a.example", False),
        ("https://b.example, https://a.example", "https://a.example", True),
        ("*", "https://a.example", True),
        ("*", None, False),
    ],
)
def test_browsers_of_other_origins_are_told_what_is_set(
    run: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    origin: str | None,
    allowed: bool,
) -> None:
    monkeypatch.delenv("AML_CORS_ORIGINS", raising=False)
    if setting is not None:
        monkeypatch.setenv("AML_CORS_ORIGINS", setting)
    sent = {} if origin is None else {"origin": origin}

    async def test(bench: Bench) -> None:
        client = bench.client()
        status, body, headers = await client.ask("OPTIONS", "/score", **sent, **PREFLIGHT)
        assert (status, body) == (200, b"")
        assert headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert headers.get("access-control-allow-methods") == ("GET, POST" if allowed else None)
        assert headers.get("access-control-allow-headers") == ("content-type" if allowed else None)
        _, _, headers = await client.ask("POST", "/score", BODY, **sent)
        assert headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert headers.get("vary") == ("Origin" if setting else None)

    run(test)


def test_other_methods_are_refused(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        status, body, headers = await bench.client().ask("PUT", "/score", BODY, **JSON)
        assert (status, headers["allow"]) == (405, "GET, OPTIONS, POST")
        assert "message" in body

    run(test)
