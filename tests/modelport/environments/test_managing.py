"""What environments cost, who uses them, and which are removed when. They are folders made here; nothing is built."""

import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from modelport.environments import managing, telling
from modelport.environments.managing import find, of_model, overview, overviews, prune, remove, room
from modelport.environments.store import STATE, Environment, Store, write_whole
from modelport.errors import CannotStart, InvalidInput, NotFound

BLOCK = 1 << 20
DAY = 24 * 3600.0
ONE, TWO = "1" * 16, "2" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def made(store: Store, id: str, *, days_ago: float = 0.0, complete: bool = True) -> Environment:
    folder = store.environment(id).folder
    (folder / "bin").mkdir(parents=True)
    os.symlink(sys.executable, folder / "bin" / "python")
    (folder / "library").write_bytes(b"x" * BLOCK)
    if complete:
        state = {"id": id, "python": "3.11.7", "packages": 3, "created": "2026-01-02T03:04:05Z", "manager": "uv"}
        write_whole(folder / STATE, orjson.dumps(state))
        set_back(folder / STATE, days_ago)
    store.log_of(id).write_text("log")
    store.keep_resolution(f"key-of-{id}", {"environment": id, **RESOLUTION})
    return store.environment(id)


RESOLUTION = {
    "spec": {"requirements": ["six==1.17.0"], "local_files": {}, "options": []},
    "lock": ["six==1.17.0 --hash=sha256:aa"],
    "cutoff": "2026-01-01",
    "added": ["numpy"],
    "left_out": ["flask"],
    "notes": ["a note"],
}


