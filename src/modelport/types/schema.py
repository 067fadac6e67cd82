"""All that a schema is made of, spelled as in ``mlflow.types.schema``."""

from modelport_runtime.data_types import AnyType, Array, InvalidSchema, Map, Object, Property
from modelport_runtime.data_types import Scalar as DataType
from modelport_runtime.data_types import spark_vector as SparkMLVector
from modelport_runtime.schema import ParamSchema, Schema
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

__all__ = [
    "AnyType",
    "Array",
    "ColSpec",
    "DataType",
    "InvalidSchema",
    "Map",
    "Object",
    "ParamSchema",
    "ParamSpec",
    "Property",
    "Schema",
    "SparkMLVector",
    "TensorSpec",
]
