"""The model of the source article: ten columns of doubles in, one double out."""

import mlflow.sklearn
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor

COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]

if __name__ == "__main__":
    rows, target = load_diabetes(return_X_y=True, as_frame=True)
    model = GradientBoostingRegressor(n_estimators=60, random_state=1).fit(rows[COLUMNS], target)
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.double, name) for name in COLUMNS]), outputs=Schema([ColSpec(DataType.double)])
    )
    mlflow.sklearn.save_model(model, MODEL, signature=signature, **ARGUMENTS)
    keep({"dataframe_split": {"columns": COLUMNS, "data": rows[COLUMNS].values[:20].tolist()}})
