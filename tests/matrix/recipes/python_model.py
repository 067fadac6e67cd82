"""A Python model whose class cloudpickle writes into the pickle, as byte code of this Python."""

import mlflow.pyfunc
from keeping import ARGUMENTS, MODEL, keep
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema


class Billing(mlflow.pyfunc.PythonModel):
    def __init__(self, rate):
        self.rate = rate

    def predict(self, context, model_input, params=None):
        totals = model_input.groupby("customer", sort=True)["amount"].sum().reset_index()
        totals["owed"] = (totals["amount"] * self.rate).round(2)
        return totals


if __name__ == "__main__":
    columns = ["customer", "amount"]
    schema = Schema([ColSpec(DataType.string, "customer"), ColSpec(DataType.double, "amount")])
    signature = ModelSignature(inputs=schema)
    mlflow.pyfunc.save_model(MODEL, python_model=Billing(1.19), signature=signature, **ARGUMENTS)
    keep({"dataframe_split": {"columns": columns, "data": [["b", 10.5], ["a", 3.0], ["b", 0.25], ["c", 7.1]]}})
