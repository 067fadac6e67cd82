"""One file scored from beginning to end: chunks are read, sent to workers and written, all three at the same time."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modelport.environments.explaining import explaining
from modelport.environments.preparing import admitted_worker_spec
from modelport.errors import InvalidInput, ModelportError
from modelport.files.chunk import Chunk
from modelport.files.draft import Draft, Output, output_at, writing
from modelport.files.formats import format_of
from modelport.files.json_chunks import LinesChunk
from modelport.files.loop import LeftBehind, in_a_loop, stopped_by_signals
from modelport.files.progress import REDRAW, Progress
from modelport.files.reading import chunks_of
from modelport.files.refusals import Rejects, entry, misses_a_column, named_rows, refusal
from modelport.files.settings import FileSettings
from modelport.files.source import Source
from modelport.model import location
from modelport.workers.call import Call
from modelport.workers.comparing import Comparison
from modelport.workers.head import head
from modelport.workers.pool import Pool
from modelport.workers.process import WorkerAddress, WorkerSet
from modelport.workers.spec import WorkerSpec
from modelport_runtime.errors import MAX_DETAILS

if TYPE_CHECKING:  # imported while the model is being loaded
    from modelport.files.writers import Writer

log = logging.getLogger("modelport")

DEADLINE = 24 * 3600.0
"""Seconds for a chunk: a file may wait, nobody is at the other end."""
MAX_BODY = (1 << 31) - 1
"""Of a chunk, which `--whole` and JSON make as large as the file; offsets on the wire end there."""
MAX_IN_VAIN = 1000
"""Rows set aside without one that fits, after which the input is taken for another model's."""
_FATAL = ("WORKER_DIED", "DEADLINE_EXCEEDED", "REQUEST_TOO_LARGE")
"""Errors that say nothing of single rows."""


class Summary(NamedTuple):
    """What was done."""

    rows: int
    rejected: int
    seconds: float
    output: str


def score_file(settings: FileSettings) -> Summary:
    """Score the input and write the output, which appears whole or not at all.

    Raises:
        ModelportError: the input, the model or the output is at fault; nothing was written.
        KeyboardInterrupt: SIGINT came (SystemExit: SIGTERM); nothing was written.
    """
    input_format = format_of(settings.content_type, settings.input_path, "the content type")
    output_format = format_of(settings.output_type, settings.output_path, "the output type")
    _check(settings, input_format)
    spec = _spec(settings)
    with contextlib.ExitStack() as stack:
        source = Source(settings.input_path)
        stack.callback(source.close)
        for path, what in ((settings.output_path, "output"), (settings.rejects, "file of rejects")):
            if path is not None and source.is_at(path):
                raise InvalidInput(f"the {what} is the input itself: {path}", hint="Give it another name.")
        output = output_at(settings.output_path)
        stack.callback(output.discard)
        rejects = None
        if settings.rejects is not None:
            rejects = Draft(settings.rejects)
            stack.callback(rejects.discard)
        run_folder = Path(tempfile.mkdtemp(prefix="modelport-"))  # 0700, and short: socket paths end at 108 bytes
        stack.callback(shutil.rmtree, run_folder, ignore_errors=True)
        run = _Run(settings, spec, source, output, rejects, input_format, output_format, run_folder)
        in_a_loop(run.run)
        return Summary(run.progress.rows, run.rejected, run.progress.seconds, output.name)


def _spec(settings: FileSettings) -> WorkerSpec:
    return admitted_worker_spec(
        location.resolve(settings.model_uri),
        settings.environment,
        settings.safety,
        settings.home,
        workers=settings.workers,
        name="model",
        threads=1,  # chunks of one file follow each other; a model's own code need not expect anything else
        max_body=MAX_BODY,
        allow_python_mismatch=settings.allow_python_mismatch,
    )


def _check(settings: FileSettings, input_format: str) -> None:
    if input_format == "json" and settings.rejects is not None:
        raise InvalidInput("the rows of a JSON file cannot be set aside", hint="Give the rows as JSON lines or CSV.")
    if settings.rejects and settings.output_path and _same(settings.rejects, settings.output_path):
        raise InvalidInput("the output and the file of rejects are the same file")


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


class _Piece(NamedTuple):
    """Rows that were predicted."""

    chunk: Chunk
    answer: bytes
    rows: int


class _Scored(NamedTuple):
    """What became of a chunk, in order: its pieces, the rows that were set aside."""

    chunk: Chunk
    pieces: list[_Piece]
    rejected: list[dict[str, Any]]


