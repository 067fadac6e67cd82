"""A started process and all that grew from it, seen through `/proc`: CPU, memory, and its sure end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

TICK = os.sysconf("SC_CLK_TCK")


class Tree:
    """The descendants of one process, and whoever else is in its session (orphans keep that)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def pids(self) -> list[int]:
        stats = {pid: stat for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (stat := _stat(pid))}
        found = {pid for pid, stat in stats.items() if pid == self.process.pid or int(stat[3]) == self.process.pid}
        while more := {pid for pid, stat in stats.items() if int(stat[1]) in found} - found:
            found |= more
        return sorted(found)

    def cpu_seconds(self) -> float:
        """User and system time, of the ended children their parents waited for too."""
        stats = [_stat(pid) for pid in self.pids()]
        return sum(int(ticks) for stat in stats if stat for ticks in stat[11:15]) / TICK

    def running_seconds(self) -> float:
        """Time on a core of the threads that live now, to the nanosecond: the ticks above are too coarse for idling."""
        total = 0
        for pid in self.pids():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(_read(path).partition(" ")[0] or 0)
        return total / 1e9

    def pss_mib(self) -> float:
        texts = (_read(Path(f"/proc/{pid}/smaps_rollup")) for pid in self.pids())
        return (
            sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024
        )

    def settle(self, limit: float = 10.0) -> None:
        """Wait until the work left over from closed connections is done: below a quarter of a core, or the limit."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            before = self.running_seconds()
            time.sleep(0.2)
            if self.running_seconds() - before < 0.05:
                return

    def stop(self) -> None:
        """Ask, wait, kill: every process by its own id."""
        pids = self.pids()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        for pid in {*pids, *self.pids()}:
            if _alive(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait(5)


@contextmanager
def started(
    argv: Sequence[str], folder: Path, extra: Mapping[str, str], log: IO[bytes], pipes: bool = False
) -> Iterator[Tree]:
    """Run a command as the head of its own session, its output in `log` (or on pipes); nothing of it is left behind."""
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **extra},
        stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
        stdout=subprocess.PIPE if pipes else log,
        stderr=log,
        start_new_session=True,
    )
    tree = Tree(process)
    try:
        yield tree
    finally:
        tree.stop()


def _stat(pid: int) -> list[str]:
    """The fields after the command's name (state is 0, parent 1, session 3, times 11 to 14); none if it has ended."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _alive(pid: int) -> bool:
    return bool(stat := _stat(pid)) and stat[0] != "Z"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
