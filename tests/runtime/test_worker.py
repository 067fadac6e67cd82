"""The worker as a process: frames in and out over real sockets, with models whose predictions the test holds back."""

import json
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import modelport_runtime
from modelport_runtime import distributions, wire

pytest.importorskip("numpy")
pytest.importorskip("pandas")

GATES = '''
"""Models that say when a prediction begins, and end it when they are allowed to: by files in FOLDER."""
import os, sys, time

FOLDER = {folder!r}

def wait(name):
    open(os.path.join(FOLDER, "began-" + name), "w").close()
    until = time.monotonic() + 20
    while not os.path.exists(os.path.join(FOLDER, "go-" + name)):
        if time.monotonic() > until:
            raise TimeoutError(name)
        time.sleep(0.005)

class Gate:
    def predict(self, data):
        names = [str(name) for name in data]
        for name in names:
            if name == "leave":
                sys.exit("the model wants to leave")
            if name.startswith("large"):
                return ["x" * 100000] * 80
            if not name.startswith("free"):
                wait(name)
        return names

def _load_pyfunc(path):
    return Gate()
'''
HEAD = b'{"content":"json","dialect":"mlflow","policy":"lenient","answer":"json"}'


class Peer:
    """One connection to the worker."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.channel = wire.Channel(1 << 30)
        self.inbox: list[wire.Message] = []

    def send(self, *messages: tuple[Any, ...]) -> None:
        """All of them in one write, so that the worker finds them together."""
        for message in messages:
            self.channel.send(*message)
        self.sock.sendall(self.channel.take())

    def next(self) -> wire.Message:
        while not self.inbox:
            data = self.sock.recv(1 << 18)
            assert data, "the worker closed the connection"
            self.inbox += self.channel.receive(data)
            if self.channel.outgoing:
                self.sock.sendall(self.channel.take())
        return self.inbox.pop(0)

    def expect(self, kind: int) -> wire.Message:
        message = self.next()
        assert message.kind == kind, message
        return message

    def started(self) -> list[int]:
        body = self.expect(wire.START).body
        return list(struct.unpack(f"<{len(body) // 8}Q", body))

    def begun(self, model: Any, *ids: int) -> None:
        """User code's worker tells what it starts; a library's does not."""
        if model is user_code_model:
            assert self.started() == list(ids)

    def result(self) -> tuple[int, Any]:
        message = self.expect(wire.RESULT)
        return message.id, json.loads(message.body)["predictions"]

    def at_end(self) -> bool:
        return not self.inbox and self.sock.recv(1 << 18) == b""


class Bench:
    """A worker process, its control connection, and the folder of its gates."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.path = str(folder / "w")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(bundle), str(listener.fileno())], pass_fds=[listener.fileno()]
            )
        self.peers: list[Peer] = []
        self.control = self.connect()

    def connect(self) -> Peer:
        self.peers.append(Peer(self.path))
        return self.peers[-1]

    def hand_shake(self, mlmodel: dict[str, Any], **settings: Any) -> wire.Message:
        head = {
            "wire": wire.WIRE_VERSION,
            "name": "m",
            "model_path": str(self.folder),
            "mlmodel": mlmodel,
            "model_config": None,
            "threads": 4,
            "max_body": 1 << 26,
            "sys_path": [],
            "allow_python_mismatch": False,
            "distributions": ["pip", "numpy"],
            **settings,
        }
        self.control.send((wire.HANDSHAKE, 0, json.dumps(head).encode()))
        return self.control.next()

    def load(self, mlmodel: dict[str, Any], **settings: Any) -> dict[str, Any]:
        reply = self.hand_shake(mlmodel, **settings)
        assert reply.kind == wire.HANDSHAKE, reply
        facts: dict[str, Any] = json.loads(reply.head)
        return facts

    def began(self, name: str) -> bool:
        return (self.folder / f"began-{name}").exists()

    def until_began(self, name: str) -> None:
        until = time.monotonic() + 20
        while not self.began(name):
            assert time.monotonic() < until, name
            time.sleep(0.005)

    def let_go(self, *names: str) -> None:
        for name in names:
            (self.folder / f"go-{name}").touch()

    def close(self) -> None:
        for peer in self.peers:
            peer.sock.close()
        self.process.kill()
        self.process.wait()


