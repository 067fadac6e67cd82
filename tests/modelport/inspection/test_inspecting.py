"""What is told of a model, as values and as text, for models of every kind."""

import json
import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport.errors import CannotStart, ModelNotLoadable, NotFound
from modelport.model.inspection import request
from modelport.model.inspection.inspecting import inspect
from modelport.model.inspection.report import Column, Inspection, Variable
from modelport.model.inspection.text import WIDTH, as_text

PYFUNC = {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.2"}}


def model(folder: Path, flavors: Any = None, **keys: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text(json.dumps({"flavors": PYFUNC if flavors is None else flavors, **keys}))
    return folder


def look(folder: Path, python: str | None = None) -> Inspection:
    return inspect(str(folder), python)


def signature(inputs: Any, outputs: Any = None, params: Any = None) -> dict[str, Any]:
    return {
        "inputs": json.dumps(inputs),
        "outputs": outputs and json.dumps(outputs),
        "params": json.dumps(params or []),
    }


ONE = [{"type": "double", "name": "x", "required": True}]


def test_the_facts_of_the_file_are_told(tmp_path: Path) -> None:
    found = look(
        model(
            tmp_path / "rent",
            flavors={**PYFUNC, "sklearn": {"sklearn_version": "1.5.0", "code": None}},
            model_id="m-1",
            model_uuid="m-1",
            run_id="r",
            mlflow_version="3.1",
            utc_time_created="2024-05-01 12:00:00.123456",
            model_size_bytes=12,
        )
    )
    assert (found.name, found.path, found.model_id, found.run_id) == ("rent", str(tmp_path / "rent"), "m-1", "r")
    assert (found.created, found.mlflow_version, found.python_version) == (
        "2024-05-01T12:00:00.123456Z",
        "3.1",
        "3.11.2",
    )
    assert [(flavor.name, flavor.versions) for flavor in found.flavors] == [
        ("python_function", {}),
        ("sklearn", {"sklearn": "1.5.0"}),
    ]
    size = (tmp_path / "rent" / "MLmodel").stat().st_size
    assert (found.sizes.files, found.sizes.bytes, found.sizes.model_size_bytes) == (1, size, 12)
    text = as_text(found)
    assert "2024-05-01 12:00:00 UTC, by MLflow 3.1, on Python 3.11.2" in text
    assert "python_function, sklearn (sklearn 1.5.0)" in text


@pytest.mark.parametrize(
    ("flavors", "by", "problem"),
    [
        ({"python_function": {"loader_module": "mlflow.sklearn"}}, "sklearn", None),
        ({"python_function": {"loader_module": "mlflow.onnx"}}, "onnx", None),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model"}}, "python_function", None),
        ({"python_function": {"loader_module": "mine"}}, "mine", None),
        ({"python_function": {"loader_module": "mlflow.prophet"}}, "mlflow", "which is not installed"),
        ({"crate": {"version": "1"}}, None, "its flavors: crate"),
        ({}, None, "its flavors: none"),
        ({"python_function": {}}, None, "names no loader_module"),
    ],
)
def test_who_serves_it_is_told_or_why_nobody_does(
    tmp_path: Path, flavors: dict[str, Any], by: str | None, problem: str | None
) -> None:
    found = look(model(tmp_path, flavors))
    assert found.serving.by == by
    assert (problem is None) == (found.serving.problem is None)
    assert (problem or "") in (found.serving.problem or "")
    assert ("cannot be served" in as_text(found)) is (problem is not None)


@pytest.mark.parametrize(
    ("name", "python", "problem"),
    [
        ("function", "3.8.1", "pickled by Python 3.8.1 together with its code"),
        ("python_lzma", "3.8.1", "pickled by Python 3.8.1 together with its code"),
        ("function", platform.python_version(), None),
        ("sklearn_pickle", "3.8.1", None),
        ("onnx_tensor", "3.8.1", None),
    ],
)
def test_a_pickle_with_code_of_another_python_cannot_be_served_here(
    saved_models: Callable[[str], Path], tmp_path: Path, name: str, python: str, problem: str | None
) -> None:
    folder = tmp_path / name
    shutil.copytree(saved_models("mlflow-3") / name, folder)
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(re.sub("python_version: .*", f"python_version: {python}", text))
    found = look(folder).serving.problem
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")


def test_types_are_spelled_readably_in_aligned_tables(tmp_path: Path) -> None:
    inputs = [
        *ONE,
        {"type": "array", "items": {"type": "string"}, "name": "words", "required": False},
        {"type": "object", "properties": {"a": {"type": "long"}, "b": {"type": "map", "values": {"type": "any"}}}},
    ]
    inputs[2]["name"] = "who"
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28, 28]}}]
    params = [
        {"name": "t", "type": "double", "default": 0.5, "shape": None},
        {"name": "w", "type": "string", "default": ["a"], "shape": [-1]},
        {"name": "inf", "type": "double", "default": float("inf"), "shape": None},
    ]
    found = look(model(tmp_path, signature=signature(inputs, tensor, params)))
    assert found.signature is not None
    assert found.signature.inputs is not None
    assert found.signature.inputs[1] == Column("words", "array(string)", False)
    assert found.signature.outputs == (Column(0, "float32", True, (-1, 28, 28)),)
    text = as_text(found)
    assert (
        """
  inputs
    name   type                          required
    x      double                        yes
    words  array(string)                 no
    who    object(a: long, b: map(any))  yes
  outputs
    name  dtype    shape
    0     float32  (-1, 28, 28)
  params
    name  type    default  shape
    t     double  0.5
    w     string  ["a"]    (-1)
    inf   double  "inf"
"""
        in text
    )


