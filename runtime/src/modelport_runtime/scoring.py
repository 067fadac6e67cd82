"""Requests → answers for one loaded model: decode, enforce, predict, encode; alone, or joined where that changes nothing.

How a request is read depends on its carrier (JSON, CSV, column blocks) and, for JSON, on its dialect; from there on all go
one way. No I/O and no waiting: the worker brings the requests that are there and carries the answers away.
"""

import importlib
import json
import logging
import time
import traceback
from collections import OrderedDict
from typing import Any, Dict, Generator, Hashable, List, NamedTuple, Optional, Tuple, Union

from modelport_runtime import batching
from modelport_runtime.columns import unpack
from modelport_runtime.data_types import Array, Map, Object
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.enforcement.params import enforce_params
from modelport_runtime.errors import InvalidInput, ModelFailed, ModelportError, SchemaMismatch
from modelport_runtime.payload import azure, column_blocks, decoding, open_inference
from modelport_runtime.payload.blocks import Block, BlockReader, reader_for
from modelport_runtime.payload.casting import cast_frame
from modelport_runtime.payload.encoding import encode_predictions
from modelport_runtime.policy import LENIENT, POLICIES, Policy
from modelport_runtime.pyfunc import PyFuncModel, single_input
from modelport_runtime.schema import Schema

log = logging.getLogger(__name__)

JOINING_PAUSE = 1.0
"""Seconds without joining after a joined prediction failed, so that a bad neighbour costs the others little."""


class Form(NamedTuple):
    """How a request is to be read and answered: the head of its INFER frame."""

    content: str
    """``json``, ``csv``, or ``columns`` (what the scoring process made of Parquet and Arrow)."""
    dialect: str
    """Whose JSON it is: ``mlflow``, ``azure`` or ``v2`` (Open Inference Protocol)."""
    policy: Policy
    answer: str
    """``json``, ``columns``, or ``stream`` (events, made by ``predict_stream``)."""
    json_size: Optional[int] = None
    """``v2`` with binary tensors: the bytes of JSON before them."""


INVOCATION = Form("json", "mlflow", LENIENT, "json")


class Request(NamedTuple):
    """One request as it came; ``arrived`` is time.perf_counter() when it was read."""

    id: int
    form: Form
    body: bytes
    arrived: float


class Answer(NamedTuple):
    """The answer's body, or the error; phases in microseconds: queue, decode, predict, encode.

    ``joined`` is (requests, rows) of the predict call on the first answer of each call, None on the others; ``json_size``
    the bytes of JSON before the binary tensors of a ``v2`` answer that has some.
    """

    id: int
    body: Union[bytes, ModelportError]
    rows: int = 0
    phases: Optional[List[int]] = None
    joined: Optional[List[int]] = None
    json_size: Optional[int] = None


class _Prepared:
    """A request that was decoded and fits the signature."""

    __slots__ = ("data", "decoded", "infer", "params", "request", "rows", "started", "unwrapped")

    def __init__(
        self, request: Request, data: Any, params: Optional[Dict[str, Any]], unwrapped: bool, started: float
    ) -> None:
        self.request = request
        self.data = data
        self.params = params
        self.unwrapped = unwrapped
        self.infer: Optional[open_inference.InferRequest] = None
        self.rows = batching.row_count(data)
        self.started = started
        self.decoded = time.perf_counter()


