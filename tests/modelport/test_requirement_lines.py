"""requirements.txt as pip reads it, and one spelling for all that mean the same."""

import hashlib
from pathlib import Path

import pytest

from modelport.model import requirement_lines
from modelport.model.requirement_lines import RequirementLines


def _read(folder: Path, text: str, **others: str) -> RequirementLines:
    (folder / "requirements.txt").write_text(text)
    for name, content in others.items():
        (folder / f"{name}.txt").write_text(content)
    return requirement_lines.read(folder, "requirements.txt")


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("numpy==1.26.4", ["numpy==1.26.4"]),
        ("NumPy == 1.26.4\n\n", ["numpy==1.26.4"]),
        ("Scikit_Learn>=1,<2", ["scikit-learn<2,>=1"]),
        ("scikit.learn <2 , >=1", ["scikit-learn<2,>=1"]),
        ("numpy==1.26.4  # what we trained with", ["numpy==1.26.4"]),
        ("# numpy==1\npandas", ["pandas"]),
        ("numpy\\\n==1.26.4", ["numpy==1.26.4"]),
        ("six==1 \\\r\n    --hash=sha256:bb \\\r\n    --hash=sha256:aa\r\n", ["six==1 --hash=sha256:aa --hash=sha256:bb"]),
        ("# continued? \\\nnumpy", ["numpy"]),
        ("numpy \\\n# not\npandas", ["numpy", "pandas"]),
        ("numpy \\", ["numpy"]),
        ("numpy; python_version<'3.9'", ['numpy; python_version < "3.9"']),
        ("Uvicorn[Standard, http] >= 0.2", ["uvicorn[http,standard]>=0.2"]),
        ("uvicorn[standard,http]>=0.2", ["uvicorn[http,standard]>=0.2"]),
        ("numpy --config-settings a=b", ["numpy"]),
        ("numpy --install-option=x", ["numpy"]),
        ("a @ https://example.org/a-1.zip", ["a @ https://example.org/a-1.zip"]),
        ("https://example.org/a-1.zip", ["https://example.org/a-1.zip"]),
        ("-e git+https://example.org/a.git@main#egg=a", ["git+https://example.org/a.git@main#egg=a"]),
        ("a @ git+ssh://git@example.org/a.git", ["a @ git+ssh://git@example.org/a.git"]),
        ("numpy\nnumpy", ["numpy"]),
        ("", []),
    ],
)  # fmt: skip
def test_lines_have_one_spelling(tmp_path: Path, text: str, requirements: list[str]) -> None:
    found = _read(tmp_path, text)
    assert list(found.requirements) == requirements
    assert not found.problems


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]
)
def test_any_encoding_that_an_editor_writes_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "requirements.txt").write_bytes("numpy==1.26.4  # für später\r\npandas\r\n".encode(encoding))
    found = requirement_lines.read(tmp_path, "requirements.txt")
    assert found.requirements == ("numpy==1.26.4", "pandas")
    assert not found.problems


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("-i https://example.org/simple", ["--index-url https://example.org/simple"]),
        ("--index-url=https://example.org/simple", ["--index-url https://example.org/simple"]),
        ("--extra-index-url 'https://example.org/simple'", ["--extra-index-url https://example.org/simple"]),
        ("-f https://example.org/wheels", ["--find-links https://example.org/wheels"]),
        ("--pre\n--no-index", ["--pre", "--no-index"]),
        ("--only-binary :all:", ["--only-binary :all:"]),
        ("--no-binary=numpy", ["--no-binary numpy"]),
    ],
)
def test_options_of_pip_are_kept_in_their_order(tmp_path: Path, text: str, options: list[str]) -> None:
    assert list(_read(tmp_path, f"{text}\nnumpy").options) == options


def test_an_option_that_says_how_pip_itself_behaves_is_left_and_told(tmp_path: Path) -> None:
    found = _read(tmp_path, "--trusted-host example.org\nnumpy")
    assert found.options == ()
    assert found.notes == ("--trusted-host in requirements.txt is left to who builds the environment",)


