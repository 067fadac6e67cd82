"""`--allow`: a model is refused for what its files would run, before any of them is opened."""

import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import yaml

from modelport.errors import InvalidInput, ModelNotAllowed
from modelport.model import admission, mlmodel

PLAIN = pickle.dumps([1])
BY_VALUE = cloudpickle.dumps(lambda: 1)
SYSTEM = b"cos\nsystem\n(S'true'\ntR."
"""Of protocol 0: nothing in its first bytes says that it is a pickle."""
PICKLED = {"python_model": "python_model.pkl", "loader_module": "mlflow.pyfunc.model"}


def made(folder: Path, flavors: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return mlmodel.read(folder)


def sklearn(written_as: str, **entry: Any) -> dict[str, Any]:
    return {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "m"},
        "sklearn": {"pickled_model": "m", "serialization_format": written_as, **entry},
    }


@pytest.mark.parametrize(
    ("flavors", "files", "refused_by"),
    [
        (sklearn("skops"), {"m": b"PK"}, ""),
        (sklearn("skops", skops_trusted_types=["own.Type"]), {"m": b"PK"}, "pickle none"),
        (sklearn("skops", skops_trusted_types=["sklearn.tree.A"]), {"m": b"PK"}, "none"),
        (sklearn("pickle"), {"m": PLAIN}, "none"),
        (sklearn("cloudpickle"), {"m": PLAIN}, "none"),
        (sklearn("cloudpickle"), {"m": BY_VALUE}, "pickle none"),
        (sklearn("pickle"), {"m": SYSTEM}, "pickle none"),
        ({"python_function": {"loader_module": "mlflow.sklearn", "model_path": "m"}}, {"m": SYSTEM}, "pickle none"),
        ({"python_function": {"loader_module": "mlflow.sklearn", "model_path": "./m"}}, {"m": SYSTEM}, "pickle none"),
        (sklearn("skops"), {"m": b"PK", "code/own.py": b""}, ""),
        (sklearn("skops", code="code"), {"m": b"PK", "code/own.py": b""}, "pickle none"),
        ({"python_function": PICKLED}, {"python_model.pkl": PLAIN}, "none"),
        ({"python_function": PICKLED}, {"python_model.pkl": BY_VALUE}, "pickle none"),
        ({"python_function": {"loader_module": "own"}}, {}, "pickle none"),
        (
            {"python_function": {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "a.py"}},
            {},
            "pickle none",
        ),
        ({"python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"}}, {"model.onnx": b"\x08"}, ""),
        (
            {
                "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"},
                "onnx": {"providers": ["CPUExecutionProvider", ["TensorrtExecutionProvider", {"plugins": "./own.so"}]]},
            },
            {"model.onnx": b"\x08"},
            "none",
        ),
        ({"python_function": {"loader_module": "mlflow.keras"}}, {}, "none"),
    ],
)
def test_a_level_refuses_what_runs_more_than_it_allows(
    tmp_path: Path, flavors: dict[str, Any], files: dict[str, bytes], refused_by: str
) -> None:
    content = made(tmp_path, flavors, files)
    admission.check(tmp_path, content, "code")
    refused = []
    for allow in ("pickle", "none"):
        try:
            admission.check(tmp_path, content, allow)
        except ModelNotAllowed as error:
            assert error.code == "MODEL_NOT_ALLOWED"
            refused.append(allow)
    assert refused == refused_by.split()


def test_every_reason_is_named(tmp_path: Path) -> None:
    flavors = {"python_function": {**PICKLED, "code": "code"}}
    content = made(tmp_path, flavors, {"python_model.pkl": BY_VALUE, "code/own.py": b"", "artifacts/e.pkl": SYSTEM})
    with pytest.raises(ModelNotAllowed) as refused:
        admission.check(tmp_path, content, "pickle")
    reasons = [line.split(" ")[0] for line in refused.value.message.split("\n  ")[1:]]
    assert sorted(reasons) == ["artifacts/e.pkl", "code", "python_model.pkl"]
    assert "posix.system" in refused.value.message or "os.system" in refused.value.message
    assert "--allow code" in str(refused.value.hint)


def test_a_pickle_outside_of_the_model_s_folder_is_found_where_the_model_names_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(SYSTEM)
    folder = tmp_path / "model"
    folder.mkdir()
    content = made(folder, {"python_function": {**PICKLED, "python_model": "../outside"}}, {})
    with pytest.raises(ModelNotAllowed, match=r"\.\./outside"):
        admission.check(folder, content, "pickle")


def test_nothing_of_a_refused_model_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = made(tmp_path, sklearn("pickle"), {"m": SYSTEM.replace(b"true", f"touch {mark}".encode())})
    with pytest.raises(ModelNotAllowed):
        admission.check(tmp_path, content, "none")
    assert not mark.exists()


def test_a_level_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'all' is none of code, pickle, none"):
        admission.check(tmp_path, {}, "all")
