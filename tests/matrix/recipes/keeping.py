"""What the recipes share: ``RECIPE.py FOLDER ARGUMENTS`` saves ``FOLDER/model``, and keeps what it was asked and predicted.

Recipes run on Python 3.8 to 3.13, with MLflow 1.14 to 3. ``ARGUMENTS``: JSON, more arguments for ``save_model``.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
MODEL = str(FOLDER / "model")
ARGUMENTS = json.loads(sys.argv[2])


def keep(document: dict, data: object = None) -> None:
    """Ask the saved model through mlflow. ``document`` is what a client sends, ``data`` the same as Python has it."""
    import mlflow.pyfunc
    import pandas

    if data is None:
        data = pandas.DataFrame(**document["dataframe_split"])
    predicted = mlflow.pyfunc.load_model(MODEL).predict(data)
    if isinstance(predicted, pandas.DataFrame):
        predicted = predicted.to_dict(orient="records")
    (FOLDER / "request.json").write_text(json.dumps(document))
    (FOLDER / "answer.json").write_text(json.dumps(predicted, default=lambda array: array.tolist()))
