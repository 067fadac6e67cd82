"""With ``--offline`` nothing is downloaded: what is in the cache, or built, is enough, and anything else is refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modelport.environments.index import Index
from tests.modelport.environments.user import User


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index(tmp_path_factory.mktemp("index"), dated=False) as made:
        made.add("mp-private", "1.0", code="SAYS = 'hello'\n")
        made.add_what_every_environment_gets()
        yield made


def test_what_is_in_the_cache_or_built_is_enough(index: Index, tmp_path: Path) -> None:
    user = User(tmp_path)
    user.variables = {"UV_DEFAULT_INDEX": index.url}
    done = user.prepares()
    assert done.returncode == 0, done.stderr
    index.asked.clear()

    shutil.rmtree(user.home)
    done = user.prepares("--offline")  # from the cache
    assert done.returncode == 0, done.stderr

    shutil.rmtree(tmp_path / "uv-cache")
    user.variables = {"MODELPORT_OFFLINE": "1"}
    done = user.prepares()  # it is built
    assert done.returncode == 0, done.stderr
    assert index.asked == []


def test_an_empty_cache_is_refused_by_name_and_nothing_is_asked(index: Index, tmp_path: Path) -> None:
    user = User(tmp_path)
    user.variables = {"UV_DEFAULT_INDEX": index.url}
    index.asked.clear()
    done = user.prepares("--offline")
    assert done.returncode == 1
    assert "[ENVIRONMENT_NOT_CACHED]" in done.stderr and "with --offline" in done.stderr
    assert "Traceback" not in done.stderr
    assert index.asked == []
