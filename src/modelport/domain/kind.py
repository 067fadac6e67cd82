"""``Kind``: what all kinds of YAML file have in common. Reading one is strict: a key that is not known is an error."""

import difflib
import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from modelport.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")


class Kind(BaseModel):
    """Plain values, as they stand in a file, cross REST and lie in the store."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    NOUN: ClassVar[str] = "object"
    """What it is called in messages."""

    @classmethod
    def read(cls, data: Any, source: str) -> Self:
        """The object that ``data`` describes; ``source`` says where it comes from, for messages.

        Raises:
            InvalidInput: a key is not known, or a value is none that it may have; every one of them is a detail.
        """
        if not isinstance(data, dict):
            raise InvalidInput(f"{source} is no {cls.NOUN}: keys and values are wanted")
        data = {key: value for key, value in data.items() if key != "$schema"}
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _as_input_error(cls, error, source) from None

    def changed(self, changes: dict[str, Any], source: str) -> Self:
        """The object with other values for some of its keys.

        Raises:
            InvalidInput: as ``read``.
        """
        return type(self).read({**self.model_dump(mode="json"), **changes}, source)


def _as_input_error(cls: type[Kind], error: ValidationError, source: str) -> InvalidInput:
    details = []
    lines = []
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"])
        if found["type"] == "extra_forbidden":
            text = f"there is no key '{place}'{_nearest(cls, found['loc'])}"
        else:
            text = f"{place}: {found['msg'].removeprefix('Value error, ')}" if place else found["msg"]
        lines.append(text)
        details.append({"key": place, "message": text})
    return InvalidInput(f"{source} is no {cls.NOUN}: {lines[0]}", details=details if len(details) > 1 else None)


def _nearest(cls: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """The known key that was most likely meant."""
    known: type[BaseModel] | None = cls
    for part in place[:-1]:
        field = known.model_fields.get(str(part)) if known is not None else None
        known = _kind_in(field.annotation) if field is not None else known
    if known is None:
        return ""
    near = difflib.get_close_matches(str(place[-1]), known.model_fields, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(known.model_fields)}"


def _kind_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "3 to 32 characters are wanted: letters, digits and -, a letter first, none but a letter or digit last"
        )
    return name.lower()


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _as_texts(value: Any) -> Any:
    return {key: _as_text(item) for key, item in value.items()} if isinstance(value, dict) else value


def _snake(value: Any) -> Any:
    """``AMLToken``, ``amlToken`` and ``aml_token`` are one value."""
    if not isinstance(value, str):
        return value
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", value).lower()


Name = Annotated[str, AfterValidator(_checked_name)]
"""Of an endpoint or deployment; lower case."""
Text = Annotated[str, BeforeValidator(_as_text)]
"""Numbers are taken as they are written."""
Texts = Annotated[dict[str, str], BeforeValidator(_as_texts)]
Choice = BeforeValidator(_snake)
"""For values of a list: upper or lower case, camel or snake."""
