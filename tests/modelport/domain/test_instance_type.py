"""Sizes by name."""

import pytest

from modelport.domain.instance_type import GIB, INSTANCE_TYPES, InstanceType, instance_type
from modelport.errors import InvalidInput


@pytest.mark.parametrize("name", ["Standard_DS3_v2", "STANDARD_DS3_V2", "standard_ds3_v2"])
def test_azures_names_have_the_sizes_of_their_machines_in_any_case(name: str) -> None:
    assert instance_type(name) == InstanceType(4, 14 * GIB)


def test_every_size_can_be_asked_for_and_is_one() -> None:
    for name, size in INSTANCE_TYPES.items():
        assert name == name.lower()
        assert instance_type(name) is size
        assert size.cpus >= 1
        assert size.memory >= GIB


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smal", "Did you mean small?"),
        ("Standard_DS3", "Did you mean standard_ds3_v2?"),
        ("zzz", "There is tiny, small, medium"),
        ("", "There is tiny, small, medium"),
    ],
)
def test_one_that_is_not_there_is_told_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=f"there is no instance type '{name}'") as refused:
        instance_type(name)
    assert str(refused.value.hint).startswith(hint)
