"""Requirements files as pip reads them (https://pip.pypa.io/en/stable/reference/requirements-file-format/), normalised."""

import codecs
import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from modelport.errors import ModelNotLoadable, ModelportError

if TYPE_CHECKING:  # 20 ms, for who reads requirements
    from packaging.requirements import Requirement

_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--(hash|config-settings?|global-option|install-option)\b.*$")
_HASHES = re.compile(r"--hash[= ](\S+)")
_INCLUDE = re.compile(r"(?P<flag>-r|--requirement|-c|--constraint)[ =]*(?P<file>\S.*)")
_INDEXES = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_FLAGS = ("--no-index", "--no-binary", "--only-binary", "--pre")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is how it begins
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_BUILT_BY_CONDA = re.compile(r"/(croot|conda-bld|feedstock_root|build_artifacts|bld|tmp/build)/|_\d{9,}/work(/|$)")
"""Where conda built what ``pip freeze`` writes as ``numpy @ file:///croot/numpy_1682953417311/work``: never on this machine."""


@dataclass(frozen=True)
class LocalFile:
    """A wheel or source archive in the model."""

    name: str
    sha256: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class RequirementLines:
    """What requirements files and those they include say. ``options`` without credentials, which stand in ``credentials``."""

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    local_files: tuple[LocalFile, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[ModelportError, ...] = ()
    """What cannot be understood or found; the lines themselves stand among the others."""
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)


def text_of(content: bytes) -> str:
    """A requirements file as text: PowerShell writes UTF-16 where others write UTF-8."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding, errors="replace")
    if b"\0" in content[:2]:
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:  # names are ASCII, comments may be anything
        return content.decode("latin-1")


def lines_of(text: str) -> list[str]:
    """The lines that say something: continued ones joined, comments gone."""
    whole, begun = [], ""
    for line in text.splitlines():
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun += line[:-1]
            continue
        whole.append(begun + line if not begun or not line.lstrip().startswith("#") else begun)
        begun = ""
    lines = (_COMMENT.sub("", line).strip() for line in (*whole, begun))
    return [line for line in lines if line]


def variables(line: str) -> list[str]:
    """The environment variables that a line leaves to whoever reads it, spelled ``${NAME}``."""
    return _VARIABLE.findall(line)


def parsed(line: str) -> "Requirement | None":
    """A line as a requirement; None for what is no name with versions, such as a path or an option of pip."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(_OPTION.sub("", line))
    except InvalidRequirement:
        return None


def normal(line: str) -> str | None:
    """The one spelling of all requirements that mean the same; None for what is no requirement."""
    from packaging.utils import canonicalize_name

    found = parsed(line)
    if found is None:
        return None
    found.name = canonicalize_name(found.name)
    found.extras = set(map(canonicalize_name, found.extras))
    hashes = "".join(f" --hash={value}" for value in sorted(_HASHES.findall(line)))
    return f"{found}{hashes}"


def name_of(line: str) -> str | None:
    """The normal name of the distribution that a requirement asks for."""
    from packaging.utils import canonicalize_name

    found = parsed(line)
    return None if found is None else canonicalize_name(found.name)


def is_without_version(line: str) -> bool:
    found = parsed(line)
    return found is not None and not found.specifier and found.url is None


def allows(line: str, version: str) -> bool:
    """Whether this version satisfies the requirement; one that names a URL says nothing about it."""
    from packaging.version import InvalidVersion

    found = parsed(line)
    try:
        return found is None or found.url is not None or found.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return True


def pinned(line: str) -> str | None:
    """The one version that a requirement names, if it does."""
    found = parsed(line)
    exact = [each.version for each in (found.specifier if found else ()) if each.operator in ("==", "===")]
    return exact[0] if exact and not exact[0].endswith("*") else None


def contradict(one: str, other: str) -> bool:
    """Whether a version that one of two requirements for the same distribution names is none that the other allows."""
    pins = ((pinned(one), other), (pinned(other), one))
    return any(version is not None and not allows(line, version) for version, line in pins)


