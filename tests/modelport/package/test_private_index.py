"""pip is let in where uv was, by every way to say who asks, and what was said is in no log and no package."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.model import package
from tests.modelport.environments import test_private_index as ways
from tests.modelport.environments.index import SECRETS, Index
from tests.modelport.environments.user import User


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index(tmp_path_factory.mktemp("index"), private=True, dated=False) as made:
        made.add("mp-private", "1.0", code="SAYS = 'hello'\n")
        made.add_what_every_environment_gets()
        yield made


def keyring(user: User, index: Index) -> None:
    ways.keyring(user, index)
    answer = f'{{"username": "{ways.USER}", "password": "{ways.MEANT}"}}'
    user.has_program(
        "keyring",
        rf"""case "$*" in
          --mode=creds\ --output=json\ get*) echo '{answer}';;  # so asks pip
          get\ *) [ "$3" = {ways.USER} ] && echo '{ways.MEANT}';;  # so asks uv
        esac""",
    )


def file_of_uv(user: User, index: Index) -> None:
    file = user.folder / "home" / ".config" / "uv" / "uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[[index]]\nurl = "{index.url_of(f"{ways.USER}:{ways.PASSWORD}")}"\ndefault = true\n')


@pytest.mark.parametrize(
    "way",
    [
        ways.netrc, ways.url_for_uv, ways.variables_of_uv, ways.variable_of_pip, ways.file_of_the_model,
        ways.address_in_the_model, ways.variables_named_in_the_model, keyring, file_of_uv,
    ],
)  # fmt: skip
def test_wheels_are_fetched_and_the_password_is_written_nowhere(
    way: Callable[[User, Index], None], index: Index, tmp_path: Path
) -> None:
    user = User(tmp_path)
    way(user, index)
    path = tmp_path / "private.mpkg"
    done = user.runs("package", "create", str(user.model), "-o", str(path))
    assert done.returncode == 0, done.stderr
    ways.assert_secret(done, user)
    content = path.read_bytes()
    assert not [secret for secret in (*SECRETS, ways.MEANT) if secret.encode() in content]
    assert "mp_private-1.0-py3-none-any.whl" in package.verify(path).wheels
