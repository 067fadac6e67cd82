"""All that a schema is made of, spelled as in ``mlflow.types.schema``."""

from modelport_runtime.schema import (
    AnyType,
    Array,
    ColSpec,
    InvalidSchema,
    Map,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    TensorSpec,
)
from modelport_runtime.schema import Scalar as DataType
from modelport_runtime.schema import spark_vector as SparkMLVector

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
