"""`modelport update-pip-requirements`: arguments as `mlflow models update-pip-requirements` has them."""

from typing import Annotated

import typer

EPILOG = "Example: modelport update-pip-requirements -m ./model add numpy==1.26.4 'scipy>=1.10'"


def update_pip_requirements(
    operation: Annotated[str, typer.Argument(metavar="add|remove", help="What to do.")],
    requirements: Annotated[
        list[str], typer.Argument(metavar="REQUIREMENT…", help="Like numpy==1.26.4; to remove, names are enough.")
    ],
    model_uri: Annotated[
        str, typer.Option("-m", "--model-uri", metavar="PATH", help="Model directory: a path or a file: URI.")
    ],
) -> None:
    """Add requirements to a model's requirements.txt and conda.yaml, or remove them.

    One that is added takes the place of another for the same package. Comments and order stay.
    """
    from modelport.model import updating_requirements

    if operation not in (updating_requirements.ADD, updating_requirements.REMOVE):
        raise typer.BadParameter(f"'{operation}' is neither add nor remove", param_hint="add|remove")
    done = updating_requirements.update(model_uri, operation, requirements)
    for name in done.not_found:
        typer.echo(f"{name} stood in none of the files", err=True)
    typer.echo(f"changed {' and '.join(done.files)}" if done.files else "nothing was changed", err=True)
