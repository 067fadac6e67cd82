"""The store with others at work in it, with processes that are killed, disks that are full and servers that go away."""

import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelport.errors import CannotStart, StoreFailed
from modelport.store.store import Store
from tests.modelport.store.samples import audit_entry, endpoint, minute, model
from tests.support.postgresql import PostgreSQL
from tests.support.saved import ROOT

Open = Callable[[str], Store]

WRITER = """
import sys
from modelport.store.store import Store
store = Store.open(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with store.writing() as transaction:
        number = transaction.next_version()
    print(number, flush=True)
store.close()
"""
IN_THE_MIDDLE = """
import sys, time
from modelport.store.store import Store
from tests.modelport.store.samples import endpoint, model
with Store.open(sys.argv[1]).writing() as transaction:
    transaction.add_endpoint(endpoint("lost"))
    for number in range(200):
        transaction.add_model(model(version=str(number)))
    print("written", flush=True)
    time.sleep(60)
"""


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_writing_block_is_kept_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        1 / 0
    with store.reading() as transaction:
        assert transaction.endpoints() == []
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
    with store.reading() as transaction:
        assert transaction.endpoints() == [endpoint()]


def test_a_reading_block_sees_one_moment(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint("first"))
    with store.reading() as before:
        assert before.setting("x") is None
        with store.writing() as transaction:
            transaction.add_endpoint(endpoint("second"))
            transaction.set_setting("x", "1")
        assert [each.name for each in before.endpoints()] == ["first"]
        assert before.setting("x") is None
    with store.reading() as after:
        assert [each.name for each in after.endpoints()] == ["first", "second"]


def test_who_reads_never_waits_for_who_writes(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: _endpoints(store)).result(5) == []


def _endpoints(store: Store) -> list[str]:
    with store.reading() as transaction:
        return [each.name for each in transaction.endpoints()]


def test_threads_write_one_after_the_other(store: Store) -> None:
    def write(_: int) -> list[int]:
        given = []
        for _ in range(10):
            with store.writing() as transaction:
                given.append(transaction.next_version())
            _endpoints(store)
        return given

    with ThreadPoolExecutor(8) as pool:
        given = [number for numbers in pool.map(write, range(8)) for number in numbers]
    assert sorted(given) == list(range(1, 81))


def test_writing_inside_of_writing_is_a_mistake_that_is_told(store: Store) -> None:
    with store.writing(), pytest.raises(RuntimeError, match="wait for itself"), store.writing():
        pass
    with store.writing() as transaction:
        assert transaction.next_version() == 1


def test_processes_write_one_after_the_other(url: str) -> None:
    """They also make the store at once."""
    writers = [run(WRITER, url, "40") for _ in range(3)]
    told = [writer.communicate(timeout=60)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sorted(int(line) for text in told for line in text.split()) == list(range(1, 121))


def test_of_a_process_that_is_killed_while_it_writes_nothing_is_left(url: str, opened: Open) -> None:
    store = opened(url)
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint("kept"))
    with run(IN_THE_MIDDLE, url) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    began = time.monotonic()
    with store.writing() as transaction:
        assert [each.name for each in transaction.endpoints()] == ["kept"]
        assert transaction.models(archived=None) == []
        transaction.add_endpoint(endpoint("lost"))
    assert time.monotonic() - began < 5


def test_writers_killed_at_any_moment_lose_nothing_that_was_told(url: str, opened: Open) -> None:
    told = []
    for milliseconds in (30, 50, 80, 130):
        with run(WRITER, url, "1000000") as writer:
            assert writer.stdout is not None
            told.append(int(writer.stdout.readline()))
            time.sleep(milliseconds / 1000)
            writer.kill()
            told += [int(line) for line in writer.stdout.read().split()]
    assert told == sorted(set(told))
    with opened(url).writing() as transaction:
        assert transaction.next_version() > told[-1]


