"""`modelport bench`: a bounded load on one's own endpoint."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelport.load.level import Watch

EPILOG = (
    "Examples: modelport bench http://127.0.0.1:5000; modelport bench http://127.0.0.1:5000 -i body.json -c 1,16 --json. "
    "Each level lasts up to 60 s and has up to 512 connections; there may be 10 levels."
)
PROGRESS_AFTER = 2.0
"""Seconds a command may be silent on a terminal."""
REFRESH = 0.2


def bench(
    url: Annotated[str, typer.Argument(help="The endpoint; /invocations where the URL has no path.")],
    input_path: Annotated[
        str | None, typer.Option("-i", "--input-path", metavar="FILE", help="The body to send, as it is.")
    ] = None,
    model_uri: Annotated[
        str | None,
        typer.Option("-m", "--model-uri", metavar="PATH", help="Send the input example saved with this model."),
    ] = None,
    concurrency: Annotated[
        list[str],
        typer.Option("-c", "--concurrency", metavar="N[,N…]", help="Connections at once; each number is a level."),
    ] = ["1,8,64"],  # noqa: B006  typer reads it, nobody writes
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="How long a level lasts; at most 60.")] = 5.0,
    requests: Annotated[
        int | None, typer.Option(min=1, help="End a level after so many requests, if that is sooner.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Give a request up after so long.")
    ] = 30.0,
    content_type: Annotated[str, typer.Option(help="The kind of the body of -i.")] = "application/json",
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", metavar="'NAME: VALUE'", help="Send this too; any number.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="MODELPORT_API_KEY", show_envvar=True, help="Sent as 'Authorization: Bearer KEY'."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Yes, put the load on an endpoint that is not on this machine.")
    ] = False,
) -> None:
    """Measure an endpoint under load: answers per second, latencies, where the time goes, and what to change.

    Without -i and -m it sends the example that a Modelport server has in its OpenAPI document.
    """
    import json

    from modelport.errors import InvalidInput
    from modelport.load import report
    from modelport.load.bench import Plan, run
    from modelport.load.target import Target

    if input_path is not None and model_uri is not None:
        raise typer.BadParameter("give -i or -m, not both", param_hint="--model-uri")
    target = Target.parse(url)
    body = _example(model_uri) if model_uri is not None else _read(input_path)
    plan = Plan(
        target,
        body,
        content_type,
        _headers(header or [], api_key),
        levels=_levels(concurrency),
        duration=duration,
        requests=requests,
        timeout=timeout,
        body_from="the file" if model_uri is None else "the model's input example",
    )
    if not target.is_loopback and not yes:
        longest = len(plan.levels) * duration
        raise InvalidInput(
            f"{target.authority} is not this machine, and would get up to {max(plan.levels)} connections "
            f"that ask without a pause for {longest:g} s",
            hint="if you may do that to it, say --yes",
        )
    done = run(
        plan,
        on_ready=lambda reply: typer.echo(report.first_answer(reply), err=True),
        watch=_progress() if sys.stderr.isatty() else _silent,
    )
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    typer.echo(json.dumps(report.data(done), indent=2) if as_json else report.text(done), nl=as_json)
    if done.interrupted:
        raise typer.Exit(130)
    if not any(level.measured.answers for level in done.levels):
        raise typer.Exit(1)


def _levels(given: list[str]) -> tuple[int, ...]:
    try:
        return tuple(int(number) for text in given for number in text.split(","))
    except ValueError:
        message = f"{' '.join(given)!r} are no numbers of connections; give them like 1,8,64"
        raise typer.BadParameter(message, param_hint="--concurrency") from None


def _headers(given: list[str], api_key: str | None) -> dict[str, str]:
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    for line in given:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if (
            not colon
            or not name.isascii()
            or not name
            or not set(name).isdisjoint(' "(),/;<=>?@[\\]{}\r\n')
            or not (value.isprintable())
        ):
            raise typer.BadParameter(f"{line!r} is no header; give it like 'Name: value'", param_hint="--header")
        headers[name.lower()] = value
    return headers


def _read(path: str | None) -> bytes | None:
    from pathlib import Path

    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read '{path}': {error.strerror}", param_hint="--input-path") from None


def _example(uri: str) -> bytes:
    """The body that the model's own input example makes."""
    from modelport.errors import InvalidInput
    from modelport.model import mlmodel
    from modelport.model.location import resolve
    from modelport_runtime.model import Model

    folder = resolve(uri)
    body = Model.from_mlmodel(str(folder), mlmodel.read(folder)).serving_example()
    if body is None:
        raise InvalidInput(f"the model {uri!r} was saved without an input example", hint="give a body with -i FILE")
    return body


def _silent(concurrency: int, seconds: float, answers: int) -> None:
    pass


def _progress() -> "Watch":
    """Shows on one line how far it is, from the moment the command has been silent for too long."""
    import time

    next_at = time.monotonic() + PROGRESS_AFTER

    def show(concurrency: int, seconds: float, answers: int) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + REFRESH
            sys.stderr.write(f"\r\x1b[K{concurrency} at once: {seconds:.0f} s, {answers:,} answers")
            sys.stderr.flush()

    return show
