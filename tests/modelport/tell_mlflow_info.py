"""What the real mlflow says of models: `python tell_mlflow_info.py MODEL…` prints a JSON object by model."""

import json
import logging
import sys
from pathlib import Path

import mlflow

NAMES = [
    *("artifact_path", "flavors", "model_uuid", "run_id", "saved_input_example_info", "utc_time_created"),
    *("mlflow_version", "env_vars", "metadata", "prompts", "model_id"),
]


def told(path: str) -> dict:
    info = mlflow.models.get_model_info(path)
    return {
        "info": {name: getattr(info, name) for name in NAMES if hasattr(info, name)},
        "signature": info.signature and info.signature.to_dict(),
        "public": sorted(name for name in dir(info) if not name.startswith("_")),
        "pip": Path(mlflow.pyfunc.get_model_dependencies(path)).read_text(),
        "conda": mlflow.pyfunc.get_model_dependencies(path, format="conda"),
    }


if __name__ == "__main__":
    logging.disable()
    print(json.dumps({path: told(path) for path in sys.argv[1:]}))