class Scorer:
    """Scores requests with one model. Safe for several threads as far as the model is."""

    def __init__(self, model: PyFuncModel, name: str = "model") -> None:
        self._name = name
        self._predictor = model.predictor
        signature = model.signature
        self._from_type_hint = signature is not None and signature.is_from_type_hint
        self._schema = signature.inputs if signature is not None else None
        self._outputs = signature.outputs if signature is not None else None
        self._params = signature.params if signature is not None else None
        self._param_names = tuple(spec.name for spec in self._params or ())
        self._reader = None if self._from_type_hint else reader_for(self._schema)
        columns = self._schema.columns if self._schema is not None else ()
        self._nested = {spec.name for spec in columns if isinstance(spec.type, (Array, Object, Map))}
        self.joins = self._predictor.row_wise
        """Whether rows of several requests may share one predict call."""
        self._joining_again_at = 0.0

    @property
    def user_code(self) -> bool:
        """Whether predicting runs the user's own code (on threads, never joined)."""
        return self._predictor.user_code

    def score(self, requests: List[Request]) -> List[Answer]:
        """Exactly one answer for each request, in any order. Never raises for a request's fault."""
        answers: List[Answer] = []
        groups: OrderedDict[Hashable, List[_Prepared]] = OrderedDict()
        for request in requests:
            started = time.perf_counter()
            try:
                prepared = self._prepare(request, started)
            except ModelportError as error:
                answers.append(Answer(request.id, error, 0, _refused(request, started)))
                continue
            except Exception as error:  # noqa: BLE001  a hole in our own reading must not take the worker down
                answers.append(Answer(request.id, _unexpected(error), 0, None))
                continue
            if not prepared.rows and request.form.dialect == "azure":
                # The strict policy's word, whatever the model thinks of no rows.
                answers.append(Answer(request.id, b"[]", 0, _refused(request, started)))
                continue
            key = None
            if len(requests) > 1 and self.joins and prepared.rows:
                key = batching.joining_key(prepared.data, prepared.params)
            groups.setdefault(request.id if key is None else ("join", key), []).append(prepared)
        for group in groups.values():
            for batch in self._capped(group):
                self._predict(batch, answers)
        return answers

    def _prepare(self, request: Request, started: float) -> _Prepared:
        form = request.form
        if form.content != "json":
            read = self._from_csv if form.content == "csv" else self._from_columns
            return _Prepared(request, read(request), self._checked(None), False, started)
        if form.dialect == "v2":
            return self._prepare_infer(request, started)
        is_azure = form.dialect == "azure"
        if is_azure:
            payload = azure.read_json(request.body, self._schema, self._param_names, self._from_type_hint)
        else:
            payload = decoding.read_json(request.body, self._param_names, exact=self._reader is None)
        if self._reader is not None:
            data = self._reader.read(payload.form, payload.value, form.policy.strict)
            if data is not None and payload.params is None:
                return _Prepared(request, data, self._checked(None), is_azure, started)
            if not is_azure:
                payload = decoding.read_json(request.body, self._param_names)
        data = decoding.to_data(payload, self._schema, form.policy, self._from_type_hint)
        if not self._from_type_hint:
            data = self._fitting(data, request, parsed=not payload.unwrapped)
        params = payload.params if payload.params is not None or not payload.unwrapped else {}
        return _Prepared(request, data, self._checked(params), payload.unwrapped or is_azure, started)

    def _prepare_infer(self, request: Request, started: float) -> _Prepared:
        form = request.form
        infer = open_inference.read(
            request.body,
            form.json_size,
            self._schema,
            form.policy,
            self._param_names,
            self._reader,
            self._from_type_hint,
        )
        data = infer.data
        if not self._from_type_hint and not isinstance(data, Block):
            data = self._fitting(data, request, parsed=True)
        prepared = _Prepared(request, data, self._checked(infer.params), True, started)
        prepared.infer = infer._replace(data=None)
        return prepared

    def _from_csv(self, request: Request) -> Any:
        return self._fitting(decoding.read_csv(request.body, self._schema, request.form.policy), request, parsed=True)

    def _from_columns(self, request: Request) -> Any:
        rows, columns = unpack(request.body)
        if isinstance(self._reader, BlockReader):
            block = self._reader.read_table(rows, columns)
            if block is not None:
                return block
        frame = column_blocks.to_frame(rows, columns, self._schema)
        if self._schema is not None and not self._from_type_hint:
            frame = cast_frame(frame, self._schema, request.form.policy, exact=True)
        return self._fitting(frame, request, parsed=True)

    def _fitting(self, data: Any, request: Request, parsed: bool) -> Any:
        """The data against the signature, if there is one; ``parsed``: it was read with the signature in view."""
        if self._schema is None:
            return data
        try:
            return enforce(data, self._schema, request.form.policy)
        except SchemaMismatch as error:
            wrong = (detail for detail in error.details if detail.get("found") != "missing" or "path" in detail)
            if parsed and any(detail.get("column") in self._nested for detail in wrong):
                error.code = InvalidInput.code  # MLflow's server holds nested values against the signature as it parses
            raise

    def _checked(self, params: Any) -> Optional[Dict[str, Any]]:
        """The parameters against their schema; None where neither are there, as MLflow has it."""
        return enforce_params(params, self._params) if self._params or params is not None else None

    def _capped(self, group: List[_Prepared]) -> List[List[_Prepared]]:
        """The group in batches that keep to the cap on rows; one by one while joining pauses."""
        if len(group) == 1:
            return [group]
        if time.monotonic() < self._joining_again_at:
            return [[prepared] for prepared in group]
        batches: List[List[_Prepared]] = []
        rows = 0
        for prepared in group:
            if not batches or rows + prepared.rows > batching.MAX_JOINED_ROWS:
                batches.append([])
                rows = 0
            batches[-1].append(prepared)
            rows += prepared.rows
        return batches

    def _predict(self, batch: List[_Prepared], answers: List[Answer]) -> None:
        """One predict call for the whole batch; halves of it, down to single requests, where that fails."""
        started = time.perf_counter()
        try:
            if len(batch) == 1:
                shares = [self._call(batch[0].data, batch[0].params)]
            else:
                prediction = self._call(batching.join([prepared.data for prepared in batch]), batch[0].params)
                shares = batching.split(prediction, [prepared.rows for prepared in batch])
        except Exception as error:  # noqa: BLE001  whatever a model raises belongs to this batch alone
            if len(batch) > 1:
                self._joining_again_at = time.monotonic() + JOINING_PAUSE
                middle = len(batch) // 2
                self._predict(batch[:middle], answers)
                self._predict(batch[middle:], answers)
                return
            failed = time.perf_counter()
            phases = _phases(batch[0], started, failed, failed)
            answers.append(Answer(batch[0].request.id, _model_failed(error), batch[0].rows, phases, [1, batch[0].rows]))
            return
        predicted = time.perf_counter()
        joined: Optional[List[int]] = [len(batch), sum(prepared.rows for prepared in batch)]
        for prepared, share in zip(batch, shares):
            encoding = time.perf_counter()
            body: Union[bytes, ModelportError]
            json_size = None
            try:
                body, json_size = self._encode(share, prepared)
            except ModelportError as error:
                body = error
            except Exception as error:  # noqa: BLE001  an answer nobody can encode is this request's own failure
                body = _unexpected(error)
            phases = _phases(prepared, started, predicted, encoding)
            answers.append(Answer(prepared.request.id, body, prepared.rows, phases, joined, json_size))
            joined = None

    def _encode(self, prediction: Any, prepared: _Prepared) -> Tuple[bytes, Optional[int]]:
        if prepared.infer is not None:
            return open_inference.write(prediction, prepared.infer, self._name, self._outputs)
        if prepared.request.form.answer == "columns":
            return column_blocks.from_prediction(prediction), None
        return encode_predictions(prediction, prepared.unwrapped), None

    def stream(self, request: Request) -> Generator[bytes, None, None]:
        """The chunks of ``predict_stream``, each a server-sent event; what fails is raised as a ModelportError."""
        predict_stream = self._predictor.predict_stream
        if predict_stream is None:
            raise InvalidInput(
                "this model cannot stream: it has no predict_stream",
                hint="ask without stream=true or text/event-stream",
            )
        prepared = self._prepare(request, time.perf_counter())
        data = single_input(self._input(prepared.data))
        chunks: Any = None
        try:
            chunks = predict_stream(data, prepared.params)
            for chunk in chunks:
                yield b"data: " + encode_predictions(chunk, unwrapped=True) + b"\n\n"
        except Exception as error:  # noqa: BLE001  whatever a model raises is told to its caller
            raise _model_failed(error) from None
        finally:
            if hasattr(chunks, "close"):
                chunks.close()  # the model's own clean-up runs now

    def _call(self, data: Any, params: Optional[Dict[str, Any]]) -> Any:
        return self._predictor.predict(self._input(data), params)

    def _input(self, data: Any) -> Any:
        """What the predictor takes: blocks as an array where that gives the same answer, else as a frame."""
        if isinstance(data, Block):
            return data.array() if self._predictor.array_columns is not None else data.frame()
        return data

    def warm_up(self, example: Optional[bytes]) -> Optional[str]:
        """Predict the model's own example, so that the first caller does not pay for lazy set-up.

        Where rows may be joined, the example also shows whether a row's prediction depends on its neighbours; joining is off
        where it does. Returns why there was no warm-up, for the log: a failing example keeps no model from serving.
        """
        if example is None:
            _import_data_libraries(self._schema)
            return "the model has no input example"
        now = time.perf_counter()
        try:
            prepared = self._prepare(Request(0, INVOCATION, example, now), now)
            prediction = self._call(prepared.data, prepared.params)
        except Exception as error:  # noqa: BLE001  the example is the author's, and may be wrong
            return f"the input example fails: {type(error).__name__}: {error}"
        if self.joins and prepared.rows and batching.joining_key(prepared.data, prepared.params) is not None:
            try:
                self.joins = self._rows_are_independent(prepared, prediction)
            except Exception as error:  # noqa: BLE001  cannot be joined or cut: then it is not
                log.debug("joining the example failed: %r", error)
                self.joins = False
        return None

    def _rows_are_independent(self, example: _Prepared, prediction: Any) -> bool:
        """Whether the example twice over gives the same prediction twice, and its first row alone that of the first row."""
        data, rows = self._input(example.data), example.rows
        twice = batching.split(self._call(batching.join([data, data]), example.params), [rows, rows])
        if not all(batching.same_predictions(share, prediction) for share in twice):
            return False
        if rows == 1:
            return True
        expected, _ = batching.split(prediction, [1, rows - 1])
        return batching.same_predictions(self._call(batching.first_row(data), example.params), expected)