def test_no_line_is_longer_than_a_hundred_columns_but_the_request(tmp_path: Path) -> None:
    deep = {"type": "object", "properties": {f"member_{n}": {"type": "double"} for n in range(30)}}
    inputs = [{**deep, "name": "n" * 30, "required": True}, *ONE]
    folder = model(tmp_path, signature=signature(inputs, ONE))
    (folder / "requirements.txt").write_text("package==1.0 ; " + " or ".join(["python_version < '3'"] * 9))
    lines = as_text(look(folder)).splitlines()
    assert max(len(line) for line in lines if not line.startswith(("curl", "modelport serve", "path"))) <= WIDTH


def test_what_an_author_wrote_does_not_reach_the_terminal_as_a_command(tmp_path: Path) -> None:
    evil = "\x1b[2J\x9b\n\u202efake"
    folder = model(tmp_path, run_id=evil, signature=signature([{"type": "double", "name": evil}, *ONE]))
    (folder / "requirements.txt").write_text(f"thing=={evil}")
    text = as_text(look(folder))
    assert not [character for character in text if not character.isprintable() and character != "\n"]
    assert "\\u001b[2J" in text


def test_without_a_signature_the_request_is_a_hint(tmp_path: Path) -> None:
    found = look(model(tmp_path))
    assert (found.request.curl, found.request.made_from) == (None, None)
    assert found.request.hint in " ".join(as_text(found).split())


def sent(found: Inspection) -> Any:
    assert found.request.curl is not None
    words = shlex.split(found.request.curl)
    return words[words.index("-d") + 1] if "-d" in words else words[words.index("--data-binary") + 1]


EXAMPLE = {"artifact_path": "input_example.json", "type": "dataframe", "serving_input_path": "serving.json"}


def test_the_models_own_example_is_sent(tmp_path: Path) -> None:
    folder = model(tmp_path, signature=signature(ONE), saved_input_example_info=EXAMPLE)
    document = {"dataframe_split": {"columns": ["it's"], "data": [["\u00fc\ud800"]]}}
    (folder / "serving.json").write_text(json.dumps(document, indent=2))
    found = look(folder)
    assert found.request.made_from == "example"
    assert json.loads(sent(found)) == document
    assert found.example is not None
    assert json.loads(found.example.text or "") == document


