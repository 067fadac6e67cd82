"""The one place that runs pip, which fetches wheels as files and for any Python; uv has no command for that."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from modelport.environments import uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.packaged import abi_of
from modelport.environments.pip_configuration import of_uv_files
from modelport.model.environment_spec import EnvironmentSpec
from modelport.package.platforms import Platform

_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")
_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<url>\w+:.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class PipFailed(Exception):
    """pip could not do what it was told; ``output`` is what it wrote, without secrets."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output

    @property
    def without_wheel(self) -> str | None:
        """The requirement that no wheel answers, as pip spells it."""
        found = re.search(r"No matching distribution found for (\S+)", self.output)
        return None if found is None else found[1]


def download(
    lines: Iterable[str],
    interpreter: Interpreter,
    platform: Platform,
    spec: EnvironmentSpec,
    folder: Path,
    log: Path,
) -> None:
    """Fetch into ``folder`` just these distributions, as wheels for ``interpreter`` on ``platform``, each by its hash.

    ``spec`` names indexes. They are told to pip by environment variables only, since anybody can read a command line.

    Raises:
        PipFailed: one cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"{line}\n" for line in lines))
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", interpreter.version, "--implementation", "cp"]
    command += ["--abi", abi_of(interpreter), *(f"--platform={tag}" for tag in platform.tags)]
    command += ["--dest", ".", "-r", wanted.name]
    told = uv.variables()
    indexes, credentials = indexes_for(spec, {**told, **of_uv_files(told)})
    try:
        with uv.netrc(credentials) as handed_over:
            inherited = {name: value for name, value in os.environ.items() if name not in _INDEXES}
            environment = {**inherited, **indexes, **handed_over}
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
    finally:
        wanted.unlink()
    output = uv.without_secrets(done.stdout.decode(errors="replace"), {**told, **environment}, credentials)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ pip download, for Python {interpreter.version} on {platform.tags[0]}\n{output}\n")
    if done.returncode != 0:
        raise PipFailed(output)


def indexes_for(spec: EnvironmentSpec, told: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """pip's variables for the indexes that uv was ``told`` of and that ``spec`` names, and the credentials for them.

    pip's own configuration is among what uv is told, so its files are not read again.
    """
    credentials = dict(spec.credentials)

    def address(entry: str) -> str:
        named = _NAMED.fullmatch(entry)
        if named is None:
            return entry
        key = re.sub(r"[^A-Z0-9]", "_", named["name"].upper())
        user, password = told.get(f"UV_INDEX_{key}_USERNAME"), told.get(f"UV_INDEX_{key}_PASSWORD")
        if (user or password) and urlsplit(named["url"]).username is None:
            credentials[named["url"]] = (user or "", password or "")
        return named["url"]

    index = told.get("UV_DEFAULT_INDEX") or told.get("UV_INDEX_URL")
    index = None if not index else address(index)
    extra = [address(entry) for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL") for entry in told.get(name, "").split()]
    links = [entry for entry in told.get("UV_FIND_LINKS", "").split(",") if entry]
    no_index = told.get("UV_NO_INDEX", "").lower() in ("1", "true", "yes", "on", "y", "t")
    for option in spec.options:
        flag, _, value = option.partition(" ")
        value = _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), value)
        if flag == "--index-url":
            index = value
        elif flag == "--extra-index-url":
            extra.append(value)
        elif flag == "--find-links":
            links.append(value)
        elif flag == "--no-index":
            no_index = True
    found = {
        "PIP_INDEX_URL": index,
        "PIP_EXTRA_INDEX_URL": " ".join(extra),
        "PIP_FIND_LINKS": " ".join(links),
        "PIP_NO_INDEX": "1" if no_index else None,
        "PIP_CERT": told.get("SSL_CERT_FILE"),
        "PIP_CLIENT_CERT": told.get("SSL_CLIENT_CERT"),
        "PIP_PROXY": told.get("ALL_PROXY"),
        "PIP_TRUSTED_HOST": told.get("UV_INSECURE_HOST"),
        "PIP_KEYRING_PROVIDER": "subprocess" if told.get("UV_KEYRING_PROVIDER") == "subprocess" else None,
    }
    options = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**options, **{name: value for name, value in found.items() if value}}, credentials
