"""Modelport: serve any MLflow model as it is."""

__version__ = "0.1.0"