def test_a_long_example_is_sent_from_its_file(tmp_path: Path) -> None:
    folder = model(tmp_path / "it's", saved_input_example_info=EXAMPLE)
    (folder / "serving.json").write_text(json.dumps({"inputs": list(range(request.MAX_INLINE))}))
    found = look(folder)
    assert sent(found) == f"@{folder}/serving.json"
    assert found.example is not None
    assert len(found.example.text or "") == request.MAX_SHOWN


@pytest.mark.parametrize("content", [None, "", "{", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")])
def test_a_spoilt_example_is_told_and_the_request_made_up(tmp_path: Path, content: str | None) -> None:
    folder = model(tmp_path, signature=signature(ONE), saved_input_example_info=EXAMPLE)
    if content is not None:
        (folder / "serving.json").write_text(content)
    found = look(folder)
    assert found.example is not None
    assert (found.example.text, bool(found.example.problem)) == (None, True)
    assert found.request.made_from == "signature"
    assert json.loads(sent(found)) == {"dataframe_split": {"columns": ["x"], "data": [[0.5]]}}


@pytest.mark.parametrize("key", ["serving_input_path", "artifact_path"])
def test_an_example_that_would_never_end_is_not_read(tmp_path: Path, key: str) -> None:
    folder = model(tmp_path, saved_input_example_info={**EXAMPLE, key: "/dev/zero"})
    found = look(folder)
    assert found.example is not None
    assert "/dev/zero is no ordinary file" in (found.example.problem or "")


def test_variables_are_told_by_name_and_never_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path, env_vars=["SOME_API_KEY", "OTHER_TOKEN"])
    (folder / "environment_variables.txt").write_text("# a comment\n# more\n\nOTHER_TOKEN\nTHIRD\n")
    monkeypatch.setenv("SOME_API_KEY", "secret-value")
    for name in ("OTHER_TOKEN", "THIRD"):
        monkeypatch.delenv(name, raising=False)
    found = look(folder)
    assert found.variables == (Variable("OTHER_TOKEN", False), Variable("SOME_API_KEY", True), Variable("THIRD", False))
    assert "secret-value" not in as_text(found) + json.dumps(found.as_json())


def test_dependencies_are_those_of_the_named_interpreter(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "requirements.txt").write_text("mlflow>=3,<4\nuvloop\n")
    here = [(one.requirement, one.status) for one in look(folder).dependencies.packages]
    assert here == [("mlflow<4,>=3", "not needed"), ("uvloop", "ok")]
    there = look(folder, ".envs/mlflow-3/bin/python").dependencies
    assert [(one.requirement, one.status) for one in there.packages] == [("mlflow<4,>=3", "ok"), ("uvloop", "missing")]
    assert (there.python, there.source) == (".envs/mlflow-3/bin/python", "requirements.txt")


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false", "/bin/echo", "/"])
def test_what_is_no_interpreter_is_refused(tmp_path: Path, python: str) -> None:
    with pytest.raises(CannotStart, match="is no Python interpreter") as raised:
        look(model(tmp_path), python)
    assert "--python" in (raised.value.hint or "")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        look(tmp_path)
    for content in ("{", "- list", "flavors: text", "flavors: {a: b}", "\x00"):
        (tmp_path / "MLmodel").write_text(content)
        with pytest.raises(ModelNotLoadable):
            look(tmp_path)
    model(tmp_path, signature={"inputs": "no JSON"})
    with pytest.raises(ModelNotLoadable, match="not JSON"):
        look(tmp_path)


def test_links_and_odd_files_do_no_harm(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "gone.pkl").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.pkl")
    assert look(folder).code_on_load == ()


def test_every_saved_model_can_be_inspected(saved_models: Callable[[str], Path]) -> None:
    folders = [path for path in sorted(saved_models("mlflow-3").iterdir()) if (path / "MLmodel").exists()]
    assert len(folders) > 20
    for folder in folders:
        found = look(folder)
        assert found.serving.problem is None or found.serving.by == "mlflow", folder
        json.dumps(found.as_json(), allow_nan=False)
        assert str(folder) in as_text(found)
