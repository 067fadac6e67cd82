"""Programs that are no Python packages: there, or installed from Debian where we may, or a clear skip."""

import os
import shutil
import subprocess

import pytest


def debian_program(name: str, package: str) -> str:
    """The path of a program; skips the test where it is missing and cannot be installed."""
    found = shutil.which(name)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-q", *command], env=environment, capture_output=True, timeout=280, check=False)
        found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine, and could not be installed")
    return found
