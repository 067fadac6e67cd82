"""Waiting until nothing is going on with an endpoint or deployment any more."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from modelport.client.errors import ProvisioningFailed
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.states import ProvisioningState
from modelport.errors import ModelportError, NotFound

T = TypeVar("T", OnlineEndpoint, OnlineDeployment)
OnState = Callable[[ProvisioningState, float], None]
"""Called with the state and the seconds since the beginning, each time it was looked at."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


def until_final(get: Callable[[], T], what: str, timeout: float | None, on_state: OnState | None) -> T:
    """It, once its state is final.

    Raises:
        ProvisioningFailed: its state is Failed or Canceled.
        ModelportError: the time is over.
    """
    for found in _looked_at(get, what, timeout, on_state):
        state = found.provisioning_state
        if state is ProvisioningState.SUCCEEDED:
            return found
        if state.is_final:
            error = found.error or {}
            message = error.get("message") or f"{what} is {state}"
            raise ProvisioningFailed(
                message, outcome=found, code=error.get("code", "INVALID_STATE"), hint=error.get("hint")
            )
    raise AssertionError("it is looked at until something is raised or returned")


def until_gone(get: Callable[[], T], what: str, timeout: float | None, on_state: OnState | None) -> None:
    """Return once there is nothing left.

    Raises:
        ProvisioningFailed: it could not be deleted.
        ModelportError: the time is over.
    """
    try:
        for found in _looked_at(get, what, timeout, on_state):
            if found.provisioning_state is not ProvisioningState.DELETING:
                message = (found.error or {}).get("message") or f"{what} is {found.provisioning_state}"
                raise ProvisioningFailed(f"{what} was not deleted: {message}", outcome=found, code="INVALID_STATE")
    except NotFound:
        return


def _looked_at(get: Callable[[], T], what: str, timeout: float | None, on_state: OnState | None) -> Iterator[T]:
    began = time.monotonic()
    pause = FIRST_PAUSE
    while True:
        found = get()
        seconds = time.monotonic() - began
        if on_state is not None:
            on_state(found.provisioning_state, seconds)
        yield found
        if timeout is not None and seconds + pause > timeout:
            message = f"{what} is still {found.provisioning_state} after {seconds:.0f} s"
            raise ModelportError(
                message, code="DEADLINE_EXCEEDED", hint="It goes on all the same: `show` tells its state."
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
