from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from modelport_runtime.errors import InvalidInput, ModelNotLoadable  # noqa: E402
from modelport_runtime.flavors import onnx as flavor  # noqa: E402
from modelport_runtime.flavors.predictor import Predictor  # noqa: E402
from modelport_runtime.model import Model  # noqa: E402

TENSOR = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'


def graph(rows: Any, width: Any, out: Any = None, inputs: int = 1) -> Any:
    """y = the sum of all inputs, each (rows, width)."""
    names = [f"x{number}" for number in range(inputs)]
    shape = [rows, width] if width else [rows]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [out or rows, *shape[1:]])
    node = helper.make_node("Sum", names, ["y"])
    body = helper.make_graph([node], "sum", values, [result])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def load(folder: Path, net: Any, inputs: str | None = None, **entry: Any) -> Predictor:
    onnx.save(net, str(folder / "model.onnx"))
    flavors = {"python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"}, "onnx": entry}
    return flavor.load(Model.from_mlmodel(str(folder), {"flavors": flavors, "signature": {"inputs": inputs}}), {})


def test_a_frame_gives_a_flattened_frame(tmp_path):
    frame = load(tmp_path, graph("n", 2)).predict(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), None)
    assert frame.to_dict(orient="list") == {"y": [1.0, 3.0, 2.0, 4.0]}


def test_doubles_are_cast_and_the_callers_dictionary_is_left_alone(tmp_path):
    data = {"x0": np.array([[1.0, 2.0]])}
    answer = load(tmp_path, graph("n", 2)).predict(data, None)
    assert answer["y"].dtype == "float32" and data["x0"].dtype == "float64"


def test_a_frames_columns_are_the_inputs_by_name(tmp_path):
    predictor = load(tmp_path, graph("n", None, inputs=2))
    frame = predictor.predict(pd.DataFrame({"x1": [1.0], "x0": [2.0]}), None)
    assert frame["y"].tolist() == [3.0]
    with pytest.raises(InvalidInput, match="2 inputs"):
        predictor.predict(np.zeros(2, dtype="float32"), None)


def test_other_data_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="not list"):
        load(tmp_path, graph("n", 2)).predict([[1.0, 2.0]], None)


@pytest.mark.parametrize(
    ("net", "inputs", "row_wise"),
    [
        (graph("n", None), None, True),
        (graph("n", 1), None, True),
        (graph("n", 2), None, False),
        (graph("n", 2), TENSOR, True),
        (graph(4, 2), TENSOR, False),
        (graph("n", 2, out="m"), TENSOR, False),
    ],
    ids=["single values", "one column", "flattened rows", "tensors", "fixed rows", "another number of rows"],
)
def test_rows_are_joined_only_where_each_gives_its_own_answer(tmp_path, net, inputs, row_wise):
    assert load(tmp_path, net, inputs).row_wise is row_wise


def test_threads_come_from_the_environment_unless_the_model_says(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    session = load(tmp_path, graph("n", 2)).native
    assert session.get_session_options().intra_op_num_threads == 1
    stored = {"intra_op_num_threads": 2, "execution_mode": "parallel", "graph_optimization_level": 1}
    options = load(tmp_path, graph("n", 2), onnx_session_options=stored).native.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.execution_mode.name == "ORT_PARALLEL" and options.graph_optimization_level.value == 1


@pytest.mark.parametrize("providers", [None, "CPUExecutionProvider", [["CPUExecutionProvider", {}]], ["Nothing"]])
def test_a_provider_that_is_not_there_is_dropped(tmp_path, providers):
    assert load(tmp_path, graph("n", 2), providers=providers).native.get_providers() == ["CPUExecutionProvider"]


def test_a_missing_file_is_told(tmp_path):
    model = Model.from_mlmodel(str(tmp_path), {"flavors": {"python_function": {"loader_module": "mlflow.onnx"}}})
    with pytest.raises(ModelNotLoadable, match=r"no ONNX file .*model\.onnx"):
        flavor.load(model, {})
