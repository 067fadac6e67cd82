"""A scikit-learn pipeline with a step of the author's own, whose code is a wheel in the model (as MLflow lays them out)."""

import sys
import zipfile
from pathlib import Path

import mlflow.sklearn
import numpy
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

FILES = {
    "pricing.py": """\
from sklearn.base import BaseEstimator, TransformerMixin


class Squares(TransformerMixin, BaseEstimator):
    def fit(self, rows, target=None):
        return self

    def transform(self, rows):
        import numpy

        values = numpy.asarray(rows, dtype=float)
        return numpy.hstack([values, values**2])
""",
    "pricing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: pricing\nVersion: 1.0\n",
    "pricing-1.0.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
}

if __name__ == "__main__":
    wheels = Path(MODEL) / "wheels"
    draft = Path(MODEL).with_name("pricing-1.0-py3-none-any.whl")
    with zipfile.ZipFile(draft, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
        record = "".join(f"{name},,\n" for name in [*FILES, "pricing-1.0.dist-info/RECORD"])
        archive.writestr("pricing-1.0.dist-info/RECORD", record)
    sys.path.insert(0, str(draft))
    from pricing import Squares

    rows = numpy.random.RandomState(3).rand(40, 3)
    model = make_pipeline(Squares(), Ridge()).fit(rows, rows[:, 0] * 2 + rows[:, 1] ** 2 - rows[:, 2])
    signature = ModelSignature(inputs=Schema([ColSpec(DataType.double, name) for name in "abc"]))
    mlflow.sklearn.save_model(model, MODEL, signature=signature, **ARGUMENTS)
    wheels.mkdir()
    draft.rename(wheels / draft.name)
    sys.path_importer_cache.clear()
    keep({"dataframe_split": {"columns": list("abc"), "data": rows[:5].tolist()}})
