"""What conda is asked for, as the Python package index has it."""

from typing import Any

import pytest

from modelport.model import conda_packages


def _asked(*entries: Any) -> conda_packages.Asked:
    return conda_packages.read({"dependencies": list(entries)})


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy = 1.26", "numpy==1.26.*"),
        ("numpy==1.26", "numpy==1.26"),
        ("numpy 1.26", "numpy==1.26"),
        ("numpy 1.26.4 py311h64a7726_0", "numpy==1.26.4"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy==1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy=1.26*", "numpy==1.26.*"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("numpy=1.26.*=py311*", "numpy==1.26.*"),
        ("numpy>=1.20", "numpy>=1.20"),
        ("numpy >=1.20, <2", "numpy<2,>=1.20"),
        ("numpy>=1.20.*,<2.0a0", "numpy<2.0a0,>=1.20"),
        ("numpy!=1.21.*", "numpy!=1.21.*"),
        ("numpy~=1.20", "numpy~=1.20"),
        ("numpy *", "numpy"),
        ("numpy=1.20|1.21", "numpy"),
        ("conda-forge::numpy=1.26", "numpy==1.26.*"),
        ("conda-forge/linux-64::numpy=1.26", "numpy==1.26.*"),
        ("numpy[version='>=1.20,<2']", "numpy<2,>=1.20"),
        ("numpy[build=py311*, version=1.26.4]", "numpy==1.26.4"),
        ("Scikit-Learn=1.1.2", "scikit-learn==1.1.2.*"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("py-xgboost-cpu==1.7", "xgboost==1.7"),
        ("matplotlib-base", "matplotlib"),
        ("librosa", "librosa"),
    ],
)
def test_match_specifications_become_requirements(entry: str, requirement: str) -> None:
    asked = _asked(entry)
    assert list(asked.on_pypi.values()) == [requirement]
    assert asked.asked == (entry,)


@pytest.mark.parametrize(
    "entry",
    ["libgcc-ng=13", "_libgcc_mutex=0.1=main", "openssl=3.0.12=h7f8727e_0", "mkl", "cudatoolkit=11.8", "r-base", "nomkl",
     "ld_impl_linux-64=2.38", "python_abi=3.10=2_cp310", "xorg-libx11", "jpeg=9e", "gcc_linux-64", "mysql=5.7"],
)  # fmt: skip
def test_what_is_no_python_package_is_left_out(entry: str) -> None:
    asked = _asked(entry)
    assert asked.left_out == (entry,)
    assert not asked.on_pypi


@pytest.mark.parametrize(
    ("entry", "python"),
    [
        ("python=3.10.11", "3.10.11"),
        ("python==3.10.11", "3.10.11"),
        ("python=3.10", "3.10"),
        ("python 3.10", "3.10"),
        ("python=3.10.*", "3.10"),
        ("python=3.10.11=h955ad1f_3", "3.10.11"),
        ("conda-forge::python=3.10", "3.10"),
        ("python>=3.8,<3.11", ">=3.8,<3.11"),
        ("python >=3.8, <3.11", ">=3.8,<3.11"),
        ("python", None),
    ],
)
def test_the_python_is_a_version_or_conditions(entry: str, python: str | None) -> None:
    assert _asked(entry).python == python


def test_pip_section_channels_and_build_tools_stand_by_themselves() -> None:
    content = {
        "channels": ["conda-forge", "defaults"],
        "dependencies": ["python=3.10", "pip<=23.1", "setuptools=65.5.0", {"pip": ["mlflow==2.9", "numpy"]}],
    }
    asked = conda_packages.read(content)
    assert asked.pip == ("mlflow==2.9", "numpy")
    assert asked.channels == ("conda-forge", "defaults")
    assert asked.build_dependencies == ("pip<=23.1", "setuptools==65.5.0.*")
    assert not asked.on_pypi and not asked.left_out


@pytest.mark.parametrize(
    "content", [{}, {"dependencies": None}, {"dependencies": "numpy"}, {"dependencies": [{"pip": None}, 3]}]
)
def test_a_file_that_says_nothing_asks_for_nothing(content: dict[str, Any]) -> None:
    assert conda_packages.read(content) == conda_packages.Asked()
