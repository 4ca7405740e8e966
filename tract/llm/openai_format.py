"""OpenAI's chat completions: the body of a question, of an answer, and of a streamed answer.

    {"choices": [{"message": {"role", "content", "tool_calls", …}, "finish_reason"}], "model", "usage", "id"}
    data: {"choices": [{"delta": {…}, "finish_reason"}]}        data: {"choices": [], "usage": {…}}        data: [DONE]

If there are several choices, the first is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import LLMResponseError
from tract.llm.parsing import (
    add_delta,
    found,
    id_of,
    joined,
    need_list,
    need_object,
    need_text,
    raise_if_refused,
    text_or_none,
)
from tract.llm.sse import Event
from tract.llm.types import LLMRequest, LLMResponse
from tract.objects.json import parse_json


def openai_body(request: LLMRequest, *, stream: bool, limit_name: str) -> dict[str, Any]:
    """The body of *request*; *limit_name* is the server's name for ``max_tokens``."""
    body: dict[str, Any] = {"model": request.model, "messages": list(request.messages)}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body[limit_name] = request.max_tokens
    body.update(request.options)
    if stream:
        body["stream"] = True
        # Without it, a streamed answer has no usage.
        body.setdefault("stream_options", {"include_usage": True})
    return body


def read_openai_answer(body: Any) -> LLMResponse:
    """The first choice of a chat completion; LLMResponseError names the part that is wrong."""
    body = need_object(body, "the answer")
    raise_if_refused(body)
    if "choices" not in body:
        raise LLMResponseError(f"the answer has no 'choices': it is {found(body)}")
    choices = need_list(body["choices"], "the answer's 'choices'")
    if not choices:
        raise LLMResponseError("the answer has no choice in it")
    choice = need_object(choices[0], "the answer's choice")
    message = need_object(choice.get("message"), "the answer's 'message'")
    reason = text_or_none(choice.get("finish_reason"), "the answer's 'finish_reason'")
    return LLMResponse(
        text=_text_of(message, reason),
        message=dict(message),
        model=text_or_none(body.get("model"), "the answer's 'model'") or "",
        usage=dict(need_object(body.get("usage") or {}, "the answer's 'usage'")),
        finish_reason=reason,
        request_id=id_of(body),
    )


def _text_of(message: Mapping[str, Any], reason: str | None) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [need_object(part, "a part of the answer's content") for part in content]
        return "".join(need_text(part.get("text"), "a text part") for part in parts if part.get("type") == "text")
    if content is None:
        # Null is a valid content if the model calls tools or refuses to answer.
        if message.get("tool_calls") or message.get("function_call") or message.get("refusal"):
            return ""
        raise LLMResponseError(f"the answer's content is null (finish_reason {reason!r:.60})")
    raise LLMResponseError(f"the answer's content must be a text, not {found(content)}")


class OpenAIAssembler:
    """The first choice of a streamed completion, assembled as it comes; other choices are kept beside it."""

    def __init__(self) -> None:
        self._others: dict[Any, dict[str, Any]] = {}
        self.is_done = False
        self._body: dict[str, Any] = {}
        self._message: dict[str, Any] | None = None
        self._reason: str | None = None

    @property
    def may_end(self) -> bool:
        """Whether the stream may end here: some servers send no ``[DONE]``."""
        return self._reason is not None

    def take(self, event: Event) -> str:
        """Take in *event*, and return its text."""
        if event.data.strip() == "[DONE]":
            self.is_done = True
            return ""
        try:
            chunk = need_object(parse_json(event.data), "an event of the stream")
        except ValueError as exc:
            raise LLMResponseError("an event of the stream is not JSON") from exc
        raise_if_refused(chunk)
        self._body.update({key: chunk[key] for key in ("id", "model", "usage") if chunk.get(key) is not None})
        pieces = [self._take_choice(c) for c in need_list(chunk.get("choices") or [], "an event's 'choices'")]
        return "".join(pieces)

    def _take_choice(self, value: Any) -> str:
        choice = need_object(value, "an event's choice")
        delta = need_object(choice.get("delta") or {}, "an event's 'delta'")
        if (index := choice.get("index")) not in (None, 0):
            add_delta(self._others.setdefault(str(index), {"role": "assistant"}), delta)
            return ""
        self._message = self._message or {"role": "assistant"}
        add_delta(self._message, delta)
        self._reason = text_or_none(choice.get("finish_reason"), "an event's 'finish_reason'") or self._reason
        content = delta.get("content")
        return content if isinstance(content, str) else ""

    def answer(self) -> LLMResponse:
        if self._message is None:
            raise LLMResponseError("the stream has no choice in it")
        message = _whole(self._message)
        return read_openai_answer(self._body | {"choices": [{"message": message, "finish_reason": self._reason}]})

    @property
    def others(self) -> list[dict[str, Any]]:
        """The messages of the choices after the first."""
        return [*map(_whole, self._others.values())]


def _whole(message: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = joined(message)
    calls = whole.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict):
            call.pop("index", None)  # the stream's own; a message does not have it
    return whole