def test_links_to_a_folder_of_the_model_lead_there(tmp_path: Path) -> None:
    assert _read(tmp_path, "-f wheels\na").options == (f"--find-links {tmp_path / 'wheels'}",)


def test_included_files_are_read_once_and_constraints_stay_apart(tmp_path: Path) -> None:
    text = "-r more.txt\n--requirement=more.txt\n-c constraints.txt\nnumpy"
    found = _read(
        tmp_path, text, more="pandas==2\n-r requirements.txt\n-cthese.txt", constraints="numpy<2", these="six<2"
    )
    assert found.requirements == ("numpy", "pandas==2")
    assert found.constraints == ("numpy<2", "six<2")


def test_a_file_is_looked_for_beside_the_one_that_includes_it(tmp_path: Path) -> None:
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "base.txt").write_text("-r other.txt")
    (folder / "other.txt").write_text("numpy")
    assert _read(tmp_path, "-r requirements/base.txt").requirements == ("numpy",)


def test_requirements_that_constraints_include_are_required(tmp_path: Path) -> None:
    found = _read(tmp_path, "-c constraints.txt", constraints="-r more.txt\nsix<2", more="numpy")
    assert (found.requirements, found.constraints) == (("numpy",), ("six<2",))


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("numpy=1.26", "requirements.txt of the model in {model} has a line that is no requirement: 'numpy=1.26'", "numpy=="),
        ("-r ../outside.txt", "../outside.txt leads out of the model in {model}", None),
        ("-r gone.txt", "gone.txt of the model in {model} cannot be read: No such file or directory", None),
        ("-r https://example.org/r.txt", "requirements.txt of the model in {model} includes https://example.org/r.txt", "Save"),
        ("./gone-1.0-py3-none-any.whl", "asks for the file ./gone-1.0-py3-none-any.whl, which is not there", "Save the model"),
        ("./code", "requirements.txt of the model in {model} asks for the folder ./code", "wheel"),
        ("a @ file:///home/me/a", "asks for the file /home/me/a, which is not there", "Save the model"),
        ("--index-url 'https://example.org", "has a line that cannot be read", "quotation mark"),
        ("numpy==${VERSION_OF_NOTHING}", "there is no variable VERSION_OF_NOTHING", "Set VERSION_OF_NOTHING"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_one_problem(tmp_path: Path, text: str, said: str, hint: str | None) -> None:
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("numpy")
    (problem,) = _read(model, text).problems
    assert said.format(model=model) in problem.message
    assert (hint is None) == (problem.hint is None)
    assert hint is None or hint in (problem.hint or "")


def test_a_wheel_in_the_model_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "My_Code-1.0-py3-none-any.whl").write_bytes(b"a wheel")
    found = _read(tmp_path, "wheels/My_Code-1.0-py3-none-any.whl[extra] ; python_version > '3.8'")
    assert found.requirements == ("my-code[extra] @ My_Code-1.0-py3-none-any.whl ; python_version > '3.8'",)
    (file,) = found.local_files
    assert file.sha256 == hashlib.sha256(b"a wheel").hexdigest()
    assert requirement_lines.name_of(found.requirements[0]) == "my-code"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("./my_code-1.0.tar.gz", "my-code"),
        ("my-code-1.0.zip", "my-code"),
        ("file:my_code-1.0.tar.gz", "my-code"),
        ("My.Code @ file:./my_code-1.0.tar.gz", "my-code"),
    ],
)
def test_a_source_archive_in_the_model_too(tmp_path: Path, line: str, name: str) -> None:
    (tmp_path / "my_code-1.0.tar.gz").write_bytes(b"an archive")
    (tmp_path / "my-code-1.0.zip").write_bytes(b"an archive")
    found = _read(tmp_path, line)
    assert not found.problems
    assert requirement_lines.name_of(found.requirements[0]) == name