def user_code_model(folder: Path) -> dict[str, Any]:
    entry = {"loader_module": "gates", "code": "code"}
    return {"flavors": {"python_function": entry}}


def library_model(folder: Path) -> dict[str, Any]:
    """The same gates as an estimator: predicted on the worker's only thread."""
    sys.path.insert(0, str(folder / "code"))
    try:
        import gates

        (folder / "model.pkl").write_bytes(pickle.dumps(gates.Gate()))
    finally:
        sys.path.remove(str(folder / "code"))
        sys.modules.pop("gates", None)
    entry = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "code": "code"}
    return {"flavors": {"python_function": entry}}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    source = Path(modelport_runtime.__file__).parent
    shutil.copytree(source, folder / "modelport_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "__main__.py").write_text("from modelport_runtime.worker import main\n\nmain()\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)
    return folder


@pytest.fixture
def bench(tmp_path: Path, bundle: Path) -> Iterator[Bench]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "gates.py").write_text(GATES.format(folder=str(tmp_path)))
    bench = Bench(tmp_path, bundle)
    yield bench
    bench.close()


def infer(id: int, name: str, flags: int = 0, budget_ms: int = 60_000) -> tuple[Any, ...]:
    return (wire.INFER, id, HEAD, json.dumps({"inputs": [name]}).encode(), flags, budget_ms)


KINDS = pytest.mark.parametrize("model", [user_code_model, library_model], ids=["user code", "library"])
Model = Callable[[Path], dict[str, Any]]


# -- start -------------------------------------------------------------------------------------------------------------


def test_another_wire_version_is_refused(bench: Bench) -> None:
    reply = bench.hand_shake(user_code_model(bench.folder), wire=wire.WIRE_VERSION + 1)
    assert reply.kind == wire.ERROR
    error = json.loads(reply.head)
    assert error["code"] == "MODEL_NOT_LOADABLE"
    assert f"wire version {wire.WIRE_VERSION + 1}" in error["message"]
    assert bench.process.wait(10) == 0


def test_a_model_that_cannot_be_loaded_is_told_with_its_cause(bench: Bench) -> None:
    (bench.folder / "code" / "gates.py").write_text("def _load_pyfunc(path):\n    raise RuntimeError('no licence')\n")
    reply = bench.hand_shake(user_code_model(bench.folder))
    assert reply.kind == wire.ERROR
    error = json.loads(reply.head)
    assert error["code"] == "MODEL_NOT_LOADABLE"
    assert "RuntimeError: no licence" in error["message"]
    assert "gates.py" in error["traceback"]
    assert bench.process.wait(10) == 0


def test_a_loaded_model_says_what_it_is(bench: Bench) -> None:
    facts = bench.load(user_code_model(bench.folder))
    assert (facts["wire"], facts["pid"]) == (wire.WIRE_VERSION, bench.process.pid)
    assert (facts["user_code"], facts["joins"]) == (True, False)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "no input example" in facts["warm_up_note"]
    assert facts["environment"] == distributions.describe(["pip", "numpy"])
    assert facts["needs_mlflow"] is False


def test_a_launcher_that_leaves_before_the_handshake_ends_the_worker(bench: Bench) -> None:
    bench.control.sock.close()
    assert bench.process.wait(10) == 0


# -- requests ----------------------------------------------------------------------------------------------------------


@KINDS
def test_a_start_is_told_before_the_prediction_ends_where_it_matters(bench: Bench, model: Model) -> None:
    bench.load(model(bench.folder))
    peer = bench.connect()
    peer.send(infer(5, "a"))
    peer.begun(model, 5)
    bench.until_began("a")
    bench.let_go("a")
    assert peer.result() == (5, ["a"])
    peer.send(infer(6, "b", wire.ALONE))
    assert peer.started() == [6]
    bench.until_began("b")
    bench.let_go("b")
    assert peer.result() == (6, ["b"])


