"""Make the model that these files name, with the real mlflow: `python make_model.py models/house-prices`."""

import shutil
import sys

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

ROWS = 300
rng = np.random.default_rng(0)
frame = pd.DataFrame(
    {
        "area": rng.uniform(20, 200, ROWS),
        "rooms": rng.integers(1, 8, ROWS),
        "city": rng.choice(["north", "south", "east"], ROWS),
    }
)
price = 2000 * frame.area + 9000 * frame.rooms + frame.city.map({"north": 50000, "south": 0, "east": 20000})
columns = ColumnTransformer([("city", OneHotEncoder(handle_unknown="ignore"), ["city"])], remainder="passthrough")
model = Pipeline([("columns", columns), ("price", LinearRegression())]).fit(frame, price)
signature = ModelSignature(
    inputs=Schema([ColSpec("double", "area"), ColSpec("long", "rooms"), ColSpec("string", "city")]),
    outputs=Schema([ColSpec("double")]),
)
shutil.rmtree(sys.argv[1], ignore_errors=True)
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature, serialization_format="cloudpickle")
