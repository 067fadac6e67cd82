"""Models whose example is hard to paste, saved by the real mlflow: `python make_inspected.py FOLDER`. They take anything."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

WORDS = 'don\'t "quote" $HOME `date` \\ !! %s\n\tgrün ☃ \u202e\x7f;|&'


class Echo(mlflow.pyfunc.PythonModel):
    """Answers what it is given."""

    def predict(self, context, model_input, params=None):
        return model_input


class Lengths(mlflow.pyfunc.PythonModel):
    """Takes any object."""

    def predict(self, model_input: list[dict[str, list[float]]]) -> list[int]:
        return [len(row) for row in model_input]


def main(folder: Path) -> None:
    save(folder / "quotes", pd.DataFrame({"it's": [WORDS, ""], "n": [1.5, np.nan]}), {"said": "it's"})
    save(folder / "large 'one'", pd.DataFrame(np.arange(3000.0).reshape(-1, 3), columns=["a", "b", "c"]))
    save(folder / "tensors", {"x": np.ones((2, 3), dtype="float32"), "y": np.array([[1], [2]])})
    save(folder / "objects", [{"at": "it's", "of": [1, 2]}])
    save(folder / "values", pd.DataFrame([[1, "a"], [2, "b"]]))
    mlflow.pyfunc.save_model(folder / "hinted", python_model=Lengths(), pip_requirements=["pandas"])


def save(path: Path, example: object, params: dict | None = None) -> None:
    mlflow.pyfunc.save_model(
        path,
        python_model=Echo(),
        signature=infer_signature(example, None, params),
        input_example=example if params is None else (example, params),
        pip_requirements=["pandas"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