def test_requests_that_wait_together_are_predicted_together(bench: Bench) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    (bench.folder / "model.pkl").write_bytes(
        pickle.dumps(linear_model.LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]))
    )
    entry = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"}
    inputs = '[{"type": "double", "name": "x"}]'
    facts = bench.load({"flavors": {"python_function": entry}, "signature": {"inputs": inputs}})
    assert (facts["joins"], facts["user_code"]) == (True, False)
    first, second = bench.connect(), bench.connect()
    bodies = [json.dumps({"dataframe_split": {"columns": ["x"], "data": [[float(n)]] * n}}).encode() for n in range(4)]
    first.send(*[(wire.INFER, number, HEAD, bodies[number]) for number in (1, 2, 3)])
    second.send((wire.INFER, 1, HEAD, bodies[1]), (wire.INFER, 2, HEAD, b"{"))
    joined = []
    for peer, wanted in ((first, {1, 2, 3}), (second, {1, 2})):
        while wanted:
            message = peer.next()
            assert message.kind != wire.START
            wanted.remove(message.id)
            head = json.loads(message.head)
            joined += [head["joined"]] if "joined" in head else []
            if (peer, message.id) == (second, 2):
                assert head["error"]["code"] == "BAD_REQUEST"
            else:
                predictions = json.loads(message.body)["predictions"]
                assert predictions == pytest.approx([2.0 * message.id] * message.id)
                assert (head["rows"], len(head["phases"])) == (message.id, 4)
    assert sum(requests for requests, _ in joined) == 4
    assert max(requests for requests, _ in joined) >= 3


@KINDS
@pytest.mark.parametrize("how", ["cancelled", "its connection closed"])
def test_a_request_nobody_waits_for_is_never_begun(bench: Bench, model: Model, how: str) -> None:
    bench.load(model(bench.folder), threads=1)
    peer, other = bench.connect(), bench.connect()
    peer.send(infer(1, "a"))
    peer.begun(model, 1)
    bench.until_began("a")
    other.send(infer(2, "b"))
    if how == "cancelled":
        other.send((wire.CANCEL, 2))
    else:
        other.sock.close()
    assert_next_is_free(bench, peer, model)
    if (
        how == "cancelled" and model is library_model
    ):  # it hears of it between two predictions, and says that it is well
        message = other.expect(wire.ERROR)
        assert (message.id, json.loads(message.head)["error"]["code"]) == (2, "CANCELLED")


def test_a_request_whose_time_is_over_is_never_begun(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder), threads=1)
    peer = bench.connect()
    peer.send(infer(1, "a"))
    assert peer.started() == [1]
    bench.until_began("a")
    peer.send(infer(2, "b", budget_ms=50))
    assert_next_is_free(bench, peer, user_code_model)


def assert_next_is_free(bench: Bench, peer: Peer, model: Model) -> None:
    """The request that runs ends, and the next one begun is one sent now, not the one before it."""
    time.sleep(0.2)
    peer.send(infer(3, "free"))
    bench.let_go("a")
    assert peer.result() == (1, ["a"])
    peer.begun(model, 3)
    assert peer.result() == (3, ["free"])
    assert not bench.began("b")


def test_user_code_runs_on_as_many_threads_as_allowed(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder), threads=2)
    peer = bench.connect()
    peer.send(infer(1, "a"), infer(2, "b"), infer(3, "c"))
    assert sorted(peer.started() + peer.started()) == [1, 2]
    bench.until_began("a")
    bench.until_began("b")
    assert not bench.began("c")
    bench.let_go("b", "c")
    assert peer.result() == (2, ["b"])
    assert peer.started() == [3]
    assert peer.result() == (3, ["c"])
    bench.let_go("a")
    assert peer.result() == (1, ["a"])


