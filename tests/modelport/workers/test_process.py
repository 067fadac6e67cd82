"""Worker processes: started, told their model, replaced when they die or hang, and never left behind."""

import asyncio
import dataclasses
import itertools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

import modelport_runtime
from modelport.errors import WorkerFailed
from modelport.workers import memory, process
from modelport.workers.comparing import Comparison
from modelport.workers.process import WorkerAddress, WorkerSet
from modelport.workers.spec import WorkerSpec
from modelport.workers.turns import Turns

SCRIPT = '''
"""Speaks the control connection's part of the wire, and does at each start what the plan says."""
import json, os, signal, socket, sys, time
from modelport_runtime import wire

listener = socket.socket(fileno=int(sys.argv[1]))
control, _ = listener.accept()
channel = wire.Channel(wire.MAX_HEAD)
messages = []
while not messages:
    messages = channel.receive(control.recv(65536))
settings = json.loads(messages[0].head)
folder, plan = settings["model_config"]["folder"], settings["model_config"]["plan"]
number = len(os.listdir(folder))
open(os.path.join(folder, "%d-%d" % (number, os.getpid())), "w").close()
act = plan[min(number, len(plan) - 1)]
if act == "hang":
    time.sleep(60)
if act == "exit":
    sys.exit(7)
if act == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
if act == "large":
    large = b"x" * (100 << 20)
if act == "raise":
    raise SystemExit("cannot go on")
if act == "refuse":
    error = {"message": "the licence is missing", "code": "MODEL_NOT_LOADABLE", "hint": "buy one", "traceback": "in load"}
    channel.send(wire.ERROR, 0, json.dumps(error).encode())
    control.sendall(channel.take())
    sys.exit(0)
facts = {"wire": settings["wire"], "pid": os.getpid(), "user_code": False, "settings": settings}
facts.update(environment={"versions": {"wanted-thing": "1.5"}, "markers": {}}, needs_mlflow=False)
channel.send(wire.HANDSHAKE, 0, json.dumps(facts).encode())
control.sendall(channel.take())
if act == "die":
    time.sleep(0.02)
    sys.exit(3)
if act == "grow":
    time.sleep(0.1)
    grown = b"x" * (100 << 20)
while True:
    data = control.recv(65536)
    if not data:
        os._exit(0)
    if act != "deaf" and any(message.kind == wire.STOP for message in channel.receive(data)):
        sys.exit(0)
'''