def test_a_writer_that_is_busy_for_too_long_is_told_of(url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelport.store.store.WAIT", 0.3)
    first, second = opened(url), opened(url)
    with first.writing(), pytest.raises(StoreFailed, match=r"the store .* does not do its work"), second.writing():
        pass
    blocked = threading.Event()
    with ThreadPoolExecutor(1) as pool, first.writing():
        failed = pool.submit(_try_to_write, first, blocked)
        assert blocked.wait(5)
        assert "was busy for 0.3 seconds" in failed.result(5)
    with second.writing() as transaction:
        assert transaction.next_version() == 1


def _try_to_write(store: Store, blocked: threading.Event) -> str:
    blocked.set()
    with pytest.raises(StoreFailed) as error, store.writing():
        pass
    return str(error.value)


def test_a_list_of_200_endpoints_takes_a_moment(store: Store) -> None:
    with store.writing() as transaction:
        for number in range(200):
            transaction.add_endpoint(endpoint(f"rent-{number}", tags={"team": "x"}))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(_endpoints(store)) == 200
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05


# -- SQLite ------------------------------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_only(tmp_path: Path, opened: Open) -> None:
    store = opened(f"sqlite:///{tmp_path}/new/folder/store.db")
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        files = sorted((tmp_path / "new" / "folder").iterdir())
        assert [file.name for file in files] == ["store.db", "store.db-shm", "store.db-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "new" / "folder").stat().st_mode) == 0o700


def test_a_full_disk_is_told_and_the_store_goes_on_once_there_is_room(small_disk: Path, opened: Open) -> None:
    store = opened(f"sqlite:///{small_disk}/store.db")
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint("kept"))
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    big = endpoint("lost", description="x" * 300_000)
    for _ in range(3):
        with pytest.raises(StoreFailed, match="is full") as failure, store.writing() as transaction:
            transaction.add_endpoint(big)
        assert failure.value.code == "STORE_UNAVAILABLE"
        assert failure.value.hint is not None and "The disk is full" in failure.value.hint
        assert _endpoints(store) == ["kept"]
    ballast.unlink()
    with store.writing() as transaction:
        transaction.add_endpoint(big)
    assert _endpoints(store) == ["kept", "lost"]


def test_after_a_failure_a_block_keeps_nothing_even_if_it_goes_on(small_disk: Path, opened: Open) -> None:
    store = opened(f"sqlite:///{small_disk}/store.db")
    with pytest.raises(StoreFailed, match="is full"), store.writing() as transaction:
        transaction.set_setting("before", "1")
        with pytest.raises(StoreFailed):
            transaction.add_endpoint(endpoint(description="x" * 8_000_000))
        with pytest.raises(StoreFailed):
            transaction.set_setting("after", "1")
    with store.reading() as transaction:
        assert transaction.setting("before") is None
        assert transaction.setting("after") is None


def test_a_full_disk_at_the_start_is_told(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(CannotStart, match=r"cannot be opened: .*(full|I/O error|No space left)"):
        Store.open(f"sqlite:///{small_disk}/store.db")


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    Store.open(f"sqlite:///{small_disk}/store.db").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(CannotStart, match="Read-only file system"):
        Store.open(f"sqlite:///{small_disk}/store.db")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"something else " * 1000)
    with pytest.raises(CannotStart, match="file is not a database"):
        Store.open(f"sqlite:///{tmp_path}/store.db")
    assert (tmp_path / "store.db").read_bytes().startswith(b"something else")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://ada:secret@host/x", "there is no store of kind 'mysql'"),
        ("somewhere", "is no URL"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:////proc/nothing/store.db", "cannot be opened: .*No such file"),
        (
            "postgresql://ada:secret@127.0.0.1:1/x",
            r"postgresql\+psycopg://ada:\*\*\*@127.* cannot be opened: .*refused",
        ),
    ],
)
def test_what_cannot_be_opened_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises(CannotStart, match=told) as error:
        Store.open(url)
    assert "secret" not in str(error.value)


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_a_server_that_was_away_is_used_again(postgresql: PostgreSQL, opened: Open) -> None:
    url = postgresql.new_database("away")
    store = opened(url)
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint("kept"))
    with pytest.raises(StoreFailed, match="does not do its work"), store.writing() as transaction:
        transaction.add_endpoint(endpoint("lost"))
        postgresql.stop()
        transaction.add_endpoint(endpoint("too"))
    try:
        for _ in range(2):
            with pytest.raises(StoreFailed, match="refused") as failure, store.reading():
                pass
            assert failure.value.code == "STORE_UNAVAILABLE"
        with pytest.raises(CannotStart, match="refused"):
            Store.open(url)
    finally:
        postgresql.start()
    assert _endpoints(store) == ["kept"]
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint("lost"))


def test_a_server_that_is_lost_before_the_end_is_told(postgresql: PostgreSQL, opened: Open) -> None:
    store = opened(postgresql.new_database("lost"))
    with pytest.raises(StoreFailed), store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        postgresql.stop(signal.SIGQUIT)
        postgresql.start()
    assert _endpoints(store) == []


def test_a_database_that_is_not_there_is_told(postgresql: PostgreSQL) -> None:
    with pytest.raises(CannotStart, match='database "nothing" does not exist'):
        Store.open(postgresql.url("nothing"))


def test_a_user_who_may_make_no_tables_is_told(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database("forbidden")
    postgresql.run("CREATE ROLE guest LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC", "forbidden")
    with pytest.raises(CannotStart, match=r"permission denied|no schema has been selected"):
        Store.open(url.replace("modelport@", "guest@"))


def test_both_spellings_of_the_address_are_one(postgresql: PostgreSQL, opened: Open) -> None:
    url = postgresql.new_database("spellings")
    with opened(url).writing() as transaction:
        transaction.add_audit(audit_entry())
        transaction.add_model(model())
        transaction.add_minutes([minute(1)])
    for scheme in ("postgres://", "postgresql+psycopg://"):
        with opened(url.replace("postgresql://", scheme)).reading() as transaction:
            assert transaction.audit(1) == [audit_entry()]
