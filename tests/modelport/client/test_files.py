"""Files of all kinds, and what is put over them."""

from pathlib import Path
from typing import Any

import pytest

from modelport.client.files import apply_settings, read_spec
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.kind import Kind
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.errors import InvalidInput, NotFound


def _file(folder: Path, text: str, name: str = "file.yml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_paths_are_those_of_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(
        tmp_path / "deep",
        """
        $schema: https://example.org/any.json
        name: blue
        endpoint_name: churn
        model: {path: ../model, type: mlflow_model}
        environment: {conda_file: conda.yml}
        """,
    )
    monkeypatch.chdir(tmp_path)
    spec = read_spec(OnlineDeploymentSpec, "deep/file.yml")
    assert isinstance(spec.model, ModelSpec) and isinstance(spec.environment, EnvironmentSpec)
    assert spec.model.path == f"{file.parent}/../model"
    assert spec.environment.conda_file == f"{file.parent}/conda.yml"


@pytest.mark.parametrize("path", [f"content://{'0' * 64}/model", "runs:/1/model", "/absolute", "file:///model"])
def test_what_is_no_relative_path_stays(tmp_path: Path, path: str) -> None:
    assert read_spec(ModelSpec, _file(tmp_path, f"path: {path}")).path == path


@pytest.mark.parametrize("name", ["file.yml", "file.json"])
def test_versions_and_tags_are_taken_as_they_are_spelled(tmp_path: Path, name: str) -> None:
    text = '{"name": "churn", "version": 1.10, "tags": {"f1": 0.90, "n": 3, "on": true}}'
    spec = read_spec(ModelSpec, _file(tmp_path, text, name))
    assert (spec.version, spec.tags) == ("1.10", {"f1": "0.90", "n": "3", "on": "true"})
    assert read_spec(ModelSpec, _file(tmp_path, "version: 2024-01-31")).version == "2024-01-31"
    assert read_spec(ModelSpec, _file(tmp_path, text, name), ["tags.n=4"]).version == "1.10"


@pytest.mark.parametrize(
    ("kind", "name", "text", "message"),
    [
        (ModelSpec, "file.yml", "name: a\nname: b", "the key 'name' stands there twice (line 2"),
        (ModelSpec, "file.yml", "tags: {a: 1, a: 2}", "the key 'a' stands there twice"),
        (ModelSpec, "file.json", '{"name": "a", "name": "b"}', "the key 'name' stands there twice"),
        (ModelSpec, "file.yml", "name: [", "is no YAML"),
        (ModelSpec, "file.json", "{", "cannot be read"),
        (ModelSpec, "file.yml", "- a", "keys and values are wanted"),
        (ModelSpec, "file.yml", "nam: a", "there is no key 'nam'; did you mean 'name'?"),
        (ModelSpec, "file.yml", "!!python/object:os.system {}", "is no YAML"),
        (
            OnlineDeploymentSpec,
            "file.yml",
            "{name: blue, endpoint_name: churn, liveness_probe: {pause: 1}}",
            "liveness_probe.pause",
        ),
        (OnlineEndpointSpec, "file.yml", "{name: churn, traffic: {blue: 33.3, green: 66.7}}", "traffic.blue"),
        (EnvironmentSpec, "file.yml", "dependencies: [python]", "is a conda file, not an environment"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, kind: type[Kind], name: str, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_spec(kind, _file(tmp_path, text, name))
    assert message in raised.value.message


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        read_spec(ModelSpec, tmp_path / "nothing.yml")


def test_without_a_file_the_settings_alone_count() -> None:
    spec = read_spec(OnlineEndpointSpec, None, ["name=churn", "auth_mode=AMLToken", "tags.team=growth"])
    assert (spec.name, spec.auth_mode, spec.tags) == ("churn", "aml_token", {"team": "growth"})


@pytest.mark.parametrize(
    ("data", "setting", "wanted"),
    [
        ({}, "instance_count=2", {"instance_count": 2}),
        ({"a": {"b": 1, "c": 2}}, "a.b=3", {"a": {"b": 3, "c": 2}}),
        ({"a": None}, "a.b.c=x", {"a": {"b": {"c": "x"}}}),
        ({}, "a=", {"a": ""}),
        ({}, "a=b=c", {"a": "b=c"}),
        ({}, 'a={"blue": 90}', {"a": {"blue": 90}}),
        ({}, "a=null", {"a": None}),
        ({}, "a=true", {"a": True}),
        ({}, "a=1.10", {"a": "1.10"}),
        ({}, "a=1.5", {"a": 1.5}),
        ({}, "a=1e3", {"a": "1e3"}),
        ({}, "a=NaN", {"a": "NaN"}),
        ({"a": [1, {"b": 2}]}, "a.1.b=3", {"a": [1, {"b": 3}]}),
        ({"a": [1, 2]}, "a.0=x", {"a": ["x", 2]}),
    ],
)
def test_settings(data: dict[str, Any], setting: str, wanted: dict[str, Any]) -> None:
    before = repr(data)
    assert apply_settings(data, [setting]) == wanted
    assert repr(data) == before


def test_a_setting_may_be_text_whatever_it_looks_like() -> None:
    assert apply_settings({}, ["version=1", "a=true"], force_string=True) == {"version": "1", "a": "true"}


@pytest.mark.parametrize("setting", ["a", "=1", "a..b=1", "text.b=1", "list.7=1", "list.x.y=1", "text.b.c=1"])
def test_what_is_no_setting_is_refused(setting: str) -> None:
    with pytest.raises(InvalidInput, match=r"setting|leads|place"):
        apply_settings({"text": "x", "list": [1]}, [setting])
