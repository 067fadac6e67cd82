"""Which state may follow which: the whole table."""

import pytest

from modelport.domain.states import FINAL, ProvisioningState, step
from modelport.errors import Conflict

ALLOWED = {
    "Creating": "Succeeded Failed Canceled Deleting",
    "Updating": "Succeeded Failed Canceled Deleting",
    "Scaling": "Succeeded Failed Canceled Deleting",
    "Deleting": "Failed",
    "Succeeded": "Updating Scaling Deleting",
    "Failed": "Updating Scaling Deleting",
    "Canceled": "Updating Scaling Deleting",
}


def test_the_names_are_azures() -> None:
    assert {str(state) for state in ProvisioningState} == set(ALLOWED)


@pytest.mark.parametrize("before", ProvisioningState)
@pytest.mark.parametrize("after", ProvisioningState)
def test_a_step_is_taken_only_if_the_table_has_it(before: ProvisioningState, after: ProvisioningState) -> None:
    if after in ALLOWED[before].split():
        assert step(before, after, "endpoint 'churn'") is after
    else:
        with pytest.raises(Conflict, match=f"endpoint 'churn' is {before}"):
            step(before, after, "endpoint 'churn'")


def test_in_a_final_state_nothing_goes_on() -> None:
    assert {state for state in ProvisioningState if state.is_final} == FINAL
    assert {str(state) for state in FINAL} == {"Succeeded", "Failed", "Canceled"}