def with_versions_of(line: str, other: str) -> str:
    """A requirement that named no version, with those of ``other``."""
    found, versions = parsed(line), parsed(other)
    if found is None or versions is None:
        return line
    found.specifier = versions.specifier
    return str(found)


def read(folder: Path, name: str) -> RequirementLines:
    """The file ``name`` of the model in ``folder``, and all that it includes."""
    reader = _Reader(folder)
    reader.file(name, "requirements")
    return reader.result()


def of_lines(folder: Path, lines: Iterable[str], source: str) -> RequirementLines:
    """The same of lines that stand in another file of the model, ``source``."""
    reader = _Reader(folder)
    for line in lines:
        reader.line(line.strip(), source, "requirements")
    return reader.result()


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, dict[str, None]] = {"requirements": {}, "constraints": {}}
        self._options: dict[str, None] = {}
        self._files: dict[str, LocalFile] = {}
        self._notes: list[str] = []
        self._problems: list[ModelportError] = []
        self._credentials: dict[str, tuple[str, str]] = {}
        self._read: set[tuple[Path, str]] = set()
        self._built_by_conda: list[str] = []

    def result(self) -> RequirementLines:
        return RequirementLines(
            tuple(sorted(self._found["requirements"])),
            tuple(sorted(self._found["constraints"])),
            tuple(self._options),
            tuple(sorted(self._files.values(), key=lambda file: file.name)),
            (*self._notes, *self._note_of_conda()),
            tuple(self._problems),
            self._credentials,
        )

    def _note_of_conda(self) -> Iterator[str]:
        if self._built_by_conda:
            yield f"taken by name, not from the folder on the author's machine: {', '.join(self._built_by_conda)}"

    def file(self, name: str, kind: str) -> None:
        path = (self._folder / name).resolve()
        if (path, kind) in self._read:
            return
        self._read.add((path, kind))
        if not path.is_relative_to(self._folder.resolve()):
            self._problems.append(ModelNotLoadable(f"{name} leads out of the model in {self._folder}"))
            return
        try:
            content = path.read_bytes()
        except OSError as error:
            problem = f"{name} of the model in {self._folder} cannot be read: {error.strerror}"
            self._problems.append(ModelNotLoadable(problem))
            return
        for line in lines_of(text_of(content)):
            self.line(line, name, kind)

    def line(self, line: str, source: str, kind: str) -> None:
        if "://" not in line:  # in a URL a variable is a reference to a secret, which is kept as it is
            line = self._filled(line, source)
        include = _INCLUDE.fullmatch(line)
        if include is not None:
            self._include(include["file"].strip("'\""), include["flag"] in ("-c", "--constraint"), source)
        elif line.startswith("-") and not line.startswith(("-e", "--editable")):
            self._option(line, source)
        else:
            self._found[kind][self._requirement(re.sub(r"^(-e|--editable)[ =]+", "", line), source)] = None

    def _include(self, name: str, is_constraints: bool, source: str) -> None:
        if "://" in name:
            problem = f"{source} of the model in {self._folder} includes {self._without_credentials(name)}"
            self._problems.append(ModelNotLoadable(problem, hint="Save the model with that file in it."))
            return
        self.file(str(Path(source).parent / name), "constraints" if is_constraints else "requirements")

    def _filled(self, line: str, source: str) -> str:
        for name in variables(line):
            value = os.environ.get(name)
            if value is None:
                problem = f"{source} of the model in {self._folder} says {line!r}, and there is no variable {name}"
                self._problems.append(ModelNotLoadable(problem, hint=f"Set {name} in the environment."))
                continue
            line = line.replace(f"${{{name}}}", value)
        return line

    def _requirement(self, line: str, source: str) -> str:
        path = self._local(line, source)
        if path is not None:
            return path
        found = normal(line)
        if found is not None:
            return self._without_credentials(found) if "@" in found else found
        if "://" in line:  # a repository or an archive whose name only its content tells
            return self._without_credentials(line)
        if not variables(line):  # what is wrong with those is said already
            self._refuse(
                f"has a line that is no requirement: {line!r}",
                "A line names a distribution and its versions (numpy==1.26.4), a file of the model, or a URL.",
                source,
            )
        return line

    def _local(self, line: str, source: str) -> str | None:
        """A file of the model as ``name @ file``."""
        bare, _, marker = _OPTION.sub("", line).partition(";")
        named, _, given = bare.rpartition(" @ ")
        given = unquote(urlsplit(given).path) if given.startswith("file:") else given.strip()
        is_archive = given.split("[")[0].endswith(_ARCHIVES) and "://" not in given
        if not is_archive and not given.startswith((".", "/")):
            return None
        given, bracket, extras = given.partition("[")
        candidates = (self._folder / given, (self._folder / source).parent / given)
        path = next((path for path in candidates if path.exists()), None)
        suffix = f" ;{marker}" if marker else ""
        if path is None and named and _BUILT_BY_CONDA.search(given):
            return self._by_name(named.strip(), given, suffix)
        if path is None or not path.is_file():
            what = f"asks for the file {given}, which is not there" if path is None else f"asks for the folder {given}"
            hint = "Save the model with the file in it, or with a requirement that an index can answer."
            self._refuse(what, hint if path is None else "Save the model with a wheel of it.", source)
            return line
        if not path.resolve().is_relative_to(self._folder.resolve()):
            self._notes.append(f"{source} takes {given} of this machine: the model lacks it anywhere else")
        file = LocalFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), path.resolve())
        self._files[file.name] = file
        name = normal(named.strip() or distribution_of(path.name)) or named.strip()
        return f"{name}{bracket}{extras} @ {path.name}{suffix}"

    def _by_name(self, named: str, given: str, suffix: str) -> str:
        """What conda built is on an index under the same name; a wheel tells its version, too."""
        self._built_by_conda.append(named)
        version = f"=={_stem(Path(given).name).split('-')[1]}" if given.endswith(".whl") else ""
        line = f"{named}{version}{suffix}"
        return normal(line) or line

    def _refuse(self, what: str, hint: str, source: str) -> None:
        self._problems.append(ModelNotLoadable(f"{source} of the model in {self._folder} {what}", hint=hint))

    def _option(self, line: str, source: str) -> None:
        try:
            flag, *rest = shlex.split(line.replace("=", " ", 1))
        except ValueError:  # a quotation mark without its partner
            self._refuse(f"has a line that cannot be read: {line!r}", "Remove it, or its quotation mark.", source)
            return
        if flag in _INDEXES and rest:
            option = "--index-url" if flag == "-i" else "--find-links" if flag == "-f" else flag
            url = rest[0] if "://" in rest[0] else str((self._folder / source).parent / rest[0])
            self._options[f"{option} {self._without_credentials(url)}"] = None
        elif flag in _FLAGS:
            self._options[" ".join([flag, *rest])] = None
        else:
            self._notes.append(f"{flag} in {source} is left to who builds the environment")

    def _without_credentials(self, text: str) -> str:
        start, separator, address = text.rpartition(" @ ")
        scheme, _, address = address.rpartition("+") if re.match(r"\w+\+\w+://", address) else ("", "", address)
        parts = urlsplit(address)
        if parts.username is None or "${" in parts.netloc:  # a variable is a reference, which may be kept
            return text
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if scheme.startswith("git") and parts.password is None:
            return text  # git@host: who asks, and no secret
        self._credentials[bare] = (unquote(parts.username), unquote(parts.password or ""))
        return f"{start}{separator}{scheme}{'+' if scheme else ''}{bare}"


def distribution_of(file: str) -> str:
    """The distribution in a wheel (PEP 427) or a source archive (PEP 625), by the file's name."""
    stem = _stem(file)
    return stem.split("-")[0] if file.endswith(".whl") else stem.rpartition("-")[0] or stem


def _stem(file: str) -> str:
    return next((file.removesuffix(ending) for ending in _ARCHIVES if file.endswith(ending)), file)
