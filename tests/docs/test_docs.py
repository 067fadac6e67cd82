"""The documents are true: their commands run and print what they show, their tables agree with the code."""

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import modelport.cli
from modelport.model import mlmodel
from modelport.serving import access_log, exposition, http, invocations, metrics
from modelport.serving.status import MLFLOW_STATUS
from modelport.settings import MIB, ServeSettings
from modelport.workers import pool, process
from modelport_runtime import batching, scoring, worker
from modelport_runtime.payload import decoding
from modelport_runtime.signature import read_signature
from modelport_runtime.specs import TensorSpec
from tests.docs.pages import (
    DOCUMENTS,
    PAYLOADS,
    QUICKSTART,
    README,
    SERVING,
    TIMEOUT,
    UP_PAGES,
    blocks,
    blocks_of,
    compare,
    run_in_one_shell,
    runnable,
    table_rows,
)
from tests.end_to_end.server import environment, free_port, running
from tests.support.once import made_once
from tests.support.saved import ROOT, SAVING_PYTHON, saved_by

ADDRESS = "127.0.0.1:5000"
ASKED_ELSEWHERE = {PAYLOADS, QUICKSTART, *UP_PAGES}
"""Documents whose commands need more than a checkout; other tests run them."""
NOT_RUN = {
    "make demo ARGS=--once": "the first line is run by a test of its own; the second one runs that test",
    ".envs/mlflow-3/bin/python rent.py": (
        "the tests run the Python block above once, with the same interpreter, and keep what it saves"
    ),
    **dict.fromkeys(
        (
            "curl -s http://127.0.0.1:5000/invocations -H 'Content-Type: application/json' -d '{",
            "curl -sN 'http://127.0.0.1:5000/invocations?stream=true' -H 'Content-Type: application/json' \\",
        ),
        "they ask models that need MLflow; tests/end_to_end/test_agents.py asks such models",
    ),
    ".envs/mlflow-3/bin/python examples/make_model.py examples/models/house-prices": (
        "the tests run that script once, with the same interpreter, and keep what it saves"
    ),
    "mlflow deployments create-endpoint -t modelport --endpoint prices": (
        "it needs mlflow and modelport in one environment; tests/end_to_end/test_rollout.py runs the plugin there"
    ),
    "make setup": "they build the environment that the tests themselves run in",
}
"""First line of each block that is not run → the reason, which the document says too."""

# -- running -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rent() -> Path:
    """The README's model, saved by the real mlflow once for each version of the README's script."""
    script = runnable(README, "python")[0].text
    folder = ROOT / ".cache" / "docs" / hashlib.sha256(script.encode()).hexdigest()[:12]

    def make(draft: Path) -> None:
        (draft / "rent.py").write_text(script)
        command = [SAVING_PYTHON, "-W", "ignore", "rent.py"]
        made = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=TIMEOUT)
        assert made.returncode == 0, made.stderr[-4000:]

    return made_once(folder, make) / "rent"


@pytest.fixture
def checkout(rent: Path, tmp_path: Path) -> Path:
    """A folder that looks like a checkout in which the README's model was saved."""
    for name in (".venv", ".envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(rent, tmp_path / "rent")
    return tmp_path


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if runnable(d, "bash") and d not in ASKED_ELSEWHERE], ids=lambda path: path.name
)
def test_the_commands_of_a_document_run_and_print_what_it_shows(document: Path, checkout: Path) -> None:
    port = free_port()
    steps = runnable(document, "bash")
    printed = run_in_one_shell(
        [block.text.replace(ADDRESS, f"127.0.0.1:{port}") for block in steps], checkout, {"MLFLOW_PORT": str(port)}
    )
    for block, output in zip(steps, printed, strict=True):
        compare(block, output.replace(f"127.0.0.1:{port}", ADDRESS))


@pytest.fixture(scope="module")
def payload_models(rent: Path) -> Callable[[str], Path]:
    """``payload_models("visits")``: a model of the page on payloads, saved by the real mlflow; ``rent`` is the README's."""
    folder = saved_by(Path(__file__).with_name("make_models.py"))
    return lambda name: rent if name == "rent" else folder / name


