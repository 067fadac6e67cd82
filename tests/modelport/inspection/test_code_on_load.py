"""What executes code when a model is loaded is found without loading it."""

import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from modelport.model.inspection.code_on_load import find
from modelport.model.inspection.report import Finding

PICKLE = pickle.dumps([1])


def found(folder: Path, flavors: dict[str, dict[str, Any]], **files: bytes) -> list[Finding]:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return list(find(folder, names, flavors))


@pytest.mark.parametrize(
    ("pyfunc", "expected"),
    [
        ({"loader_module": "mlflow.sklearn"}, []),
        ({"loader_module": "my_loader.module"}, [("loader module", "my_loader.module")]),
        ({"loader_module": "mlflowish"}, [("loader module", "mlflowish")]),
        ({"model_code_path": "/home/somebody/model.py"}, [("model from code", "model.py")]),
        ({"model_code_path": "C:\\Users\\somebody\\model.py"}, [("model from code", "model.py")]),
        ({"code": "code"}, [("code path", "code")]),
        ({"code": None}, []),
        ({}, []),
    ],
)
def test_what_the_mlmodel_file_names_is_told(
    tmp_path: Path, pyfunc: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert [(one.kind, one.path) for one in found(tmp_path, {"python_function": pyfunc})] == expected


def test_modules_of_a_code_path_are_counted(tmp_path: Path) -> None:
    flavors = {"python_function": {"code": "code"}, "sklearn": {"code": "code"}}
    files = {"code__a_DOT_py": b"", "code__deep__b_DOT_pyc": b"", "code__data_DOT_txt": b"", "codes_DOT_py": b""}
    (one,) = found(tmp_path, flavors, **files)
    assert "2 Python files" in one.says
    (one,) = found(tmp_path, {"python_function": {"code": "missing"}})
    assert one.says.endswith("missing")


def test_types_that_skops_is_to_trust_are_told(tmp_path: Path) -> None:
    flavors = {"sklearn": {"serialization_format": "skops", "skops_trusted_types": ["own.Type", "more.Type"]}}
    (one,) = found(tmp_path, flavors)
    assert (one.kind, one.says.endswith("own.Type, more.Type")) == ("trusted types", True)
    assert found(tmp_path, {"sklearn": {"skops_trusted_types": []}}) == []


@pytest.mark.parametrize(
    ("flavors", "name"),
    [
        ({"python_function": {"python_model": "odd"}}, "odd"),
        ({"python_function": {"model_path": "odd"}, "sklearn": {"serialization_format": "pickle"}}, "odd"),
        ({"python_function": {}, "sklearn": {"pickled_model": "odd"}}, "odd"),
        ({"python_function": {}}, "model_DOT_pkl"),
        ({"python_function": {}}, "artifacts__encoder_DOT_pickle"),
    ],
)
def test_every_pickle_of_a_model_is_scanned(tmp_path: Path, flavors: dict[str, Any], name: str) -> None:
    (one,) = found(tmp_path, flavors, **{name: pickle.dumps([1], protocol=0) if name == "odd" else PICKLE})
    assert one.kind == "pickle"
    assert one.scan is not None


def test_a_file_of_skops_is_no_pickle(tmp_path: Path) -> None:
    flavors = {"python_function": {"model_path": "odd"}, "sklearn": {"serialization_format": "skops"}}
    assert found(tmp_path, flavors, odd=b"schema") == []


def test_code_that_cloudpickle_brings_along_is_named_so(tmp_path: Path) -> None:
    (one,) = found(tmp_path, {}, model_DOT_pkl=cloudpickle.dumps(lambda: 1))
    assert "carries code of its own" in one.says
