"""``modelport.types`` has the runtime's own classes under MLflow's names; ``tests/runtime`` tests them."""

import numpy as np

import modelport.types
import modelport.types.schema
from modelport.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from modelport.types.schema import AnyType, Array, Map, Object, Property, SparkMLVector
from modelport_runtime import data_types, schema, specs


def test_there_is_one_set_of_classes() -> None:
    for name in modelport.types.schema.__all__:
        own = {"DataType": "Scalar", "SparkMLVector": "spark_vector"}.get(name, name)
        home = next(module for module in (data_types, specs, schema) if hasattr(module, own))
        assert getattr(modelport.types.schema, name) is getattr(home, own)
    for name in set(modelport.types.__all__) - {"schema"}:
        assert getattr(modelport.types, name) is getattr(modelport.types.schema, name)


def test_a_schema_is_written_by_hand_as_with_mlflow() -> None:
    columns = Schema(
        [
            ColSpec("double", "x"),
            ColSpec(type=DataType.string, name="s", required=False),
            ColSpec(Array(DataType.long), "a"),
            ColSpec(Object([Property("b", DataType.long), Property("a", AnyType(), required=False)]), "o"),
            ColSpec(Map(Array("double")), "m"),
            ColSpec(SparkMLVector(), "v"),
        ]
    )
    assert columns.to_json() == (
        '[{"type": "double", "name": "x", "required": true}, {"type": "string", "name": "s", "required": false}, '
        '{"type": "array", "items": {"type": "long"}, "name": "a", "required": true}, '
        '{"type": "object", "properties": {"a": {"type": "any", "required": false}, "b": {"type": "long", '
        '"required": true}}, "name": "o", "required": true}, '
        '{"type": "map", "values": {"type": "array", "items": {"type": "double"}}, "name": "m", "required": true}, '
        '{"type": "sparkml_vector", "name": "v", "required": true}]'
    )
    tensors = Schema([TensorSpec(np.dtype("float32"), (-1, 3), "x")])
    assert tensors.to_dict() == [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]
    params = ParamSchema([ParamSpec("p", DataType.double, 1), ParamSpec("l", "string", ["a"], (-1,))])
    assert params.to_json() == (
        '[{"name": "p", "default": 1.0, "shape": null, "type": "double"}, '
        '{"name": "l", "default": ["a"], "shape": [-1], "type": "string"}]'
    )
    for written in (columns, tensors):
        assert Schema.from_json(written.to_json()) == written


def test_types_can_be_told_apart() -> None:
    (column,) = Schema([ColSpec("double")])
    assert isinstance(column.type, DataType)
    assert column.type == DataType.double == DataType["double"]
    assert not isinstance(Array("double"), DataType)
