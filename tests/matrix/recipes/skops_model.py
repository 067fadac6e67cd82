"""A scikit-learn model without a pickle: written by skops, with a type that skops does not trust by itself."""

import mlflow.sklearn
import pandas
import skops.io
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier

if __name__ == "__main__":
    measured, kinds = load_iris(return_X_y=True)
    rows = pandas.DataFrame(measured, columns=["sepal_length", "sepal_width", "petal_length", "petal_width"])
    model = HistGradientBoostingClassifier(max_iter=5).fit(rows, kinds)
    trusted = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    signature = infer_signature(rows, model.predict(rows))
    mlflow.sklearn.save_model(
        model, MODEL, signature=signature, serialization_format="skops", skops_trusted_types=trusted, **ARGUMENTS
    )
    keep({"dataframe_split": {"columns": list(rows.columns), "data": rows.values[::20].tolist()}})
