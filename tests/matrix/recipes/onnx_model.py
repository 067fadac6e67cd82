"""A small ONNX graph on a tensor."""

import mlflow.onnx
import numpy
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from onnx import TensorProto, helper

if __name__ == "__main__":
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Tanh", ["m"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [0.1, 0.2, -0.5])],
    )
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    signature = ModelSignature(inputs=Schema([TensorSpec(numpy.dtype("float32"), (-1, 3))]))
    mlflow.onnx.save_model(net, MODEL, signature=signature, **ARGUMENTS)
    rows = [[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]]
    keep({"inputs": rows}, numpy.array(rows, dtype="float32"))
