"""Which distributions this interpreter has, and what it is: what requirements are held against, elsewhere.

Also a program, for an interpreter in which nothing of ours is: ``python -I distributions.py NAME…`` prints it as JSON.
"""

import os
import platform
import re
import sys
from importlib import metadata
from typing import Any, Dict, Iterable, Optional

_VERSION = re.compile(r"^Version:[ \t]*(\S+)", re.MULTILINE)


def describe(names: Iterable[str]) -> Dict[str, Any]:
    """The versions of the named distributions (None: not installed), and what PEP 508 calls the environment markers."""
    implementation = sys.implementation.version
    level = (
        "" if implementation.releaselevel == "final" else implementation.releaselevel[0] + str(implementation.serial)
    )
    return {
        "versions": {name: installed_version(name) for name in names},
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": "{}.{}.{}".format(*implementation) + level,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": platform.python_version(),
            "python_version": "{}.{}".format(*sys.version_info),
            "sys_platform": sys.platform,
        },
    }


def installed_version(name: str) -> Optional[str]:
    """Of a distribution, however its name is spelled; older interpreters find ``zope.interface`` by no other spelling."""
    spellings = [name] + [re.sub(r"[-_.]+", separator, name) for separator in "-_."]
    for spelling in dict.fromkeys(spellings):
        try:
            distribution = metadata.distribution(spelling)
        except metadata.PackageNotFoundError:
            continue
        # Only this line of the metadata: to parse it all takes 15 ms where it holds licences, at every start of a worker.
        texts = (distribution.read_text(file) for file in ("METADATA", "PKG-INFO", ""))
        found = _VERSION.search(next(filter(None, texts), ""))
        return None if found is None else found.group(1)
    return None


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(describe(sys.argv[1:])))
