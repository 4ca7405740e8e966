"""Any callable as a client, a resolver or a summariser."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from tract.dataclass import dataclass, replace
from tract.errors import LLMConfigError, LLMResponseError
from tract.llm.anthropic_format import read_anthropic_answer
from tract.llm.openai_format import read_openai_answer
from tract.llm.types import ChatMessage, ChatOptions, LLMClient, LLMRequest, LLMResponse, Resolution, Summary


def as_client(answerer: Any) -> LLMClient:
    """A client made of *answerer*: a client of tract's own unchanged, any object with ``chat``, or a function of messages.

    The answer may be a str, an ``LLMResponse``, or OpenAI's or Anthropic's answer as a dict or an SDK's object.
    A function gets model, temperature and further options only if it has parameters for them.
    """
    if isinstance(answerer, CallableClient):
        return answerer
    # By its class, so that a client's own answers are not read a second time.
    if type(answerer).__module__.startswith("tract.llm."):
        known: LLMClient = answerer
        return known
    function = getattr(answerer, "chat", answerer)
    if not callable(function):
        raise LLMConfigError(f"a model's client must be callable or have 'chat', not {type(answerer).__name__}")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        raise LLMConfigError("a model's client must answer when it is called, and an async function does not")
    return CallableClient(function)


@dataclass(frozen=True, slots=True)
class CallableClient:
    """A function of messages, as a client."""

    function: Callable[..., Any]

    def chat(self, messages: Sequence[ChatMessage], **options: Unpack[ChatOptions]) -> LLMResponse:
        request = LLMRequest.of(messages, "", options)
        given = {"model": request.model or None, "temperature": request.temperature, "max_tokens": request.max_tokens}
        given |= request.options
        taken = _taken(self.function, {key: value for key, value in given.items() if value is not None})
        answer = read_answer(self.function([dict(message) for message in messages], **taken))
        if answer.generation_config:
            return answer
        config = {key: value for key, value in request.generation_config.items() if key in taken}
        return replace(answer, generation_config=config)


def _taken(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in *given* for which *function* has a parameter; its first parameter gets the messages."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in callables do not say
        return {}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(given)
    names = {p.name for p in parameters[1:] if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    return {key: value for key, value in given.items() if key in names}


def read_answer(answer: Any) -> LLMResponse:
    """A callable's answer as a response; LLMResponseError if it is not an answer."""
    if isinstance(answer, LLMResponse):
        return answer
    if isinstance(answer, str):
        return LLMResponse(answer, {"role": "assistant", "content": answer})
    dump = getattr(answer, "model_dump", None)
    if callable(dump):
        answer = dump(mode="json")
    if isinstance(answer, Mapping):
        return read_anthropic_answer(answer) if answer.get("type") == "message" else read_openai_answer(answer)
    raise LLMResponseError(f"a model's answer must be a text, an LLMResponse or a dict, not {type(answer).__name__}")


def check_whole(answer: LLMResponse) -> None:
    """LLMResponseError, with the answer's first words, if the answer was cut off, or the model declined to give it."""
    if answer.is_refusal:
        said = answer.text or str(answer.message.get("refusal") or "")
        raise LLMResponseError(f"the model declined to answer{saying(said)}")
    if answer.is_cut:
        raise LLMResponseError(f"the model's answer was cut off{saying(answer.text)}", text=answer.text)


def saying(text: str) -> str:
    """The first words of a model's answer, as the end of an error message; "" if it said nothing."""
    words = " ".join(text[:200].split())
    return f": {words[:60]!r}" if words else ""


def read_resolution(answer: Any) -> Resolution:
    """A resolver's answer; a str is the resolved text. LLMResponseError for anything else."""
    if isinstance(answer, Resolution):
        return answer
    if isinstance(answer, str):
        return Resolution("resolved", answer)
    raise LLMResponseError(f"a resolver must answer with a Resolution or a text, not {type(answer).__name__}")


def read_summary(answer: Any) -> Summary:
    """A summariser's answer; a str is the summary's text. LLMResponseError for anything else."""
    if isinstance(answer, Summary):
        return answer
    if isinstance(answer, str):
        return Summary(answer)
    raise LLMResponseError(f"a summariser must answer with a Summary or a text, not {type(answer).__name__}")