def test_a_request_that_must_be_alone_waits_for_all_others_and_they_for_it(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder), threads=4)
    peer = bench.connect()
    peer.send(infer(1, "a"), infer(2, "b", wire.ALONE), infer(3, "c"), infer(4, "d"))
    assert peer.started() == [1]
    bench.until_began("a")
    time.sleep(0.1)
    assert not any(bench.began(name) for name in "bcd")
    bench.let_go("a")
    assert peer.result() == (1, ["a"])
    assert peer.started() == [2]
    bench.until_began("b")
    time.sleep(0.1)
    assert not any(bench.began(name) for name in "cd")
    bench.let_go("b", "c", "d")
    assert peer.result() == (2, ["b"])
    rest = [peer.next() for _ in range(4)]
    assert sorted(message.id for message in rest if message.kind == wire.RESULT) == [3, 4]


def test_a_large_answer_waits_for_credit_and_lets_others_pass(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder))
    peer = bench.connect()
    peer.send(infer(1, "large"))
    assert peer.started() == [1]
    time.sleep(0.3)  # the first chunks are on their way; no credit is given yet
    peer.send(infer(2, "free"))
    assert peer.started() == [2]
    assert peer.result() == (2, ["free"])
    id, predictions = peer.result()
    assert (id, len(predictions), len(predictions[0])) == (1, 80, 100_000)


def test_user_code_that_wants_to_exit_is_that_request_s_failure(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder), threads=1)
    peer = bench.connect()
    peer.send(infer(1, "leave"), infer(2, "free"))
    assert peer.started() == [1]
    error = json.loads(peer.expect(wire.ERROR).head)["error"]
    assert error["message"] == "the model raised SystemExit while predicting"
    assert peer.started() == [2]
    assert peer.result() == (2, ["free"])


def test_a_connection_that_sends_no_frames_is_closed_and_the_others_go_on(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder))
    odd, good = bench.connect(), bench.connect()
    odd.sock.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert odd.at_end()
    good.send(infer(1, "free"))
    assert good.started() == [1]
    assert good.result() == (1, ["free"])


# -- end ---------------------------------------------------------------------------------------------------------------


@KINDS
def test_told_to_stop_it_finishes_what_it_was_given(bench: Bench, model: Model) -> None:
    bench.load(model(bench.folder), threads=1)
    peer = bench.connect()
    peer.send(infer(1, "a"), infer(2, "free-1"), infer(3, "free-2"))
    peer.begun(model, 1)
    bench.until_began("a")
    bench.control.send((wire.STOP, 0))
    time.sleep(0.1)
    assert bench.process.poll() is None
    bench.let_go("a")
    messages = [peer.next() for _ in range(5 if model is user_code_model else 3)]
    assert [message.id for message in messages if message.kind == wire.RESULT] == [1, 2, 3]
    assert peer.at_end()
    assert bench.process.wait(10) == 0


@KINDS
def test_told_to_stop_it_sends_large_answers_whole(bench: Bench, model: Model) -> None:
    bench.load(model(bench.folder))
    peer = bench.connect()
    peer.send(infer(1, "large"))
    peer.begun(model, 1)
    time.sleep(0.3)
    bench.control.send((wire.STOP, 0))
    time.sleep(0.3)
    id, predictions = peer.result()
    assert (id, len(predictions)) == (1, 80)
    assert bench.process.wait(10) == 0


@pytest.mark.parametrize("busy", [False, True])
def test_a_launcher_that_is_gone_ends_the_worker_at_once(bench: Bench, busy: bool) -> None:
    bench.load(user_code_model(bench.folder))
    if busy:
        peer = bench.connect()
        peer.send(infer(1, "a"))
        bench.until_began("a")
    bench.control.sock.close()
    assert bench.process.wait(10) == 0


