"""The models of the matrix, as data: where each is made, what its folder then says, what it shows."""

from dataclasses import dataclass, field
from typing import Any

SAVED_HERE = ()
"""``made_with`` of what is made in ``.envs/mlflow-3``."""


@dataclass(frozen=True)
class Case:
    """One model directory.

    ``recipe`` (of ``recipes/``) saves it, on Python ``python`` with ``made_with`` as the index had it on ``day``. Then
    ``writes`` and ``removes`` make its files say what this case is about.
    """

    name: str
    about: str
    recipe: str
    python: str
    made_with: tuple[str, ...] = SAVED_HERE
    day: str | None = None
    """The model says it was made on that day, and what it was made with is of that day."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Of mlflow's ``save_model``."""
    writes: dict[str, str] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    hashed: bool = False
    """``requirements.txt`` is compiled to one with hashes of everything."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables of the command that serves it."""
    light: bool = False
    """Whether ``make test`` builds it too."""


ARTICLE = Case(
    "article",
    "the source article's list of packages, to the letter",
    "diabetes",
    "3.10",
    (
        "mlflow==2.7.1",
        "cloudpickle==1.6.0",
        "dataclasses==0.6",
        "lz4==4.0.0",
        "numpy==1.23.5",
        "packaging==23.0",
        "psutil==5.9.0",
        "pyyaml==6.0",
        "scikit-learn==1.1.2",
        "scipy==1.10.1",
        "uuid==1.30",
        "setuptools<70",  # mlflow 2.7.1 imports pkg_resources
    ),
    "2023-10-16",
    arguments={
        "serialization_format": "cloudpickle",
        "conda_env": {
            "channels": ["conda-forge"],
            "dependencies": [
                "python=3.10.11",
                "pip<=23.1.2",
                {
                    "pip": [
                        "mlflow==2.7.1",
                        "cloudpickle==1.6.0",
                        "dataclasses==0.6",
                        "lz4==4.0.0",
                        "numpy==1.23.5",
                        "packaging==23.0",
                        "psutil==5.9.0",
                        "pyyaml==6.0",
                        "scikit-learn==1.1.2",
                        "scipy==1.10.1",
                        "uuid==1.30",
                    ]
                },
            ],
            "name": "mlflow-env",
        },
    },
)

_OF_2021 = (
    "mlflow==1.14.1",
    "scikit-learn==0.24.1",
    "numpy==1.20.1",
    "pandas==1.2.3",
    "setuptools<58",
    "sqlalchemy<1.4",
)
_OF_JANUARY_2023 = ("mlflow-skinny==2.1.1", "scikit-learn==1.2.0", "pandas", "setuptools<66")
_OF_2023 = ("mlflow==2.9.0", "pandas==1.5.3", "numpy==1.25.2", "scikit-learn==1.3.2", "setuptools<70")
_OF_2024 = (
    "mlflow==2.12.1",
    "numpy==1.26.4",
    "scikit-learn==1.4.2",
    "onnx==1.16.0",
    "onnxruntime==1.17.3",
    "lightgbm==4.3.0",
    "setuptools<70",
)
_OF_2025 = ("mlflow==2.20.3", "scikit-learn==1.6.1", "numpy==2.1.3", "pandas==2.2.3")
_OF_LATELY = ("mlflow==3.17.2", "scikit-learn==1.9.1", "skops", "docopt==0.6.2", "requests[socks]", "setuptools")

