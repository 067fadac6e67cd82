"""Chat and agent models, saved by the real mlflow, and what it answers with them: `python make_agents.py FOLDER`.

Each is saved twice, its class pickled and as models from code; its answer tells what reached it. `FOLDER/answers.json`:
{model: {case: {"body", "status", "answer", "chunks"}}}, where no chunks (null) means that streaming raised.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import mlflow
from fastapi.testclient import TestClient
from mlflow.models import ModelSignature
from mlflow.models.rag_signatures import ChatCompletionRequest
from mlflow.pyfunc import ChatAgent, ChatModel, PythonModel, ResponsesAgent, scoring_server
from mlflow.types.agent import ChatAgentChunk, ChatAgentResponse
from mlflow.types.llm import ChatCompletionChunk, ChatCompletionResponse
from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent
from mlflow.types.schema import ParamSchema, ParamSpec

HEADER = """\
import mlflow
from mlflow.pyfunc import ChatAgent, ChatModel, PythonModel, ResponsesAgent
from mlflow.types.agent import ChatAgentChunk, ChatAgentResponse
from mlflow.types.llm import ChatCompletionChunk, ChatCompletionResponse
from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent


"""


class EchoChatModel(ChatModel):
    """Answers with what reached it: the types, the messages, the parameters."""

    def load_context(self, context):
        self.loaded = True

    def told(self, context, messages, params):
        import json

        names = [type(context).__name__, *(type(message).__name__ for message in messages), type(params).__name__]
        facts = {"loaded": self.loaded, "types": names, "messages": [message.to_dict() for message in messages]}
        return json.dumps({**facts, "params": params.to_dict()}, sort_keys=True)

    def predict(self, context, messages, params):
        if messages and messages[-1].content == "raise":
            raise ZeroDivisionError("the model's own")
        message = {"role": "assistant", "content": self.told(context, messages, params)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        answer = {"model": "echo", "created": 1, "choices": [choice], "usage": usage}
        return ChatCompletionResponse.from_dict({**answer, "custom_outputs": {"kind": "predict"}})

    def predict_stream(self, context, messages, params):
        for index, word in enumerate([*messages[-1].content.split(), self.told(context, messages, params)]):
            choice = {"index": index, "delta": {"role": "assistant", "content": word}}
            yield ChatCompletionChunk.from_dict({"model": "echo", "created": 1, "choices": [choice]})


class WithoutContext(ChatModel):
    """Takes no context, which is allowed since MLflow 2.20, and does not stream."""

    def predict(self, messages, params):
        message = {"role": "assistant", "content": f"{len(messages)} {params.temperature}"}
        return ChatCompletionResponse.from_dict({"created": 1, "choices": [{"index": 0, "message": message}]})


class EchoChatAgent(ChatAgent):
    def told(self, messages, context, custom_inputs):
        import json

        names = [
            *(type(message).__name__ for message in messages),
            type(context).__name__,
            type(custom_inputs).__name__,
        ]
        facts = {"types": names, "messages": [message.model_dump() for message in messages]}
        context = None if context is None else context.model_dump()
        return json.dumps({**facts, "context": context, "custom_inputs": custom_inputs}, sort_keys=True)

    def predict(self, messages, context=None, custom_inputs=None):
        if messages and messages[-1].content == "raise":
            raise ZeroDivisionError("the model's own")
        if messages and messages[-1].content == "not an answer":
            return {"answer": 42}
        message = {"role": "assistant", "content": self.told(messages, context, custom_inputs), "id": "1"}
        return ChatAgentResponse(messages=[message], custom_outputs={"kind": "predict"})

    def predict_stream(self, messages, context=None, custom_inputs=None):
        for word in [*messages[-1].content.split(), self.told(messages, context, custom_inputs)]:
            yield ChatAgentChunk(delta={"role": "assistant", "content": word, "id": "1"})


class EchoResponsesAgent(ResponsesAgent):
    def told(self, request):
        import json

        names = [type(request).__name__, *(type(item).__name__ for item in request.input)]
        return json.dumps({"types": names, "request": request.model_dump(exclude_none=True)}, sort_keys=True)

    def said(self, request):
        return request.input[-1].model_dump().get("content")

    def predict(self, request):
        if self.said(request) == "raise":
            raise ZeroDivisionError("the model's own")
        item = self.create_text_output_item(text=self.told(request), id="1")
        return ResponsesAgentResponse(output=[item], custom_outputs={"kind": "predict"})

    def predict_stream(self, request):
        for word in str(self.said(request)).split():
            yield ResponsesAgentStreamEvent(**self.create_text_delta(delta=word, item_id="1"))
        item = self.create_text_output_item(text=self.told(request), id="1")
        yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)


class Chunks(PythonModel):
    """Streams as a chain does: one input, chunks of any kind."""

    def predict(self, context, model_input, params=None):
        return ["whole", type(model_input).__name__]

    def predict_stream(self, context, model_input, params=None):
        yield type(model_input).__name__
        yield {"input": model_input, "params": params or None}
        yield from ([1, 2.5, None], True, "é\n\ndata: x", "")


class Texts(PythonModel):
    """Streams one text of the list that its hint asks for."""

    def predict(self, model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]

    def predict_stream(self, model_input):
        yield from model_input.split()


class Request(PythonModel):
    """Takes mlflow's own dataclass."""

    def predict(self, context, model_input: ChatCompletionRequest, params=None):
        return [str(model_input)]


