"""`modelport schema`: the JSON Schema of a kind of YAML file, for editors."""

from typing import Annotated, Any

import typer

from modelport.cli.endpoints.kinds import KINDS, kind_class

EPILOG = "Example: modelport schema online-deployment > online-deployment.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}.")]) -> Any:
    """Print the JSON Schema of a kind of file: what your editor completes and checks the file with."""
    return schema_of(kind)


def schema_of(kind: str) -> dict[str, Any]:
    """What may stand in a file of that kind; ``$schema`` may, as everywhere."""
    from pydantic.json_schema import GenerateJsonSchema

    class WithoutTitles(GenerateJsonSchema):
        """A key's title would be its name once more."""

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    made = kind_class(kind).model_json_schema(mode="validation", schema_generator=WithoutTitles)
    properties = {"$schema": {"type": "string"}, **made.pop("properties")}
    return {"$schema": _DIALECT, **made, "title": kind, "properties": properties}
