"""A pipeline that needs its frame's column names and types: numbers, texts, truth values."""

import mlflow.sklearn
import pandas
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

if __name__ == "__main__":
    columns = ["amount", "count", "kind", "active"]
    data = [[1.5, 1, "red", True], [-2.0, 5, "blue", False], [0.25, 2, "red", False], [8.0, 7, "green", True]]
    rows = pandas.DataFrame(data, columns=columns)
    prepare = ColumnTransformer(
        [("numbers", StandardScaler(), ["amount", "count"]), ("texts", OneHotEncoder(), ["kind"])],
        remainder="passthrough",
    )
    model = make_pipeline(prepare, LogisticRegression()).fit(rows, ["high", "low", "low", "high"])
    signature = infer_signature(rows, model.predict(rows))
    mlflow.sklearn.save_model(model, MODEL, signature=signature, **ARGUMENTS)
    keep({"dataframe_split": {"columns": columns, "data": data}})