class Bench:
    """A set of scripted workers, and every table it published."""

    def __init__(
        self,
        folder: Path,
        count: int,
        plan: list[str],
        python: str = sys.executable,
        memory_limit: int | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.starts_folder = folder / "starts"
        self.run_folder = folder / "run"
        bundle = folder / "bundle"
        for made in (self.starts_folder, self.run_folder, bundle):
            made.mkdir()
        (bundle / "__main__.py").write_text(SCRIPT)
        (bundle / "modelport_runtime").symlink_to(Path(modelport_runtime.__file__).parent)
        self.spec = WorkerSpec(
            python=python,
            bundle=bundle,
            name="m",
            model_path=folder,
            mlmodel={"flavors": {}},
            model_config={"folder": str(self.starts_folder), "plan": plan},
            threads=3,
            max_body=1 << 20,
            environment=dict(os.environ),
            sys_path=["/some/where"],
            allow_python_mismatch=False,
        )
        self.tables: list[list[WorkerAddress]] = []
        self.set = WorkerSet(
            self.spec, count, self.run_folder, self.tables.append, 0.0, memory_limit, look=Comparison, turns=turns
        )

    def pids(self) -> list[int]:
        """Processes of all starts so far, in their order."""
        names = sorted(
            (int(number), int(pid)) for number, pid in (n.split("-") for n in os.listdir(self.starts_folder))
        )
        return [pid for _, pid in names]

    def started_at(self) -> list[float]:
        return sorted(entry.stat().st_mtime for entry in self.starts_folder.iterdir())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.01)

    def alive(self) -> list[int]:
        return [pid for pid in self.pids() if Path(f"/proc/{pid}").exists()]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(process, "STOP_GRACE", 2.0)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Runs a test on a set of workers; whatever it does, no process and no socket may be left after ``stop``."""

    def with_bench(test: Callable[[Bench], Awaitable[None]], *plan: str, count: int = 1, **options: Any) -> None:
        bench = Bench(tmp_path, count, list(plan), **options)

        async def main() -> None:
            try:
                await asyncio.wait_for(test(bench), 25)
            finally:
                await bench.set.stop()

        uvloop.run(main())
        assert bench.alive() == []
        assert list(bench.run_folder.iterdir()) == []

    yield with_bench


@pytest.mark.parametrize("count", [1, 2])
def test_what_the_workers_environment_lacks_is_said_once(
    run: Any, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    async def test(bench: Bench) -> None:
        (bench.spec.model_path / "requirements.txt").write_text("wanted-thing==2.0\nother\nwanted-thing>1\n")
        facts = await bench.set.start()
        assert facts["settings"]["distributions"] == ["other", "wanted-thing"]

    run(test, "serve", count=count)
    (said,) = [record.getMessage() for record in caplog.records if "requirements" in record.getMessage()]
    assert said.endswith("what its environment has: other (found none), wanted-thing==2.0 (found 1.5)")


def test_all_workers_are_ready_when_start_returns(run: Any) -> None:
    async def test(bench: Bench) -> None:
        facts = await bench.set.start()
        told = facts["settings"]
        assert (told["threads"], told["max_body"], told["sys_path"]) == (3, 1 << 20, ["/some/where"])
        assert (told["model_path"], told["mlmodel"]) == (str(bench.spec.model_path), {"flavors": {}})
        (table,) = bench.tables
        assert sorted(worker.pid for worker in table) == sorted(bench.alive())
        assert len({worker.id for worker in table}) == 3
        assert bench.set.restarts == 0

    run(test, "serve", count=3)


def test_numbers_that_json_does_not_have_are_null(run: Any) -> None:
    async def test(bench: Bench) -> None:
        bench.set.spec = dataclasses.replace(
            bench.spec, mlmodel={"a": [float("nan"), {"b": -float("inf")}], "c": "\u00e9"}
        )
        facts = await bench.set.start()
        assert facts["settings"]["mlmodel"] == {"a": [None, {"b": None}], "c": "\u00e9"}

    run(test, "serve")


def test_what_workers_write_goes_where_it_is_wanted(run: Any, tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:

        async def test(bench: Bench) -> None:
            bench.set = WorkerSet(
                bench.spec, 1, bench.run_folder, bench.tables.append, 0.0, output=output.fileno(), look=Comparison
            )
            with pytest.raises(WorkerFailed):
                await bench.set.start()

        run(test, "raise")
    assert b"cannot go on" in (tmp_path / "output").read_bytes()


def test_a_model_that_cannot_be_loaded_is_told_in_the_worker_s_words(run: Any) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(WorkerFailed, match="the licence is missing") as raised:
            await bench.set.start()
        assert (raised.value.hint, raised.value.traceback) == ("buy one", "in load")
        assert bench.tables == []

    run(test, "refuse", "hang", "hang", count=3)


@pytest.mark.parametrize(("act", "ending"), [("exit", "exit code 7"), ("crash", "killed by SIGKILL")])
def test_a_worker_that_ends_while_loading_says_how(run: Any, act: str, ending: str) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(WorkerFailed, match=ending):
            await bench.set.start()

    run(test, act)


def test_a_program_that_is_no_worker_is_told_as_one_that_ended(run: Any) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(WorkerFailed, match="exit code 0"):
            await bench.set.start()

    run(test, python="/bin/true")


def test_a_start_that_is_given_up_leaves_nothing(run: Any) -> None:
    async def test(bench: Bench) -> None:
        starting = asyncio.ensure_future(bench.set.start())
        await bench.until(lambda: len(bench.alive()) == 2)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(test, "hang", count=2)


def test_where_one_cannot_start_those_whose_turn_has_not_come_never_do(run: Any) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(WorkerFailed):
            await bench.set.start()
        await asyncio.sleep(0.3)
        assert len(bench.pids()) <= 2  # the second may have begun at that moment

    run(test, "exit", "serve", count=5, turns=Turns(1))


def test_workers_start_in_turn_and_one_that_takes_another_s_place_waits_for_nobody(run: Any) -> None:
    turns = Turns(1)

    async def test(bench: Bench) -> None:
        bench.set.begin()
        await bench.until(lambda: bool(bench.tables) and len(bench.tables[-1]) == 3)
        assert [len(table) for table in bench.tables] == [1, 2, 3]
        async with turns.turn():
            os.kill(bench.pids()[0], signal.SIGKILL)
            await bench.until(lambda: len(bench.tables[-1]) == 3 and len(bench.pids()) == 4)
            bench.set.resize(4)
            await asyncio.sleep(0.3)
            assert len(bench.pids()) == 4
        await bench.until(lambda: len(bench.tables[-1]) == 4)

    run(test, "serve", count=3, turns=turns)


def test_a_worker_that_dies_is_taken_off_the_table_and_replaced(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        first, second = bench.tables[0]
        bench.set.answered(first.id)
        os.kill(first.pid, signal.SIGKILL)
        await bench.until(lambda: len(bench.tables) == 3)
        assert bench.tables[1] == [second]
        assert second in bench.tables[2]
        (new,) = set(bench.tables[2]) - {second}
        assert new.id not in (first.id, second.id)
        assert bench.set.restarts == 1

    run(test, "serve", count=2)


def test_pauses_grow_while_workers_die_before_their_first_answer(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        await bench.until(lambda: len(bench.pids()) == 4)
        times = bench.started_at()
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert all(pause > 0.09 * 2**number for number, pause in enumerate(pauses)), pauses

    run(test, "die")


def test_a_replacement_that_cannot_start_is_tried_again_until_it_can(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        os.kill(bench.pids()[0], signal.SIGKILL)
        await bench.until(lambda: len(bench.tables) == 3)
        assert [len(table) for table in bench.tables] == [1, 0, 1]
        assert bench.tables[2][0].pid == bench.pids()[3]
        text = caplog.text
        assert "the licence is missing" in text
        assert "exit code 7" in text

    run(test, "serve", "refuse", "exit", "serve")


def test_an_interpreter_that_is_away_for_a_while_is_waited_for(run: Any, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)

    async def test(bench: Bench) -> None:
        await bench.set.start()
        python.unlink()
        os.kill(bench.pids()[0], signal.SIGKILL)
        await asyncio.sleep(0.4)
        assert bench.tables[-1] == []
        python.symlink_to(sys.executable)
        await bench.until(lambda: len(bench.tables[-1]) == 1)

    run(test, "serve", python=str(python))


def test_a_worker_past_a_deadline_is_let_go_once_its_replacement_is_ready(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        (old,) = bench.tables[0]
        bench.set.overrun(old.id)
        bench.set.overrun(old.id + 100)
        await bench.until(lambda: len(bench.tables) == 2)
        (new,) = bench.tables[1]
        assert new.pid != old.pid
        await bench.until(lambda: bench.alive() == [new.pid])
        bench.set.overrun(old.id)
        await asyncio.sleep(0.2)
        assert (bench.alive(), bench.set.restarts) == ([new.pid], 1)

    run(test, "serve")


def test_a_worker_that_does_not_listen_is_killed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_GRACE", 0.2)

    async def test(bench: Bench) -> None:
        await bench.set.start()
        bench.set.overrun(bench.tables[0][0].id)
        await bench.until(lambda: len(bench.tables) == 2 and len(bench.alive()) == 1)

    run(test, "deaf")


def test_a_stop_takes_a_worker_along_that_is_just_being_let_go(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_GRACE", 20.0)

    async def test(bench: Bench) -> None:
        await bench.set.start()
        bench.set.overrun(bench.tables[0][0].id)
        await bench.until(lambda: len(bench.tables) == 2)
        assert len(bench.alive()) == 2
        began = time.monotonic()
        await bench.set.stop()
        assert time.monotonic() - began < 10

    run(test, "deaf", "serve")


def test_a_stop_takes_a_worker_along_whose_retirement_was_planned_but_has_not_begun(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        stops: list[asyncio.Future[None]] = []
        bench.set._on_change = lambda table: stops.append(asyncio.ensure_future(bench.set.stop()))
        bench.set.overrun(bench.tables[0][0].id)
        await bench.until(lambda: bool(stops))
        await stops[0]
        assert bench.alive() == []

    run(test, "deaf", "serve")


def test_a_stop_takes_a_replacement_along_that_is_still_loading(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        os.kill(bench.pids()[0], signal.SIGKILL)
        await bench.until(lambda: len(bench.pids()) == 2)

    run(test, "serve", "hang")


# -- loading anew


def test_new_workers_take_the_place_of_all_at_once_and_the_old_ones_go(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        (old,) = bench.tables
        facts = await bench.set.reload(dataclasses.replace(bench.spec, mlmodel={"flavors": {"new": {}}}))
        assert facts["settings"]["mlmodel"] == {"flavors": {"new": {}}}
        _, new = bench.tables
        assert len(new) == 2
        assert not {worker.id for worker in new} & {worker.id for worker in old}
        await bench.until(lambda: sorted(bench.alive()) == sorted(worker.pid for worker in new))
        assert bench.set.restarts == 0
        os.kill(new[0].pid, signal.SIGKILL)  # and they are watched as the old ones were
        await bench.until(lambda: len(bench.tables) == 4 and len(bench.tables[3]) == 2)

    run(test, "serve", count=2)


@pytest.mark.parametrize("act", ["refuse", "exit"])
def test_a_model_that_cannot_be_loaded_anew_changes_nothing(run: Any, act: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        (table,) = bench.tables
        with pytest.raises(WorkerFailed):
            await bench.set.reload(dataclasses.replace(bench.spec, mlmodel={}))
        assert bench.tables == [table]
        assert bench.alive() == [table[0].pid]
        assert bench.set.spec is bench.spec

    run(test, "serve", act)


def test_a_reload_takes_the_place_of_a_replacement_that_is_still_loading(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        os.kill(bench.pids()[0], signal.SIGKILL)
        await bench.until(lambda: len(bench.pids()) == 2)
        await bench.set.reload(bench.spec)
        (new,) = bench.tables[-1]
        assert new.pid == bench.pids()[2]
        await bench.until(lambda: bench.alive() == [new.pid])

    run(test, "serve", "hang", "serve")


def test_a_stop_takes_a_reload_along(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        reloading = asyncio.ensure_future(bench.set.reload(bench.spec))
        await bench.until(lambda: len(bench.alive()) == 2)
        reloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reloading

    run(test, "serve", "hang")


# -- another number of workers


def test_workers_that_are_added_count_as_they_become_ready_and_are_watched(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        bench.set.resize(3)
        await bench.until(lambda: len(bench.tables[-1]) == 3)
        assert [len(table) for table in bench.tables] == [1, 2, 3]
        assert bench.set.restarts == 0
        os.kill(bench.tables[-1][2].pid, signal.SIGKILL)
        await bench.until(lambda: len(bench.tables) == 5 and len(bench.tables[-1]) == 3)
        assert bench.set.restarts == 1

    run(test, "serve", "refuse", "serve")


def test_workers_that_are_too_many_leave_the_table_at_once_and_then_end(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        (before,) = bench.tables
        bench.set.resize(1)
        assert bench.tables[1:] == [before[:1]]
        await bench.until(lambda: bench.alive() == [before[0].pid])
        bench.set.resize(1)
        assert (len(bench.tables), bench.set.restarts) == (2, 0)

    run(test, "serve", count=3)


def test_fewer_workers_are_wanted_and_those_that_are_not_there_go_first(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        first, second = bench.tables[0]
        os.kill(first.pid, signal.SIGKILL)
        await bench.until(lambda: len(bench.pids()) == 3)
        bench.set.resize(1)
        await bench.until(lambda: bench.alive() == [second.pid])
        assert bench.tables[-1] == [second]

    run(test, "serve", "serve", "hang", count=2)


def test_another_number_that_is_wanted_during_the_first_start_holds_afterwards(run: Any) -> None:
    async def test(bench: Bench) -> None:
        starting = asyncio.ensure_future(bench.set.start())
        await asyncio.sleep(0)
        bench.set.resize(2)
        await starting
        await bench.until(lambda: len(bench.tables[-1]) == 2)

    run(test, "serve")


def test_a_stop_takes_along_what_is_being_added_and_taken_away(run: Any) -> None:
    async def test(bench: Bench) -> None:
        await bench.set.start()
        bench.set.resize(1)
        bench.set.resize(2)
        await bench.until(lambda: len(bench.pids()) == 3)

    run(test, "deaf", "deaf", "hang", count=2)


# -- memory


def test_a_worker_that_grows_beyond_its_memory_is_replaced_in_good_order(
    run: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "MEMORY_INTERVAL", 0.05)

    async def test(bench: Bench) -> None:
        await bench.set.start()
        await bench.until(lambda: len(bench.tables) == 2)
        assert [len(table) for table in bench.tables] == [1, 1]
        await bench.until(lambda: bench.alive() == [bench.tables[1][0].pid])
        assert "MiB of memory, 80 are allowed: it is being replaced" in caplog.text

    run(test, "grow", "serve", memory_limit=80 << 20)


def test_a_model_that_alone_needs_more_memory_is_told_once_and_left_alone(
    run: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "MEMORY_INTERVAL", 0.05)

    async def test(bench: Bench) -> None:
        await bench.set.start()
        await asyncio.sleep(0.5)
        assert len(bench.tables) == 1
        assert caplog.text.count("the model alone needs") == 1

    run(test, "large", memory_limit=80 << 20)
