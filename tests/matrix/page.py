"""The last section of ``docs/environments.md``, made from what `make matrix` recorded: ``python -m tests.matrix.page``."""

import json
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.sections import write_section
from tests.matrix.made import CACHE
from tests.matrix.served import Built
from tests.matrix.table import CASES, Case
from tests.support.saved import ROOT

PAGE = ROOT / "docs" / "environments.md"
SECTION = "matrix"
RESULTS = CACHE / "results"
HEAD = """\
## Models and the environments built for them

Each model was saved by the MLflow of its time, and predicted there. Then `modelport serve -m MODEL` was all that was said:
Modelport read the model's files, built the environment they ask for and served the model in it. Every answer was compared
with the prediction made where the model was saved: equal means equal to the last bit; a matrix product of numpy may differ
in the last digits, as it adds in another order. In the end all were served side by side, and were asked again.

The seconds: finding the versions, making the environment with all its packages, loading the model and scoring its example.
uv had every package in its cache. `make matrix` writes this section anew; the models stand in `tests/matrix/table.py`.

| Model | What it is about | Python | Main versions | Packages | Resolve | Install | Check | Answer |
|---|---|---|---|---|---|---|---|---|
"""
_MAIN = ("numpy", "pandas", "scikit-learn", "mlflow", "lightgbm", "onnxruntime", "skops", "docopt", "pysocks")


def record(case: Case, environment: Built | None, to_the_bit: bool) -> None:
    """Keep the result of a model whose answer was right."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"environment": None if environment is None else asdict(environment), "to_the_bit": to_the_bit}
    (RESULTS / f"{case.name}.json").write_text(json.dumps(result))


def section() -> str:
    """The whole section. FileNotFoundError: a model of the table has not been run."""
    lines = []
    first_of: dict[str, str] = {}
    for case in CASES:
        result = json.loads((RESULTS / f"{case.name}.json").read_text())
        found = result["environment"]
        shared_with = None if found is None else first_of.get(found["id"])
        answer = "equal" if result["to_the_bit"] else "equal to 12 digits"
        lines.append(f"| {' | '.join([*_cells(case, found, shared_with), answer])} |\n")
        if found is not None:
            first_of.setdefault(found["id"], case.name)
    return HEAD + "".join(lines)


def _cells(case: Case, found: dict[str, Any] | None, shared_with: str | None) -> list[str]:
    cells = [f"`{case.name}`", case.about]
    if found is None:
        cells += ["Modelport's own", "Modelport's own", "", "", "", ""]
    else:
        versions, seconds = found["versions"], found["seconds"]
        main = ", ".join(f"{name} {versions[name]}" for name in _MAIN if name in versions)
        cells += [found["python"], main, str(len(versions))]
        if shared_with is None:
            install = seconds["create"] + seconds["install"]
            cells += [f"{value:.1f} s" for value in (seconds["resolve"], install, seconds["check"])]
        else:
            cells += [f"that of `{shared_with}`", "", ""]
    return cells


if __name__ == "__main__":
    try:
        write_section(SECTION, section(), PAGE)
    except FileNotFoundError as error:
        sys.exit(f"make matrix runs every model first: {error}")