def test_an_interrupt_from_the_keyboard_is_left_to_the_launcher(bench: Bench) -> None:
    bench.load(user_code_model(bench.folder))
    os.kill(bench.process.pid, 2)
    peer = bench.connect()
    peer.send(infer(1, "free"))
    assert peer.started() == [1]
    assert peer.result() == (1, ["free"])


# -- answers that are made bit by bit ----------------------------------------------------------------------------------

STREAMS = """
import os, time

FOLDER = {folder!r}

class Streams:
    def predict(self, data):
        return 0

    def predict_stream(self, data):
        what, count = data
        try:
            for number in range(int(count)):
                if what == "fails" and number == 2:
                    raise ValueError("enough")
                yield "x" * (3 << 20) if what == "large" else number
        finally:
            open(os.path.join(FOLDER, "closed-" + what), "w").close()

def _load_pyfunc(path):
    return Streams()
"""


def streaming_model(bench: Bench) -> dict[str, Any]:
    (bench.folder / "code" / "streams.py").write_text(STREAMS.format(folder=str(bench.folder)))
    return {"flavors": {"python_function": {"loader_module": "streams", "code": "code", "streamable": True}}}


def ask_for_stream(id: int, what: str, count: int) -> tuple[Any, ...]:
    head = HEAD.replace(b'"answer":"json"', b'"answer":"stream"')
    return (wire.INFER, id, head, json.dumps({"inputs": [[what, str(count)]]}).encode(), 0, 60_000)


def test_a_stream_sends_what_its_credit_allows_and_ends_with_a_result(bench: Bench) -> None:
    bench.load(streaming_model(bench))
    peer = bench.connect()
    peer.send(ask_for_stream(7, "counts", 40))
    assert peer.started() == [7]
    pieces = [peer.expect(wire.STREAM).body for _ in range(wire.STREAM_WINDOW)]
    peer.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        peer.next()
    peer.sock.settimeout(20)
    for _ in range(40 - wire.STREAM_WINDOW):
        peer.channel.credit(7)
        peer.send()
        pieces.append(peer.expect(wire.STREAM).body)
    assert pieces == [b"data: %d\n\n" % number for number in range(40)]
    end = peer.expect(wire.RESULT)
    assert (end.id, end.body, json.loads(end.head)["joined"]) == (7, b"", [1, 1])


def test_an_event_larger_than_a_frame_comes_in_several(bench: Bench) -> None:
    bench.load(streaming_model(bench))
    peer = bench.connect()
    peer.send(ask_for_stream(7, "large", 1))
    assert peer.started() == [7]
    event = b"".join(peer.expect(wire.STREAM).body for _ in range(4))
    assert json.loads(event[len(b"data: ") :]) == "x" * (3 << 20)
    assert peer.expect(wire.RESULT).id == 7


@pytest.mark.parametrize("how", ["cancelled", "its connection closed"])
def test_a_stream_nobody_wants_is_closed_in_the_model(bench: Bench, how: str) -> None:
    bench.load(streaming_model(bench))
    peer = bench.connect()
    peer.send(ask_for_stream(7, "counts", 1_000_000))
    assert peer.started() == [7]
    for _ in range(wire.STREAM_WINDOW):
        peer.expect(wire.STREAM)
    if how == "cancelled":
        peer.send((wire.CANCEL, 7))
        error = peer.expect(wire.ERROR)
        assert (error.id, json.loads(error.head)["error"]["code"]) == (7, "CANCELLED")
    else:
        peer.sock.close()
    until = time.monotonic() + 20
    while not (bench.folder / "closed-counts").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_stream_that_fails_ends_with_the_error(bench: Bench) -> None:
    bench.load(streaming_model(bench))
    peer = bench.connect()
    peer.send(ask_for_stream(7, "fails", 5))
    assert peer.started() == [7]
    assert [peer.expect(wire.STREAM).body for _ in range(2)] == [b"data: 0\n\n", b"data: 1\n\n"]
    error = json.loads(peer.expect(wire.ERROR).head)["error"]
    assert (error["type"], error["details"][0]["message"]) == ("ModelFailed", "enough")
