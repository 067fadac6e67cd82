"""``docs/compatibility.md``, made from ``tests/divergences.json`` and the tests that show each of its rows.

``python -m tests.docs.compatibility`` writes the page. With ``--check`` it fails instead, if the page is out of date, a row is
shown by no test, or a test names a row that is not there. A row is shown by interop cases with that ``divergence`` and by tests
marked ``@pytest.mark.divergence("ID")``. Nothing is imported for that.
"""

import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "compatibility.md"
AREAS = (
    *("Paths and content types", "Request bodies", "Values in requests", "CSV", "Answers and models"),
    *("Signatures", "Python input", "Scalar columns", "Nested columns", "Tensors", "Params"),
)
"""The sections on MLflow, in their order; the later ones concern ``predict`` in Python as well."""

_KEYS = {"of", "area", "theirs", "ours", "why", "kept"}
_COMMAND = "python -m tests.docs.compatibility"
_HEAD = f"""\
<!-- Written by `{_COMMAND}` from tests/divergences.json. -->
# Where answers differ from MLflow's and Azure's, and why

The rule: what they accept with a sensible result is accepted. Where their behaviour hangs on the installed pandas, is an
accident or damages data, a decision stands here, each in one row and shown by the tests named in it. What to send is in
[payloads](payloads.md).

"Theirs" was observed with MLflow 3.17.2 (pandas 3) and 2.22.5 (pandas 2). *Lenient* is the policy of `/invocations` and of
`predict` in Python, *strict* that of `/score` and `/v2`; a row that names neither is about the lenient one. An interop case
was put to both, MLflow's or Azure's own code and ours.
"""
_KEPT = """\
These look odd. Models and clients rely on them, so they are as MLflow has them under the lenient policy.
"""


@dataclass(frozen=True)
class Row:
    """One divergence, or with ``kept`` one oddity that stays as it is."""

    id: str
    of: str
    area: str
    theirs: str
    ours: str
    why: str
    kept: bool = False


@dataclass
class Shown:
    """What shows each row: interop cases counted, and files of tests by name."""

    cases: Counter[str] = field(default_factory=Counter)
    files: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def ids(self) -> set[str]:
        return {*self.cases, *self.files}


def read_rows(tests: Path) -> list[Row]:
    """The rows of ``divergences.json``; ValueError names an id that occurs twice, or an entry with keys of another kind."""
    entries = json.loads((tests / "divergences.json").read_text(), object_pairs_hook=_without_repeats)
    for id, entry in entries.items():
        if unknown := entry.keys() - _KEYS:
            raise ValueError(f"{id} has {', '.join(sorted(unknown))}; an entry has {', '.join(sorted(_KEYS))}")
    return [Row(**{"id": id, "area": "", **entry}) for id, entry in entries.items()]


def find_shown(tests: Path) -> Shown:
    """What the cases below ``interop`` and the markers in ``test_*.py`` show."""
    shown = Shown()
    for path in sorted((tests / "interop").rglob("*.json")):
        if '"divergence"' in (text := path.read_text()):
            shown.cases.update(_ids_of_cases(json.loads(text)))
    for path in sorted(tests.rglob("test_*.py")):
        if "mark.divergence" in (text := path.read_text()):
            for id in _ids_of_markers(ast.parse(text)):
                shown.files[id].add(path.name)
    return shown


def problems(rows: list[Row], shown: Shown) -> list[str]:
    """What is wrong with rows and tests, a sentence each; empty if nothing is."""
    known = {row.id for row in rows}
    found = [f"a test shows {id}, which tests/divergences.json does not have" for id in sorted(shown.ids - known)]
    for row in rows:
        if row.of not in ("mlflow", "azure"):
            found.append(f"{row.id} is of {row.of!r}; it must be of 'mlflow' or 'azure'")
        if row.of == "mlflow" and not row.kept and row.area not in AREAS:
            found.append(f"{row.id} has the area {row.area!r}; there are: {', '.join(AREAS)}")
        if not row.theirs or not (row.ours or row.kept):
            found.append(f"{row.id} does not say what both sides do")
        if row.id not in shown.ids:
            found.append(f"no test shows {row.id}; mark one with @pytest.mark.divergence({row.id!r})")
    return found


def page(rows: list[Row], shown: Shown) -> str:
    """The whole page."""
    parts = [_HEAD, "## From MLflow\n"]
    for area in AREAS:
        of_area = [row for row in rows if row.area == area and row.of == "mlflow" and not row.kept]
        parts += [f"### {area}\n", _table("MLflow", of_area, shown)] if of_area else []
    if of_azure := [row for row in rows if row.of == "azure" and not row.kept]:
        parts += ["## From Azure's managed endpoints\n", _table("Azure", of_azure, shown)]
    if kept := [row for row in rows if row.kept]:
        parts += ["## Kept as they are\n", _KEPT, _table("what it does", kept, shown)]
    return "\n".join(parts)


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if repeated := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise ValueError(f"{repeated[0]} occurs twice in tests/divergences.json")
    return dict(pairs)


def _table(theirs: str, rows: list[Row], shown: Shown) -> str:
    lines = [f"| id | {theirs} | Modelport | why | shown by |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (row.id, row.theirs, row.ours or "The same.", row.why, _shown_by(row.id, shown))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _shown_by(id: str, shown: Shown) -> str:
    names = [f"`{name}`" for name in sorted(shown.files.get(id, ()))]
    if count := shown.cases[id]:
        names.insert(0, f"{count} interop case{'s' if count > 1 else ''}")
    return ", ".join(names)


def _ids_of_cases(value: object) -> Iterator[str]:
    """The divergences that entries of a case file name, however deep the entries lie."""
    if isinstance(value, list):
        for item in value:
            yield from _ids_of_cases(item)
    elif isinstance(value, dict):
        if isinstance(id := value.get("divergence"), str):
            yield id
        else:
            for item in value.values():
                yield from _ids_of_cases(item)


def _ids_of_markers(module: ast.Module) -> Iterator[str]:
    """The arguments of ``pytest.mark.divergence`` on tests and classes of tests, or inside their parametrization."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name.lower().startswith(
            "test"
        ):
            for call in (call for decorator in node.decorator_list for call in ast.walk(decorator)):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.divergence":
                    yield from (str(ast.literal_eval(argument)) for argument in call.args)


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say what is wrong; the exit code."""
    rows, shown = read_rows(TESTS), find_shown(TESTS)
    found, text = problems(rows, shown), page(rows, shown)
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        found.append(f"docs/compatibility.md is out of date; run {_COMMAND}")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
