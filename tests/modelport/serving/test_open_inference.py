"""The Open Inference Protocol over real sockets on both sides: HTTP in front, a scripted worker behind."""

import json
from pathlib import Path
from typing import Any

import pytest

import modelport_runtime
from modelport.serving.metadata import model_metadata
from modelport.serving.open_inference import INFER_STATUS, VERSION, OpenInference
from modelport.serving.served_model import ServedModel
from modelport_runtime import wire
from modelport_runtime.data_types import SCALAR_TYPES
from modelport_runtime.payload.open_inference import response
from tests.modelport.serving.test_routes import Bench, Client, run  # noqa: F401  run is a fixture

INFER = "/v2/models/m/infer"
FORM = {"content": "json", "dialect": "v2", "policy": "strict", "answer": "json"}


def served(inputs: Any = None, outputs: Any = None, name: str = "m", **flavors: Any) -> ServedModel:
    mlmodel: dict[str, Any] = {"flavors": {"python_function": {"loader_module": "x"}, **flavors}}
    if inputs is not None:
        mlmodel["signature"] = {"inputs": json.dumps(inputs), "outputs": outputs and json.dumps(outputs)}
    return ServedModel(name, Path(), mlmodel)


# -- inference ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [INFER, "/v2/models/m/versions/1/infer"])
@pytest.mark.parametrize(
    "headers", [{}, {"content_type": "application/json; charset=utf-8"}, {"content_type": "application/octet-stream"}]
)
def test_a_request_reaches_the_worker_as_it_came(run: Any, path: str, headers: dict[str, str]) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", path, b"\x00 any bytes", **headers)
        sent = await peer.next(wire.INFER)
        assert (json.loads(sent.head), sent.body) == (FORM, b"\x00 any bytes")
        peer.result(sent.id, b'{"outputs":[]}')
        status, body, found = await client.answer()
        assert (status, body, found["content-type"]) == (200, {"outputs": []}, "application/json")
        assert "inference-header-content-length" not in found

    run(test)


