"""A model's requirements, changed in its ``requirements.txt`` and in the pip section of its ``conda.yaml``, line by line.

Nothing else in these files changes: comments, order, indentation and line ends stay.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from modelport.errors import InvalidInput, ModelNotLoadable, NotFound
from modelport.model import dependency_files, environment_spec, location, mlmodel, requirement_lines

ADD, REMOVE = "add", "remove"
_PLAIN = re.compile(r"[A-Za-z0-9][\w.\-\[\]=<>!~+]*")
"""What YAML takes for a text without quotes, whatever stands around it. (``[`` is no list, inside of a word.)"""


@dataclass(frozen=True)
class Updated:
    """Names of files that were changed; and of distributions that were to be removed, and stood in none of them."""

    files: tuple[str, ...]
    not_found: tuple[str, ...]


def update(model_uri: str, operation: str, requirements: Iterable[str]) -> Updated:
    """Add requirements to the model's files, in the place of others for the same distributions; or remove all for those that
    are named. Each file changes whole or not at all.

    Raises:
        InvalidInput: the operation is neither ``add`` nor ``remove``, or a requirement is none.
        NotFound: there is no model, or none of its files is there.
        ModelNotLoadable: a file cannot be understood.
    """
    if operation not in (ADD, REMOVE):
        raise _invalid(f"'{operation}' is neither {ADD} nor {REMOVE}", None)
    wanted = _by_name(requirements)
    folder = location.resolve(model_uri)
    texts = {path: _read(path) for path in _files(folder)}
    changed = {}
    found: set[str] = set()
    for path, text in texts.items():
        edit = _in_lines if path.name == environment_spec.REQUIREMENTS else _in_conda
        changed[path] = edit(path, text, wanted, operation == ADD, found)
    differing = {path: text for path, text in changed.items() if text != texts[path]}
    _write(differing)
    missing = () if operation == ADD else tuple(sorted(set(wanted) - found))
    return Updated(tuple(path.name for path in differing), missing)


def _read(path: Path) -> str:
    content = path.read_bytes()
    try:
        if b"\0" not in content:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise ModelNotLoadable(f"{path} is not in UTF-8", hint="Save it as UTF-8, and try again.")


def _by_name(requirements: Iterable[str]) -> dict[str, str]:
    found, wrong = {}, []
    for text in requirements:
        line = text.strip()
        name = None if "\n" in line or "\r" in line else requirement_lines.name_of(line)
        if name is None:
            wrong.append(text)
        else:
            found[name] = line
    if wrong:
        raise _invalid(
            f"no requirements: {', '.join(map(repr, wrong))}", "Give them like 'numpy==1.26.4' or 'scipy>=1.10'."
        )
    if not found:
        raise _invalid("no requirements were given", None)
    return found


def _invalid(message: str, hint: str | None) -> InvalidInput:
    return InvalidInput(message, hint=hint, code="INVALID_PARAMETER_VALUE")


def _files(folder: Path) -> Iterator[Path]:
    """Those that decide what is installed, and those that others than we read."""
    spec = environment_spec.read(folder, mlmodel.read(folder))
    if spec.source == environment_spec.PYTHON_ENV:
        raise ModelNotLoadable(
            f"the model in {folder} names its packages in {environment_spec.PYTHON_ENV}, which MLflow never writes there",
            hint=f"Move them to {environment_spec.REQUIREMENTS}.",
        )
    requirements = folder / environment_spec.REQUIREMENTS
    if requirements.is_file():
        yield requirements
    try:
        yield dependency_files.conda_file(folder)
    except NotFound:
        if not requirements.is_file():
            raise NotFound(
                f"the model in {folder} has neither {requirements.name} nor {environment_spec.CONDA}"
            ) from None


# -- requirements.txt


def _in_lines(path: Path, text: str, wanted: dict[str, str], is_add: bool, found: set[str]) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    kept: list[str] = []
    written: set[str] = set()
    for line in _logical_lines(text):
        name = requirement_lines.name_of(" ".join(requirement_lines.lines_of(line)) or "#")
        if name not in wanted:
            kept.append(line)
            continue
        found.add(name)
        if is_add and name not in written:
            written.add(name)
            kept.append(f"{wanted[name]}{_comment(line)}{_line_end(line)}")
    if kept and not is_add and not _line_end(text):
        kept[-1] = kept[-1].rstrip("\r\n")  # MLflow ends the file without a line end, and so it stays
    new = [wanted[name] for name in wanted if name not in written] if is_add else []
    if new and kept and not _line_end(kept[-1]):
        kept[-1] += end
    added = end.join(new)
    return "".join(kept) + added + (end if added and _line_end(text) else "")


def _logical_lines(text: str) -> list[str]:
    """Lines with their ends, a continued one in one piece with what continues it."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if found and re.search(r"\\\r?\n$", found[-1]):
            found[-1] += line
        else:
            found.append(line)
    return found


def _comment(line: str) -> str:
    last = line.rstrip("\r\n").splitlines()[-1]
    comment = re.search(r"\s+#.*$", last)
    return comment.group() if comment else ""


def _line_end(text: str) -> str:
    return "\r\n" if text.endswith("\r\n") else "\n" if text.endswith("\n") else ""


# -- conda.yaml


def _in_conda(path: Path, text: str, wanted: dict[str, str], is_add: bool, found: set[str]) -> str:
    """By the places that YAML gives for what it has read: the rest of the text is not touched."""
    dependencies = _dependencies(path, text)
    pip = next((node for node in map(_pip_section, dependencies.value) if node is not None), None)
    if pip is None:
        return _with_pip_section(text, dependencies, list(wanted.values())) if is_add else text
    items = [(requirement_lines.name_of(str(node.value)), node) for node in pip.value]
    found.update(name for name, _ in items if name in wanted)
    replaced: dict[int, str | None] = {}
    written: set[str] = set()
    for at, (name, _) in enumerate(items):
        if name in wanted:
            replaced[at] = wanted[name] if is_add and name not in written else None
            written.add(name)
    new = [wanted[name] for name in wanted if name not in written] if is_add else []
    left = [replaced.get(at, str(node.value)) for at, (_, node) in enumerate(items)]
    lines = [line for line in left if line is not None] + new
    if pip.flow_style or not items or not lines:
        begin, end = pip.start_mark.index, pip.end_mark.index
        indent = ""
        if not pip.flow_style and items:
            end = items[-1][1].end_mark.index
            indent = "  "  # items may stand below the first letter of "pip", where a value must not
        return text[:begin] + indent + json.dumps(lines, ensure_ascii=False) + text[end:]
    return _edited(text, [node for _, node in items], replaced, new)


def _edited(text: str, nodes: Sequence[yaml.Node], replaced: dict[int, str | None], new: list[str]) -> str:
    """A list with an item on each line: items replaced in their place, removed with their line, new ones after the last."""
    last = nodes[-1]
    dash = _line_start(text, last.start_mark.index)
    before = re.match(r"\s*-\s*", text[dash:])
    lead = before.group() if before else "- "
    after = _next_line(text, last.end_mark.index)
    gap = "" if text[:after].endswith("\n") or not new else "\n"
    text = text[:after] + gap + "".join(f"{lead}{_scalar(line)}\n" for line in new) + text[after:]
    for at in sorted(replaced, reverse=True):
        node, line = nodes[at], replaced[at]
        begin, end = node.start_mark.index, node.end_mark.index
        if line is None:
            begin, end = _line_start(text, begin), _next_line(text, end)
        text = text[:begin] + ("" if line is None else _scalar(line)) + text[end:]
    return text


def _dependencies(path: Path, text: str) -> yaml.SequenceNode:
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ModelNotLoadable(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    node = _member(root, "dependencies")
    if not isinstance(node, yaml.SequenceNode):
        raise ModelNotLoadable(f"{path} has no list of dependencies")
    return node


def _pip_section(node: yaml.Node) -> yaml.SequenceNode | None:
    section = _member(node, "pip")
    return section if isinstance(section, yaml.SequenceNode) else None


def _member(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _with_pip_section(text: str, dependencies: yaml.SequenceNode, lines: list[str]) -> str:
    """After the last of the dependencies, and indented as they are."""
    if dependencies.flow_style or not dependencies.value:
        begin, end = dependencies.start_mark.index, dependencies.end_mark.index
        items = [json.dumps(node.value, ensure_ascii=False) for node in dependencies.value]
        return text[:begin] + f"[{', '.join([*items, json.dumps({'pip': lines}, ensure_ascii=False)])}]" + text[end:]
    last = dependencies.value[-1]
    indent = " " * (last.start_mark.column - 2)
    after = _next_line(text, last.end_mark.index)
    gap = "" if text[:after].endswith("\n") else "\n"
    added = [f"{indent}- pip:", *(f"{indent}  - {_scalar(line)}" for line in lines)]
    return text[:after] + gap + "\n".join(added) + "\n" + text[after:]


def _scalar(line: str) -> str:
    return line if _PLAIN.fullmatch(line) else json.dumps(line, ensure_ascii=False)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _next_line(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


# -- both


def _write(texts: dict[Path, str]) -> None:
    """All drafts first, so that a full disk changes nothing."""
    drafts: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            handle, drafts[path] = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, drafts[path])
        for path in list(drafts):
            os.replace(drafts[path], path)
            del drafts[path]
    finally:
        for draft in drafts.values():
            os.unlink(draft)
