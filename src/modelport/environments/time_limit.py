"""A program that is given so much time: then it and all it has started are killed, and it is told what that was building."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

_LAST_WORDS = 5.0
"""Seconds for what was written; a process that has left the group may keep the pipe open for ever."""
_FACT = re.compile(r"^(Name|Version): (\S+)$", re.MULTILINE)


class TookTooLong(Exception):
    """``building``: the source archive that was being built, as NAME==VERSION; ``output`` and ``remarks``: what was written."""

    def __init__(self, building: str | None, output: bytes, remarks: bytes) -> None:
        super().__init__(building)
        self.building, self.output, self.remarks = building, output, remarks


def run(
    command: list[str], seconds: float, *, cwd: Path, env: Mapping[str, str], pass_fds: Iterable[int]
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end.

    Raises:
        TookTooLong: it did not come to its end within ``seconds``.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=tuple(pass_fds),
        start_new_session=True,  # a group of its own, so that what it starts can be ended with it
    ) as process:
        try:
            output, remarks = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            building = _built_in(process.pid)
            _kill(process)
            raise TookTooLong(building, *_written(process)) from None
        except BaseException:  # Ctrl-C reaches us alone
            _kill(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, remarks)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _written(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    try:
        return process.communicate(timeout=_LAST_WORDS)
    except subprocess.TimeoutExpired as left:
        return left.output or b"", left.stderr or b""


def _built_in(session: int) -> str | None:
    """A source archive is built in its own folder, where ``PKG-INFO`` says what it is."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if os.getsid(int(process.name)) == session:
                text = (process / "cwd" / "PKG-INFO").read_text(errors="replace")
                facts = dict(_FACT.findall(text.partition("\n\n")[0]))
                if facts.keys() >= {"Name", "Version"}:
                    return f"{facts['Name']}=={facts['Version']}"
    return None
