"""What a package is, as text."""

from collections.abc import Iterator

from modelport.model.package import MODEL, RUNTIME, WHEELS, Manifest


def as_text(manifest: Manifest, lock: str) -> str:
    """The manifest's facts, and the distributions of the lock."""
    model, platform = manifest.content["model"], manifest.content["platform"]
    environment = manifest.content["environment"]
    saved = f", saved by MLflow {model['mlflow_version']}" if model.get("mlflow_version") else ""
    facts = {
        "package": manifest.name,
        "digest": manifest.digest,
        "model": f"{model.get('flavor')}{saved}",
        "for": f"Python {manifest.python} on {platform['system']} {platform['machine']}",
        "environment": f"{len(manifest.wheels)} packages, {'with' if environment.get('has_mlflow') else 'without'} mlflow"
        + (f", as of {environment['as_of']}" if environment.get("as_of") else ""),
        "size": f"{_megabytes(manifest.size)} MB in {len(manifest.files)} files: {', '.join(_parts(manifest))}",
    }
    lines = [f"{name:<13}{value}" for name, value in facts.items()]
    return "\n".join([*lines, "", *(f"  {line.partition(' ')[0]}" for line in lock.splitlines())]) + "\n"


def _parts(manifest: Manifest) -> Iterator[str]:
    for place in (MODEL, WHEELS, RUNTIME):
        size = sum(file.size for name, file in manifest.files.items() if name.startswith(f"{place}/"))
        yield f"{place} {_megabytes(size)}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