def read_head(head: bytes) -> Form:
    """The form that an INFER frame's head asks for."""
    fields: Dict[str, Any] = json.loads(head)
    fields["policy"] = POLICIES[fields["policy"]]
    return Form(**fields)


def _import_data_libraries(schema: Optional[Schema]) -> None:
    """What nearly every request needs and the first caller should not wait for, as far as the environment has it."""
    for name in ("numpy",) if schema is not None and schema.is_tensor else ("numpy", "pandas"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            log.debug("not in this environment: %s", error)


def _refused(request: Request, started: float) -> List[int]:
    """The phases of a request that did not get past its decoding."""
    return [int((started - request.arrived) * 1e6), int((time.perf_counter() - started) * 1e6), 0, 0]


def _phases(prepared: _Prepared, started: float, predicted: float, encoding: float) -> List[int]:
    """Microseconds in queue, decode, predict, encode; what the neighbours' decoding took counts as queue."""
    queue = prepared.started - prepared.request.arrived + started - prepared.decoded
    return [
        int(queue * 1e6),
        int((prepared.decoded - prepared.started) * 1e6),
        int((predicted - started) * 1e6),
        int((time.perf_counter() - encoding) * 1e6),
    ]


def _model_failed(error: Exception) -> ModelportError:
    """What the model raised, as data: mlflow's own exceptions keep their code, all others are the model's failure."""
    if isinstance(error, ModelportError):
        return error
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    code = getattr(error, "error_code", None)
    if isinstance(code, str) and any(kind.__name__ == "MlflowException" for kind in type(error).__mro__):
        return ModelFailed(str(getattr(error, "message", error)), code=code, traceback=text)
    message = f"the model raised {type(error).__name__} while predicting"
    return ModelFailed(
        message, details=[{"exception": type(error).__name__, "message": str(error)[:500]}], traceback=text
    )


def _unexpected(error: Exception) -> ModelportError:
    if isinstance(error, (RecursionError, MemoryError)):
        return InvalidInput(f"the request is too large or too deeply nested ({type(error).__name__})")
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return ModelportError(f"cannot handle this request: {type(error).__name__}: {error}", traceback=text)
