"""orjson for the interpreter of an environment: fetched once by its hash, kept where only workers look for it."""

import contextlib
import logging
import os
import shutil
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path

from modelport.environments import uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.uv import UvFailed
from modelport.workers.bundle import JSON_LIBRARIES

log = logging.getLogger("modelport")


def requirements() -> str:
    """Its versions for every Python, with hashes, as requirements."""
    return resources.files("modelport.environments").joinpath("orjson.txt").read_text()


def fetch(
    interpreter: Interpreter, runtime_home: Path, *, offline: bool, log_file: Path, wheels: Path | None = None
) -> None:
    """Have it under ``runtime_home``; without it workers read and write JSON more slowly, and answer the same.

    ``wheels``: the folder that it is taken from, and from nowhere else.
    """
    if interpreter.minor == sysconfig.get_python_version():  # our own serves
        return
    folder = runtime_home / JSON_LIBRARIES
    tag = interpreter.minor.replace(".", "")
    if any(folder.glob(f"orjson.cpython-{tag}-*.so")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runtime_home, prefix=".draft-") as draft:
        wanted = Path(draft) / "orjson.txt"
        sources = "" if wheels is None else f"--no-index\n--find-links {wheels.as_uri()}\n"
        wanted.write_text(sources + requirements())
        arguments = ["pip", "install", "--python", interpreter.path, "--target", draft, "--no-deps", "--require-hashes"]
        arguments += ["--only-binary", ":all:", "-r", str(wanted), *(["--offline"] if offline else [])]
        try:
            uv.run(arguments, log_file, Path(draft))
        except UvFailed:
            log.warning("no orjson for Python %s can be had: JSON is read and written more slowly", interpreter.minor)
            return
        for library in (Path(draft) / "orjson").glob("orjson.*.so"):
            with contextlib.suppress(FileExistsError):
                shutil.copyfile(library, Path(draft) / library.name)
                os.replace(Path(draft) / library.name, folder / library.name)
