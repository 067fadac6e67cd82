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
        """The object with other values for some of its keys; None: the default again.

        Raises:
            InvalidInput: as ``read``.
        """
        kept = {
            key: value for key, value in self.model_dump(mode="json", exclude_unset=True).items() if key not in changes
        }
        return type(self).read({**kept, **{key: value for key, value in changes.items() if value is not None}}, source)


def _as_input_error(cls: type[Kind], error: ValidationError, source: str) -> InvalidInput:
    details = []
    for found in sorted(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden"):
        place, known = _placed(cls, found["loc"])
        if known is None:
            continue  # of a text that could have stood where keys and values stand
        at = ".".join(place)
        if found["type"] == "extra_forbidden":
            text = f"there is no key '{at}'{_nearest(known, place[-1])}"
        else:
            text = f"{at}: {found['msg'].removeprefix('Value error, ')}" if at else found["msg"]
        details.append({"key": at, "message": text})
    return InvalidInput(
        f"{source} is no {cls.NOUN}: {details[0]['message']}", details=details if len(details) > 1 else None
    )


def _placed(cls: type[BaseModel], place: tuple[int | str, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """The keys on the way to ``place``, and the class that has the last of them.

    pydantic also names the members of a union that it tried: of those that are classes the name is left out, and for any other
    member there is no class.
    """
    parts: list[str] = []
    known = cls
    inside: type[BaseModel] | None = None
    for part in map(str, place):
        if inside is not None and part == inside.__name__:
            known, inside = inside, None
            continue
        if inside is not None and part in ("str", "none"):
            return parts, None
        if inside is not None:
            known, inside = inside, None
        parts.append(part)
        field = known.model_fields.get(part)
        inside = _kind_in(field.annotation) if field is not None else None
    return parts, known


def _nearest(known: type[BaseModel], key: str) -> str:
    """The known key that was most likely meant."""
    near = difflib.get_close_matches(key, known.model_fields, n=1)
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
    """``AMLToken``, ``amlToken`` and ``aml_token`` are one value, and so are ``MLFlowModel`` and ``mlflow_model``."""
    if not isinstance(value, str):
        return value
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", value).lower()
    return words.replace("ml_flow", "mlflow")


Name = Annotated[str, AfterValidator(_checked_name)]
"""Of an endpoint or deployment; lower case."""
_Written = str | int | float | bool
Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=_Written)]
"""Numbers are taken as they are written."""
Texts = Annotated[dict[str, str], BeforeValidator(_as_texts, json_schema_input_type=dict[str, _Written])]
Choice = BeforeValidator(_snake)
"""For values of a list: upper or lower case, camel or snake."""
