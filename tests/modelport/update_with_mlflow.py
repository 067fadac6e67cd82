"""Run by the interpreter that has the real mlflow: `python update_with_mlflow.py CASES`; [[folder, operation, list], …]."""

import json
import sys

from mlflow.models import update_model_requirements

for folder, operation, requirements in json.loads(sys.argv[1]):
    update_model_requirements(folder, operation, requirements)
