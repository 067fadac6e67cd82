"""The files, with every age of numpy and pandas; ``tests/interop/test_signatures.py`` compares with MLflow's own."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.errors import InvalidInput
from modelport_runtime.input_examples import saved_example
from modelport_runtime.model import Model

FRAME = pd.DataFrame({"x": [1.5, 2.5], "s": ["a", "b"]})
TABLE = {"columns": ["x", "s"], "data": [[1.5, "a"], [2.5, "b"]]}
CHAT = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("example", "kind", "stored", "body"),
    [
        (FRAME, {"type": "dataframe", "pandas_orient": "split"}, TABLE, {"dataframe_split": TABLE}),
        (
            pd.DataFrame([[1, 2]], index=[7]),
            {"type": "dataframe", "pandas_orient": "values"},
            {"data": [[1, 2]]},
            {"dataframe_split": {"data": [[1, 2]]}},
        ),
        (np.array([[1, 2]]), {"type": "ndarray"}, [[1, 2]], {"inputs": [[1, 2]]}),
        ({"x": np.array([1.5])}, {"type": "ndarray"}, {"x": [1.5]}, {"inputs": {"x": [1.5]}}),
        ({"a": 1}, {"type": "json_object"}, {"a": 1}, {"inputs": {"a": 1}}),
        (["a"], {"type": "json_object"}, ["a"], {"inputs": ["a"]}),
        (5, {"type": "json_object"}, 5, {"inputs": 5}),
        (b"test", {"type": "json_object"}, "dGVzdA==\n", {"inputs": "dGVzdA==\n"}),
        (dt.datetime(2024, 1, 2), {"type": "json_object"}, "2024-01-02T00:00:00", {"inputs": "2024-01-02T00:00:00"}),
        (CHAT, {"type": "json_object"}, CHAT, CHAT),
        (
            (["a"], {"t": 1.5}),
            {"params": "true", "type": "json_object"},
            {"inputs": ["a"], "params": {"t": 1.5}},
            {"inputs": ["a"], "params": {"t": 1.5}},
        ),
        (
            (CHAT, {"t": 1.5}),
            {"params": "true", "type": "json_object"},
            {"inputs": CHAT, "params": {"t": 1.5}},
            {**CHAT, "t": 1.5},
        ),
    ],
)
def test_an_example_is_stored_and_sent(example, kind, stored, body):
    saved = saved_example(example)
    paths = {"artifact_path": "input_example.json", "serving_input_path": "serving_input_example.json"}
    assert saved.info == {**kind, **paths}
    assert json.loads(saved.input_example) == stored
    assert saved.serving_input == json.dumps(body, indent=2)


@pytest.mark.parametrize(
    "example", [FRAME, np.array([[1.5]]), {"x": np.array([1.5])}, {"a": [1]}, "text", (FRAME, {"t": 1})], ids=repr
)
def test_what_is_stored_is_read_as_it_was(example, tmp_path):
    saved = saved_example(example)
    (tmp_path / "input_example.json").write_text(saved.input_example)
    (tmp_path / "serving_input_example.json").write_text(saved.serving_input)
    model = Model.from_mlmodel(str(tmp_path), {"flavors": {}, "saved_input_example_info": saved.info})
    data = example[0] if isinstance(example, tuple) else example
    read = model.load_input_example()
    if isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(read, data)
    else:
        np.testing.assert_equal(read, data)
    assert model.serving_example() == saved.serving_input.encode()


def test_sparse_matrices_are_stored_by_their_parts_and_sent_dense():
    sparse = pytest.importorskip("scipy.sparse")
    for kind in ("csr", "csc"):
        saved = saved_example(getattr(sparse, f"{kind}_matrix")(np.array([[0, 1.5]])))
        assert saved.info["type"] == f"sparse_matrix_{kind}"
        assert json.loads(saved.input_example)["shape"] == [1, 2]
        assert json.loads(saved.serving_input) == {"inputs": [[0.0, 1.5]]}


@pytest.mark.parametrize(
    "example",
    [
        pd.DataFrame({"x": [1.5, None], "d": [dt.datetime(2024, 1, 2), None], "s": [None, "a"]}),
        {"a": float("nan"), "b": [None, pd.NaT]},
        np.array([[1.5, float("nan")]]),
        pd.DataFrame({"x": pd.Series([1, None], dtype="Int64")}),
    ],
    ids=["frame", "json", "array", "nullable"],
)
@pytest.mark.divergence("E1")
def test_what_is_missing_is_null(example):
    for text in saved_example(example)[1:]:
        assert "null" in text
        json.loads(text, parse_constant=pytest.fail)
        assert "NaT" not in text


@pytest.mark.divergence("E2")
def test_an_empty_dictionary_of_parameters_is_none_at_all():
    assert saved_example(("a", {})) == saved_example("a")


@pytest.mark.parametrize(
    "example",
    [
        *[(1, 2), {1, 2}, object(), pd.Series([1]), [np.array([1])], {"a": np.array([1]), "b": 1}, {"a": {1, 2}}],
        *[{(1, 2): 3}, pd.DataFrame({"x": [1j]}), dt.date(2024, 1, 2), (1, {"t": None})],
    ],
    ids=lambda example: str(example).partition(" at 0x")[0],
)
def test_what_no_request_can_hold_is_refused(example):
    with pytest.raises(InvalidInput) as caught:
        saved_example(example)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"


def test_objects_of_pydantic_are_the_dictionaries_they_stand_for():
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):
        x: float

    assert json.loads(saved_example(Point(x=1.5)).serving_input) == {"inputs": {"x": 1.5}}
    assert json.loads(saved_example([Point(x=1.5)]).input_example) == [{"x": 1.5}]
