"""``docs/pythons.md``, made from what the tests of this folder recorded: ``python -m tests.interpreters.table`` writes it."""

import sys

from tests.interpreters.saved import Result, recorded
from tests.support.interpreters import VERSIONS
from tests.support.saved import ROOT

PAGE = ROOT / "docs" / "pythons.md"
COMMAND = "python -m tests.interpreters.table"
DOORS = ("serve", "predict")
_LIBRARIES = ("numpy", "pandas", "sklearn", "mlflow")
_HEAD = f"""\
<!-- Written by `{COMMAND}` from what the tests in tests/interpreters recorded. -->
# Which Pythons a model may run on

Modelport itself runs on Python 3.11 or later. A model runs in an interpreter of its own, which `--python` names: Python 3.8 to
3.13. Nothing is installed there.

On each of them models were saved by the newest MLflow it can have, with its newest numpy, pandas and scikit-learn. Modelport
ran them there, and each request and file got the prediction, or the error's code, that this MLflow's own server code gives.
The numbers count them. What MLflow cannot read (Parquet, CSV with moments, `/score`, `/v2`) got the same as its twin in JSON.

| Python | numpy | pandas | scikit-learn | MLflow that saved it | `serve` | `predict` |
|---|---|---|---|---|---|---|
"""
_TAIL = """\

The models: scikit-learn pipelines on mixed columns, on doubles and on tensors; Python models pickled with their code and
imported by name, on columns and tensors of every type. The cases: JSON in all its forms, CSV, Parquet, `/score`, `/v2`, params,
missing values, and requests that are refused. They are the same for all, and stand in `tests/interpreters`.

## A model of another Python

A model saved by one Python may run on another. A warning names both.

One kind is refused: a pickle that brings code. `cloudpickle` writes a class or function into the file where it cannot be
imported by name, as in a notebook or a script. This code is byte code of one minor version. Another one fails on it or crashes,
perhaps only at the first prediction. So Modelport looks into the file before it is loaded, without running anything of it:

    error: this model was pickled by Python 3.11.7 together with its code, which can crash Python 3.12 [PYTHON_VERSION_MISMATCH]
    hint: Run it on Python 3.11 (--python names the interpreter), or take the risk: --allow-python-mismatch, …

It holds for Python models and for scikit-learn models saved by `cloudpickle` (a `FunctionTransformer` with a lambda, say).
`--allow-python-mismatch` of `serve` and `predict` loads them all the same; in Python it is
`modelport.pyfunc.load_model(uri, allow_python_mismatch=True)`.

Classes that are imported by name (`code_paths`) and models from code bring no byte code: they are only warned about.
"""


def row(results: list[Result]) -> str:
    """One Python's line; ``results`` by door, in the order of ``DOORS``."""
    libraries = [results[0].versions[name] for name in _LIBRARIES]
    return "| " + " | ".join([results[0].version, *libraries, *(str(result.passed) for result in results)]) + " |\n"


def page() -> str:
    """The whole page. FileNotFoundError: the tests have not passed yet on one of the Pythons."""
    return _HEAD + "".join(row([recorded(version, door) for door in DOORS]) for version in VERSIONS) + _TAIL


def assert_shown(result: Result) -> None:
    """The committed page shows this result."""
    text = PAGE.read_text()
    assert text.startswith(_HEAD) and text.endswith(_TAIL), f"docs/pythons.md is out of date; run {COMMAND}"
    lines = [line for line in text.splitlines() if line.startswith(f"| {result.version} |")]
    assert len(lines) == 1, f"docs/pythons.md has no row of Python {result.version}; run {COMMAND}"
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    shown = cells[1 : 1 + len(_LIBRARIES)], cells[1 + len(_LIBRARIES) + DOORS.index(result.door)]
    found = [result.versions[name] for name in _LIBRARIES], str(result.passed)
    assert shown == found, f"docs/pythons.md shows {shown}, this run {found}; run {COMMAND}"


if __name__ == "__main__":
    try:
        PAGE.write_text(page())
    except FileNotFoundError as error:
        sys.exit(f"run the tests in tests/interpreters first, on a machine with every Python: {error}")
