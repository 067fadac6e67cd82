import json

import pytest

from modelport.errors import ModelNotLoadable, NotFound
from modelport.model import mlmodel

FILE = """\
artifact_path: model
flavors:
  python_function:
    env: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.8.10
    2: odd
time_created: 2020-01-02 03:04:05
utc_time_created: '2020-01-02 03:04:05.000001'
date: 2020-01-02
marked: !!timestamp 2020-01-02
none: null
yes_or_no: [yes, false]
signature:
  inputs: '[{"type": "double", "name": "a long name that the writer had to fold",
    "required": true}]'
"""


def test_everything_survives_json(tmp_path):
    (tmp_path / "MLmodel").write_text(FILE)
    data = mlmodel.read(tmp_path)
    assert json.loads(json.dumps(data)) == data


def test_moments_stay_as_they_were_spelled(tmp_path):
    (tmp_path / "MLmodel").write_text(FILE)
    data = mlmodel.read(tmp_path)
    assert data["time_created"] == "2020-01-02 03:04:05" and data["date"] == "2020-01-02"
    assert data["utc_time_created"] == "2020-01-02 03:04:05.000001"
    assert data["marked"].startswith("2020-01-02")


def test_folded_text_is_joined_and_values_keep_their_types(tmp_path):
    (tmp_path / "MLmodel").write_text(FILE)
    data = mlmodel.read(tmp_path)
    assert json.loads(data["signature"]["inputs"])[0]["required"] is True
    assert data["none"] is None and data["yes_or_no"] == [True, False]
    assert data["flavors"]["python_function"]["2"] == "odd"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"flavors: [", "no valid YAML"),
        (b"- a\n- b\n", "holds no map"),
        (b"", "holds no map"),
        (b"a: \xff\xfe", "no valid YAML"),
        (b"a: !!python/object/apply:os.system ['true']", "no valid YAML"),
    ],
)
def test_a_damaged_file_is_told_with_its_path(tmp_path, content, message):
    (tmp_path / "MLmodel").write_bytes(content)
    with pytest.raises(ModelNotLoadable, match=message) as caught:
        mlmodel.read(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(NotFound, match="MLmodel"):
        mlmodel.read(tmp_path)
