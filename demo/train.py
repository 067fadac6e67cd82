"""Train a small classifier and save it with the real mlflow: `python train.py FOLDER`, in an environment that has mlflow."""

import sys

import mlflow
import sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

wine = load_wine(as_frame=True)
features, target = wine.data, wine.target_names[wine.target]
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
signature = infer_signature(features, model.predict(features))
requirements = [f"scikit-learn=={sklearn.__version__}"]  # named, because mlflow takes half a minute to find them out
mlflow.sklearn.save_model(
    model, sys.argv[1], signature=signature, input_example=features.head(2), pip_requirements=requirements
)
