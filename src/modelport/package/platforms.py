"""The platform that a package is for: this machine's, or another Linux that is named as wheels name it."""

import platform
import re
from dataclasses import dataclass

from modelport.environments.interpreters import Interpreter
from modelport.errors import InvalidInput

_MANYLINUX = re.compile(r"manylinux_2_(?P<minor>\d{1,3})_(?P<machine>[a-z0-9_]+)")
_ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Minor versions of the C library 2.x, and how wheels called them before PEP 600."""
_OLDEST = {"x86_64": 5, "i686": 5}
_OLDEST_ELSEWHERE = 17
_MACHINES = ("x86_64", "aarch64", "ppc64le", "s390x", "armv7l", "i686", "riscv64")


@dataclass(frozen=True)
class Platform:
    """``tags``: what the names of its wheels may say."""

    system: str
    machine: str
    tags: tuple[str, ...]
    is_this_machine: bool = True

    def markers(self, interpreter: Interpreter) -> dict[str, str]:
        """What requirements' markers are evaluated with, for this Python there."""
        found = {
            "python_version": interpreter.minor,
            "python_full_version": interpreter.version,
            "platform_machine": self.machine,
        }
        of_linux = {"platform_system": "Linux", "sys_platform": "linux", "os_name": "posix"}
        return found if self.is_this_machine else {**found, **of_linux}


def this_machine() -> Platform:
    from packaging.tags import platform_tags

    return Platform(platform.system(), platform.machine(), tuple(platform_tags()))


def named(tag: str) -> Platform:
    """The platform of ``manylinux_2_28_aarch64``: that processor, with a C library no older than 2.28.

    Raises:
        InvalidInput: it is no such name.
    """
    known = {f"{alias}_": f"manylinux_2_{minor}_" for minor, alias in _ALIASES.items()}
    spelled = next((new + tag.removeprefix(old) for old, new in known.items() if tag.startswith(old)), tag)
    found = _MANYLINUX.fullmatch(spelled)
    if found is None or found["machine"] not in _MACHINES:
        raise InvalidInput(
            f"{tag!r} is no platform that packages are made for",
            hint=f"manylinux_2_28_x86_64: the C library's version, and one of {', '.join(_MACHINES)}",
        )
    machine, newest = found["machine"], int(found["minor"])
    tags = []
    for minor in range(newest, _OLDEST.get(machine, _OLDEST_ELSEWHERE) - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        tags += [f"{_ALIASES[minor]}_{machine}"] if minor in _ALIASES else []
    return Platform("Linux", machine, (*tags, f"linux_{machine}"), is_this_machine=False)
