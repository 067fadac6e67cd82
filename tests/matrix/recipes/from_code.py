"""A model that is kept as code, and asks the modules that its configuration names where they come from."""

import mlflow.pyfunc
from keeping import ARGUMENTS, FOLDER, MODEL, keep
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

CODE = '''
import importlib
import importlib.metadata

import mlflow


class Importing(mlflow.pyfunc.PythonModel):
    """Says for each row which version of a distribution is there, once its module could be imported."""

    def predict(self, context, model_input, params=None):
        answers = []
        for module, distribution in zip(model_input["module"], model_input["distribution"]):
            importlib.import_module(module)
            answers.append(distribution + " " + importlib.metadata.version(distribution))
        return answers


mlflow.models.set_model(Importing())
'''

if __name__ == "__main__":
    asked = ARGUMENTS.pop("asked")
    code = FOLDER / "importing.py"
    code.write_text(CODE)
    schema = Schema([ColSpec(DataType.string, "module"), ColSpec(DataType.string, "distribution")])
    signature = ModelSignature(inputs=schema)
    mlflow.pyfunc.save_model(MODEL, python_model=str(code), signature=signature, **ARGUMENTS)
    keep({"dataframe_split": {"columns": ["module", "distribution"], "data": asked}})
