"""A small model, and a package with nothing in it, written by hand."""

import hashlib
import json
import platform
from pathlib import Path

MLMODEL = f"""\
flavors:
  python_function:
    loader_module: doubling
    code: code
    python_version: {platform.python_version()}
mlflow_version: 3.17.2
model_uuid: 0b3c9e1f
signature:
  inputs: '[{{"name": "x", "type": "double"}}]'
  outputs: '[{{"name": "x", "type": "double"}}]'
utc_time_created: '2026-05-01 10:00:00.000000'
"""
CODE = """\
import six


class Doubling:
    def predict(self, data):
        return data * six.MAXSIZE.__class__(2)


def _load_pyfunc(path):
    return Doubling()
"""


def model(folder: Path, requirements: str = "six==1.17.0", python: str = platform.python_version()) -> Path:
    """A model of the author's own code, which needs six."""
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "code" / "doubling.py").write_text(CODE)
    (folder / "requirements.txt").write_text(requirements)
    (folder / "python_env.yaml").write_text(f"python: {python}\ndependencies: [-r requirements.txt]\n")
    return folder


CONTENT = {
    "lock.txt": f"six==1.17.0 --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}\n".encode(),
    "model/MLmodel": MLMODEL.encode(),
    "model/code/doubling.py": CODE.encode(),
    "sbom.cdx.json": b"{}",
    "wheels/six-1.17.0-py2.py3-none-any.whl": b"wheel",
}


def manifest(files: dict[str, bytes] = CONTENT, **changed: object) -> bytes:
    """The manifest of a package with these files."""
    facts = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in files.items()}
    content = {
        "format": 1,
        "model": {"name": "doubling", "flavor": "python_function"},
        "python": platform.python_version(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "environment": {},
        "files": facts,
    }
    return json.dumps({**content, **changed}).encode()
