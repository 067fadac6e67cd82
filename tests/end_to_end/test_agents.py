"""Chat and agent models, beside the mlflow that they are made of, and the streams of any model that streams."""

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.server import Server, command, environment, free_port, running
from tests.support.saved import ROOT, SAVING_PYTHON, saved_by

BESIDE_MLFLOW = ("--python", str(SAVING_PYTHON))
LOADING = """
import json, sys, yaml
from modelport_runtime import pyfunc

def load(model):
    folder = f"{sys.argv[1]}/{model}"
    return pyfunc.load(folder, yaml.safe_load(open(f"{folder}/MLmodel")))
"""
IN_PROCESS = """
for model, cases in json.load(open(f"{sys.argv[1]}/answers.json")).items():
    loaded = load(model)
    for case, theirs in cases.items():
        data = theirs["body"]
        data = data["inputs"] if isinstance(data.get("inputs"), list) else data
        try:
            chunks = list(loaded.predict_stream(data))
        except Exception:
            chunks = None
        whole = theirs["status"] == 200 and not {"inputs", "dataframe_split"} & set(theirs["body"])
        expected, answer = (theirs["answer"], loaded.predict(data)) if whole else (None, None)
        print(json.dumps([model, case, [expected, theirs["chunks"]], [answer, chunks]]))
"""
TRACED = """
import os, mlflow

for variables in json.loads(sys.argv[2]):
    os.environ.update(variables)
    load("responses_agent_code")
    print(mlflow.tracing.provider.is_tracing_enabled())
    for name in variables:
        del os.environ[name]
"""
SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"