def _payload_parts() -> dict[str, str]:
    """Model → the text of the page on payloads that is about it."""
    _, *parts = re.split(r"<!-- asks the model (\w+) -->\n", PAYLOADS.read_text())
    found: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        found[name] = found.get(name, "") + "\n" + text
    return found


@pytest.mark.parametrize("name", _payload_parts())
def test_every_request_of_the_payloads_gets_the_answer_that_is_shown(
    name: str, payload_models: Callable[[str], Path], tmp_path: Path
) -> None:
    steps = [block for block in blocks_of(_payload_parts()[name]) if block.kind == "bash"]
    assert steps
    assert not [block.text for block in steps if block.expected is None], "each shows its answer"
    path = f"PATH={Path(sys.executable).parent}:$PATH\n"
    with running(payload_models(name), tmp_path / "server") as server:
        address = f"127.0.0.1:{server.port}"
        texts = [path, *(block.text.replace(ADDRESS, address) for block in steps)]
        printed = run_in_one_shell(texts, tmp_path, {"MLFLOW_PORT": str(server.port)})[1:]
    for block, output in zip(steps, printed, strict=True):
        compare(block, output)


@pytest.mark.parametrize("name", _payload_parts())
def test_the_payloads_tell_the_signature_of_the_model(name: str, payload_models: Callable[[str], Path]) -> None:
    signature = read_signature(mlmodel.read(payload_models(name))["signature"])
    assert signature is not None and signature.inputs is not None
    head = " ".join(_payload_parts()[name].split("\n\n")[0].split())
    assert f"`{name}`" in head
    for spec in [*signature.inputs.specs, *(signature.params or ())]:
        kind = f"{spec.dtype}({', '.join(map(str, spec.shape))})" if isinstance(spec, TensorSpec) else str(spec.type)
        assert (kind if spec.name is None else f"`{spec.name}` {kind}") in head


def test_the_payloads_show_every_form_carrier_and_dialect() -> None:
    commands = "".join(block.text for block in blocks(PAYLOADS) if block.kind == "bash")
    forms = [f'"{form}"' for form in (*decoding.FORMS, "params", "messages", "input_data")]
    carriers = [mime.decode() for mime in invocations.CONTENT_TYPES if mime != b"application/csv"]
    accepted = [f"Accept: {mime.decode().partition(';')[0]}" for mime in invocations.ANSWER_TYPES.values()]
    paths = ["/invocations", "/invocations?stream=true", "/score", "/v2/models/mlflow-model/infer"]
    accepted.remove("Accept: application/json")  # it is what comes without the header
    assert not [text for text in (*forms, *carriers, *accepted, *paths) if text not in commands]


def test_the_python_blocks_of_the_api_run_and_print_what_they_show(checkout: Path) -> None:
    steps = runnable(ROOT / "docs" / "python-api.md", "python")
    script = "import sys\n" + "".join(
        f"sys.stdout = open('output-{number}', 'w')\n{block.text}" for number, block in enumerate(steps)
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=checkout, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    for number, block in enumerate(steps):
        compare(block, (checkout / f"output-{number}").read_text())


def test_the_demo_ends_with_a_prediction() -> None:
    done = subprocess.run(
        ["make", "demo", "ARGS=--once"], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"predictions":["class_0","class_0"]}' in done.stdout


# -- agreeing ----------------------------------------------------------------------------------------------------------


def test_what_is_not_run_is_known_with_its_reason() -> None:
    found = {
        block.text.splitlines()[0]: block.reason
        for document in DOCUMENTS
        for block in blocks(document)
        if block.reason is not None
    }
    assert found == NOT_RUN
    runs = [block.kind for document in DOCUMENTS for block in blocks(document) if block.reason is None]
    assert set(runs) <= {"bash", "python", "text", "json"}, "blocks of another kind are run by nobody"


def test_every_flag_is_documented_with_its_default() -> None:
    rows = {cells[0]: cells for cells in table_rows(README) if cells[0].startswith("`-")}
    documented = {flag: cells for first, cells in rows.items() for flag in re.findall(r"`(-[\w-]+)`", first)}
    command = typer.main.get_command(modelport.cli.app).commands["serve"]  # type: ignore[attr-defined]
    flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    assert documented.keys() == flags
    for parameter in command.params:
        cells = documented[parameter.opts[0]]
        if isinstance(parameter.default, (int, float, str)) and not isinstance(parameter.default, bool):
            assert (
                cells[2] == f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)
            )
        assert cells[3].strip("`") == (parameter.envvar or ""), parameter.name


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {
        cells[0].strip("`"): int(cells[1])
        for cells in table_rows(SERVING)
        if re.fullmatch(r"`[A-Z_]+`", cells[0]) and cells[1].isdigit()
    }
    sources = "".join(path.read_text() for path in (ROOT / "src" / "modelport" / "serving").glob("*.py"))
    answered = re.findall(r"\b_?(?:error|refuse)\((?:request, )?(\d{3}), \"([A-Z_]+)\"", sources)
    assert len(answered) >= 10, "the calls that answer with an error are spelled otherwise now"
    assert documented == {**MLFLOW_STATUS, **{code: int(status) for status, code in answered}}


