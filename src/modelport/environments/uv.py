"""The one place that runs uv: what it is told of indexes and credentials, and what of its output may be kept."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from modelport.environments import pip_configuration
from modelport.errors import EnvironmentFailed

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")


class UvFailed(Exception):
    """uv could not do what it was told; ``output`` is what it wrote, without secrets."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def program() -> str:
    """The path of uv's executable.

    Raises:
        EnvironmentFailed: it is not installed.
    """
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        raise EnvironmentFailed("uv is not installed", hint="pip install uv") from None


def variables() -> dict[str, str]:
    """The environment variables uv runs with: ours, pip's configuration where uv has none, the machine's certificates."""
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    environment.update(pip_configuration.as_uv_variables(os.environ))
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    return environment


def run(
    arguments: list[str], log: Path, cwd: Path, credentials: Mapping[str, tuple[str, str]] | None = None, **also: str
) -> str:
    """Run uv in ``cwd``; what it writes is appended to ``log`` without secrets, and returned.

    ``credentials``: URL → user and password, handed over in a file that nobody else can read and that is gone afterwards;
    ``also``: more environment variables.

    Raises:
        UvFailed: it ended with an error.
    """
    with _netrc(credentials or {}) as netrc:
        environment = {**variables(), **netrc, **also}
        command = [program(), *arguments, "--color", "never", "--no-progress"]
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    output = without_secrets(done.stdout.decode(errors="replace"), environment, credentials or {})
    with log.open("a", encoding="utf-8") as file:
        file.write(without_secrets(f"$ uv {' '.join(arguments)}\n", environment, credentials or {}) + output + "\n")
    if done.returncode != 0:
        raise UvFailed(output)
    return output


def without_secrets(text: str, environment: Mapping[str, str], credentials: Mapping[str, tuple[str, str]]) -> str:
    """The text with ``****`` where it holds a password of an index, or the user part of any URL."""
    secrets = {password for _, password in credentials.values()}
    for name, value in environment.items():
        if name.startswith(("UV_", "PIP_")):
            if name.endswith(("PASSWORD", "TOKEN")):
                secrets.add(value)
            secrets.update(filter(None, (urlsplit(url).password for url in value.split() if "://" in url)))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "****")
    return _CREDENTIALS.sub("****", text)


@contextmanager
def _netrc(credentials: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, str]]:
    """``NETRC`` for the time of one run: what the user has there, and these."""
    if not credentials:
        yield {}
        return
    theirs = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    lines = [
        f"machine {urlsplit(url).hostname} login {user} password {password}\n"
        for url, (user, password) in credentials.items()
    ]
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:  # 0700
        path = Path(folder) / "netrc"
        path.touch(0o600)
        path.write_text("".join(lines) + (theirs.read_text() if theirs.is_file() else ""))
        yield {"NETRC": str(path)}