class Steps(PythonModel):
    """Does what it is told, step by step, and leaves a file for each thing that it did."""

    def predict(self, context, model_input, params=None):
        return list(self.predict_stream(context, model_input, params))

    def predict_stream(self, context, model_input, params=None):
        import itertools
        import time
        from pathlib import Path

        folder = Path(model_input["folder"])
        try:
            for step in model_input["input"]:
                do, _, what = step.partition(" ")
                if do == "say":
                    (folder / f"made {what}").touch()
                    yield {"said": what}
                elif do == "wait":
                    while not (folder / what).exists():
                        time.sleep(0.01)
                elif do == "count":
                    for number in itertools.count():
                        (folder / "count").write_text(str(number))
                        yield {"number": number, "padding": "x" * int(what)}
                elif do == "raise":
                    raise ZeroDivisionError("the model's own")
        finally:
            (folder / "closed").touch()


class Silent(PythonModel):
    """Does not stream."""

    def predict(self, context, model_input, params=None):
        return "whole"


ECHOES = {"chat_model": EchoChatModel, "chat_agent": EchoChatAgent, "responses_agent": EchoResponsesAgent}
HELLO = {"role": "user", "content": "hello world"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "tool_calls": [CALL]}
CHAT = {
    "a message": {"messages": [HELLO]},
    "parameters": {"messages": [HELLO], "temperature": 0.5, "max_tokens": 10, "stop": ["a"], "stream": True},
    "custom inputs": {"messages": [HELLO], "custom_inputs": {"a": {"b": [1, 2]}, "c": 1.5, "d": None}},
    "context": {"messages": [HELLO], "context": {"conversation_id": "1", "user_id": "2"}, "stream": True},
    "tool calls": {"messages": [HELLO, CALLED, {"role": "tool", "content": "x", "tool_call_id": "1", "name": "f"}]},
    "beyond ASCII": {"messages": [{"role": "user", "content": "é \u2028 \U0001f600"}]},
    "unknown key": {"messages": [HELLO], "unknown": 1},
    "frame": {"dataframe_split": {"columns": ["messages"], "data": [[[HELLO]]]}},
    "inputs": {"inputs": {"messages": [HELLO]}},
    "role is missing": {"messages": [{"content": "x"}]},
    "content is missing": {"messages": [{"role": "user"}]},
    "content is a number": {"messages": [{"role": "user", "content": 5}]},
    "unknown field": {"messages": [{**HELLO, "unknown": 1}]},
    "messages is a text": {"messages": "hello"},
    "message is a text": {"messages": ["hello"]},
    "messages is null": {"messages": None},
    "no messages": {"prompt": "hello"},
    "no data": {"temperature": 1},
    "stop is a text": {"messages": [HELLO], "stop": "a"},
    "temperature is a text": {"messages": [HELLO], "temperature": "hot"},
    "context is wrong": {"messages": [HELLO], "context": {"user_id": 1}},
    "the model raises": {"messages": [{"role": "user", "content": "raise"}]},
    "the answer is wrong": {"messages": [{"role": "user", "content": "not an answer"}]},
}
RESPONSES = {
    "a message": {"input": [HELLO]},
    "items": {
        "input": [HELLO, {"type": "function_call", "id": "1", "call_id": "2", "name": "f", "arguments": "{}"}, HELLO]
    },
    "parts": {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
    "parameters": {"input": [HELLO], "temperature": 1, "max_output_tokens": 9, "metadata": {"a": "b"}, "stream": True},
    "custom inputs": {"input": [HELLO], "custom_inputs": {"a": {"b": [1]}}, "context": {"user_id": "1"}},
    "unknown key": {"input": [HELLO], "unknown": 1},
    "frame": {"dataframe_split": {"columns": ["input"], "data": [[[HELLO]]]}},
    "input is a text": {"input": "hello"},
    "input is a number": {"input": 5},
    "input is null": {"input": None},
    "role is missing": {"input": [{"content": "x"}]},
    "role is unknown": {"input": [{"role": "robot", "content": "x"}]},
    "item is unknown": {"input": [{"type": "unknown"}]},
    "item is a text": {"input": ["hello"]},
    "messages instead": {"messages": [HELLO]},
    "tool without name": {"input": [HELLO], "tools": [{"type": "function"}]},
    "metadata is wrong": {"input": [HELLO], "metadata": {"a": 1}},
    "the model raises": {"input": [{"role": "user", "content": "raise"}]},
}
PLAIN = {
    "messages": {"messages": [HELLO], "more": 1},
    "prompt": {"prompt": "hello"},
    "one text": {"inputs": ["hello world"]},
    "texts": {"inputs": ["hello", "world"]},
}
CASES = {"chat_model": CHAT, "chat_agent": CHAT, "responses_agent": RESPONSES, "chunks": PLAIN, "texts": PLAIN}


def main(folder: Path) -> None:
    (folder / "sources").mkdir()
    answers = {}
    for name, kind in {**ECHOES, "chunks": Chunks, "texts": Texts}.items():
        code = folder / "sources" / f"{name}.py"
        code.write_text(f"{HEADER}{inspect.getsource(kind)}\n\nmlflow.models.set_model({kind.__name__}())\n")
        save(folder / name, python_model=kind())
        save(folder / f"{name}_code", python_model=str(code))
        for saved in (name, f"{name}_code"):
            answers[saved] = answers_of(folder / saved, CASES[name])
    save(folder / "without_context", python_model=WithoutContext())
    answers["without_context"] = answers_of(folder / "without_context", {"a message": CHAT["a message"]})
    save(folder / "request", python_model=Request(), input_example={"messages": [HELLO]})
    answers["request"] = answers_of(folder / "request", {"a message": CHAT["a message"]})
    shout = ParamSchema([ParamSpec("shout", "boolean", False)])
    save(folder / "parameters", python_model=Chunks(), signature=ModelSignature(params=shout))
    save(folder / "steps", python_model=Steps())
    save(folder / "silent", python_model=Silent())
    save(folder / "silent_but_streamable", python_model=Silent(), streamable=True)
    (folder / "answers.json").write_text(json.dumps(answers))


def save(folder: Path, **given: Any) -> None:
    mlflow.pyfunc.save_model(folder, pip_requirements=["mlflow"], **given)


def answers_of(folder: Path, cases: dict[str, Any]) -> dict[str, Any]:
    model = mlflow.pyfunc.load_model(str(folder))
    with TestClient(scoring_server.init(model), raise_server_exceptions=False) as client:
        return {case: answer_of(model, client, body) for case, body in cases.items()}


def answer_of(model: Any, client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    """What the server answers, and the chunks where the data that it hands over can be streamed."""
    reply = client.post("/invocations", json=body)
    data = json.loads(json.dumps(body))
    try:
        chunks = list(model.predict_stream(data["inputs"] if isinstance(data.get("inputs"), list) else data))
    except Exception:  # noqa: BLE001  whatever it raises, there is no stream
        chunks = None
    return {"body": body, "status": reply.status_code, "answer": reply.json(), "chunks": chunks}


if __name__ == "__main__":
    mlflow.tracing.disable()
    main(Path(sys.argv[1]))
