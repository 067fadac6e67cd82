"""A model that asks for little, written by hand: what is tested is its environment."""

import json
from pathlib import Path

MLMODEL = """\
flavors:
  python_function:
    code: code
    data: factor.json
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: tiny_loader
    python_version: 3.11
mlflow_version: 2.14.0
model_uuid: 5f0ab59bd5a74b1fb9c6e5b3b6c1c001
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "name": "y", "required": true}]'
"""
LOADER = """\
import json

import six


class Model:
    def __init__(self, factor):
        self._factor = factor

    def predict(self, data, params=None):
        return (data[["x"]] * self._factor).rename(columns={"x": "y"})


def _load_pyfunc(path):
    assert six.PY3
    with open(path) as file:
        return Model(json.load(file)["factor"])
"""
PINS = ("cloudpickle==3.1.2", "numpy==2.4.6", "pandas==3.1.1", "python-dateutil==2.9.0.post0", "setuptools==80.10.2")
"""All that an environment gets anyway, so that nothing has to be looked for and nothing is noted."""
SIX = "six==1.17.0"
EXAMPLE = {"columns": ["x"], "data": [[1.5], [2.0]]}


def tiny_model(folder: Path, factor: float = 2.0, requirements: tuple[str, ...] = (*PINS, SIX)) -> Path:
    """A model that multiplies, and wants ``six`` to be there when it is loaded."""
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "code" / "tiny_loader.py").write_text(LOADER)
    (folder / "factor.json").write_text(json.dumps({"factor": factor}))
    (folder / "requirements.txt").write_text("\n".join(requirements))
    (folder / "python_env.yaml").write_text("python: 3.11\ndependencies:\n- -r requirements.txt\n")
    pip = "".join(f"  - {line}\n" for line in requirements)
    (folder / "conda.yaml").write_text(f"dependencies:\n- python=3.11\n- pip\n- pip:\n{pip}name: mlflow-env\n")
    (folder / "input_example.json").write_text(json.dumps(EXAMPLE))
    (folder / "serving_input_example.json").write_text(json.dumps({"dataframe_split": EXAMPLE}))
    return folder
