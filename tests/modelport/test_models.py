import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import modelport
import modelport as mlflow
from modelport.errors import InvalidInput, NotFound
from modelport.models import (
    ModelSignature,
    convert_input_example_to_serving_input,
    infer_signature,
    validate_schema,
    validate_serving_input,
)
from modelport.models.signature import infer_signature as spelled_as_mlflows_module
from modelport_runtime.errors import SchemaMismatch
from modelport_runtime.mlflow_names.type_hints import SERVING

FLATS = pd.DataFrame({"area": [40.0, 65.5], "rooms": [1, 3]})


def test_modelport_can_stand_where_mlflow_stood() -> None:
    signature = mlflow.models.infer_signature(FLATS, [450.0, 805.0], {"price": 10})
    assert isinstance(signature, mlflow.models.ModelSignature)
    assert isinstance(signature.inputs, mlflow.types.Schema)
    assert signature.inputs == mlflow.types.schema.Schema(
        [mlflow.types.ColSpec("double", "area"), mlflow.types.ColSpec(mlflow.types.DataType.long, "rooms")]
    )
    assert callable(mlflow.pyfunc.load_model)
    assert spelled_as_mlflows_module is infer_signature


@pytest.mark.parametrize("name", ["numpy", "sklearn", "log_model", "_models"])
def test_other_names_are_no_attributes(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(modelport, name)


@pytest.mark.parametrize("use", ["modelport", "modelport.models.ModelSignature", "modelport.types.schema.Schema"])
def test_importing_it_brings_no_data_library(use: str) -> None:
    code = f"import modelport, sys; {use}; print([m for m in ('numpy', 'pandas', 'pyarrow', 'mlflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_modelport_alone_imports_none_of_its_parts() -> None:
    code = "import modelport, sys; print([m for m in sys.modules if m.startswith(('modelport.', 'modelport_runtime'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_data_is_held_against_a_schema() -> None:
    schema = infer_signature(FLATS).inputs
    assert schema is not None
    validate_schema(FLATS, schema)
    validate_schema({"area": np.array([1.0]), "rooms": np.array([2])}, schema)
    with pytest.raises(SchemaMismatch) as caught:
        validate_schema(pd.DataFrame({"area": ["large"]}), schema)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"
    assert [detail["column"] for detail in caught.value.details] == ["rooms", "area"]


def test_an_example_becomes_the_body_of_a_request() -> None:
    assert convert_input_example_to_serving_input(None) is None
    assert convert_input_example_to_serving_input(["a"]) == '{\n  "inputs": [\n    "a"\n  ]\n}'
    with pytest.raises(InvalidInput):
        convert_input_example_to_serving_input({1, 2})


def test_a_body_is_scored_as_the_server_scores_it(saved_models: Callable[[str], Path]) -> None:
    model = saved_models("mlflow-3") / "python_class"
    stored = (model / "serving_input_example.json").read_text()
    made = convert_input_example_to_serving_input((pd.DataFrame({"a": [1.0], "b": [0.5]}), {"offset": 2.0}))
    assert made == stored
    predicted = validate_serving_input(str(model), stored)
    assert predicted.to_dict("records") == [{"total": 5.0, "unit": "kg"}]
    records = {"dataframe_records": [{"a": "1", "b": 0.5}], "params": {"offset": 2}}
    assert validate_serving_input(str(model), records).to_dict("records") == [{"total": 5.0, "unit": "kg"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[1]", "BAD_REQUEST"),
        ({"data": []}, "BAD_REQUEST"),
        ({"dataframe_records": [{"a": "x", "b": 1}]}, "BAD_REQUEST"),
        ({"dataframe_records": [{"a": 1}]}, "INVALID_PARAMETER_VALUE"),
        ({"inputs": {"a": [1.0], "b": [1.0]}, "params": {"offset": "x"}}, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_body_that_the_server_refuses_is_refused(
    saved_models: Callable[[str], Path], body: str | dict[str, object], code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_serving_input(str(saved_models("mlflow-3") / "python_class"), body)
    assert caught.value.code == code


def test_a_model_with_type_hints_reads_base64_meanwhile(saved_models: Callable[[str], Path]) -> None:
    model = str(saved_models("mlflow-3") / "hinted_bytes")
    assert validate_serving_input(model, {"inputs": ["dGVzdA=="]}) == [4]
    assert SERVING not in os.environ
    with pytest.raises(InvalidInput):
        validate_serving_input(model, {"inputs": ["!"], "params": None, "instances": []})


def test_without_a_model_nothing_is_validated(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        validate_serving_input(str(tmp_path), "{}")


def test_a_signature_is_written_and_read() -> None:
    signature = infer_signature(FLATS, params={"price": 10})
    assert ModelSignature.from_dict(signature.to_dict()) == signature
