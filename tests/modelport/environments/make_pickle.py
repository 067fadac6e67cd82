"""Saves a forest with the real mlflow, whose requirements name an older scikit-learn: ``python make_pickle.py FOLDER``."""

import sys
from pathlib import Path

import mlflow
import numpy as np
from sklearn.ensemble import RandomForestClassifier

rows = np.arange(40.0).reshape(20, 2)
forest = RandomForestClassifier(3, random_state=0).fit(rows, np.arange(20) % 2)
mlflow.sklearn.save_model(
    forest,
    Path(sys.argv[1]) / "forest",
    serialization_format="pickle",
    pip_requirements=["scikit-learn==1.2.2", "numpy==1.26.4", "cloudpickle"],
)
