"""Where environments lie, and who may touch them: locks that hold across processes, and go with the process that held them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from modelport.environments.store import STATE, Store, held_locks, write_whole

ID = "0123456789abcdef"
HOLDING = """
import sys, time
from pathlib import Path
from modelport.environments.store import Store
store = Store(Path(sys.argv[1]))
how = sys.argv[2]
if how == "hold":
    store.hold(sys.argv[3])
    print("held", flush=True)
    time.sleep(60)
with store.locked(sys.argv[3]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def other_process(store: Store, how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDING, str(store.root.parent), how, ID]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)


def test_an_environment_is_complete_when_its_state_and_its_interpreter_are_there(store: Store) -> None:
    environment = store.environment(ID)
    assert (environment.state, environment.is_complete) == (None, False)
    write_whole(environment.folder / STATE, orjson.dumps({"id": ID}))
    assert not store.environment(ID).is_complete
    (environment.folder / "bin").mkdir()
    os.symlink(sys.executable, environment.python)
    assert store.environment(ID).is_complete


def test_a_damaged_state_is_none(store: Store) -> None:
    write_whole(store.environment(ID).folder / STATE, b'{"id": ')
    assert store.environment(ID).state is None


def test_what_is_no_environment_is_not_listed(store: Store) -> None:
    for name in (ID, f".repair-{ID}", "logs", "locks", "specs", "uses"):
        (store.root / name).mkdir(parents=True)
    assert [environment.id for environment in store.environments()] == [ID]


def test_a_file_that_cannot_be_written_whole_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_uses_say_which_model_and_when(store: Store, tmp_path: Path) -> None:
    environment = store.environment(ID)
    for _ in range(2):
        store.used(environment, tmp_path / "one")
    store.used(environment, tmp_path / "two")
    assert sorted(environment.uses) == [str(tmp_path / "one"), str(tmp_path / "two")]


@pytest.mark.parametrize("how", ["hold", "lock"])
def test_who_builds_or_uses_an_environment_keeps_it_until_it_ends(store: Store, how: str) -> None:
    process = other_process(store, how)
    try:
        with store.claimed(ID) as free:
            assert not free
        assert store.holders(ID) == ([process.pid] if how == "hold" else [])
    finally:
        killed(process)
    with store.claimed(ID) as free:
        assert free


def test_several_processes_may_use_one_environment(store: Store) -> None:
    processes = [other_process(store, "hold") for _ in range(2)]
    try:
        assert store.holders(ID) == sorted(process.pid for process in processes)
    finally:
        for process in processes:
            killed(process)


def test_a_program_that_inherits_the_lock_keeps_others_away_after_its_builder_was_killed(store: Store) -> None:
    with store.locked(ID):
        sleeper = subprocess.Popen(["sleep", "60"], pass_fds=tuple(held_locks))
    try:
        with store.claimed(ID) as free:
            assert not free
    finally:
        sleeper.kill()
        sleeper.wait()
    with store.claimed(ID) as free:
        assert free
    assert not held_locks
