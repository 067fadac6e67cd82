"""Schemas and their parts, spelled as in MLflow: ``modelport.types.Schema([modelport.types.ColSpec("double", "x")])``."""

from modelport.types import schema
from modelport.types.schema import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

__all__ = ["ColSpec", "DataType", "ParamSchema", "ParamSpec", "Schema", "TensorSpec", "schema"]