def test_every_error_class_has_a_documented_code() -> None:
    sources = [ROOT / "runtime/src/modelport_runtime/errors.py", ROOT / "src/modelport/errors.py"]
    codes = {
        code for path in sources for code in re.findall(r"^    code = \"([A-Z_]+)\"", path.read_text(), re.MULTILINE)
    }
    text = SERVING.read_text()
    assert codes
    assert not [code for code in codes if f"`{code}`" not in text]


def test_every_metric_is_documented() -> None:
    shown = exposition.text({"m": metrics.Metrics(metrics.Memory(metrics.shared_memory(1), 1))}).decode()
    names = dict(re.findall(r"^# TYPE (\w+) (\w+)$", shown, re.MULTILINE))
    documented = {cells[0].strip("`"): cells[1] for cells in table_rows(SERVING) if cells[0].startswith("`modelport_")}
    assert documented == names
    assert all(f"`{phase}`" in SERVING.read_text() for phase in metrics.PHASES)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("serving", f"| request line and headers | {http.MAX_HEAD // 1024} KiB |"),
        ("serving", f"| body | `--max-body`, {ServeSettings.max_body // MIB} MiB |"),
        ("serving", f"| bodies in memory, per scoring process | {ServeSettings.max_buffered // MIB} MiB |"),
        ("serving", f"`--max-queue`, {ServeSettings.max_queue} |"),
        ("serving", f"| time for the header to arrive | {http.DRIP_WINDOW:.0f} s |"),
        ("serving", f"| {http.DRIP_BYTES // 1024} KiB in each {http.DRIP_WINDOW:.0f} s |"),
        ("serving", f"| idle connection | {http.KEEP_ALIVE:.0f} s |"),
        ("serving", f"| pipelined requests of one connection | {http.MAX_PIPELINED} |"),
        ("serving", f"| requests given to one worker at a time | {pool.WINDOW} |"),
        ("serving", f"`--timeout`, {ServeSettings.timeout:.0f} s |"),
        ("serving", f"after {process.FIRST_PAUSE} s, then 1 s, and so on up to {process.LONGEST_PAUSE:.0f} s"),
        ("serving", f"the old one gets {process.STOP_GRACE:.0f} s"),
        ("serving", "closes idle connections after one second"),
        ("serving", f"{access_log.MAX_LINES} lines are held"),
        ("serving", f"together every {access_log.FLUSH_INTERVAL * 1000:.0f} ms"),
        ("tuning", f"({worker.MAX_BATCH} at most)"),
        ("tuning", f"at most {batching.MAX_JOINED_ROWS}"),
        ("tuning", "Joining then pauses for one second"),
    ],
)
def test_a_limit_in_the_documents_is_the_one_in_the_code(document: str, text: str) -> None:
    assert http.DRAIN_IDLE == scoring.JOINING_PAUSE == 1.0
    assert text in (ROOT / "docs" / f"{document}.md").read_text()


def test_every_direct_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for file in (ROOT / "requirements").glob("*.in"):
        declared += [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in declared}
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in [*DOCUMENTS, ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = (document.parent / path) if path else document
            if not file.exists() or (anchor and anchor not in _anchors(file)):
                broken.append(f"{document.name}: {target}")
    assert not broken


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
