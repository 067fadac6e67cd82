"""Endpoints: who may ask, who answers, and what an answer says."""

import asyncio
import base64
import itertools
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from modelport_runtime import wire
from tests.modelport.serving.endpoint_bench import BODY, JSON, KEY, Bench, credential, deployment, endpoint, run
from tests.modelport.serving.test_score import failure
from tests.modelport.workers.peer import Peer

AT = "/endpoints/churn"


async def asked(bench: Bench, peer: Peer, path: str = "/score", answer: bytes = b"[1]", **headers: str) -> Any:
    """A request that this worker must get, and its answer."""
    client = bench.client()
    await client.send("POST", AT + path, BODY, **{**JSON, **headers})
    peer.result((await peer.next(wire.INFER)).id, answer)
    return await client.answer()


async def raw(bench: Bench, method: str, path: str, headers: dict[str, str]) -> bytes:
    """All of an answer, but its date and id."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.sock.getsockname()[1])
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = 0 if method in ("GET", "HEAD") else 2
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}".encode())
    writer.write(f"content-length: {length}\r\n\r\n".encode() + b"{}"[:length])
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return re.sub(rb"(date|x-request-id|x-ms-request-id): [^\r]*\r\n", b"", answer)


# -- who may ask -------------------------------------------------------------------------------------------------------

CREDENTIALS: dict[str, dict[str, str]] = {
    "none": {},
    "wrong": {"authorization": "Bearer wrong"},
    "of_another_endpoint": {"authorization": "Bearer other"},
    "expired": {"authorization": "Bearer old"},
    "no_bearer": {"authorization": KEY},
    "basic": {"authorization": f"Basic {KEY}"},
    "wrong_password": {"authorization": f"Basic {base64.b64encode(b'x:wrong').decode()}"},
}
BELOW = [
    "",
    "/",
    "/score",
    "/invocations",
    "/swagger.json",
    "/openapi.json",
    "/docs",
    "/docs/docs.js",
    "/ping",
    "/health",
]
BELOW += ["/v2", "/v2/health/live", "/v2/models/{}", "/v2/models/{}/ready", "/v2/models/{}/infer", "/nowhere", "/a/b"]


@pytest.mark.parametrize("given", CREDENTIALS)
def test_who_has_no_credential_sees_the_same_whether_there_is_an_endpoint_or_not(tmp_path: Path, given: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.workers("churn/blue/1")
        bench.apply(
            endpoint(deployment("blue", 100), credentials=[credential(KEY), credential("old", time.time() - 1)]),
            endpoint(
                deployment("blue", 100, 2, workers="other/blue/1"), name="other", credentials=[credential("other")]
            ),
            endpoint(name="empty"),
        )
        for method, path in itertools.product(("GET", "POST", "OPTIONS", "DELETE", "HEAD"), BELOW):
            answers = {
                await raw(bench, method, f"/endpoints/{name}" + path.format(name), CREDENTIALS[given])
                for name in ("churn", "absent", "empty")
            }
            assert len(answers) == 1, (method, path, answers)
            (answer,) = answers
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"www-authenticate: Bearer\r\n" in answer
            asks_browsers = method == "GET" and path.startswith(("/docs", "/openapi.json", "/swagger.json", "/v2"))
            assert (b'www-authenticate: Basic realm="endpoint"\r\n' in answer) == asks_browsers
            assert b"azureml-model-deployment" not in answer
        assert bench.requests(1) == {}

    run(tmp_path, test)


def test_a_browser_sees_documents_with_the_key_as_its_password_and_asks_for_no_prediction(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.workers("churn/blue/1")
        bench.apply(endpoint(deployment("blue", 100)))
        password = {"authorization": f"Basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}"}
        for path in BELOW:
            answer = await raw(bench, "GET", AT + path.format("churn"), password)
            is_document = path.startswith(("/docs", "/openapi.json", "/swagger.json", "/v2"))
            assert answer.startswith(b"HTTP/1.1 401 ") != is_document, path
            for method in ("POST", "OPTIONS", "DELETE", "HEAD"):
                refused = await raw(bench, method, AT + path.format("churn"), password)
                assert refused.startswith(b"HTTP/1.1 401 "), (method, path)
        assert b"swagger-ui" in await raw(bench, "GET", AT + "/docs", password)

    run(tmp_path, test)


def test_a_refusal_is_in_the_dialect_of_its_path(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        client = bench.client()
        for path, key in (("/score", "message"), ("/invocations", "error_code"), ("/v2/models/x/infer", "error")):
            status, body, _ = await client.ask("POST", f"/endpoints/x{path}", b"{}")
            assert (status, key in body) == (401, True)

    run(tmp_path, test)


def test_what_belongs_to_no_endpoint_tells_nothing(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        client = bench.client()
        assert (await client.ask("GET", "/ping"))[0] == 503
        await bench.blue_and_green(100, 0)
        for path in ("/ping", "/health", "/v2/health/live", "/v2/health/ready"):
            assert (await client.ask("GET", path))[0] == 200
            assert (await client.ask("POST", path))[0] == 405
        for path in (
            "/",
            "/v2",
            "/metrics",
            "/version",
            "/-/reload",
            "/score",
            "/invocations",
            "/openapi.json",
            "/endpoints",
        ):
            for headers in ({}, {"authorization": f"Bearer {KEY}"}):
                status, body, _ = await client.ask("GET", path, **headers)
                assert status == 404
                assert "churn" not in json.dumps(body)
        assert (await client.ask("GET", "/v2/models/churn"))[0] == 404

    run(tmp_path, test)


def test_a_key_that_was_replaced_stops_at_once_and_the_other_goes_on(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        for keys in (("one", "two"), ("three", "two")):
            bench.apply(endpoint(deployment("blue", 100), credentials=[credential(key) for key in keys]))
            for key in keys:
                assert (await asked(bench, peer, authorization=f"Bearer {key}"))[0] == 200
        assert (await bench.client().ask("POST", AT + "/score", BODY, **{**JSON, "authorization": "Bearer one"}))[
            0
        ] == 401

    run(tmp_path, test)


def test_a_browser_may_ask_whether_it_may_ask_and_learns_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_CORS_ORIGINS", "https://shop.example")
    preflight = {
        "origin": "https://shop.example",
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization",
    }

    async def test(bench: Bench) -> None:
        peer, _ = await bench.blue_and_green(100, 0)
        there, absent = [await raw(bench, "OPTIONS", f"/endpoints/{name}/score", preflight) for name in ("churn", "no")]
        assert there == absent
        assert there.startswith(b"HTTP/1.1 200 ")
        assert b"access-control-allow-headers: authorization\r\n" in there
        assert (await bench.client().ask("OPTIONS", AT + "/invocations", **preflight))[0] == 401
        _, _, headers = await asked(bench, peer, origin="https://shop.example")
        assert headers["access-control-allow-origin"] == "https://shop.example"

    run(tmp_path, test)


# -- who answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/score", "/invocations", "/v2/models/churn/infer"])
def test_an_answer_names_the_deployment_that_gave_it(tmp_path: Path, path: str) -> None:
    async def test(bench: Bench) -> None:
        blue, green = await bench.blue_and_green(100, 0)
        for peer, name, chosen in ((blue, "blue", {}), (green, "green", {"azureml_model_deployment": "Green"})):
            status, body, headers = await asked(bench, peer, path, b'{"from":"%s"}' % name.encode(), **chosen)
            assert (status, body, headers["azureml-model-deployment"]) == (200, {"from": name}, name)
            assert headers["x-request-id"]
            assert headers.get("ms-azureml-model-time") == ("0" if path == "/score" else None)
        assert (bench.requests(1), bench.requests(2)) == ({200: 1}, {200: 1})

    run(tmp_path, test)


def test_the_time_in_the_model_is_that_of_its_predict_call(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        blue, _ = await bench.blue_and_green(100, 0)
        client = bench.client()
        await client.send("POST", AT + "/score", BODY, **JSON)
        id = (await blue.next(wire.INFER)).id
        blue.say(wire.RESULT, id, {"rows": 1, "phases": [1000, 2000, 41_600, 3000]}, b"[1]")
        assert (await client.answer())[2]["ms-azureml-model-time"] == "42"

    run(tmp_path, test)


@pytest.mark.parametrize("percent", [0, 30, 90])
def test_requests_are_drawn_by_percent(tmp_path: Path, percent: int) -> None:
    async def test(bench: Bench) -> None:
        peers = await bench.blue_and_green(100 - percent, percent)

        async def answering(peer: Peer) -> None:
            while True:
                peer.result((await peer.inbox.get()).id, b"[1]")

        workers = [asyncio.ensure_future(answering(peer)) for peer in peers]
        client = bench.client()
        found: Counter[str] = Counter()
        for _ in range(600):
            status, _, headers = await client.ask("POST", AT + "/score", BODY, **JSON)
            assert status == 200
            found[headers["azureml-model-deployment"]] += 1
        expected = 600 * percent / 100
        assert abs(found["green"] - expected) <= 5 * (600 * percent / 100 * (100 - percent) / 100) ** 0.5
        for worker in workers:
            worker.cancel()

    run(tmp_path, test)


def test_who_is_named_and_is_not_there_is_told_who_is(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.blue_and_green(100, 0)
        client = bench.client()
        for path, key in (("/score", "message"), ("/invocations", "message"), ("/v2/models/churn/infer", "error")):
            status, body, _ = await client.ask("POST", AT + path, BODY, **JSON, azureml_model_deployment="r\xe9d")
            assert (status, body[key]) == (404, "this endpoint has no deployment 'r\\xc3\\xa9d'; there is blue, green")

    run(tmp_path, test)


@pytest.mark.parametrize(("deployments", "there"), [(["blue", "green"], "blue, green"), ([], "none")])
def test_without_traffic_it_is_said(tmp_path: Path, deployments: list[str], there: str) -> None:
    async def test(bench: Bench) -> None:
        bench.apply(endpoint(*(deployment(name) for name in deployments)))
        status, body, _ = await bench.client().ask("POST", AT + "/score", BODY, **JSON)
        assert status == 404
        assert body["message"].startswith("no deployment of this endpoint gets traffic")
        assert body["message"].endswith(f"there is {there}")

    run(tmp_path, test)


def test_a_deployment_is_not_ready_until_its_workers_are(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.apply(endpoint(deployment("blue", 100)))
        client = bench.client()
        for path, key in (("/score", "message"), ("/invocations", "message"), ("/v2/models/churn/infer", "error")):
            status, body, headers = await client.ask("POST", AT + path, BODY, **JSON)
            assert (status, headers["azureml-model-deployment"], headers["retry-after"]) == (503, "blue", "1")
            assert body[key] == "deployment 'blue' of this endpoint is not ready; try again later"
        (peer,) = await bench.workers("churn/blue/1")
        assert (await asked(bench, peer))[0] == 200
        await bench.row("churn/blue/1", [])
        assert (await client.ask("GET", AT + "/health", **JSON))[0] == 503
        await client.send("POST", AT + "/score", BODY, **JSON)  # waits for a worker
        await asyncio.sleep(0.05)
        (peer,) = await bench.workers("churn/blue/1")
        peer.result((await peer.next(wire.INFER)).id, b"[2]")
        assert (await client.answer())[:2] == (200, [2])

    run(tmp_path, test)


def test_documents_and_state_are_those_of_the_endpoint(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.blue_and_green(100, 0)
        client = bench.client()
        for path in (
            "",
            "/",
            "/ping",
            "/health",
            "/v2",
            "/v2/health/ready",
            "/v2/models/churn",
            "/docs",
            "/docs/docs.js",
        ):
            status, _, headers = await client.ask("GET", AT + path, **JSON)
            assert (status, headers["azureml-model-deployment"]) == (200, "blue")
        _, document, _ = await client.ask("GET", AT + "/openapi.json", **JSON)
        assert (document["info"]["title"], document["servers"]) == ("churn", [{"url": AT}])
        assert document["security"] == [{"key": []}]
        _, swagger, _ = await client.ask("GET", AT + "/swagger.json?version=2", **JSON)
        assert swagger["basePath"] == AT
        status, body, _ = await client.ask("GET", AT + "/nowhere", **JSON)
        assert (status, AT + "/score" in body["message"]) == (404, True)
        assert (await client.ask("GET", AT + "/invocations", **JSON))[2]["allow"] == "POST"

    run(tmp_path, test)


# -- what an answer says -----------------------------------------------------------------------------------------------

OWN_500 = failure(type="ModelportError", code="INTERNAL_ERROR", message="no")
BAD = failure(message="no rows")
SHAPE = failure(type="SchemaMismatch", code="INVALID_PARAMETER_VALUE", message="no")
RAISED = failure(type="ModelFailed", code="BAD_REQUEST", message="it raised")
DIED = failure(type="ModelportError", code="WORKER_DIED", message="it died")
LATE = failure(type="ModelportError", code="DEADLINE_EXCEEDED", message="late")


@pytest.mark.parametrize(
    ("error", "passing", "status", "container"),
    [
        (BAD, False, 424, "400"),
        (SHAPE, False, 424, "400"),
        (OWN_500, False, 424, "500"),
        (RAISED, False, 424, "500"),
        (DIED, False, 424, "500"),
        (LATE, False, 408, None),
        (BAD, True, 400, None),
        (SHAPE, True, 400, None),
        (OWN_500, True, 424, "500"),
        (RAISED, True, 424, "500"),
    ],
)
def test_what_the_container_would_not_answer_with_200_is_424(
    tmp_path: Path, error: Any, passing: bool, status: int, container: str | None
) -> None:
    async def test(bench: Bench) -> None:
        peer, _ = await bench.blue_and_green(100, 0, pass_client_errors=passing)
        client = bench.client()
        await client.send("POST", AT + "/score", BODY, **JSON)
        peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, error)
        found, body, headers = await client.answer()
        assert (found, body) == (status, {"message": error["error"]["message"]})
        assert headers.get("ms-azureml-model-error-statuscode") == container
        assert headers.get("ms-azureml-model-error-reason") == (container and "model_error")
        assert headers["azureml-model-deployment"] == "blue"
        assert bench.requests(1) == {status: 1}

    run(tmp_path, test)


@pytest.mark.parametrize(("passing", "status", "container"), [(False, 424, "415"), (True, 415, None)])
def test_so_is_what_no_worker_is_asked_for(tmp_path: Path, passing: bool, status: int, container: str | None) -> None:
    async def test(bench: Bench) -> None:
        await bench.blue_and_green(100, 0, pass_client_errors=passing)
        client = bench.client()
        found, body, headers = await client.ask("POST", AT + "/score", BODY, **{**JSON, "content_type": "text/csv"})
        assert (found, headers.get("ms-azureml-model-error-statuscode")) == (status, container)
        assert body == {"message": "Expects Content-Type to be application/json"}
        assert (await client.ask("POST", AT + "/score", BODY, **JSON, x_request_id="a" * 101))[0] == 431

    run(tmp_path, test)


@pytest.mark.parametrize(("path", "status"), [("/invocations", 400), ("/v2/models/churn/infer", 400)])
def test_other_dialects_keep_their_statuses(tmp_path: Path, path: str, status: int) -> None:
    async def test(bench: Bench) -> None:
        peer, _ = await bench.blue_and_green(100, 0)
        client = bench.client()
        await client.send("POST", AT + path, BODY, **JSON)
        peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, BAD)
        assert (await client.answer())[0] == status

    run(tmp_path, test)


# -- limits ------------------------------------------------------------------------------------------------------------


def limited(**limits: Any) -> Any:
    return endpoint(deployment("blue", 100, **limits))


def test_a_time_out_is_408(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        bench.apply(limited(timeout=0.1))
        status, body, headers = await bench.client().ask("POST", AT + "/score", BODY, **JSON)
        assert (status, body["message"]) == (408, "no answer within 0.1 s")
        assert "ms-azureml-model-error-statuscode" not in headers
        assert bench.overrun == [peer.address.id]

    run(tmp_path, test)


def test_more_than_may_be_open_is_429(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        bench.apply(limited(max_open=1))
        first, second = bench.client(), bench.client()
        await first.send("POST", AT + "/score", BODY, **JSON)
        sent = await peer.next(wire.INFER)
        status, _, headers = await second.ask("POST", AT + "/score", BODY, **JSON)
        assert (status, headers["retry-after"]) == (429, "1")
        bench.apply(limited(max_open=2))  # in place: the first is still open
        await second.send("POST", AT + "/score", BODY, **JSON)
        peer.result((await peer.next(wire.INFER)).id, b"[2]")
        assert (await second.answer())[:2] == (200, [2])
        peer.result(sent.id, b"[1]")
        assert (await first.answer())[:2] == (200, [1])

    run(tmp_path, test)


def test_what_may_be_open_is_for_all_scoring_processes_together(tmp_path: Path) -> None:
    async def both(bench: Bench, beside: Bench) -> None:
        peers = [(await each.workers("churn/blue/1"))[0] for each in (bench, beside)]
        limits = limited(max_concurrent=1, max_open=2)
        bench.apply(limits)
        beside.apply(limits)
        here, there, waiting = bench.client(), beside.client(), bench.client()
        for client, peer in ((here, peers[0]), (there, peers[1])):
            await client.send("POST", AT + "/score", BODY, **JSON)
            sent = await peer.next(wire.INFER)
        for each in (bench, beside):
            assert (await each.client().ask("POST", AT + "/score", BODY, **JSON))[0] == 429
        peers[1].result(sent.id, b"[1]")
        assert (await there.answer())[0] == 200
        await waiting.send("POST", AT + "/score", BODY, **JSON)  # a worker has one at a time: this waits
        await asyncio.sleep(0.05)
        assert (await beside.client().ask("POST", AT + "/score", BODY, **JSON))[0] == 429
        assert waiting.writer is not None
        waiting.writer.close()
        await asyncio.sleep(0.05)
        assert list(bench.memory.counted(1)) == [1, 0]
        bench.apply(limited())  # a limit that no file sets is each process's own
        assert list(bench.memory.counted(1)) == [0, 0]
        bench.apply(limits)
        assert list(bench.memory.counted(1)) == [1, 0]

    async def test(bench: Bench) -> None:
        (tmp_path / "beside").mkdir()
        beside = Bench(tmp_path / "beside", processes=2, beside=bench)
        await beside.listen()
        try:
            await both(bench, beside)
        finally:
            await beside.close()

    run(tmp_path, test, processes=2)


def test_what_no_worker_took_in_time_is_429(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        (peer,) = await bench.workers("churn/blue/1")
        bench.apply(limited(max_concurrent=1, max_wait=0.1))
        first, second = bench.client(), bench.client()
        await first.send("POST", AT + "/score", BODY, **JSON)
        sent = await peer.next(wire.INFER)
        began = time.monotonic()
        status, body, headers = await second.ask("POST", AT + "/score", BODY, **JSON)
        assert (status, "took" in body["message"]) == (429, True)
        assert 0.08 < time.monotonic() - began < 5
        assert "ms-azureml-model-error-statuscode" not in headers
        peer.result(sent.id, b"[1]")
        assert (await first.answer())[0] == 200
        assert bench.requests(1) == {200: 1, 429: 1}

    run(tmp_path, test)


def test_a_body_that_is_too_large_is_413_whoever_sends_it(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.blue_and_green(100, 0)
        status, _, _ = await bench.client().ask("POST", AT + "/score", b"x" * 101, **JSON)
        assert status == 413

    run(tmp_path, test, max_body=100)


# -- what is written down ----------------------------------------------------------------------------------------------


def test_lines_of_the_log_name_endpoint_and_deployment(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def test(bench: Bench) -> None:
        peer, _ = await bench.blue_and_green(100, 0)
        await asked(bench, peer, x_request_id="id-1")
        await bench.client().ask("POST", AT + "/score", BODY, x_request_id="id-2")

    run(tmp_path, test, access_log="json")
    lines = {line["request_id"]: line for line in map(json.loads, capfd.readouterr().out.splitlines())}
    assert (lines["id-1"]["endpoint"], lines["id-1"]["deployment"], lines["id-1"]["status"]) == ("churn", "blue", 200)
    assert "endpoint" not in lines["id-2"]
