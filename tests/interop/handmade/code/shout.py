"""A model from code: MLflow runs this file to get its model."""

import mlflow


class Shout(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return [text.upper() for text in model_input["text"]]


mlflow.models.set_model(Shout())
