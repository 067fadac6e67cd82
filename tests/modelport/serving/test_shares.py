"""Whom requests go to, by percentages."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from modelport.serving.shares import Shares

percents = st.lists(st.integers(0, 100), max_size=8)


@given(percents.filter(any))
def test_each_gets_exactly_its_share_of_all_places(shares: list[int]) -> None:
    total = sum(shares)
    found = Counter(Shares(shares).at((place + 0.5) / total) for place in range(total))
    assert found == {position: percent for position, percent in enumerate(shares) if percent}


@given(percents.filter(any), st.floats(0, 1, exclude_max=True))
def test_every_place_belongs_to_somebody_with_a_share(shares: list[int], place: float) -> None:
    assert shares[Shares(shares).at(place)] > 0


@given(percents)
def test_nothing_is_drawn_where_one_has_all_or_nobody_anything(shares: list[int]) -> None:
    with_share = [position for position, percent in enumerate(shares) if percent]
    made = Shares(shares)
    assert made.empty == (not with_share)
    assert made.only == (with_share[0] if len(with_share) == 1 else None)
