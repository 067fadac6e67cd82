"""The one place that runs uv: what it is told of indexes and credentials, and what of its output may be kept."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from modelport.environments import pip_configuration, time_limit
from modelport.environments.failures.cause import failed
from modelport.environments.store import held_locks
from modelport.environments.time_limit import TookTooLong
from modelport.errors import EnvironmentFailed
from modelport.settings import BUILD_TIMEOUT, build_timeout

CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Characters: a shorter value of such a variable is rather a word that any text may hold."""
_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
"""Where a system has them."""


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
    named = environment.get("SSL_CERT_FILE") or environment.get("SSL_CERT_DIR")
    if named or any(map(os.path.exists, _CERTIFICATES)):  # a bare system has none, and uv then fails even when offline
        environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    return environment


class Told(NamedTuple):
    """What uv wrote, without secrets: its answer, and what it said about it."""

    answer: str
    remarks: str


def run(
    arguments: list[str], log: Path, cwd: Path, credentials: Mapping[str, tuple[str, str]] | None = None, **also: str
) -> Told:
    """Run uv in ``cwd``; its remarks are appended to ``log`` without secrets.

    ``credentials``: URL → user and password, handed over in a file that nobody else can read and that is gone afterwards;
    ``also``: more environment variables.

    Raises:
        UvFailed: it ended with an error. EnvironmentFailed: it took longer than ``build_timeout``.
    """
    with netrc(credentials or {}) as theirs_and_ours:
        environment = {**variables(), **theirs_and_ours, **also}
        command = [program(), *arguments, "--color", "never", "--no-progress"]
        limit, late = build_timeout(), None
        try:
            done = time_limit.run(command, limit, cwd=cwd, env=environment, pass_fds=held_locks)
            written = done.stdout, done.stderr
        except TookTooLong as error:
            late, written = error, (error.output, error.remarks)

    def clean(text: str) -> str:
        return without_secrets(text, environment, credentials or {})

    told = Told(*(clean(text.decode(errors="replace")) for text in written))
    with log.open("a", encoding="utf-8") as file:
        file.write(clean(f"$ uv {' '.join(arguments)}\n") + told.remarks + "\n")
        if late is not None:
            file.write(f"ended after {limit:g} s, with all that it had started\n")
    if late is not None:
        raise _too_slow(late.building, " ".join(arguments[:2]), limit, log)
    if done.returncode != 0:
        raise UvFailed(told.remarks)
    return told


def _too_slow(building: str | None, command: str, limit: float, log: Path) -> EnvironmentFailed:
    more = f"{BUILD_TIMEOUT}=SECONDS gives it more time"
    if building is None:
        message = f"uv {command} was not done after {limit:g} s"
        hint = f"Does the index answer, and how fast? {more}."
    else:
        name = building.partition("==")[0]
        message = f"{building} has to be built from its source, which was not done after {limit:g} s"
        hint = f"Ask for a version of {name} that has a wheel: -r {name}==VERSION; {more}."
    return failed("ENVIRONMENT_TIMED_OUT", message, hint, log)


def as_pip_searches(options: Iterable[str]) -> dict[str, str]:
    """``also`` of a run for options of pip: a second index is then one more place, not the only one for what it has."""
    has_second = any(option.startswith("--extra-index-url") for option in options)
    return {"UV_INDEX_STRATEGY": "unsafe-best-match"} if has_second and "UV_INDEX_STRATEGY" not in os.environ else {}


def without_secrets(text: str, environment: Mapping[str, str], credentials: Mapping[str, tuple[str, str]]) -> str:
    """The text with ``****`` where it holds a secret of these variables or credentials, or the user part of any URL."""
    secrets = {password or user for user, password in credentials.values()}
    for name, value in environment.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET:
            secrets.add(value)
        elif name.startswith(("UV_", "PIP_")) or name.lower().endswith("_proxy"):
            for pair in CREDENTIALS.findall(value):
                user, _, password = pair.partition(":")
                secrets.update((password or user, unquote(password or user)))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "****")
    return CREDENTIALS.sub("****", text)


@contextmanager
def netrc(credentials: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Variables for the time of one run: ``NETRC`` with what the user has there and these, and the same for git."""
    if not credentials:
        yield {}
        return
    theirs = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    lines = [
        f"machine {urlsplit(url).hostname} login {_quoted(user)} password {_quoted(password)}\n"
        for url, (user, password) in credentials.items()
    ]
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:  # 0700
        path = Path(folder) / "netrc"
        path.touch(0o600)
        path.write_text("".join(lines) + (theirs.read_text() if theirs.is_file() else ""))
        yield {"NETRC": str(path), **_for_git(credentials)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _for_git(credentials: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """git takes configuration from variables (git-config, GIT_CONFIG_COUNT): addresses of these hosts with credentials."""
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    found = {}
    for url, (user, password) in credentials.items():
        parts = urlsplit(url)
        pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
        found[f"GIT_CONFIG_KEY_{count}"] = f"url.{parts.scheme}://{pair}@{parts.netloc}/.insteadOf"
        found[f"GIT_CONFIG_VALUE_{count}"] = f"{parts.scheme}://{parts.netloc}/"
        count += 1
    return {**found, "GIT_CONFIG_COUNT": str(count)}
