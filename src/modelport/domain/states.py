"""The states of endpoints and deployments, and which may follow which. Nobody else assigns one."""

from enum import StrEnum

from modelport.errors import Conflict


class ProvisioningState(StrEnum):
    """As Azure ML names them."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SCALING = "Scaling"
    DELETING = "Deleting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_final(self) -> bool:
        """Nothing is going on."""
        return self in FINAL


_STATES = ProvisioningState
FINAL = frozenset({_STATES.SUCCEEDED, _STATES.FAILED, _STATES.CANCELED})
BEGINNINGS = frozenset({_STATES.UPDATING, _STATES.SCALING, _STATES.DELETING})
STEPS: dict[ProvisioningState, frozenset[ProvisioningState]] = {
    _STATES.CREATING: FINAL | {_STATES.DELETING},
    _STATES.UPDATING: FINAL | {_STATES.DELETING},
    _STATES.SCALING: FINAL | {_STATES.DELETING},
    _STATES.DELETING: frozenset({_STATES.FAILED}),
    **dict.fromkeys(FINAL, BEGINNINGS),
}
"""State → those that may follow. Whatever is going on may be ended by deleting."""


def step(before: ProvisioningState, after: ProvisioningState, what: str) -> ProvisioningState:
    """``after``, if it may follow; ``what`` is in which state, for the message.

    Raises:
        Conflict: it may not, because something else is going on.
    """
    if after not in STEPS[before]:
        raise Conflict(f"{what} is {before}: wait until that has ended", hint="`show` tells the state.")
    return after
