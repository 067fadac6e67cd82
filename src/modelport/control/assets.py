"""Registering models and environments: names, versions, and that a version never changes."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from modelport.control import environments
from modelport.domain import references
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.model import CONTENT, Model, ModelSpec, name_of
from modelport.errors import Conflict, InvalidInput, NotFound
from modelport.store.content import ContentStore
from modelport.store.transaction import Asset, Transaction


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
    name = spec.name or name_of(match)
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
        InvalidInput: it has no name, or cannot be had. Conflict: this version is something else.
    """
    if spec.name is None:
        raise InvalidInput("an environment needs a name", hint="`name`: NAME")
    environments.check(spec)
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
    return _there("model", model, name, version, transaction.models)


def find_environment(transaction: Transaction, name: str, version: str | None, label: str | None) -> Environment:
    """That version; neither version nor label: the latest.

    Raises:
        NotFound: there is none.
    """
    _check_label(label)
    found = transaction.latest_environment(name) if version is None else transaction.environment(name, version)
    return _there("environment", found, name, version, transaction.environments)


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


def _there(
    noun: str, found: Asset | None, name: str, version: str | None, all_of: Callable[[str, None], list[Asset]]
) -> Asset:
    """What was found; else the error that tells what there is."""
    if found is not None:
        return found
    there = [other.version for other in all_of(name, None)]
    if not there:
        listing = "modelport model list" if noun == "model" else "modelport environment list --registered"
        raise NotFound(f"there is no {noun} {name!r}", hint=f"`{listing}` shows what there is.")
    hint = f"There is {', '.join(there[:10])}."
    if version is None:
        raise NotFound(f"every version of {noun} {name!r} is archived: name one", hint=hint)
    raise NotFound(f"there is no version {version} of {noun} {name!r}", hint=hint)
