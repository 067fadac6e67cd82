"""The supervisor as a whole: workers, scoring processes and control come and go, and each is told what it must know."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelport.errors import CannotStart
from modelport.supervisor.run_folder import RunFolder
from modelport.supervisor.table import Probe
from tests.modelport.supervisor.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.close()
    assert made.processes() == {}
    assert "Traceback" not in made.log()


def test_the_supervisor_needs_the_standard_library_alone() -> None:
    others = ["orjson", "yaml", "packaging", "pydantic", "sqlalchemy", "fastapi", "uvloop", "picklescan", "typer"]
    code = f"import sys, modelport.supervisor.main; print([name for name in {others} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "[]\n"


def test_a_set_is_started_told_to_scoring_and_then_to_control(bench: Bench) -> None:
    bench.want(1, bench.wanted(count=2))
    report = bench.report("e/blue/1", "ready", 2)
    assert bench.reports()[0]["state"] == "starting"
    assert (len(set(report["pids"])), report["restarts"], report["error"]) == (2, 0, None)
    assert report["facts"]["python"] == "{}.{}.{}".format(*sys.version_info)
    bench.applied(1)
    for process in (0, 1):
        first, *rest = bench.told_scoring(process)
        assert (first["settings"], first["process"], first["processes"]) == ({"opaque": "settings"}, process, 2)
        (row,) = [line["row"] for line in rest if "row" in line]
        assert (row["name"], row["prefix"], row["mlmodel"]["odd"]) == ("e/blue/1", None, None)
        assert sorted(worker["pid"] for worker in row["workers"]) == sorted(report["pids"])
    log = Path(bench.folder / "logs" / "e-blue-1")
    assert log.read_text() == "loading to serve\n" * 2
    assert log.stat().st_mode & 0o777 == 0o600


def test_scoring_listens_at_once_with_an_empty_table(bench: Bench) -> None:
    bench.listening()
    assert bench.ask_scoring()
    assert bench.told_scoring(0)[1:] == [{"table": {"version": 0, "endpoints": []}}, {"listen": True}]


def test_a_table_is_applied_when_every_scoring_process_has_said_so(bench: Bench) -> None:
    bench.listening()
    with bench.held("hold"):
        bench.want(1)
        bench.until(lambda: len(bench.told_scoring(1)) == 4)
        assert {"applied": 1} not in bench.told_control()
    bench.applied(1)


def test_a_set_that_does_not_start_is_told_with_its_traceback_and_stays_so(bench: Bench) -> None:
    wanted = bench.wanted(count=2, act="fail")
    bench.want(1, wanted)
    error = bench.report("e/blue/1", "failed", 0)["error"]
    assert error["code"] == "MODEL_NOT_LOADABLE"
    assert "there is no licence" in error["traceback"]
    assert "_load_pyfunc" in error["traceback"]
    assert not [command for command in bench.processes().values() if " m " in command]
    os.kill(bench.ask_control(), signal.SIGKILL)  # the next one is told of it too
    bench.until(lambda: len(bench.reports()) == 3)
    bench.want(2, wanted)
    bench.applied(2)
    assert [report["state"] for report in bench.reports()] == ["starting", "failed", "failed"]
    bench.want(3)
    bench.report("e/blue/1", "gone")
    assert not any("row" in line for line in bench.told_scoring(0))


@pytest.mark.parametrize("spoilt", [{"spec": {}}, {"log": "/proc/nowhere/log"}])
def test_a_set_that_cannot_be_understood_harms_no_other(bench: Bench, spoilt: dict[str, object]) -> None:
    bench.want(1, replace(bench.wanted("e/bad/1"), **spoilt), bench.wanted())
    assert bench.report("e/bad/1", "failed")["error"]["message"].startswith("the workers cannot be started: ")
    bench.report("e/blue/1", "ready")


def test_a_model_that_is_never_loaded_has_failed_in_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.settings = replace(bench.settings, longest_start=1.0)
    try:
        bench.start()
        bench.want(1, bench.wanted(act="hang"))
        error = bench.report("e/blue/1", "failed", 0)["error"]
        assert error["message"] == "the model was not loaded within 1 s"
        assert not [command for command in bench.processes().values() if " m " in command]
    finally:
        bench.close()


def test_the_number_of_workers_changes_in_place(bench: Bench) -> None:
    wanted = bench.wanted()
    bench.want(1, wanted)
    (first,) = bench.report("e/blue/1", "ready", 1)["pids"]
    bench.want(2, replace(wanted, count=3))
    report = bench.report("e/blue/1", "ready", 3)
    assert (report["pids"][0], report["restarts"]) == (first, 0)
    bench.want(3, replace(wanted, count=1))
    assert bench.report("e/blue/1", "ready", 1)["pids"] == [first]
    bench.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in report["pids"][1:]))


def test_a_worker_that_is_killed_is_replaced(bench: Bench) -> None:
    bench.want(1, bench.wanted())
    (first,) = bench.report("e/blue/1", "ready", 1)["pids"]
    os.kill(first, signal.SIGKILL)
    bench.report("e/blue/1", "ready", 0)
    report = bench.report("e/blue/1", "ready", 1)
    assert (report["restarts"], report["pids"] != [first]) == (1, True)
    rows = [line["row"]["workers"] for line in bench.told_scoring(0) if "row" in line]
    assert [[worker["pid"] for worker in row] for row in rows] == [[first], [], report["pids"]]


def test_a_worker_that_takes_no_notice_of_anything_is_replaced(bench: Bench) -> None:
    bench.want(1, bench.wanted(count=2, timeout=0.0, liveness=Probe(0.2, 0.2, 0.3, 2)))
    stopped, other = bench.report("e/blue/1", "ready", 2)["pids"]
    os.kill(stopped, signal.SIGSTOP)
    report = bench.until(lambda: (r := bench.report("e/blue/1", "ready", 2))["restarts"] == 1 and r)
    assert stopped not in report["pids"]
    assert other in report["pids"]
    assert "was silent 2 times for 0.3 s: it is being replaced" in bench.log()
    bench.until(lambda: not Path(f"/proc/{stopped}").exists())


def test_a_worker_that_is_not_ready_is_given_nothing_until_it_is(bench: Bench) -> None:
    probe = Probe(0.2, 0.1, 0.2, failures=3, successes=2)
    wanted = bench.wanted(count=2, readiness=probe)
    bench.want(1, wanted)
    pids = bench.report("e/blue/1", "ready", 2)["pids"]
    stopped = pids[0]
    os.kill(stopped, signal.SIGSTOP)
    bench.report("e/blue/1", "ready", 1)
    assert _resting(bench) == [stopped]
    os.kill(stopped, signal.SIGCONT)
    report = bench.report("e/blue/1", "ready", 2)
    assert (report["restarts"], report["pids"], _resting(bench)) == (0, pids, [])
    os.kill(stopped, signal.SIGSTOP)
    bench.report("e/blue/1", "ready", 1)
    bench.want(2, replace(wanted, readiness=None))  # it is not looked at any more
    assert bench.report("e/blue/1", "ready", 2)["restarts"] == 0
    assert _resting(bench) == []
    bench.want(3, replace(wanted, readiness=probe))
    bench.report("e/blue/1", "ready", 1)
    os.kill(stopped, signal.SIGCONT)
    bench.report("e/blue/1", "ready", 2)


def test_both_probes_may_look_at_once_and_a_worker_that_is_replaced_is_ready(bench: Bench) -> None:
    probes = {"readiness": Probe(0.0, 0.05, 0.2, 1), "liveness": Probe(0.0, 0.05, 0.2, 4)}
    bench.want(1, bench.wanted(count=2, timeout=0.0, **probes))
    stopped, other = bench.report("e/blue/1", "ready", 2)["pids"]
    os.kill(stopped, signal.SIGSTOP)
    bench.report("e/blue/1", "ready", 1)
    report = bench.report("e/blue/1", "ready", 2)
    assert (report["restarts"], other in report["pids"], stopped in report["pids"]) == (1, True, False)
    assert _resting(bench) == []


def _resting(bench: Bench) -> list[int]:
    """Who is to be given nothing, as scoring was told last."""
    row = [line["row"] for line in bench.told_scoring(0) if "row" in line][-1]
    return [worker["pid"] for worker in row["workers"] if worker["resting"]]


# -- what is not wanted any more


def test_a_set_goes_when_no_scoring_process_has_anything_of_it_open(bench: Bench) -> None:
    bench.want(1, bench.wanted())
    (pid,) = bench.report("e/blue/1", "ready", 1)["pids"]
    bench.applied(1)
    with bench.held("open"):
        bench.want(2)
        bench.until(
            lambda: {"gone": "e/blue/1"} in bench.told_scoring(0) and {"gone": "e/blue/1"} in bench.told_scoring(1)
        )
        assert Path(f"/proc/{pid}").exists()
        assert bench.reports()[-1]["state"] == "ready"
    bench.report("e/blue/1", "gone")
    assert not Path(f"/proc/{pid}").exists()
    told = [next(iter(line)) for line in bench.told_scoring(0)[1:]]
    assert told[-3:] == ["row", "table", "gone"] or told[-4:] == ["table", "row", "table", "gone"]


def test_a_scoring_process_that_died_has_nothing_open(bench: Bench) -> None:
    bench.want(1, bench.wanted(timeout=60.0))
    bench.report("e/blue/1", "ready", 1)
    bench.applied(1)
    with bench.held("open"):
        bench.want(2)
        bench.until(
            lambda: {"gone": "e/blue/1"} in bench.told_scoring(0) and {"gone": "e/blue/1"} in bench.told_scoring(1)
        )
        bench.kill(*(bench.told_scoring(process)[0]["pid"] for process in (0, 1)))
        bench.report("e/blue/1", "gone")


def test_a_set_is_not_waited_for_beyond_its_time(bench: Bench) -> None:
    bench.want(1, bench.wanted(timeout=0.5))
    bench.report("e/blue/1", "ready", 1)
    with bench.held("open"):
        bench.want(2)
        bench.report("e/blue/1", "gone")
    assert "requests to e/blue/1 are still open" in bench.log()


def test_a_set_that_is_wanted_again_while_it_goes_is_started_anew(bench: Bench) -> None:
    wanted = bench.wanted()
    bench.want(1, wanted)
    bench.report("e/blue/1", "ready", 1)
    with bench.held("open"):
        bench.want(2)
        bench.until(lambda: {"gone": "e/blue/1"} in bench.told_scoring(1))
        bench.want(3, wanted)
        bench.applied(3)
    bench.until(lambda: [r["state"] for r in bench.reports()] == ["starting", "ready", "gone", "starting", "ready"])


def test_an_old_table_changes_nothing(bench: Bench) -> None:
    wanted = bench.wanted()
    bench.want(5, wanted)
    bench.report("e/blue/1", "ready", 1)
    bench.want(4)
    bench.want(6, wanted)
    bench.applied(6)
    assert {"applied": 4} not in bench.told_control()
    assert bench.reports()[-1]["state"] == "ready"


# -- children that die


def test_control_is_started_again_whatever_ended_it_and_told_all(bench: Bench) -> None:
    bench.want(1, bench.wanted())
    bench.report("e/blue/1", "ready", 1)
    bench.applied(1)
    first = bench.ask_control(exit=0)
    second = bench.ask_control()  # the address was there all the time
    assert second != first
    bench.until(lambda: bench.told_control()[-1] == {"applied": 1})
    *_, began, report, _ = bench.told_control()
    assert (began, report["workers"]["state"]) == ({"began": second}, "ready")


def test_a_connection_made_while_no_scoring_process_lives_is_served_by_the_next(bench: Bench) -> None:
    bench.want(1, bench.wanted())
    bench.report("e/blue/1", "ready", 1)
    bench.applied(1)
    before = [bench.told_scoring(process)[0]["pid"] for process in (0, 1)]
    bench.kill(*before)
    assert bench.ask_scoring() not in before
    bench.until(lambda: bench.told_scoring(0).count({"listen": True}) == 2)
    first, row, table, _ = bench.told_scoring(0)[-4:]
    assert (first["process"], row["row"]["name"], table["table"]["version"]) == (0, "e/blue/1", 1)


# -- the supervisor's own end


def test_a_stop_leaves_nothing_and_the_next_start_takes_up_the_table(bench: Bench) -> None:
    bench.want(3, bench.wanted())
    (first,) = bench.report("e/blue/1", "ready", 1)["pids"]
    assert bench.stop() == 0
    assert bench.processes() == {}
    assert bench.told_scoring(0)[-1] == {"drain": True}
    assert (bench.run / "table.json").stat().st_mode & 0o777 == 0o600
    assert not (bench.run / "w").exists()
    (bench.folder / "control").unlink()
    bench.start()
    assert bench.report("e/blue/1", "ready", 1)["pids"] != [first]
    bench.applied(3)
    tables = [line["table"]["version"] for line in bench.told_scoring(0) if "table" in line]
    assert tables[-1] == 3


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_next_one_starts_at_once(bench: Bench) -> None:
    bench.want(1, bench.wanted(count=2))
    pids = bench.report("e/blue/1", "ready", 2)["pids"]
    assert bench.process is not None
    bench.process.kill()
    bench.process.wait()
    bench.until(lambda: bench.processes() == {}, within=10)
    (bench.folder / "log").unlink()
    (bench.folder / "control").unlink()
    bench.start()
    assert not set(bench.report("e/blue/1", "ready", 2)["pids"]) & set(pids)


def test_a_second_supervisor_is_refused(bench: Bench) -> None:
    bench.ask_control()
    command = [sys.executable, "-m", "modelport.supervisor.main", str(bench.folder / "settings")]
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 1
    assert bench.process is not None
    assert f"already (process {bench.process.pid}) [INVALID_STATE]\nhint: Stop it, or" in second.stderr


def test_ctrl_c_reaches_the_supervisor_alone(bench: Bench) -> None:
    bench.want(1, bench.wanted())
    for pid in [bench.ask_control(), bench.ask_scoring(), *bench.report("e/blue/1", "ready", 1)["pids"]]:
        assert os.getsid(pid) == pid
    assert bench.process is not None
    bench.process.send_signal(signal.SIGINT)
    assert bench.process.wait(20) == 0


def test_an_address_that_somebody_else_has_is_told_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    try:
        with socket.create_server(("127.0.0.1", bench.settings.scoring_port)):
            bench.settings.write(tmp_path / "settings")
            command = [sys.executable, "-m", "modelport.supervisor.main", str(tmp_path / "settings")]
            told = subprocess.run(command, capture_output=True, text=True, timeout=10)
        address = f"127.0.0.1:{bench.settings.scoring_port}"
        assert (told.returncode, told.stdout) == (1, "")
        assert told.stderr.startswith(
            f"error: cannot listen on {address}: Address already in use [INVALID_STATE]\nhint: Stop"
        )
    finally:
        bench.close()


def test_a_run_folder_is_ours_alone_and_short_enough_for_sockets(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="too long for sockets"):
        RunFolder(tmp_path / ("x" * 100))
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot use the folder"):
        RunFolder(tmp_path / "file")


def test_a_table_that_cannot_be_read_is_left_to_control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content in ("", "[]", '{"version": 1}', '{"version": 1, "workers": [{"id": 1}], "endpoints": []}'):
        (tmp_path / "table.json").write_text(content)
        folder = RunFolder(tmp_path)
        assert folder.load() is None
        folder.close()
    assert caplog.text.count("cannot be read") == 4