def run_beside_mlflow(code: str, agents: Path, folder: Path, *arguments: str, **variables: str) -> str:
    """What a script says that runs the runtime, with mlflow, in ``folder``; it may ``load`` one of ``agents``."""
    kept = {name: value for name, value in environment().items() if not name.startswith(("MLFLOW_", "OTEL_"))}
    command = [SAVING_PYTHON, "-W", "ignore", "-c", LOADING + code, agents, *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT / "runtime" / "src"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def agents() -> Path:
    return saved_by(Path(__file__).with_name("make_agents.py"))


@pytest.fixture(scope="module")
def answers(agents: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((agents / "answers.json").read_text())
    return found


@pytest.fixture(scope="module")
def steps(agents: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model that streams step by step; it needs no mlflow."""
    with running(agents / "steps", tmp_path_factory.mktemp("steps")) as server:
        yield server


def wait_for(condition: Any, what: object) -> None:
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


@contextlib.contextmanager
def asked(server: Server, document: Any, path: str = "/invocations?stream=true", **headers: str) -> Iterator[Any]:
    """The answer while it is being written. A server that keeps back what the model made fails by the time-out."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, json.dumps(document), {"content-type": "application/json", **named})
        yield connection.getresponse()
    finally:
        connection.close()


def next_event(answer: Any) -> tuple[str, Any]:
    """(kind, parsed data) of the event that comes next; ("end", None) where the answer is over."""
    kind, data = "message", []
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not name and data:
            text = "\n".join(data)
            return kind, text if text == "[DONE]" else json.loads(text)
    assert not data, "an event is cut off"
    return "end", None


def rest_of(answer: Any) -> list[tuple[str, Any]]:
    return [*iter(lambda: next_event(answer), ("end", None))]


def said(*words: str) -> list[tuple[str, Any]]:
    return [("message", {"said": word}) for word in words]


DONE = ("message", "[DONE]")


# -- beside mlflow -----------------------------------------------------------------------------------------------------


def test_every_kind_predicts_and_streams_in_process_as_in_mlflow(
    agents: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    said = run_beside_mlflow(IN_PROCESS, agents, tmp_path, **{SERVING: "true"})
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line for line in lines if line[2] != line[3]] == []
    assert len(lines) == sum(len(cases) for cases in answers.values())
    assert {model for model, _, _, (answer, _) in lines if answer} == set(answers) - {"texts", "texts_code"}
    assert {model for model, _, _, (_, chunks) in lines if chunks} == set(answers) - {"without_context", "request"}


@pytest.mark.parametrize("model", ["chat_model", "chat_agent_code", "responses_agent"])
def test_it_is_served_as_by_mlflow(
    agents: Path, answers: dict[str, Any], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers and streams; and no traces are written where the server was started."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with running(agents / model, tmp_path, *BESIDE_MLFLOW) as server:
        for case, theirs in answers[model].items():
            status, body = server.predict(theirs["body"])
            assert status == theirs["status"], (case, body)
            if status == 200:
                assert body == theirs["answer"], case
            else:
                assert body["error_code"] == theirs["answer"]["error_code"], case
            with asked(server, theirs["body"], "/invocations", accept="text/event-stream") as answer:
                if theirs["chunks"] is not None:
                    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream"), case
                    assert rest_of(answer) == [("message", chunk) for chunk in theirs["chunks"]] + [DONE], case
                elif status == 200:  # as a frame or as inputs, which only a server takes: the same request, streamed
                    chunks = answers[model]["a message"]["chunks"]
                    assert rest_of(answer) == [("message", chunk) for chunk in chunks] + [DONE], case
                else:
                    assert answer.status == status, case
                    assert json.loads(answer.read())["error_code"] == body["error_code"], case
    assert list(home.iterdir()) == []


@pytest.mark.divergence("agent-traces")
def test_a_served_agent_is_traced_only_where_it_is_said_where_to(agents: Path, tmp_path: Path) -> None:
    told = {SERVING: "true", "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    traced = run_beside_mlflow(TRACED, agents, tmp_path, json.dumps([{}, told, {SERVING: "true"}]))
    assert traced.split() == ["True", "True", "False"]


@pytest.mark.parametrize("model", ["chat_model", "chat_agent_code", "responses_agent_code"])
def test_without_mlflow_it_says_that_it_is_needed(agents: Path, model: str) -> None:
    done = subprocess.run(
        command(agents / model, free_port()), capture_output=True, text=True, timeout=60, check=False, env=environment()
    )
    assert done.returncode != 0
    assert "mlflow in the model's environment" in done.stderr
    assert "add mlflow to the environment that runs the model" in done.stderr


# -- streams -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/invocations?stream=true", {}), ("/invocations", {"accept": "text/event-stream"})],
    ids=["by query", "by header"],
)
def test_an_event_arrives_before_the_next_chunk_is_made(
    steps: Server, tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    told = ["say a", "wait go on", "say b", "say c"]
    with asked(steps, {"input": told, "folder": str(tmp_path)}, path, **headers) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert next_event(answer) == ("message", {"said": "a"})
        assert not (tmp_path / "made b").exists()
        (tmp_path / "go on").touch()
        assert rest_of(answer) == [*said("b", "c"), DONE]
    wait_for((tmp_path / "closed").exists, "the generator is not closed")


def test_a_stream_of_nothing_is_done_at_once(steps: Server, tmp_path: Path) -> None:
    with asked(steps, {"input": [], "folder": str(tmp_path)}) as answer:
        assert answer.status == 200
        assert rest_of(answer) == [DONE]


def test_chunks_of_any_kind_are_json(agents: Path, answers: dict[str, Any], tmp_path: Path) -> None:
    with running(agents / "chunks", tmp_path) as server:
        for case, theirs in answers["chunks"].items():
            with asked(server, theirs["body"]) as answer:
                if theirs["chunks"] is None:
                    assert answer.status == 400, case
                    assert json.loads(answer.read())["error_code"], case
                else:
                    assert rest_of(answer) == [("message", chunk) for chunk in theirs["chunks"]] + [DONE], case


def test_parameters_reach_the_stream(agents: Path, tmp_path: Path) -> None:
    with running(agents / "parameters", tmp_path) as server:
        for document, given, shout in [
            ({"prompt": "x"}, {"prompt": "x"}, False),
            ({"prompt": "x", "shout": True}, {"prompt": "x"}, True),
            ({"inputs": ["x"], "params": {"shout": True}}, "x", True),
        ]:
            with asked(server, document) as answer:
                assert ("message", {"input": given, "params": {"shout": shout}}) in rest_of(answer)
        with asked(server, {"prompt": "x", "shout": "loud"}) as answer:
            assert answer.status == 400
            assert "shout" in json.loads(answer.read())["message"]


def test_without_being_asked_nothing_streams(steps: Server, tmp_path: Path) -> None:
    document = {"input": ["say a"], "folder": str(tmp_path), "stream": True}
    for path in ("/invocations", "/invocations?stream=false"):
        with asked(steps, document, path, accept="*/*") as answer:
            assert answer.headers["content-type"] == "application/json"
            assert json.loads(answer.read()) == [{"said": "a"}]


def test_the_generator_is_closed_when_the_client_goes(steps: Server, tmp_path: Path) -> None:
    with asked(steps, {"input": ["say a", "count 0"], "folder": str(tmp_path)}) as answer:
        assert next_event(answer) == ("message", {"said": "a"})
        assert next_event(answer)[1]["number"] == 0
        assert not (tmp_path / "closed").exists()
    wait_for((tmp_path / "closed").exists, "the generator goes on without its client")
    stopped_at = (tmp_path / "count").read_text()
    assert steps.predict({"input": ["say b"], "folder": str(tmp_path)}) == (200, [{"said": "b"}])
    assert (tmp_path / "count").read_text() == stopped_at


def test_the_model_waits_for_a_client_that_does_not_read(steps: Server, tmp_path: Path) -> None:
    with asked(steps, {"input": ["count 100000"], "folder": str(tmp_path)}):
        wait_for((tmp_path / "count").exists, "nothing is made")
        counts: list[str] = []

        def stands_still() -> bool:
            time.sleep(0.5)
            counts.append((tmp_path / "count").read_text())
            return counts[-2:-1] == counts[-1:]

        wait_for(stands_still, counts)
        assert int(counts[-1]) < 1000, "100 MB of chunks are kept for a client that does not read"
    wait_for((tmp_path / "closed").exists, "the generator goes on without its client")


def test_an_error_before_the_first_chunk_has_the_status_that_it_has_without_a_stream(
    steps: Server, tmp_path: Path
) -> None:
    document = {"input": ["raise", "say a"], "folder": str(tmp_path)}
    status, body = steps.predict(document)
    assert status in (400, 500)
    with asked(steps, document) as answer:
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
        assert json.loads(answer.read())["error_code"] == body["error_code"]


def test_an_error_in_the_middle_is_an_event_of_its_own(steps: Server, tmp_path: Path) -> None:
    document = {"input": ["say a", "say b", "raise", "say c"], "folder": str(tmp_path)}
    _, expected = steps.predict(document)
    with asked(steps, document) as answer:
        assert answer.status == 200
        *events, (kind, error), last = rest_of(answer)
    assert (events, kind, last) == (said("a", "b"), "error", DONE)
    assert error["error_code"] == expected["error_code"]
    assert "ZeroDivisionError" in json.dumps(error)
    assert "Traceback" not in json.dumps(error)


def test_a_body_that_cannot_be_read_is_refused_as_without_a_stream(steps: Server) -> None:
    for body in (b"{", b"[]", b"{}"):
        status, answer, headers = steps.ask("/invocations?stream=true", body, content_type="application/json")
        assert (status, answer["error_code"]) == (400, "BAD_REQUEST")
        assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("model", ["silent", "silent_but_streamable"])
def test_a_model_without_predict_stream_says_so(agents: Path, model: str, tmp_path: Path) -> None:
    with running(agents / model, tmp_path) as server:
        for path, accept in (("/invocations?stream=true", "*/*"), ("/invocations", "text/event-stream")):
            with asked(server, {"input": []}, path, accept=accept) as answer:
                assert answer.status in (400, 406)
                assert "predict_stream" in json.loads(answer.read())["message"]
        assert server.predict({"input": []}) == (200, "whole")


def test_several_streams_run_at_once(steps: Server, tmp_path: Path) -> None:
    """Each waits until the other has begun, and they end in the reverse order."""
    with contextlib.ExitStack() as open_answers:
        answers = []
        for number in range(3):
            told = [f"say begun {number}", f"wait end {number}", f"say ended {number}"]
            asking = asked(steps, {"input": told, "folder": str(tmp_path)})
            answers.append(open_answers.enter_context(asking))
        for number, answer in enumerate(answers):
            assert next_event(answer) == ("message", {"said": f"begun {number}"})
        for number, answer in reversed(list(enumerate(answers))):
            (tmp_path / f"end {number}").touch()
            assert rest_of(answer) == [*said(f"ended {number}"), DONE]


def test_a_connection_is_used_again_after_a_stream(steps: Server, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", steps.port, timeout=20)
    body = json.dumps({"input": ["say a", "say b"], "folder": str(tmp_path)})
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/invocations?stream=true", body, {"content-type": "application/json"})
        sockets.add(connection.sock)
        assert rest_of(connection.getresponse()) == [*said("a", "b"), DONE]
    connection.close()
    assert len(sockets) == 1
