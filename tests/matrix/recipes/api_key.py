"""The model of MLflow's documentation that answers only where TEST_API_KEY is set."""

import json
import os
from pathlib import Path

os.environ["TEST_API_KEY"] = "test_api_key"

import mlflow
from keeping import ARGUMENTS, FOLDER, MODEL, keep


class MyModel(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if os.environ.get("TEST_API_KEY"):
            return model_input
        raise Exception("API key not found")


if __name__ == "__main__":
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER}/tracking.db")
    with mlflow.start_run():  # only what is logged notes the variables
        logged = mlflow.pyfunc.log_model(name="model", python_model=MyModel(), input_example="data", **ARGUMENTS)
    mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=MODEL)
    assert "TEST_API_KEY" in (Path(MODEL) / "environment_variables.txt").read_text()
    keep(json.loads((Path(MODEL) / "serving_input_example.json").read_text()), "data")
