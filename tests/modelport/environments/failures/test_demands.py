"""uv's sentences (of 0.13.8, about packages of the public index): who asks for what, and which two exclude each other."""

import pytest

from modelport.environments.failures import demands

PIN_AND_NEED = """\
error: No solution found when resolving dependencies
  cause: Because pandas==2.2.3 depends on numpy{python_full_version < '3.11'}>=1.22.4 and you require pandas==2.2.3, we can \
conclude that you require numpy>=1.22.4.
         And because you require numpy==1.21.0, we can conclude that your requirements are unsatisfiable.
"""
RANGES = """\
error: No solution found when resolving dependencies
  cause: Because the current Python version (3.10.13) does not satisfy Python>=3.11 and all of:
             pandas>=3.0.0rc0,<=3.0.3
             pandas>=3.0.5
         depend on Python>=3.11, we can conclude that all of:
             pandas>=3.0.0rc0,<=3.0.3
             pandas>=3.0.5
          cannot be used.
         And because pandas>=2.0.0,<=2.0.3 depends on numpy>=1.21.0 and pandas>=2.1.2,<=2.2.1 depends on \
numpy{python_full_version < '3.11'}>=1.22.4,<2, we can conclude that all of:
             pandas>=2.0.0,<=2.0.3
             pandas>=2.1.2,<=2.2.1
         depend on numpy>=1.21.0.
         And because all of:
             pandas>=2.1.0,<=2.1.1
             pandas>=2.2.2,<=2.3.3
         depend on numpy{python_full_version < '3.11'}>=1.22.4 and pandas==3.0.4 was yanked (reason: Reported segfaults), we \
can conclude that pandas>=2.0.0 depends on numpy>=1.21.0.
         And because you require pandas>=2.0 and numpy==1.19.5, we can conclude that your requirements are unsatisfiable.
"""
TWICE = """\
error: No solution found when resolving dependencies
  cause: Because you require six==1.15.0 and six==1.16.0, we can conclude that your requirements are unsatisfiable.
"""
ABSENT = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of numpy==1.26.99 and you require numpy==1.26.99, we can conclude that your requirements \
are unsatisfiable.
"""
ABOVE = """\
error: No solution found when resolving dependencies
  cause: Because only six<=1.17.0 is available and you require six>=2, we can conclude that your requirements are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("output", "one", "other"),
    [
        (PIN_AND_NEED, "the model asks for numpy==1.21.0", "pandas==2.2.3 needs numpy>=1.22.4"),
        (RANGES, "the model asks for numpy==1.19.5", "pandas>=2.0.0 needs numpy>=1.21.0"),
        (TWICE, "the model asks for six==1.15.0", "the model asks for six==1.16.0"),
    ],
)
def test_the_two_that_exclude_each_other_are_found(output: str, one: str, other: str) -> None:
    found = demands.conflict(output)
    assert found is not None
    assert {str(found[0]), str(found[1])} == {one, other}
    assert found[0].who is None


@pytest.mark.parametrize("output", [ABSENT, ABOVE])
def test_what_only_one_asks_for_is_no_conflict(output: str) -> None:
    assert demands.conflict(output) is None


@pytest.mark.parametrize(("output", "asks"), [(ABSENT, "numpy==1.26.99"), (ABOVE, "six>=2")])
def test_the_version_that_is_absent_is_found(output: str, asks: str) -> None:
    found = demands.absent_version(output)
    assert found is not None
    assert (found.asks, found.who) == (asks, None)
