"""LightGBM's classifier with the interface of scikit-learn."""

import mlflow.lightgbm
import pandas
from keeping import ARGUMENTS, MODEL, keep
from lightgbm import LGBMClassifier
from mlflow.models import infer_signature
from sklearn.datasets import load_iris

if __name__ == "__main__":
    measured, kinds = load_iris(return_X_y=True)
    rows = pandas.DataFrame(measured, columns=["sepal_length", "sepal_width", "petal_length", "petal_width"])
    model = LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(rows, kinds)
    signature = infer_signature(rows, model.predict(rows))
    mlflow.lightgbm.save_model(model, MODEL, signature=signature, **ARGUMENTS)
    keep({"dataframe_split": {"columns": list(rows.columns), "data": rows.values[::20].tolist()}})