CASES = (
    ARTICLE,
    Case(
        "mlflow-1",
        "saved by MLflow 1.14: only conda.yaml, which asks conda for scikit-learn",
        "diabetes",
        "3.8",
        _OF_2021,
        "2021-03-31",
    ),
    Case(
        "pandas-1",
        "pandas 1.5, pinned",
        "mixed",
        "3.9",
        _OF_2023,
        "2023-12-08",
        arguments={"extra_pip_requirements": ["pandas==1.5.3"]},
    ),
    Case(
        "numpy-1",
        "numpy 1.26, pinned",
        "mixed",
        "3.11",
        _OF_2024,
        "2024-05-06",
        arguments={"extra_pip_requirements": ["numpy==1.26.4"]},
    ),
    Case(
        "mlflow-2.9",
        "asks for `mlflow==2.9`; a class pickled as byte code",
        "python_model",
        "3.9",
        _OF_2023,
        "2023-12-08",
        arguments={"pip_requirements": ["mlflow==2.9", "cloudpickle", "pandas==1.5.3"]},
    ),
    Case(
        "python-model",
        "a class pickled as byte code of Python 3.12",
        "python_model",
        "3.12",
        _OF_2025,
        "2025-03-03",
    ),
    Case(
        "models-from-code",
        "a model that is kept as code; it is Python, so mlflow stays",
        "from_code",
        "3.12",
        _OF_2025,
        "2025-03-03",
        arguments={"asked": [["pandas", "pandas"], ["mlflow", "mlflow"]], "pip_requirements": ["pandas==2.2.3"]},
    ),
    Case(
        "local-wheel",
        "a step of its own, whose code is a wheel in the model",
        "wheel",
        "3.11",
        arguments={
            "pip_requirements": ["scikit-learn", "wheels/pricing-1.0-py3-none-any.whl"],
            "serialization_format": "cloudpickle",
        },
        light=True,
    ),
    Case(
        "api-key",
        "the model of MLflow's documentation that needs the variable TEST_API_KEY",
        "api_key",
        "3.11",
        variables={"TEST_API_KEY": "test_api_key"},
    ),
    Case(
        "conda-with-pip-only",
        "only conda.yaml, with nothing but pip's packages",
        "diabetes",
        "3.11",
        _OF_2024,
        "2024-05-06",
        removes=("requirements.txt", "python_env.yaml"),
    ),
    Case(
        "conda-packages",
        "only conda.yaml; conda's packages, which the index has under the same or another name",
        "mixed",
        "3.11",
        _OF_2024,
        "2024-05-06",
        writes={
            "conda.yaml": """\
name: training
channels: [conda-forge, defaults]
dependencies:
  - python=3.11
  - pip
  - conda-forge::scikit-learn=1.4.2
  - numpy=1.26.*
  - pandas>=2.0,<3
  - matplotlib-base=3.8.4=py311h54ef318_0
  - libstdcxx-ng
  - pip:
      - mlflow==2.12.1
      - cloudpickle
"""
        },
        removes=("requirements.txt", "python_env.yaml"),
    ),
    Case(
        "only-requirements",
        "only requirements.txt; the Python is that of the MLmodel file",
        "mixed",
        "3.12",
        _OF_2025,
        "2025-03-03",
        removes=("conda.yaml", "python_env.yaml"),
        light=True,
    ),
    Case(
        "only-python-env",
        "only python_env.yaml, with the packages in it",
        "mixed",
        "3.9",
        _OF_2023,
        "2023-12-08",
        writes={
            "python_env.yaml": """\
python: 3.9.18
build_dependencies:
  - pip==23.0.1
  - setuptools==65.5.0
  - wheel
dependencies:
  - mlflow==2.9.0
  - scikit-learn==1.3.2
  - pandas<2
"""
        },
        removes=("requirements.txt", "conda.yaml"),
        light=True,
    ),
    Case(
        "included-files",
        "requirements.txt with -r and -c",
        "diabetes",
        "3.11",
        arguments={"serialization_format": "cloudpickle"},
        writes={
            "requirements.txt": "mlflow==3.17.2\n-r requirements/base.txt\n-c constraints.txt",
            "requirements/base.txt": "# what it was trained with\nscikit-learn\n-r more.txt\n",
            "requirements/more.txt": "cloudpickle >= 3 \\\n  , < 4\n",
            "constraints.txt": "scikit-learn<2\npandas<4\nnumpy<3\n",
        },
    ),
    Case(
        "extras-and-markers",
        "requirements with extras and markers",
        "from_code",
        "3.13",
        _OF_LATELY,
        arguments={
            "asked": [["socks", "PySocks"]],
            "pip_requirements": [
                "requests[socks]>=2.31",
                "tomli; python_version < '3.11'",
                "pywin32==306; sys_platform == 'win32'",
                "cloudpickle",
            ],
        },
    ),
    Case(
        "hashes",
        "requirements.txt with a hash of everything",
        "mixed",
        "3.12",
        _OF_2025,
        "2025-03-03",
        writes={"requirements.txt": "scikit-learn==1.6.1\nnumpy==2.1.3\npandas==2.2.3\ncloudpickle\n"},
        removes=("conda.yaml",),
        hashed=True,
    ),
    Case(
        "lightgbm",
        "LightGBM with scikit-learn's interface; MLflow's own loader is kept",
        "lightgbm_model",
        "3.11",
        _OF_2024,
        "2024-05-06",
    ),
    Case("onnx", "an ONNX graph on a tensor", "onnx_model", "3.11", _OF_2024, "2024-05-06"),
    Case("skops", "scikit-learn without a pickle, written by skops", "skops_model", "3.13", _OF_LATELY),
    Case(
        "source-archive",
        "needs a package that the index has as a source archive only",
        "from_code",
        "3.13",
        _OF_LATELY,
        arguments={"asked": [["docopt", "docopt"]], "pip_requirements": ["docopt==0.6.2", "cloudpickle"]},
    ),
    Case(
        "of-its-day",
        "scikit-learn 1.2.0 of January 2023, numpy without a version: healed by the model's day",
        "mixed",
        "3.11",
        _OF_JANUARY_2023,
        "2023-01-20",
        writes={"requirements.txt": "scikit-learn==1.2.0\nnumpy\npandas\n"},
        removes=("conda.yaml",),
        light=True,
    ),
    Case(
        "no-files",
        "no file names a package: it runs in the Python that runs Modelport",
        "diabetes",
        "3.11",
        arguments={"serialization_format": "cloudpickle"},
        removes=("requirements.txt", "conda.yaml", "python_env.yaml"),
        light=True,
    ),
)
