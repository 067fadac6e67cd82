"""``inspect``: everything that can be said of a model without loading it."""

import math
import os
from pathlib import Path
from typing import Any

from modelport.model import environment_spec, location, mlmodel, requirements
from modelport.model.example_request import default_as_json
from modelport.model.inspection import code_on_load, environment
from modelport.model.inspection.report import (
    Column,
    Dependencies,
    FileSize,
    Flavor,
    Inspection,
    Param,
    SignatureReport,
    Sizes,
)
from modelport.model.inspection.request import example_and_request
from modelport.model.inspection.serving import serving
from modelport_runtime.flavors import needs_mlflow
from modelport_runtime.model import PYFUNC, Model
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.specs import TensorSpec

LARGEST = 5
"""Files that are shown with their sizes."""


def inspect(model_uri: str, python: str | None = None) -> Inspection:
    """The model at a local path or ``file:`` URI, beside the environment of the interpreter ``python`` (None: this one).

    Raises:
        NotFound: there is no model.
        ModelNotLoadable: its MLmodel file is damaged.
        CannotStart: ``python`` is no interpreter.
    """
    folder = location.resolve(model_uri)
    content = mlmodel.read(folder)
    model = Model.from_mlmodel(str(folder), content)
    pyfunc = model.flavors.get(PYFUNC, {})
    loader = pyfunc.get("loader_module")
    needs = isinstance(loader, str) and needs_mlflow(loader)
    wanted = environment_spec.read(folder, content)
    found = environment.describe(python, [*wanted.names, "mlflow"])
    example, request = example_and_request(model)
    files = _files(folder)
    python_version = _text(pyfunc.get("python_version")) or wanted.python
    return Inspection(
        name=folder.name,
        uri=model_uri,
        path=str(folder),
        model_id=_text(model.model_id),
        model_uuid=_text(model.model_uuid),
        run_id=_text(model.run_id),
        mlflow_version=_text(model.mlflow_version),
        created=_created(model.utc_time_created),
        python_version=python_version,
        flavors=tuple(_flavor(name, entry) for name, entry in model.flavors.items()),
        serving=serving(model, found),
        streams=bool(pyfunc.get("streamable")),
        signature=None if model.signature is None else _signature(model.signature),
        example=example,
        request=request,
        dependencies=Dependencies(
            python=environment.interpreter(python),
            python_version=found["markers"]["python_full_version"],
            python_wanted=python_version,
            source=wanted.source,
            packages=requirements.compare(wanted.requirements, found, needs),
        ),
        variables=environment.variables(folder, content),
        sizes=_sizes(files, content.get("model_size_bytes")),
        code_on_load=code_on_load.find(folder, sorted(files), model.flavors),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _created(stamp: Any) -> str | None:
    """MLflow writes UTC without saying so."""
    return None if stamp is None else str(stamp).replace(" ", "T", 1).removesuffix("Z") + "Z"


def _flavor(name: str, entry: dict[str, Any]) -> Flavor:
    versions = {
        key.removesuffix("_version"): str(value)
        for key, value in entry.items()
        if key.endswith("_version") and key != "python_version" and value is not None
    }
    return Flavor(name, versions)


def _signature(signature: Signature) -> SignatureReport:
    params = tuple(
        Param(spec.name, str(spec.type), _finite(default_as_json(spec)), spec.shape) for spec in signature.params or ()
    )
    inputs, outputs = _columns(signature.inputs), _columns(signature.outputs)
    return SignatureReport(inputs, outputs, params, signature.is_from_type_hint)


def _finite(value: Any) -> Any:
    """JSON has no infinite numbers: they are spelled."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _columns(schema: Schema | None) -> tuple[Column, ...] | None:
    if schema is None:
        return None
    return tuple(
        Column(name, spec.dtype, True, spec.shape)
        if isinstance(spec, TensorSpec)
        else Column(name, str(spec.type), spec.required)
        for name, spec in zip(schema.names, schema.specs, strict=True)
    )


def _files(folder: Path) -> dict[str, int]:
    """Path in the model → bytes."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                found[path.relative_to(folder).as_posix()] = path.stat().st_size
            except OSError:  # a link that leads nowhere
                continue
    return found


def _sizes(files: dict[str, int], noted: Any) -> Sizes:
    largest = sorted(files.items(), key=lambda file: (-file[1], file[0]))[:LARGEST]
    return Sizes(
        files=len(files),
        bytes=sum(files.values()),
        model_size_bytes=noted if isinstance(noted, int) else None,
        largest=tuple(FileSize(name, size) for name, size in largest),
    )