def test_the_size_of_the_json_part_goes_both_ways(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", INFER, b"{}12345678", inference_header_content_length="2")
        sent = await peer.next(wire.INFER)
        assert (json.loads(sent.head), sent.body) == ({**FORM, "json_size": 2}, b"{}12345678")
        peer.say(wire.RESULT, sent.id, {"rows": 1, "phases": [1, 2, 3, 4], "json_size": 3}, b"{ }\x00\x01")
        status, body, found = await client.answer()
        assert (status, body, found["content-type"]) == (200, b"{ }\x00\x01", "application/octet-stream")
        assert found["inference-header-content-length"] == "3"

    run(test)


@pytest.mark.parametrize("size", ["0", "-1", "11", "x", "", "1.0", "9" * 5000])
def test_a_size_that_cannot_be_is_refused_before_the_worker(run: Any, size: str) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        status, body, _ = await client.ask("POST", INFER, b"{}12345678", inference_header_content_length=size)
        assert status == 400
        assert "Inference-Header-Content-Length" in body["error"]
        assert peer.inbox.empty()

    run(test)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": ""},
        {"content_type": "application/xml"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_encoding": "gzip"},
        {"content_encoding": "deflate"},
    ],
)
def test_a_body_nobody_can_read_is_refused(run: Any, headers: dict[str, str]) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        status, body, _ = await client.ask("POST", INFER, b"{}", **headers)
        assert (status, body["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert body["error"]
        assert peer.inbox.empty()

    run(test)


@pytest.mark.parametrize(
    ("kind", "code", "status", "found"),
    [
        ("InvalidInput", "BAD_REQUEST", 400, "BAD_REQUEST"),
        ("SchemaMismatch", "INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"),
        ("ModelFailed", "BAD_REQUEST", 500, "MODEL_FAILED"),
        ("ModelFailed", "INVALID_PARAMETER_VALUE", 400, "INVALID_PARAMETER_VALUE"),
        ("ModelportError", "INTERNAL_ERROR", 500, "INTERNAL_ERROR"),
        ("ModelportError", "DEADLINE_EXCEEDED", 504, "DEADLINE_EXCEEDED"),
    ],
)
@pytest.mark.parametrize("tracebacks", [False, True])
def test_an_error_says_whose_fault_it_is(
    run: Any,  # noqa: F811
    kind: str,
    code: str,
    status: int,
    found: str,
    tracebacks: bool,
) -> None:
    details = [{"column": "x", "expected": "FP64", "found": "missing"}]

    async def test(bench: Bench) -> None:
        peer, client = await bench.worker(), bench.client()
        await client.send("POST", INFER, b"{}")
        error = {"type": kind, "code": code, "message": "no", "hint": "h", "details": details, "traceback": "Trace"}
        peer.say(wire.ERROR, (await peer.next(wire.INFER)).id, {"error": error})
        expected = {"error": "no", "error_code": found, "details": details, "hint": "h"}
        if tracebacks:
            expected["stack_trace"] = "Trace"
        assert (await client.answer())[:2] == (status, expected)

    run(test, tracebacks=tracebacks)


def test_a_request_too_many_is_told_to_come_again(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        peer, first, second = await bench.worker(), bench.client(), bench.client()
        await first.send("POST", INFER, b"{}")
        sent = await peer.next(wire.INFER)
        status, body, headers = await second.ask("POST", INFER, b"{}")
        assert (status, headers["retry-after"]) == (429, "1")
        assert "waiting already" in body["error"]
        peer.result(sent.id, b"{}")
        assert (await first.answer())[0] == 200

    run(test, max_queue=1)


# -- the small ones ----------------------------------------------------------------------------------------------------


def test_health_follows_the_workers(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        client = bench.client()
        ready = ("/v2/health/ready", "/v2/models/m/ready", "/v2/models/m/versions/1/ready")
        assert (await client.ask("GET", "/v2/health/live"))[:2] == (200, {"live": True})
        for path in ready:
            status, body, headers = await client.ask("GET", path)
            assert (status, body, headers["retry-after"]) == (503, {"error": "no worker is ready"}, "1")
        await bench.worker()
        assert (await client.ask("GET", ready[0]))[:2] == (200, {"ready": True})
        for path in ready[1:]:
            assert (await client.ask("GET", path))[:2] == (200, {"name": "m", "ready": True})
            assert (await client.ask("HEAD", path))[0] == 200

    run(test)


def test_the_server_and_the_model_describe_themselves(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        client = bench.client()
        version = modelport_runtime.__version__
        server = {"name": "modelport", "version": version, "extensions": ["binary_tensor_data"]}
        model = {"name": "m", "versions": ["1"], "platform": "mlflow_python_function", "inputs": [], "outputs": []}
        assert (await client.ask("GET", "/v2"))[:2] == (200, server)
        for path in ("/v2/models/m", "/v2/models/m/versions/1"):
            assert (await client.ask("GET", path))[:2] == (200, model)

    run(test)


def test_columns_and_tensors_are_described_as_the_tensors_a_client_sends() -> None:
    types = dict(zip(SCALAR_TYPES, ("BOOL", "INT32", "INT64", "FP32", "FP64", "BYTES", "BYTES", "BYTES"), strict=True))
    inputs: list[dict[str, Any]] = [{"name": name, "type": name, "required": True} for name in types]
    inputs += [
        {"name": "embedding", "type": "array", "items": {"type": "float"}, "required": False},
        {"name": "matrix", "type": "array", "items": {"type": "array", "items": {"type": "long"}}},
        {"name": "tags", "type": "array", "items": {"type": "string"}},
        {"name": "thing", "type": "object", "properties": {"a": {"type": "long"}}},
        {"name": "things", "type": "array", "items": {"type": "object", "properties": {"a": {"type": "long"}}}},
        {"name": "map", "type": "map", "values": {"type": "double"}},
        {"name": "any", "type": "any"},
    ]
    outputs = [
        {"name": name, "type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, 3]}}
        for name, dtype in (("scores", "float16"), ("ids", "uint64"), ("labels", "str"), ("when", "datetime64[ns]"))
    ]
    found = model_metadata(served(inputs, outputs, "wine", sklearn={}))
    assert (found["name"], found["versions"], found["platform"]) == ("wine", ["1"], "mlflow_sklearn")
    described = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in found["inputs"]}
    assert described == {
        **{name: (datatype, [-1]) for name, datatype in types.items()},
        "embedding": ("FP32", [-1, -1]),
        "matrix": ("INT64", [-1, -1, -1]),
        "tags": ("BYTES", [-1, -1]),
        **{name: ("BYTES", [-1]) for name in ("thing", "things", "map", "any")},
    }
    assert found["outputs"] == [
        {"name": "scores", "datatype": "FP16", "shape": [-1, 3]},
        {"name": "ids", "datatype": "UINT64", "shape": [-1, 3]},
        {"name": "labels", "datatype": "BYTES", "shape": [-1, 3]},
        {"name": "when", "datatype": "BYTES", "shape": [-1, 3]},
    ]


def test_what_has_no_name_goes_by_its_position_or_by_what_it_is() -> None:
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28, 28]}}]
    found = model_metadata(served(tensor, [{"type": "double"}]))
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 28, 28]}]
    assert found["outputs"] == [{"name": "predictions", "datatype": "FP64", "shape": [-1]}]
    found = model_metadata(served([{"type": "string"}], [{"type": "double"}, {"type": "long"}]))
    assert [item["name"] for item in found["inputs"]] == ["0"]
    assert [item["name"] for item in found["outputs"]] == ["0", "1"]


def test_a_name_is_found_however_a_url_writes_it(run: Any) -> None:  # noqa: F811
    async def test(bench: Bench) -> None:
        route = OpenInference(
            bench.pool, bench.metrics, bench.log, served(name="my/model"), tracebacks=False, timing=False
        )
        assert set(route.model_paths()) == {
            b"/v2/models/my/model",
            b"/v2/models/my%2Fmodel",
            b"/v2/models/my/model/versions/1",
            b"/v2/models/my%2Fmodel/versions/1",
        }

    run(test)


def test_both_sides_speak_of_the_same_version() -> None:
    assert VERSION == response.MODEL_VERSION


def test_every_status_is_one_that_the_protocol_s_clients_take_for_an_error() -> None:
    assert all(400 <= status < 600 for status in INFER_STATUS.values())
