"""The mlflow names that pickles and models from code mention, where mlflow itself is absent."""
