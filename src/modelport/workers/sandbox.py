"""``--sandbox``: a worker shut in by bubblewrap, which sees its model, its interpreter and the system's libraries, all of them
read-only, and nothing else: no network, no other process, no home, no key file.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart, WorkerFailed

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_READ_BY_LIBRARIES = (
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs",
    "/etc/mime.types",
    "/sys/devices/system/cpu",  # onnxruntime and BLAS count the processors there
)
_OPTIONS = (
    "--unshare-all",  # network, processes, message queues, host name, and users where that is allowed
    "--die-with-parent",
    "--new-session",
    *("--cap-drop", "ALL"),
)
_TIMEOUT = 30
"""Seconds an interpreter has to start in the sandbox."""
PRIVATE = "/tmp"
"""Where the worker's own folder is, inside."""
COMPILED = f"{PRIVATE}/compiled"
"""Where a worker compiles libraries to, inside: it cannot write where they are."""


@dataclass(frozen=True)
class Sandbox:
    """What is to be seen inside: folders, and the links on the way to the interpreter that lie in none of them."""

    program: str
    folders: tuple[Path, ...]
    links: tuple[tuple[str, str], ...]

    def command(self, own: Path) -> list[str]:
        """What stands before a worker's own command. The folder ``own`` is all that it can write to."""
        arguments = [self.program, *_OPTIONS]
        for path in map(Path, _SYSTEM):
            if path.is_symlink():
                arguments += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                arguments += ["--ro-bind", str(path), str(path)]
        for name in _READ_BY_LIBRARIES:
            arguments += ["--ro-bind-try", name, name]
        arguments += ["--proc", "/proc", "--dev", "/dev", "--bind", str(own), PRIVATE]
        for folder in sorted(self.folders, key=lambda folder: len(folder.parts)):  # what lies in another comes after it
            arguments += ["--ro-bind", str(folder), str(folder)]
        for target, link in self.links:
            arguments += ["--symlink", target, link]
        return [*arguments, "--chdir", PRIVATE, "--"]

    def as_dict(self) -> dict[str, Any]:
        """The sandbox as JSON has it."""
        return {
            "program": self.program,
            "folders": [str(folder) for folder in self.folders],
            "links": [list(link) for link in self.links],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Sandbox":
        """The sandbox that ``as_dict`` made the data of."""
        links = tuple((target, link) for target, link in data["links"])
        return cls(data["program"], tuple(map(Path, data["folders"])), links)

    @staticmethod
    def variables(values: dict[str, str]) -> dict[str, str]:
        """The worker's variables, with the user's own folders replaced by the private one."""
        kept = {name: value for name, value in values.items() if name != "TMPDIR" and not name.startswith("XDG_")}
        return {**kept, "HOME": PRIVATE}


def program() -> str:
    """The path of bubblewrap's program.

    Raises:
        CannotStart: it is not installed.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise CannotStart("a sandbox needs bubblewrap, and there is no program bwrap", hint="Install bubblewrap.")
    return found


def sandbox_around(python: str, *folders: Path) -> Sandbox:
    """The sandbox in which the interpreter ``python`` (an absolute path) and these folders are to be seen; it was tried.

    Raises:
        CannotStart: bubblewrap is not installed or cannot work here, or nobody can say what belongs to the interpreter.
    """
    of_python, links = _interpreter(Path(python))
    sandbox = Sandbox(program(), tuple({*of_python, *folders}), tuple(links))
    with tempfile.TemporaryDirectory(prefix="modelport-") as own:
        command = [*sandbox.command(Path(own)), python, "-I", "-S", "-c", ""]
        try:
            done = subprocess.run(command, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise CannotStart(f"'{python}' did not start in the sandbox within {_TIMEOUT} s") from None
    if done.returncode != 0:
        raise CannotStart(
            f"'{python}' does not start in the sandbox: {done.stderr.decode(errors='replace').strip()[-500:]}",
            hint="bubblewrap needs namespaces, which containers and some systems forbid; docs/model-security.md says more.",
        )
    return sandbox


def _interpreter(path: Path) -> tuple[set[Path], list[tuple[str, str]]]:
    """The folders that an interpreter consists of, and (target, link) of what leads to it from elsewhere.

    A folder is only shown when it is one of Python's for certain: ``~/bin/python`` does not make ``~`` part of Python.
    """
    folders: set[Path] = set()
    links = []
    while True:
        prefix = path.parent.parent
        if _is_prefix(prefix):
            folders |= _with_base(prefix)
        elif path.is_symlink():
            links.append((os.readlink(path), str(path)))
        else:
            raise CannotStart(
                f"{path} is no interpreter in a folder of its own, so nobody can say what else the sandbox must show",
                hint="Give --python the path of the interpreter itself, not of a script that starts one.",
            )
        if not path.is_symlink():
            return folders, links
        path = Path(os.path.normpath(path.parent / os.readlink(path)))


def _is_prefix(folder: Path) -> bool:
    """Whether an environment or an interpreter is installed there."""
    return (folder / "pyvenv.cfg").is_file() or any(folder.glob("lib*/python3*/os.py"))


def _with_base(prefix: Path) -> set[Path]:
    """A prefix and that of the interpreter it was made with; by the names they are called by, and by their own."""
    found = {prefix, prefix.resolve()}
    try:
        lines = (prefix / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        key, _, value = line.partition("=")
        base = Path(value.strip()).parent
        if key.strip() == "home" and base != prefix and _is_prefix(base):
            found |= _with_base(base)
    return found


def compile_imported(python: str, own: Path) -> None:
    """Compile for those who come after what a worker imported of the environment of ``python``, as its folder ``own`` tells.

    The model may have written there what it likes: it only chooses among the environment's own files.
    """
    told, prefix = own / Path(COMPILED).name, Path(python).parent.parent
    sources = []
    for parent, _, names in [] if told.is_symlink() else os.walk(told):
        folder = Path("/", Path(parent).relative_to(told))
        if folder.is_relative_to(prefix):
            sources += [path for name in names if (path := folder / f"{name.split('.')[0]}.py").is_file()]
    command = [python, "-I", "-m", "compileall", "-q", "-i", "-"]
    subprocess.run(command, input="\n".join(map(str, sources)).encode(), capture_output=True, check=False)


def pid_outside(launcher: int, inside: int) -> int:
    """The id that a process has here, whose id is ``inside`` in the sandbox that process ``launcher`` keeps.

    Raises:
        WorkerFailed: it is gone.
    """
    processes = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                lines = Path(entry.path, "status").read_text(errors="replace").splitlines()
            except OSError:
                continue
            facts = dict(line.split(":", 1) for line in lines if line.startswith(("PPid:", "NSpid:")))
            processes[int(entry.name)] = int(facts["PPid"]), int(facts["NSpid"].split()[-1])
    first = {pid for pid, (parent, _) in processes.items() if parent == launcher}
    for pid, (parent, own) in processes.items():
        if parent in first and own == inside:
            return pid
    raise WorkerFailed("the worker ended in its sandbox")
