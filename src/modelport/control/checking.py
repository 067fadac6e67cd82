"""What `modelport doctor` looks at: one line for each thing that may be wrong, and what to do about it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from modelport.control.secret import ADMIN_KEY, SECRET
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.states import ProvisioningState
from modelport.environments import interpreters, uv
from modelport.errors import ModelportError
from modelport.settings import UpSettings
from modelport.store.store import Store

LITTLE_ROOM = 2 << 30
"""Bytes: an environment with a large framework takes more."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``hint`` where it is not well."""

    name: str
    is_well: bool
    message: str
    hint: str | None = None


def checks(store: Store, settings: UpSettings, ready: dict[str, int], is_applied: bool) -> list[dict[str, Any]]:
    """All of them. ``ready``: deployment's id → its ready workers; ``is_applied``: what is wanted is routed everywhere."""
    found = [
        _looked_at("store", lambda: _store(store)),
        _looked_at("disk", lambda: _disk(settings)),
        _looked_at("secrets", lambda: _secrets(settings)),
        _looked_at("uv", _uv),
        _looked_at("interpreters", _interpreters),
        Check(
            "routing",
            is_applied,
            "every scoring process routes by the last table" if is_applied else "scoring processes lag behind",
            None if is_applied else "The server's log says whether they start.",
        ),
    ]
    if found[0].is_well:
        found += _deployments(store, ready)
    else:
        hint = "Those that were live go on answering."
        found.append(Check("deployments", False, "not looked at: what is wanted of them is in the store", hint))
    return [asdict(check) for check in found]


def _looked_at(name: str, look: Callable[[], Check]) -> Check:
    """What a look finds; that it cannot look is no reason to leave out the others."""
    try:
        return look()
    except ModelportError as error:
        return Check(name, False, error.message, error.hint)
    except OSError as error:
        return Check(name, False, f"cannot be looked at: {error}")


def _store(store: Store) -> Check:
    with store.writing() as transaction:
        transaction.set_setting("doctor", "was here")
    return Check("store", True, f"{store.name} can be read and written")


def _disk(settings: UpSettings) -> Check:
    free = shutil.disk_usage(settings.home).free
    message = f"{free >> 20} MiB are free in {settings.home}"
    if free < LITTLE_ROOM:
        return Check("disk", False, message, "`modelport environment prune` removes environments that nobody uses.")
    return Check("disk", True, message)


def _secrets(settings: UpSettings) -> Check:
    seen = [name for name in (ADMIN_KEY, SECRET) if (settings.home / name).stat().st_mode & 0o077]
    if seen:
        return Check("secrets", False, f"others can read {', '.join(seen)}", f"chmod 600 in {settings.home}")
    return Check("secrets", True, "nobody else can read the keys")


def _uv() -> Check:
    return Check("uv", True, f"environments are built with {uv.program()}")


def _interpreters() -> Check:
    minors = {interpreter.minor for interpreter in interpreters.installed()}
    found = sorted(minors, key=lambda minor: [int(part) for part in minor.split(".")])
    return Check("interpreters", True, f"Python {', '.join(found) or 'of modelport alone'}")


def _deployments(store: Store, ready: dict[str, int]) -> list[Check]:
    try:
        with store.reading() as transaction:
            return list(_each(transaction.deployments(), ready))
    except ModelportError as error:
        return [Check("deployments", False, error.message, error.hint)]


def _each(deployments: list[OnlineDeployment], ready: dict[str, int]) -> Iterator[Check]:
    for deployment in deployments:
        name = f"deployment {deployment.endpoint_name}/{deployment.name}"
        there = ready.get(deployment.id, 0)
        if deployment.provisioning_state == ProvisioningState.FAILED:
            error = deployment.error or {}
            yield Check(name, False, f"Failed: {error.get('message', 'nobody says why')}", error.get("hint"))
        elif deployment.provisioning_state == ProvisioningState.SUCCEEDED and there < deployment.instance_count:
            message = f"{there} of {deployment.instance_count} instances are ready"
            log = f"modelport online-deployment get-logs -e {deployment.endpoint_name} -n {deployment.name}"
            yield Check(name, False, message, log)
        else:
            yield Check(name, True, f"{deployment.provisioning_state}, {there} instances are ready")
