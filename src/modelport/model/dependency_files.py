"""The files in which a model says what it needs, as paths: for pip, for conda."""

import logging
import tempfile
from pathlib import Path

from modelport.errors import NotFound
from modelport.model import conda_packages, mlmodel

log = logging.getLogger("modelport")


def pip_file(folder: Path) -> Path:
    """The model's ``requirements.txt``, else a temporary file with the pip section of its ``conda.yaml``."""
    path = folder / "requirements.txt"
    if path.exists():
        return path
    conda = conda_file(folder)
    content = mlmodel.read_yaml(conda)
    lines = conda_packages.pip_section(content) if isinstance(content, dict) else None
    if lines is None:
        raise NotFound(f"{folder} has no requirements.txt, and {conda} has no pip section")
    left_out = [str(entry) for entry in content["dependencies"] if not (isinstance(entry, dict) and "pip" in entry)]
    if left_out:
        log.warning("what %s wants of conda itself is left out: %s", conda, ", ".join(left_out))
    written = Path(tempfile.mkdtemp(prefix="modelport-")) / "requirements.txt"
    written.write_text("\n".join(lines) + "\n")
    return written


def conda_file(folder: Path) -> Path:
    """The file that the MLmodel file names: ``env`` is a map, or before MLflow 2 the name itself."""
    pyfunc = (mlmodel.read(folder).get("flavors") or {}).get("python_function") or {}
    env = pyfunc.get("env")
    name = env.get("conda") if isinstance(env, dict) else env
    path = folder / str(name or "conda.yaml")
    if not path.is_file():
        raise NotFound(f"the model in {folder} has no {path.name}")
    return path
