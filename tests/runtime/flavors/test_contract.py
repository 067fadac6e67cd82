"""Models saved by the real mlflow: every one loads here and predicts what mlflow predicted."""

import importlib.util
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
yaml = pytest.importorskip("yaml")

from modelport_runtime import pyfunc  # noqa: E402
from modelport_runtime.errors import ModelNotLoadable, SchemaMismatch  # noqa: E402
from modelport_runtime.flavors import FLAVORS, flavor_for  # noqa: E402
from modelport_runtime.mlflow_names import standin  # noqa: E402
from modelport_runtime.mlflow_names.type_hints import SERVING  # noqa: E402
from modelport_runtime.pyfunc import PyFuncModel  # noqa: E402

ROOT = Path(__file__).parents[3]
LIBRARY = ("sklearn_pickle", "sklearn_cloudpickle", "sklearn_proba", "sklearn_columns", "onnx_columns", "onnx_tensor")
WITH_SKOPS = ("sklearn_skops",)
PYTHON = (
    "python_class", "python_lzma", "python_bzip2", "python_gzip", "without_context", "other_name", "function",
    "code_class", "code_function", "code_hints", "code_paths", "own_loader", "hinted", "hint_from_example",
)  # fmt: skip
OWN = f"mlflow-{importlib.import_module('mlflow').__version__[0]}" if standin.mlflow_is_installed() else None


def _as_pickled() -> bool:
    """Whether this interpreter has the scikit-learn that pickled the models of mlflow-3."""
    import sklearn

    return f"scikit-learn=={sklearn.__version__}" in (ROOT / "requirements" / "mlflow-3.txt").read_text()


def cases() -> list[tuple[str, str]]:
    """(environment that saved it, name). Library models only where the library is of the version that pickled them."""
    environments = [OWN] if OWN else ["mlflow-3", "mlflow-2"]
    found = []
    for environment in environments:
        names = [*PYTHON]
        if OWN or (environment == "mlflow-3" and _as_pickled()):
            names += [*LIBRARY, *(WITH_SKOPS if environment == "mlflow-3" else ())]
        found += [(str(environment), name) for name in names]
    return found