class _Run:
    """One run. Its coroutines live in one loop; reading, preparing and writing happen in threads."""

    def __init__(
        self,
        settings: FileSettings,
        spec: WorkerSpec,
        source: Source,
        output: Output,
        rejects: Draft | None,
        input_format: str,
        output_format: str,
        run_folder: Path,
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._source = source
        self._output = output
        self._rejects_file = rejects
        self._rejects = None if rejects is None else Rejects(rejects.file, source.name)
        self._formats = input_format, output_format
        self._run_folder = run_folder
        self._writer: Writer
        self._last_update: asyncio.Future[Any] | None = None
        self._addresses: list[WorkerAddress] = []
        self._accepted = 0
        self.progress = Progress(sys.stderr, source.size)

    @property
    def rejected(self) -> int:
        return 0 if self._rejects is None else self._rejects.count

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._pool = Pool(
            timeout=DEADLINE,
            max_queue=1 << 20,
            retry_user_code=False,
            on_answer=lambda id: self._workers.answered(id),
            on_overrun=lambda id: self._workers.overrun(id),
        )
        self._workers = WorkerSet(
            self._spec, self._settings.workers, self._run_folder, self._publish, DEADLINE, look=Comparison
        )
        self._starting = asyncio.ensure_future(explaining(self._workers.start(), self._spec))
        self._slots = asyncio.Semaphore(2 * self._settings.workers + 1)
        self._order: asyncio.Queue[asyncio.Future[_Scored] | None] = asyncio.Queue()
        self._open: set[asyncio.Future[_Scored]] = set()
        thread = LeftBehind(loop)
        drawing = asyncio.ensure_future(self._draw()) if self._settings.progress else None
        feeding: asyncio.Future[None] | None = None
        finished = False
        with stopped_by_signals(loop) as check:
            try:
                await asyncio.sleep(0)  # the worker's process starts before anything slow is imported here
                from modelport.files.writers import writer_for

                self._writer = writer_for(self._formats[1], self._output.file, self._settings.keep_columns)
                feeding = asyncio.ensure_future(self._feed(thread))
                await self._drain()
                await asyncio.to_thread(self._finish)
                check()
                self._commit()  # no signal comes between the two files
                finished = True
            except asyncio.CancelledError:
                check()
                raise
            finally:
                if drawing is not None:
                    drawing.cancel()
                self.progress.clear()
                await self._stop(feeding, finished)
                thread.end()

    # -- reading -----------------------------------------------------------------------------------------------------------

    async def _feed(self, thread: "LeftBehind") -> None:
        """Chunks become tasks, at most so many at a time as there are slots; what goes wrong waits for its turn too."""
        chunks = chunks_of(
            self._source, self._formats[0], self._settings, str(self._spec.model_path), self._spec.mlmodel
        )
        number = 0
        while True:
            await self._slots.acquire()
            try:
                chunk = await thread.run(partial(next, chunks, None))
            except Exception as error:  # noqa: BLE001  raised where it is waited for
                failed: asyncio.Future[_Scored] = asyncio.get_running_loop().create_future()
                failed.set_exception(error)
                self._order.put_nowait(failed)
                return
            if chunk is None:
                self._order.put_nowait(None)
                return
            number += 1
            scored = asyncio.ensure_future(self._score(chunk, number))
            self._open.add(scored)
            scored.add_done_callback(self._scored)
            self._order.put_nowait(scored)

    def _scored(self, scored: "asyncio.Future[_Scored]") -> None:
        self._open.discard(scored)
        if not scored.cancelled():
            scored.exception()  # is told by the first that fails; those after it need not be

    # -- predicting --------------------------------------------------------------------------------------------------------

    def _publish(self, workers: list[WorkerAddress]) -> None:
        self._addresses = workers
        self._last_update = asyncio.ensure_future(self._pool.update(workers))

    async def _score(self, chunk: Chunk, number: int) -> _Scored:
        """Raises ModelportError, where rows are not set aside."""
        pieces: list[_Piece] = []
        rejected: list[dict[str, Any]] = []
        await self._score_part(chunk, pieces, rejected)
        rejected.sort(key=lambda told: (told.get("line", 0), told.get("row", 0)))
        if rejected and not pieces and number == 1:
            raise ModelportError(
                f"no row of the first {chunk.rows()} fits the model: {rejected[0]['message']}",
                code=rejected[0]["code"],
                hint="Is this the input of another model? Nothing was written.",
            )
        if number == 2 and self._starting.result()["user_code"]:
            log.info("the model's own code got the rows in several calls; with --whole it gets all at once")
        return _Scored(chunk, pieces, rejected)

    async def _score_part(self, chunk: Chunk, pieces: list[_Piece], rejected: list[dict[str, Any]]) -> None:
        call, rows = await self._ask(chunk)
        error = call.error
        if error is None:
            self._accepted += rows
            pieces.append(_Piece(chunk, call.answer, rows))
            return
        if self._rejects is None or error["code"] in _FATAL or misses_a_column(error):
            raise await asyncio.to_thread(refusal, error, chunk, self._source.name, self._rejects is not None)
        parts = await asyncio.to_thread(_set_aside, error, chunk, rejected)
        if not self._accepted and len(rejected) > MAX_IN_VAIN:
            raise ModelportError(
                f"{len(rejected)} rows were tried and none fits the model: {rejected[0]['message']}",
                code=rejected[0]["code"],
                hint="Is this the input of another model? Nothing was written.",
            )
        for part in parts:
            await self._score_part(part, pieces, rejected)

    async def _ask(self, chunk: Chunk) -> tuple[Call, int]:
        """The chunk's answer or error, and how many rows the worker saw."""
        loop = asyncio.get_running_loop()
        request = await asyncio.to_thread(chunk.request)  # the first ones while the model is being loaded
        await asyncio.shield(self._starting)
        done: asyncio.Future[Call] = loop.create_future()
        form = head(request.content, "mlflow", "lenient", self._writer.answer)
        call = Call(form, request.body, lambda call: None if done.done() else done.set_result(call))
        del request
        self._pool.submit(call)
        try:
            await done
        except asyncio.CancelledError:
            self._pool.cancel(call)
            raise
        call.body = b""  # the answer outlives it
        rows = int(call.facts.get("rows") or 0)
        if call.error is None and isinstance(chunk, LinesChunk) and rows != chunk.rows():
            message = f"{chunk.rows()} lines hold {rows} records; each line must hold one JSON object"
            call.error = {"code": "BAD_REQUEST", "message": message, "hint": None, "details": [], "traceback": None}
        return call, rows

    # -- writing -----------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        while (scored := await self._order.get()) is not None:
            result = await scored
            await asyncio.to_thread(self._write, result)
            for piece in result.pieces:
                self.progress.add(piece.rows, result.chunk.consumed)
            self._slots.release()

    def _write(self, scored: _Scored) -> None:
        with writing(self._output.name):
            for piece in scored.pieces:
                self._writer.write(piece.answer, piece.chunk)
        if self._rejects is not None and self._rejects_file is not None:
            with writing(self._rejects_file.name):
                self._rejects.write(scored.rejected)

    def _finish(self) -> None:
        with writing(self._output.name):
            self._writer.finish()
            self._output.file.flush()
        self._source.check_unchanged()

    def _commit(self) -> None:
        if self._rejects_file is not None:
            self._rejects_file.commit()
        self._output.commit()

    async def _draw(self) -> None:
        while True:
            self.progress.draw()
            await asyncio.sleep(REDRAW)

    # -- ending ------------------------------------------------------------------------------------------------------------

    async def _stop(self, feeding: "asyncio.Future[None] | None", finished: bool) -> None:
        """End all that still runs; workers are asked to end where they are idle, and killed where they are not."""
        tasks: list[asyncio.Future[Any]] = [*self._open, *([] if feeding is None else [feeding])]
        if not self._starting.done():
            tasks.append(self._starting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._starting.done() and not self._starting.cancelled():
            self._starting.exception()  # told already, by the chunk that waited for it
        if self._last_update is not None:
            await asyncio.wait({self._last_update})
        self._pool.close()
        stopping = asyncio.ensure_future(self._workers.stop())
        if not finished:
            await asyncio.sleep(0)  # the set does not replace its workers any more
            for address in self._addresses:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(address.pid, signal.SIGKILL)
        await stopping


def _set_aside(error: dict[str, Any], chunk: Chunk, rejected: list[dict[str, Any]]) -> list[Chunk]:
    """What is left to try: without the rows that the error names, else in halves."""
    rows: Sequence[int] = named_rows(error, chunk)
    count = chunk.rows()
    if not rows and count == 1:
        rows = [0]
    rejected.extend(entry(error, chunk, row) for row in rows)
    gone = set(rows)
    left = [row for row in range(count) if row not in gone]
    middle = len(left) // 2
    parts = [left] if rows and len(error["details"]) < MAX_DETAILS else [left[:middle], left[middle:]]
    return [chunk.pick(part) for part in parts if part]
