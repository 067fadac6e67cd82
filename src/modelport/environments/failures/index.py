"""What a diagnosis asks the index that the model's packages come from: other versions, other Pythons, another day."""

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelport.environments import uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.uv import UvFailed
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec

_FOUND = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", re.MULTILINE)
_UPLOADED = re.compile(r"upload-time = \"?(\d{4}-\d\d-\d\d)")
_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
"""Those that models run on."""


@dataclass(frozen=True)
class Index:
    """The indexes and credentials of one model, asked for one interpreter. What cannot be answered is None or empty."""

    spec: EnvironmentSpec
    interpreter: Interpreter
    offline: bool
    log: Path

    def neighbours(self, name: str, version: str, *, wheels: bool = False) -> list[str]:
        """The nearest version below this one and the nearest above; ``wheels``: only those that need not be built."""
        only = ["--only-binary", name] if wheels else []
        below = self._ask([f"{name}<{version}"], *only)
        above = self._ask([f"{name}>{version}"], "--resolution", "lowest", *only)
        return [found[_normal(name)] for found in (below, above) if _normal(name) in found]

    def newest(self, name: str, day: str | None = None) -> str | None:
        """The newest version, as of ``day`` if given."""
        return self._ask([name], *_as_of(day)).get(_normal(name))

    def as_of(self, requirements: Iterable[str], day: str) -> dict[str, str]:
        """Name → version of all that is found for these requirements and what they need, as of ``day``."""
        return self._ask(requirements, *_as_of(day), with_dependencies=True)

    def day_of(self, pins: Iterable[str]) -> str | None:
        """The day on which the last of these pins came to the index, where it tells."""
        days: list[str] = []
        for pin in pins:  # one at a time: of those that it has not, nothing is known
            text = self._compile([pin], "--no-deps", "--format", "pylock.toml")
            days += sorted(_UPLOADED.findall(text or ""))[:1]
        return max(days, default=None)

    def refusal(self, name: str) -> str:
        """What uv says of an index that does not let it see this distribution; nothing where all of them do.

        It is silent on that where it takes the best of all indexes, not the first that has a distribution.
        """
        try:
            self._run([name], "--no-deps", UV_INDEX_STRATEGY="first-index")
        except UvFailed as failure:
            return failure.output
        return ""

    def pythons(self, pin: str) -> list[str]:
        """The Pythons for which this pin has a wheel."""
        only = ["--only-binary", requirement_lines.name_of(pin) or pin]
        return [version for version in _PYTHONS if self._ask([pin], *only, "--python-version", version)]

    def _ask(self, requirements: Iterable[str], *options: str, with_dependencies: bool = False) -> dict[str, str]:
        text = self._compile(requirements, *options, *([] if with_dependencies else ["--no-deps"]))
        return {_normal(name): version for name, version in _FOUND.findall(text or "")}

    def _compile(self, requirements: Iterable[str], *options: str) -> str | None:
        try:
            return self._run(requirements, *options)
        except UvFailed:
            return None

    def _run(self, requirements: Iterable[str], *options: str, **also: str) -> str:
        with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
            wanted = Path(folder) / "wanted.in"
            lock = Path(folder) / ("pylock.toml" if "--format" in options else "lock.txt")
            lines = [*(option for option in self.spec.options if option != "--pre"), *requirements]
            wanted.write_text("".join(f"{line}\n" for line in lines))
            arguments = ["pip", "compile", wanted.name, "-o", lock.name, "--no-header", "--no-annotate", "--quiet"]
            arguments += ["--python", self.interpreter.path, *options, *(["--offline"] if self.offline else [])]
            also = {**uv.as_pip_searches(self.spec.options), **also}
            uv.run(arguments, self.log, Path(folder), self.spec.credentials, **also)
            return lock.read_text()


def _as_of(day: str | None) -> list[str]:
    return [] if day is None else ["--exclude-newer", f"{day}T23:59:59Z"]


def _normal(name: str) -> str:
    return requirement_lines.name_of(name) or name
