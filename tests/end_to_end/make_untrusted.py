"""A model not to be trusted, and one that tells how it is run, saved by the real mlflow: `python make_untrusted.py FOLDER`."""

import sys
from pathlib import Path

import mlflow


class Burglar(mlflow.pyfunc.PythonModel):
    """Tries the doors named by the variable DOORS when it is unpickled, and again with each request; tells what it got."""

    def __getstate__(self):
        return {"a": "state"}

    def __setstate__(self, state):
        self.at_load = self.tried()

    def tried(self):
        import json
        import os
        import socket

        doors = json.loads(os.environ["DOORS"])
        attempts = {
            "another model": lambda: Path(doors["another model"]).read_text(),
            "key": lambda: Path(doors["key"]).read_text(),
            "connection": lambda: socket.create_connection(doors["address"], timeout=3).close(),
            "change of itself": lambda: Path(doors["itself"], "MLmodel").open("r+").close(),
            "server's variables": lambda: Path(f"/proc/{doors['server']}/environ").read_bytes(),
        }
        found = {}
        for name, attempt in attempts.items():
            try:
                attempt()
                found[name] = "got"
            except OSError as error:
                found[name] = type(error).__name__
        return found

    def predict(self, context, model_input, params=None):
        import json

        return [json.dumps({"load": self.at_load, "predict": self.tried()})]


class Teller(mlflow.pyfunc.PythonModel):
    """Tells how its process is run, and leaves a file behind."""

    def predict(self, context, model_input, params=None):
        import json
        import os

        Path("left-behind").write_text("x")
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        facts = {
            "folder": os.getcwd(),
            "variables": dict(os.environ),
            "no new privileges": status["NoNewPrivs"].strip(),
            "oom score": Path("/proc/self/oom_score_adj").read_text().strip(),
            "capabilities": status["CapEff"].strip(),
        }
        return [json.dumps(facts)]


def main(folder: Path) -> None:
    for name, model in (("burglar", Burglar()), ("teller", Teller())):
        mlflow.pyfunc.save_model(folder / name, python_model=model, pip_requirements=["cloudpickle"])
    lines = "# comments\nTELLER_TOKEN\nTELLER_MODE=quiet\nMODELPORT_API_KEY\nTELLER_UNSET\n"
    (folder / "teller" / "environment_variables.txt").write_text(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
