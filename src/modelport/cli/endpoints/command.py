"""``Command``: what all these commands share. What the command's function returns is printed as ``-o`` and ``--query`` say.

Notices go to ``log``, at the level of a warning.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperOption

from modelport.cli.endpoints.arguments import Option, arranged

OUTPUTS = ("json", "jsonc", "table", "tsv", "yaml", "none")
_META = "modelport.cli.endpoints."
log = logging.getLogger("modelport.cli")


class Unwell(NamedTuple):
    """What a command returns that found something wrong: it is printed, and the command ends with 1."""

    answer: Any


class Command(TyperCommand):
    """A command with az's global options, and az's freedom in spelling them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer's, of the line as typer spells it."""
        options = {
            name: Option(chief, not parameter.is_flag)
            for parameter in self.get_params(ctx)
            if isinstance(parameter, TyperOption)
            for chief in [max(parameter.opts, key=len)]
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        return super().parse_args(ctx, arranged(args, options))

    def invoke(self, ctx: Any) -> None:
        """Run the command, and print what it returns."""
        from modelport_runtime.errors import ModelportError

        level = logging.DEBUG if given(ctx, "debug") else logging.ERROR if given(ctx, "quiet") else logging.WARNING
        with _logging(level):
            try:
                answer = super().invoke(ctx)
            except ModelportError:
                log.debug("where it was found:", exc_info=True)
                raise
        if isinstance(answer, Unwell):
            _show(ctx, answer.answer)
            raise typer.Exit(1)
        if answer is not None:
            _show(ctx, answer)


def given(ctx: Any, name: str) -> Any:
    """What the command line has for one of the shared options: ``output``, ``query``, ``quiet``, ``debug``."""
    return ctx.meta.get(_META + name)


def wants_data(ctx: Any) -> bool:
    """Whether a command that tells people in lines of text is asked for data instead."""
    return given(ctx, "output") is not None or given(ctx, "query") is not None


def _show(ctx: Any, answer: Any) -> None:
    """Nothing is printed where a query picks nothing, as az does."""
    from modelport.cli.endpoints.output import formatted, plain, queried

    answer = plain(answer)
    query = given(ctx, "query")
    if query is not None:
        answer = queried(answer, query)
    if answer is not None:
        typer.echo(formatted(answer, given(ctx, "output") or "json", query is not None), nl=False)


@contextmanager
def _logging(level: int) -> Iterator[None]:
    """What is logged meanwhile goes to standard error as it is; what others log, only with ``--debug``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    loggers = [log] if level > logging.DEBUG else [logging.getLogger(name) for name in ("modelport", "urllib3")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, its_level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(its_level)


def _shared_options() -> list[TyperOption]:
    ignored = "Accepted, as az's scripts have it; there is one workspace."
    return [
        _option("output", "-o", "--output", metavar="FORM", help=f"{', '.join(OUTPUTS)}; json if not given."),
        _option("query", "--query", metavar="JMESPATH", help="What of the answer to print."),
        _option("quiet", "--only-show-errors", is_flag=True, help="No notices, no progress."),
        _option("debug", "--debug", is_flag=True, help="Tell every step, and where an error was found."),
        _option("resource_group", "-g", "--resource-group", metavar="NAME", help=ignored),
        _option("workspace", "-w", "--workspace-name", metavar="NAME", help=ignored),
    ]


def _option(*names: str, **how: Any) -> TyperOption:
    return TyperOption(param_decls=list(names), expose_value=False, callback=_keep, **{"default": None, **how})


def _keep(ctx: Any, parameter: Any, value: Any) -> None:
    """Beside the command's own parameters, which its function need not repeat."""
    if parameter.name == "output" and value is not None:
        value = value.lower()
        if value not in OUTPUTS:
            raise typer.BadParameter(f"'{value}' is none of {', '.join(OUTPUTS)}", ctx=ctx, param=parameter)
    if parameter.name == "query" and value is not None:
        from modelport.cli.endpoints.output import queried

        queried(None, value)  # what is no query is refused before anything is done
    ctx.meta[_META + parameter.name] = value
