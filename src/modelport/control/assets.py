"""Registering models and environments: names, versions, and that a version never changes."""

import time
from datetime import UTC, datetime
from typing import Any

from modelport.domain import references
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.model import CONTENT, Model, ModelSpec
from modelport.errors import Conflict, InvalidInput, NotFound
from modelport.store.content import ContentStore
from modelport.store.transaction import Transaction


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def register_model(transaction: Transaction, content: ContentStore, spec: ModelSpec, who: str) -> tuple[Model, bool]:
    """The registered version, and whether it is new.

    Raises:
        InvalidInput: there is no content. Conflict: this version is something else.
    """
    if spec.path is None:
        raise InvalidInput("a model needs a path", hint="`path`: a folder with an MLmodel file")
    match = CONTENT.fullmatch(spec.path)
    if match is None or not content.has(spec.path):
        raise InvalidInput(f"there is no content {spec.path!r}", hint="The client uploads it first.")
    name = spec.name or f"model-{match[1][:16]}"
    version = spec.version or ("1" if spec.name is None else transaction.next_model_version(name))
    existing = transaction.model(name, version)
    if existing is not None:
        differing = [
            key
            for key, value in spec.model_dump(exclude_unset=True).items()
            if key not in ("name", "version") and getattr(existing, key) != value
        ]
        if differing:
            raise Conflict(
                f"version {version} of model {name!r} exists with another {', '.join(differing)}",
                hint="A version never changes: leave `version` out for the next one.",
            )
        return existing, False
    values = {**spec.model_dump(), "name": name, "version": version}
    model = Model(**values, id=f"{name}:{version}", created_at=now(), created_by=who)
    transaction.add_model(model)
    return model, True


def register_environment(transaction: Transaction, spec: EnvironmentSpec, who: str) -> tuple[Environment, bool]:
    """The registered version, and whether it is new.

    Raises:
        InvalidInput: it has no name. Conflict: this version is something else.
    """
    if spec.name is None:
        raise InvalidInput("an environment needs a name", hint="`name`: NAME")
    if spec.build is not None:
        raise InvalidInput(
            "an environment cannot be built of a Dockerfile: there are no containers",
            hint="`conda_file`: a file with its packages",
        )
    version = spec.version or transaction.next_environment_version(spec.name)
    existing = transaction.environment(spec.name, version)
    if existing is not None:
        if any(getattr(existing, key) != value for key, value in spec.model_dump(exclude={"version"}).items()):
            raise Conflict(
                f"version {version} of environment {spec.name!r} exists and differs",
                hint="A version never changes: leave `version` out for the next one.",
            )
        return existing, False
    values: dict[str, Any] = {**spec.model_dump(), "version": version}
    environment = Environment(**values, id=f"{spec.name}:{version}", created_at=now(), created_by=who)
    transaction.add_environment(environment)
    return environment, True


def find_model(transaction: Transaction, name: str, version: str | None, label: str | None) -> Model:
    """That version; neither version nor label: the latest.

    Raises:
        NotFound: there is none.
    """
    _check_label(label)
    model = transaction.latest_model(name) if version is None else transaction.model(name, version)
    if model is None:
        raise _not_found("model", name, version, [model.version for model in transaction.models(name, None)])
    return model


def find_environment(transaction: Transaction, name: str, version: str | None, label: str | None) -> Environment:
    """That version; neither version nor label: the latest.

    Raises:
        NotFound: there is none.
    """
    _check_label(label)
    found = transaction.latest_environment(name) if version is None else transaction.environment(name, version)
    if found is None:
        there = [environment.version for environment in transaction.environments(name, None)]
        raise _not_found("environment", name, version, there)
    return found


def referred_model(transaction: Transaction, reference: str) -> Model:
    """What ``azureml:NAME:VERSION`` and its other spellings mean.

    Raises:
        InvalidInput: it is no reference. NotFound: there is no such model.
    """
    found = references.parse(reference, "model")
    return find_model(transaction, found.name, found.version, found.label)


def referred_environment(transaction: Transaction, reference: str) -> Environment:
    """What ``azureml:NAME:VERSION`` and its other spellings mean.

    Raises:
        InvalidInput: it is no reference. NotFound: there is no such environment.
    """
    found = references.parse(reference, "environment")
    return find_environment(transaction, found.name, found.version, found.label)


def _check_label(label: str | None) -> None:
    if label not in (None, references.LATEST):
        raise NotFound(f"there is no label {label!r}", hint=f"There is {references.LATEST}.")


def _not_found(noun: str, name: str, version: str | None, there: list[str]) -> NotFound:
    if not there:
        listing = "modelport model list" if noun == "model" else "modelport environment list --registered"
        return NotFound(f"there is no {noun} {name!r}", hint=f"`{listing}` shows what there is.")
    return NotFound(f"there is no version {version} of {noun} {name!r}", hint=f"There is {', '.join(there[:10])}.")
