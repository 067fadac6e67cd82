"""The Open Inference Protocol as the real Triton client speaks it, against a real `modelport serve` of real models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

import modelport_runtime
from tests.end_to_end.server import Server, running
from tests.support.saved import saved_by

ROWS = np.array(
    [
        [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0],
        [12.37, 0.94, 1.36, 10.6, 88.0, 1.98, 0.57, 0.28, 0.42, 1.95, 1.05, 1.82, 520.0],
    ]
)


@pytest.fixture(scope="module")
def inference_models() -> Path:
    return saved_by(Path(__file__).with_name("make_inference_models.py"))


def served(model: Path, folder: Path, *options: str) -> Iterator[tuple[Server, triton.InferenceServerClient]]:
    with running(model, folder, "--model-name", model.name, *options) as server:
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        try:
            yield server, client
        finally:
            client.close()


@pytest.fixture(scope="module")
def wine(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(models / "wine", tmp_path_factory.mktemp("wine"))


@pytest.fixture(scope="module")
def columns(inference_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(inference_models / "columns", tmp_path_factory.mktemp("columns"))


@pytest.fixture(scope="module")
def scores(inference_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(inference_models / "scores", tmp_path_factory.mktemp("scores"))


def given(name: str, array: Any, binary: bool = True) -> triton.InferInput:
    array = np.asarray(array)
    found = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return found.set_data_from_numpy(array, binary_data=binary)


def wanted(*names: str, binary: bool) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in names]


def texts(*values: Any) -> Any:
    return np.array(values, dtype=object)


def wine_columns(client: triton.InferenceServerClient, binary: bool) -> list[triton.InferInput]:
    names = [tensor["name"] for tensor in client.get_model_metadata("wine")["inputs"]]
    return [given(name, ROWS[:, position], binary) for position, name in enumerate(names)]


def test_the_server_and_the_model_are_live_ready_and_described(wine: Any) -> None:
    _, client = wine
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("wine")
    assert client.is_model_ready("wine", "1")
    assert client.get_server_metadata() == {
        "name": "modelport",
        "version": modelport_runtime.__version__,
        "extensions": ["binary_tensor_data"],
    }
    found = client.get_model_metadata("wine", "1")
    assert (found["name"], found["versions"], found["platform"]) == ("wine", ["1"], "mlflow_sklearn")
    assert len(found["inputs"]) == 13
    assert found["inputs"][0] == {"name": "alcohol", "datatype": "FP64", "shape": [-1]}
    assert [(tensor["datatype"], tensor["shape"]) for tensor in found["outputs"]] == [("INT64", [-1])]


def test_what_is_not_served_is_not_ready_and_an_error(wine: Any) -> None:
    _, client = wine
    assert not client.is_model_ready("other")
    assert not client.is_model_ready("wine", "2")
    with pytest.raises(InferenceServerException) as caught:
        client.get_model_metadata("other")
    assert caught.value.status() == "404"
    assert caught.value.message().startswith("nothing is served at this path")
    with pytest.raises(InferenceServerException) as caught:
        client.infer("other", [given("x", [1.0])])
    assert caught.value.status() == "404"


@pytest.mark.parametrize("sent_binary", [False, True])
@pytest.mark.parametrize("answered_binary", [False, True])
def test_columns_give_the_prediction_of_the_other_door(wine: Any, sent_binary: bool, answered_binary: bool) -> None:
    server, client = wine
    inputs = wine_columns(client, sent_binary)
    output = client.get_model_metadata("wine")["outputs"][0]["name"]
    result = client.infer("wine", inputs, outputs=wanted(output, binary=answered_binary), request_id="r-1")
    names = [tensor.name() for tensor in inputs]
    _, document = server.predict({"dataframe_split": {"columns": names, "data": ROWS.tolist()}})
    found = result.as_numpy(output)
    assert found.dtype == np.int64
    assert found.tolist() == document["predictions"] == [0, 1]
    described = result.get_response()
    assert (described["model_name"], described["model_version"], described["id"]) == ("wine", "1", "r-1")
    assert ("data" in described["outputs"][0]) is not answered_binary


def test_a_client_that_names_no_output_gets_all_as_binary_data(wine: Any) -> None:
    _, client = wine
    result = client.infer("wine", wine_columns(client, binary=True), model_version="1")
    (output,) = result.get_response()["outputs"]
    assert output["parameters"] == {"binary_data_size": 16}
    assert result.as_numpy(output["name"]).tolist() == [0, 1]


def test_many_requests_at_once_get_each_their_own_answer(wine: Any) -> None:
    server, _ = wine
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=8) as client:
        inputs = wine_columns(client, binary=True)
        pending = [client.async_infer("wine", inputs, request_id=str(number)) for number in range(40)]
        results = [request.get_result() for request in pending]
    assert [result.get_response()["id"] for result in results] == [str(number) for number in range(40)]
    assert all(result.as_numpy(result.get_response()["outputs"][0]["name"]).tolist() == [0, 1] for result in results)


def all_columns(binary: bool, count: int = 1) -> list[triton.InferInput]:
    blob = texts(b"\xff\x00", b"") if binary else texts("/wA=", "")
    return [
        given("text", texts("é", "007"), binary),
        given("count", np.array([[count], [2]]), binary),
        given("when", texts("2024-05-17T23:30:00-02:00", "1999-12-31"), binary),
        given("blob", blob, binary),
        given("flag", [True, False], binary),
        given("tags", texts('["a", "bcd"]', '["x"]'), binary),
    ]


@pytest.mark.parametrize("binary", [False, True])
def test_text_bytes_moments_and_lists_go_in_and_come_out(columns: Any, binary: bool) -> None:
    _, client = columns
    names = ("text", "count", "year", "blob", "flag", "longest", "ratio")
    asked = wanted(*names, binary=binary)
    result = client.infer("columns", all_columns(binary), outputs=asked, parameters={"suffix": "!"})
    found = {name: result.as_numpy(name).tolist() for name in names}
    if binary:
        assert found["text"] == ["é!".encode(), b"007!"]
        assert found["blob"] == [b"\xff\x00", b""]
        assert found["longest"] == [b"bcd", b"x"]
    else:
        assert found["text"] == ["é!", "007!"]
        assert found["longest"] == ["bcd", "x"]
    assert (found["count"], found["year"], found["flag"]) == ([2, 3], [2024, 1999], [False, True])
    assert np.isnan(found["ratio"]).all()


def test_only_the_outputs_that_are_wanted_come_back_each_in_its_form(columns: Any) -> None:
    _, client = columns
    asked = [*wanted("year", binary=True), *wanted("flag", binary=False)]
    inputs = [*all_columns(binary=True), given("ratio", np.array([0.5, 1], dtype=np.float32), binary=False)]
    outputs = client.infer("columns", inputs, outputs=asked).get_response()["outputs"]
    assert [(output["name"], "data" in output) for output in outputs] == [("year", False), ("flag", True)]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_tensor_goes_in_under_any_name_and_comes_out_under_the_signature_s(
    scores: Any, dtype: str, binary: bool
) -> None:
    _, client = scores
    array = np.array([[1, 2], [3, -4], [0, 7]], dtype=dtype)
    result = client.infer("scores", [given("x", array, binary)], outputs=wanted("scores", binary=binary))
    assert result.as_numpy("scores").dtype == np.float32
    assert result.as_numpy("scores").tolist() == (array * 2).tolist()


def test_a_tensor_signature_says_its_shape_and_holds_a_request_against_it(scores: Any) -> None:
    _, client = scores
    found = client.get_model_metadata("scores")
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}]
    assert found["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}]
    with pytest.raises(InferenceServerException, match="float32") as caught:
        client.infer("scores", [given("x", [[1.0, 2.0, 3.0]])])
    assert caught.value.status() == "400"


def test_a_model_with_a_type_hint_takes_its_list(inference_models: Path, tmp_path: Path) -> None:
    for _, client in served(inference_models / "words", tmp_path):
        result = client.infer("words", [given("anything", texts("a", "four"))])
        assert result.as_numpy("predictions").tolist() == [1, 4]


def test_a_model_without_a_signature_takes_arrays_as_they_are(inference_models: Path, tmp_path: Path) -> None:
    for _, client in served(inference_models / "untyped", tmp_path):
        assert client.get_model_metadata("untyped")["inputs"] == []
        result = client.infer("untyped", [given("x", np.array([1, 2], dtype=np.uint8))])
        assert result.as_numpy("predictions").dtype == np.uint8
        assert result.as_numpy("predictions").tolist() == [2, 1]
        result = client.infer("untyped", [given("a", [1.5, 2.5]), given("b", texts("x", "y"))])
        assert result.as_numpy("a").tolist() == [2.5, 1.5]
        assert result.as_numpy("b").tolist() == [b"y", b"x"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (lambda: all_columns(True)[:-1], None, "'tags'.*missing"),
        (lambda: [*all_columns(True)[1:], given("text", texts(b"\xff", b""))], None, "'text': element 0 is not UTF-8"),
        (lambda: [*all_columns(True)[1:], given("text", [[1.0, 2.0]] * 2)], None, r"has shape \[2, 2\]"),
        (lambda: [*all_columns(True), given("ratio", texts("one", "two"))], None, "'ratio'"),
        (lambda: all_columns(True), wanted("nothing", binary=True), "no output 'nothing'; it gave 'text', 'count'"),
    ],
)
def test_what_does_not_fit_is_the_client_s_mistake_and_named(
    columns: Any, inputs: Any, outputs: Any, message: str
) -> None:
    _, client = columns
    with pytest.raises(InferenceServerException, match=message) as caught:
        client.infer("columns", inputs(), outputs=outputs)
    assert caught.value.status() == "400"


def test_what_the_model_raises_is_the_server_s_failure(columns: Any) -> None:
    _, client = columns
    with pytest.raises(InferenceServerException, match="the model raised ValueError") as caught:
        client.infer("columns", all_columns(True, count=-1))
    assert caught.value.status() == "500"


def test_a_compressed_body_is_refused_and_a_compressed_answer_not_sent(wine: Any) -> None:
    _, client = wine
    inputs = wine_columns(client, binary=True)
    for algorithm in ("gzip", "deflate"):
        with pytest.raises(InferenceServerException, match="compressed bodies are not read") as caught:
            client.infer("wine", inputs, request_compression_algorithm=algorithm)
        assert caught.value.status() == "415"
        result = client.infer("wine", inputs, response_compression_algorithm=algorithm)
        assert len(result.get_response()["outputs"]) == 1


def test_the_habits_of_other_clients_are_understood(wine: Any) -> None:
    server, client = wine
    inputs = [
        {
            "name": tensor["name"],
            "datatype": "FP32",
            "shape": [2, 1],
            "data": [[float(value)] for value in ROWS[:, position]],
            "parameters": {"content_type": "np"},
        }
        for position, tensor in enumerate(client.get_model_metadata("wine")["inputs"])
    ]
    body = json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()
    for headers in ({"content_type": "application/json"}, {"content_type": "application/octet-stream"}):
        status, document, _ = server.ask("/v2/models/wine/infer", body, **headers)
        assert (status, document["outputs"][0]["data"]) == (200, [0, 1])
        assert "id" not in document
