"""`modelport inspect`: what a model is, wants and does, without loading it."""

from typing import Annotated

import typer

EPILOG = "Example: modelport inspect ./model --python ./model-env/bin/python"


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model directory: a path or a file: URI.")],
    python: Annotated[
        str | None,
        typer.Option(
            help="The model's interpreter, for the comparison of dependencies; the one that runs modelport if not given."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with everything that the text leaves out.")] = False,
) -> None:
    """Tell what a model takes, answers, needs and runs. Nothing of it is loaded."""
    from modelport.model.inspection.inspecting import inspect as look

    found = look(model, python)
    if json:
        from json import dumps

        text = dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n"
    else:
        from modelport.model.inspection.text import as_text

        text = as_text(found)
    typer.echo(text.encode("utf-8", "backslashreplace"), nl=False)