def test_a_wheel_of_this_machine_is_taken_and_told(tmp_path: Path) -> None:
    model, wheel = tmp_path / "model", tmp_path / "a-1.0-py3-none-any.whl"
    model.mkdir()
    wheel.write_bytes(b"a wheel")
    found = _read(model, str(wheel))
    assert found.requirements == ("a @ a-1.0-py3-none-any.whl",)
    assert found.notes == (f"requirements.txt takes {wheel} of this machine: the model lacks it anywhere else",)


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy @ file:///croot/numpy_and_numpy_base_1682953417311/work", "numpy"),
        ("six @ file:///tmp/build/80754af9/six_1644875935023/work", "six"),
        ("joblib @ file:///home/conda/feedstock_root/build_artifacts/joblib_1691577114857/work", "joblib"),
        ("pandas @ file:///C:/b/abs_f7d2kvdcdg/croot/pandas_1692298018988/work", "pandas"),
        ("scipy @ file:///var/croot/scipy_1/work/dist/scipy-1.11.1-cp311-cp311-linux_x86_64.whl#sha256=a", "scipy==1.11.1"),
        ("tornado @ file:///D:/bld/tornado_1656937934674/work ; python_version > '3.6'", 'tornado; python_version > "3.6"'),
    ],
)  # fmt: skip
def test_what_conda_built_is_taken_by_name_and_told(tmp_path: Path, line: str, requirement: str) -> None:
    found = _read(tmp_path, line)
    assert found.requirements == (requirement,)
    assert not found.problems
    assert found.notes == (f"taken by name, not from the folder on the author's machine: {line.split()[0]}",)


@pytest.mark.parametrize(
    ("line", "credentials"),
    [
        ("--index-url https://me:pass%40word@example.org/simple", ("me", "pass@word")),
        ("--extra-index-url https://token@example.org:8443/simple", ("token", "")),
        ("a @ https://me:secret@example.org/a-1.zip", ("me", "secret")),
        ("a @ git+https://me:secret@example.org/a.git@v1", ("me", "secret")),
        ("git+https://me:secret@example.org/a.git#egg=a", ("me", "secret")),
    ],
)
def test_credentials_are_kept_apart(tmp_path: Path, line: str, credentials: tuple[str, str]) -> None:
    found = _read(tmp_path, line)
    kept = line.replace(line.partition("://")[2].partition("example")[0], "")
    url = kept.split(" ")[-1].removeprefix("git+")
    assert kept in (*found.options, *found.requirements)
    assert found.credentials == {url: credentials}
    assert "secret" not in repr(found) and "pass" not in repr(found)


def test_a_variable_in_a_url_is_a_reference_and_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_TOKEN", "secret")
    line = "--index-url https://${INDEX_USER}:${INDEX_TOKEN}@example.org/simple"
    found = _read(tmp_path, f"{line}\nnumpy")
    assert found.options == (line,)
    assert not found.credentials and not found.problems


def test_a_variable_elsewhere_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMPY_VERSION", "1.26.4")
    assert _read(tmp_path, "numpy==${NUMPY_VERSION}").requirements == ("numpy==1.26.4",)


@pytest.mark.parametrize(
    ("one", "other", "contradicts"),
    [
        ("a==1.2", "a==1.2.*", False),
        ("a==1.3", "a==1.2.*", True),
        ("a>=1", "a==1.2", False),
        ("a<1", "a==1.2", True),
        ("a>=1", "a<1", False),
        ("a", "a==1", False),
        ("a @ https://example.org/a.zip", "a==1", False),
    ],
)
def test_requirements_contradict_where_a_version_is_named_that_the_other_forbids(
    one: str, other: str, contradicts: bool
) -> None:
    assert requirement_lines.contradict(one, other) is contradicts
    assert requirement_lines.contradict(other, one) is contradicts
