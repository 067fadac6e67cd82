"""What an interpreter has: every module that can be imported there, with its distribution and version."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelport.model import requirement_lines

_TIMEOUT = 60
_PROGRAM = """
import importlib.metadata, json, platform, sys
sys.path += sys.argv[1:]
modules, versions = {}, {}
for distribution in importlib.metadata.distributions():
    name = distribution.metadata["Name"]
    if not name or name in versions:
        continue
    versions[name] = distribution.version
    for file in distribution.files or ():
        top = file.parts[0].partition(".")[0]
        if top.isidentifier() and (len(file.parts) > 1 or file.name.endswith((".py", ".so"))):
            modules.setdefault(top, name)
json.dump({"python": platform.python_version(), "modules": modules, "versions": versions}, sys.stdout)
"""


@dataclass(frozen=True)
class Installed:
    """``modules``: importable name → normal name of its distribution; ``versions`` by such names."""

    python: str
    modules: Mapping[str, str]
    versions: Mapping[str, str]

    def distribution(self, module: str) -> str | None:
        """What ``module``, or a module in it, belongs to."""
        return self.modules.get(module.split(".")[0])

    def pin(self, distribution: str) -> str:
        """``numpy 1.26.4``, for people."""
        return f"{distribution} {self.versions.get(distribution, '')}".strip()


def ask(python: str, sys_path: Iterable[str]) -> Installed | None:
    """None of an interpreter that cannot say it."""
    try:
        command = [python, "-I", "-B", "-c", _PROGRAM, *sys_path]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT).stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    versions = {_normal(name): version for name, version in told["versions"].items()}
    return Installed(told["python"], {top: _normal(name) for top, name in told["modules"].items()}, versions)


def _normal(name: str) -> str:
    return requirement_lines.name_of(name) or name
