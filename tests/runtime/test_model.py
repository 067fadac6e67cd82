import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from modelport_runtime.data_types import Scalar
from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.model import Model

FLAVORS = {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.2"}}
INPUTS = '[{"type": "double", "name": "a"}, {"type": "long", "name": "b"}]'


def model_in(folder: Path, **keys: Any) -> Model:
    return Model.from_mlmodel(str(folder), {"flavors": FLAVORS, **keys})


def with_example(folder: Path, info: dict[str, Any], content: Any, **keys: Any) -> Model:
    (folder / "input_example.json").write_text(json.dumps(content))
    info = {"artifact_path": "input_example.json", **info}
    return model_in(folder, saved_input_example_info=info, **keys)


def test_the_smallest_file_of_mlflow_1_is_read(tmp_path):
    model = Model.from_mlmodel(str(tmp_path), {"flavors": {"python_function": {"loader_module": "x", "env": "c.yaml"}}})
    assert model.signature is None and model.model_uuid is None and model.mlflow_version is None
    assert model.get_input_schema() is None and model.serving_example() is None and model.load_input_example() is None


def test_the_signature_is_read_and_asked_for_by_part(tmp_path):
    params = '[{"name": "t", "type": "double", "default": 0.5, "shape": null}]'
    model = model_in(tmp_path, signature={"inputs": INPUTS, "outputs": None, "params": params})
    assert model.get_input_schema().names == ("a", "b")
    assert model.get_output_schema() is None
    assert model.get_params_schema()[0].name == "t"
    assert not model.signature.is_from_type_hint


def test_a_signature_from_a_type_hint_says_so(tmp_path):
    inputs = '[{"type": "string", "required": true}]'
    keys = {"signature": {"inputs": inputs}, "is_signature_from_type_hint": True}
    assert model_in(tmp_path, **keys).signature.is_from_type_hint


def test_unknown_keys_are_kept_and_read_as_attributes(tmp_path):
    model = model_in(tmp_path, artifact_path="m", prompts=None, of_the_future={"x": 1})
    assert model.artifact_path == "m" and model.of_the_future == {"x": 1} and model.prompts is None
    with pytest.raises(AttributeError, match="nothing"):
        model.absent
    assert copy.copy(model) == model == pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("data", [{}, {"flavors": None}, {"flavors": []}, {"flavors": {"sklearn": "x"}}])
def test_a_file_without_a_map_of_flavors_is_no_model(tmp_path, data):
    with pytest.raises(ModelNotLoadable, match="no map of flavors"):
        Model.from_mlmodel(str(tmp_path), data)


def test_a_model_that_python_cannot_call_names_its_flavors(tmp_path):
    with pytest.raises(ModelNotLoadable, match="crate"):
        Model.from_mlmodel(str(tmp_path), {"flavors": {"crate": {}}}).pyfunc


def test_a_signature_that_is_no_map_is_kept_raw(tmp_path):
    assert model_in(tmp_path, signature="odd").signature is None


@pytest.mark.parametrize(
    ("info", "content", "body"),
    [
        (
            {"type": "dataframe"},
            {"columns": ["a"], "data": [[1]]},
            {"dataframe_split": {"columns": ["a"], "data": [[1]]}},
        ),
        ({"type": "ndarray"}, [[1.0, 2.0]], {"inputs": [[1.0, 2.0]]}),
        ({"type": "ndarray", "format": "tf-serving"}, {"inputs": [[1, 2]]}, {"inputs": [[1, 2]]}),
        ({"type": "json_object"}, {"q": "text"}, {"inputs": {"q": "text"}}),
        (
            {"type": "json_object", "params": "true"},
            {"inputs": ["x"], "params": {"t": 1}},
            {"inputs": ["x"], "params": {"t": 1}},
        ),
        (
            {"type": "sparse_matrix_csr"},
            {"data": [5.0], "indices": [1], "indptr": [0, 1], "shape": [1, 3]},
            {"inputs": [[0.0, 5.0, 0.0]]},
        ),
    ],
)
def test_the_serving_example_of_an_old_model_is_made_from_its_input_example(tmp_path, info, content, body):
    if info["type"].startswith("sparse"):
        pytest.importorskip("scipy")
    assert json.loads(with_example(tmp_path, info, content).serving_example()) == body


def test_a_stored_serving_example_is_given_as_it_lies(tmp_path):
    (tmp_path / "serving_input_example.json").write_bytes(b'{ "inputs": [1] }')
    info = {"type": "json_object", "serving_input_path": "serving_input_example.json"}
    assert with_example(tmp_path, info, [2]).serving_example() == b'{ "inputs": [1] }'


def test_a_missing_example_file_is_told(tmp_path):
    model = model_in(tmp_path, saved_input_example_info={"type": "ndarray", "artifact_path": "gone.json"})
    with pytest.raises(ModelNotLoadable, match=r"gone\.json"):
        model.load_input_example()


def test_a_frame_example_gets_the_declared_types(tmp_path):
    content = {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}
    model = with_example(tmp_path, {"type": "dataframe"}, content, signature={"inputs": INPUTS})
    frame = model.load_input_example()
    assert [str(dtype) for dtype in frame.dtypes] == ["float64", "int64"]
    assert model.get_input_schema().columns[0].type == Scalar("double")


def test_an_array_example_gets_the_declared_type(tmp_path):
    inputs = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
    model = with_example(tmp_path, {"type": "ndarray"}, [[1, 2]], signature={"inputs": inputs})
    assert model.load_input_example().dtype == "float32"


def test_named_array_examples_get_their_declared_types(tmp_path):
    inputs = '[{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "int8", "shape": [-1]}}]'
    model = with_example(tmp_path, {"type": "ndarray"}, {"x": [1]}, signature={"inputs": inputs})
    assert model.load_input_example()["x"].dtype == "int8"


def test_a_sparse_example_is_sparse_again(tmp_path):
    pytest.importorskip("scipy")
    content = {"data": [5.0], "indices": [1], "indptr": [0, 1], "shape": [1, 3]}
    example = with_example(tmp_path, {"type": "sparse_matrix_csr"}, content).load_input_example()
    assert example.format == "csr" and example.toarray().tolist() == [[0.0, 5.0, 0.0]]


def test_the_parameters_of_an_example_are_left_out_of_the_data(tmp_path):
    content = {"inputs": ["x"], "params": {"t": 1}}
    assert with_example(tmp_path, {"type": "json_object", "params": "true"}, content).load_input_example() == ["x"]
