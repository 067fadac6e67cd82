"""Models for the end-to-end tests, saved by the real mlflow: `python make_models.py FOLDER`."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

CRASHING = '''
"""An estimator of the user's own that takes its process with it when it meets 666."""
import ctypes

from sklearn.base import BaseEstimator, TransformerMixin


class Crashing(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        if (X == 666).any().any():
            ctypes.string_at(0)
        return X
'''


class Sleeper(mlflow.pyfunc.PythonModel):
    """Sleeps as long as it is told, and says so; a negative time ends the process."""

    def predict(self, context, model_input, params=None):
        import os
        import time

        seconds = float(model_input["seconds"].iloc[0])
        if seconds < 0:
            os._exit(3)
        time.sleep(seconds)
        return model_input["seconds"].tolist()


class Broken(mlflow.pyfunc.PythonModel):
    """Cannot be loaded."""

    def load_context(self, context):
        raise RuntimeError("the licence file is missing")

    def predict(self, context, model_input, params=None):
        return model_input


class Hoarder(mlflow.pyfunc.PythonModel):
    """Keeps as many more mebibytes of memory as it is told."""

    def load_context(self, context):
        self.kept = []

    def predict(self, context, model_input, params=None):
        self.kept.append(b"x" * (int(model_input["mebibytes"].iloc[0]) << 20))
        return [len(self.kept)]


class Greeter(mlflow.pyfunc.PythonModel):
    """Greets as it is configured."""

    def predict(self, context, model_input, params=None):
        return [f"{context.model_config['greeting']}, {name}" for name in model_input["name"]]


def main(folder: Path) -> None:
    wine = load_wine(as_frame=True)
    classifier = LogisticRegression(max_iter=5000).fit(wine.data, wine.target)
    mlflow.sklearn.save_model(
        classifier,
        folder / "wine",
        signature=infer_signature(wine.data, classifier.predict(wine.data)),
        input_example=wine.data.head(2),
        serialization_format="cloudpickle",
    )
    code = folder / "crashing_estimator.py"
    code.write_text(CRASHING)
    sys.path.insert(0, str(folder))
    from crashing_estimator import Crashing

    data = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 0.0]})
    pipeline = make_pipeline(Crashing(), LogisticRegression()).fit(data, [0, 0, 1, 1])
    mlflow.sklearn.save_model(
        pipeline,
        folder / "crashing",
        signature=infer_signature(data, np.array([0, 1])),
        code_paths=[str(code)],
        serialization_format="cloudpickle",
    )
    seconds = ModelSignature(Schema([ColSpec("double", "seconds")]), Schema([ColSpec("double")]))
    mlflow.pyfunc.save_model(folder / "sleeper", python_model=Sleeper(), signature=seconds)
    mebibytes = ModelSignature(inputs=Schema([ColSpec("long", "mebibytes")]))
    mlflow.pyfunc.save_model(folder / "hoarder", python_model=Hoarder(), signature=mebibytes)
    name = ModelSignature(inputs=Schema([ColSpec("string", "name")]))
    mlflow.pyfunc.save_model(
        folder / "greeter", python_model=Greeter(), signature=name, model_config={"greeting": "Hello"}
    )
    mlflow.pyfunc.save_model(folder / "broken", python_model=Broken(), signature=seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