@pytest.fixture(autouse=True)
def _same_path_afterwards(monkeypatch):
    """Models of both environments bring modules of one name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith("own_loader_package")]:
        del sys.modules[name]


@pytest.fixture
def load(saved_models):
    def load_one(environment: str, name: str, **options: Any) -> PyFuncModel:
        folder = saved_models(environment) / name
        return pyfunc.load(str(folder), yaml.safe_load((folder / "MLmodel").read_text()), **options)

    return load_one


def expectation(folder: Path) -> tuple[Any, Any, Any]:
    stored = json.loads(folder.with_suffix(".json").read_text())
    if "frame" in stored:
        data: Any = pd.DataFrame(stored["frame"])
    elif "array" in stored:
        data = np.array(stored["array"], dtype=stored["dtype"])
    else:
        data = stored["value"]
    return data, stored["params"], stored["predictions"]


def plain(predictions: Any) -> Any:
    if isinstance(predictions, pd.DataFrame):
        return predictions.to_dict(orient="list")
    if isinstance(predictions, dict):
        return {name: plain(value) for name, value in predictions.items()}
    return predictions.tolist() if isinstance(predictions, (np.ndarray, pd.Series)) else predictions


@pytest.mark.filterwarnings("ignore:.*type hint.*:UserWarning")
@pytest.mark.parametrize(("environment", "name"), cases())
def test_a_saved_model_predicts_as_in_mlflow(load, saved_models, environment, name):
    data, params, expected = expectation(saved_models(environment) / name)
    model = load(environment, name)
    assert plain(model.predict(data, params=params)) == expected
    assert plain(model.predict(data, params=params)) == expected, "and once more"


@pytest.mark.parametrize(
    ("loader", "name"),
    [
        ("mlflow.sklearn", "sklearn"),
        ("mlflow.onnx", "onnx"),
        ("mlflow.pyfunc.model", "python_function"),
        ("mlflow.pyfunc.loaders.code_model", "python_function"),
        ("my.own.module", "python_function"),
    ],
)
def test_each_loader_module_has_its_flavor(loader, name):
    assert name == flavor_for(loader).NAME
    assert sum(flavor.handles(loader) for flavor in FLAVORS) in (1, 2), "one of its own, and the last, which takes all"


def test_library_models_are_no_user_code_and_python_models_are(load):
    environment = OWN or "mlflow-3"
    assert not load(environment, "sklearn_pickle").predictor.user_code
    python = load(environment, "own_loader").predictor
    assert python.user_code and not python.row_wise and python.array_columns is None


def test_artifacts_configuration_and_parameters_reach_a_python_model(load):
    model = load(OWN or "mlflow-3", "python_class", model_config={"unit": "g", "unknown": 1})
    assert model.model_config == {"unit": "g", "depth": 3}
    frame = pd.DataFrame({"a": [2.0], "b": [1.0]})
    assert plain(model.predict(frame)) == {"total": [7.0], "unit": ["g"]}, "the default offset is 1"
    assert plain(model.predict(frame, {"offset": 0})) == {"total": [6.0], "unit": ["g"]}
    assert type(model.unwrap_python_model()).__name__ == "Scaled"
    assert model.unwrap_python_model().factor == 2.5


def test_the_input_example_comes_back(load):
    model = load(OWN or "mlflow-3", "python_class")
    assert model.input_example.to_dict(orient="list") == {"a": [1.0], "b": [0.5]}
    body = json.loads(model.metadata.serving_example())
    assert body == {"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 0.5]]}, "params": {"offset": 2.0}}


def test_a_model_streams(load):
    model = load(OWN or "mlflow-3", "stream")
    chunks = model.predict_stream({"text": "a b"}, {"shout": True})
    assert [chunk["word"] for chunk in chunks] == ["a", "b"]
    assert model.predict({"text": "a b"}) == ["whole"]


def test_the_exceptions_of_models_come_out_as_they_are(load):
    with pytest.raises(Exception, match="no such thing") as caught:
        load(OWN or "mlflow-3", "refusing").predict("x")
    assert type(caught.value).__name__ == "MlflowException"
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(ZeroDivisionError, match="the model's own"):
        load(OWN or "mlflow-3", "broken").predict("x")


def test_hinted_models_check_their_data_themselves(load):
    environment = OWN or "mlflow-3"
    for name in ("hinted", "code_hints"):
        with pytest.raises(Exception, match=r"list|str") as caught:
            load(environment, name).predict([1])
        assert getattr(caught.value, "error_code", None) == "INVALID_PARAMETER_VALUE"
        if not OWN:
            assert isinstance(caught.value, SchemaMismatch)


def test_what_json_cannot_say_is_read_from_text_when_serving(load, monkeypatch):
    model = load(OWN or "mlflow-3", "hinted_bytes")
    monkeypatch.setenv(SERVING, "true")
    assert model.predict(["aGVsbG8="]) == [5]
    if importlib.util.find_spec("pydantic") is not None:
        lines = load(OWN or "mlflow-3", "hinted_pydantic")
        moment = datetime(2020, 1, 2)
        assert lines.predict([{"text": "a", "when": moment, "weight": 1.5}]) == ["a 2020 1.5"]
        with pytest.raises(Exception, match="when"):  # inside pydantic models mlflow is strict, too
            lines.predict([{"text": "a", "when": "2020-01-02T00:00:00"}])


def of_another_python(folder: Path) -> tuple[str, dict[str, Any]]:
    data = yaml.safe_load((folder / "MLmodel").read_text())
    data["flavors"]["python_function"]["python_version"] = "3.7.9"
    return str(folder), data


@pytest.mark.parametrize("name", ["python_class", "python_lzma", "python_bzip2", "python_gzip", "function"])
def test_code_of_another_python_is_refused_before_it_is_opened(saved_models, name):
    model = of_another_python(saved_models(OWN or "mlflow-3") / name)
    with pytest.raises(ModelNotLoadable, match=r"pickled by Python 3\.7\.9") as refused:
        pyfunc.load(*model)
    assert refused.value.code == "PYTHON_VERSION_MISMATCH" and "Python 3.7 " in refused.value.hint


def test_code_of_another_python_is_opened_with_leave_and_warned_of(saved_models, caplog):
    loaded = pyfunc.load(*of_another_python(saved_models(OWN or "mlflow-3") / "python_class"), None, True)
    assert loaded.unwrap_python_model() is not None
    assert "saved by Python 3.7.9" in caplog.text


@pytest.mark.parametrize("name", ["code_class", "own_loader", *(["sklearn_cloudpickle"] if _as_pickled() else [])])
def test_models_of_another_python_without_code_of_it_are_only_warned_of(saved_models, caplog, name):
    pyfunc.load(*of_another_python(saved_models(OWN or "mlflow-3") / name))
    assert "saved by Python 3.7.9" in caplog.text


@pytest.mark.skipif(OWN is not None, reason="mlflow itself is installed")
def test_code_that_needs_more_of_mlflow_says_so(tmp_path):
    (tmp_path / "model.py").write_text("import mlflow\nmlflow.langchain.autolog()\n")
    entry = {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "/home/author/model.py"}
    with pytest.raises(ModelNotLoadable, match=r"mlflow\.langchain needs the real mlflow"):
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": entry}})


@pytest.mark.skipif(OWN is not None, reason="mlflow itself is installed")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\n", "has to call set_model"),
        ("from mlflow.models import set_model\nset_model('text')\n", "set_model takes a PythonModel or a function"),
        (
            "from mlflow.models import ModelConfig\nModelConfig(development_config={'a': 1})\n",
            "asks for a configuration",
        ),
        (None, "is not there"),
    ],
)
def test_code_that_is_no_model_says_what_is_missing(tmp_path, code, message):
    if code is not None:
        (tmp_path / "model.py").write_text(code)
    entry = {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "C:\\author\\model.py"}
    with pytest.raises(ModelNotLoadable, match=message):
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": entry}})