def set_back(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def used(store: Store, environment: Environment, model: Path, days_ago: float) -> None:
    model.mkdir(parents=True, exist_ok=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    store.used(environment, model)
    for path in (store.root / "uses" / environment.id).iterdir():
        if path.read_text() == str(model):
            set_back(path, days_ago)


# -- what there is


def test_a_file_counts_once_however_many_names_it_has(store: Store, tmp_path: Path) -> None:
    one, two = made(store, ONE), made(store, TWO)
    os.link(one.folder / "library", one.folder / "again")
    assert BLOCK <= room([one.folder]).bytes < 2 * BLOCK
    assert room([one.folder]).shared == 0
    os.link(one.folder / "library", tmp_path / "cache")
    assert BLOCK <= room([one.folder]).shared < 2 * BLOCK
    (two.folder / "library").unlink()
    os.link(one.folder / "library", two.folder / "library")
    together = room([one.folder, two.folder])
    assert BLOCK <= together.bytes < 2 * BLOCK


def test_links_are_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(b"x" * 8 * BLOCK)
    environment = made(store, ONE)
    os.symlink(tmp_path / "elsewhere", environment.folder / "there")
    assert room([environment.folder]).bytes < 2 * BLOCK


def test_an_overview_says_what_it_is_and_who_uses_it(store: Store, tmp_path: Path) -> None:
    environment = made(store, ONE)
    used(store, environment, tmp_path / "a", 3)
    used(store, environment, tmp_path / "b", 1)
    store.used(environment, tmp_path / "gone")
    found = overview(store, environment)
    assert (found.id, found.status, found.python, found.packages) == (ONE, "ready", "3.11.7", 3)
    assert found.models == (str(tmp_path / "a"), str(tmp_path / "b"))


def test_the_status_tells_an_unfinished_one_and_one_without_its_python(store: Store) -> None:
    unfinished, without = made(store, ONE, complete=False), made(store, TWO)
    assert overview(store, unfinished).status == "unfinished"
    with store.locked(ONE):
        assert overview(store, unfinished).status == "being built"
    (without.folder / "bin" / "python").unlink()
    assert overview(store, store.environment(TWO)).status == "its Python is gone"


def test_the_one_used_last_is_listed_last(store: Store, tmp_path: Path) -> None:
    used(store, made(store, ONE), tmp_path / "a", 1)
    used(store, made(store, TWO), tmp_path / "b", 2)
    assert [each.id for each in overviews(store)] == [TWO, ONE]


def test_a_unique_beginning_finds_it(store: Store) -> None:
    made(store, ONE)
    made(store, "12" + "0" * 14)
    assert find(store, "11").id == ONE
    with pytest.raises(InvalidInput, match="several environments: 1111"):
        find(store, "1")
    with pytest.raises(NotFound, match="begins with 'f'"):
        find(store, "f")


def test_a_model_finds_the_one_it_has_run_in_last(store: Store, tmp_path: Path) -> None:
    used(store, made(store, ONE), tmp_path / "model", 5)
    used(store, made(store, TWO), tmp_path / "model", 1)
    assert of_model(store, str(tmp_path / "model")).id == TWO
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(NotFound, match="has run in no environment") as refused:
        of_model(store, str(tmp_path / "other"))
    assert "prepare-env" in str(refused.value.hint)


def test_details_hold_what_was_decided(store: Store) -> None:
    found = managing.details(store, made(store, ONE))
    assert found["requirements"] == ["six==1.17.0"]
    assert (found["added"], found["left_out"], found["notes"]) == (["numpy"], ["flask"], ["a note"])
    text = telling.as_text(found)
    for words in ("as of 2026-01-01", "only mlflow asks for it: flask", "names it: numpy", "a note", "  six==1.17.0"):
        assert words in text


# -- removing


def test_removing_takes_all_that_belongs_to_it_and_nothing_else(store: Store, tmp_path: Path) -> None:
    environment, other = made(store, ONE), made(store, TWO)
    used(store, environment, tmp_path / "model", 0)
    freed = remove(store, environment)
    assert BLOCK <= freed < 2 * BLOCK
    left = {path.name for path in store.root.rglob("*") if ONE in path.name and path.parent.name != "locks"}
    assert not left
    assert store.environment(TWO).is_complete and other.log.exists() and store.resolution(f"key-of-{TWO}")


def test_an_environment_in_use_is_removed_by_force_only(store: Store) -> None:
    environment = made(store, ONE)
    holding = "import sys, time; from pathlib import Path; from modelport.environments.store import Store; "
    holding += f"Store(Path(sys.argv[1])).hold('{ONE}'); print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", holding, str(store.root.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            with pytest.raises(CannotStart, match=f"in use by process {process.pid}") as refused:
                remove(store, environment)
            assert refused.value.code == "ENVIRONMENT_IN_USE"
            assert store.environment(ONE).is_complete
            assert prune(store, 0.0) == []
            remove(store, environment, force=True)
            assert store.environments() == []
        finally:
            process.kill()


# -- pruning


def test_what_nobody_has_used_for_so_long_goes(store: Store, tmp_path: Path) -> None:
    made(store, ONE, days_ago=40)
    used(store, made(store, TWO, days_ago=40), tmp_path / "model", 10)
    assert [each.what for each in prune(store, 30 * DAY)] == [ONE]
    assert [environment.id for environment in store.environments()] == [TWO]
    assert [each.what for each in prune(store, 9 * DAY)] == [TWO]
    assert store.environments() == []


def test_an_unfinished_one_goes_unless_it_is_being_built(store: Store) -> None:
    made(store, ONE, complete=False)
    with store.locked(ONE):
        assert ONE not in [each.what for each in prune(store, DAY)]
    (pruned, *_) = prune(store, DAY)
    assert (pruned.what, pruned.why) == (ONE, "its build did not come to its end")


def test_what_is_left_of_environments_goes(store: Store) -> None:
    made(store, ONE)
    for name in (f".repair-{TWO}", f".gone-{TWO}"):
        (store.root / name).mkdir()
        (store.root / name / "file").write_bytes(b"x" * BLOCK)
    store.keep_resolution("lost", {"environment": TWO, **RESOLUTION})
    store.log_of("old").write_text("")
    set_back(store.log_of("old"), 40)
    store.log_of("new").write_text("why a build has failed")
    done = [Path(each.what).name for each in prune(store, 30 * DAY)]
    assert done == [f".gone-{TWO}", f".repair-{TWO}", "lost.json", "old.log"]
    assert store.environment(ONE).is_complete and store.resolution(f"key-of-{ONE}") and store.log_of("new").exists()
    assert prune(store, 30 * DAY) == []


def test_a_dry_run_says_the_same_and_removes_nothing(store: Store) -> None:
    made(store, ONE, days_ago=40)
    made(store, TWO, complete=False)
    before = files(store)
    said = prune(store, 30 * DAY, dry_run=True)
    assert files(store) == before
    assert [(each.what, each.freed) for each in said] == [(each.what, each.freed) for each in prune(store, 30 * DAY)]


def files(store: Store) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if "locks" not in path.parts)
