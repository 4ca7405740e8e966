"""Anthropic's messages: the body of a question, of an answer, and of a streamed answer.

    {"type": "message", "role", "content": [block, …], "model", "stop_reason", "usage", "id"}
    message_start  (content_block_start  content_block_delta…  content_block_stop)…  message_delta  message_stop

An error may come in place of an answer, and in the midst of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.errors import LLMResponseError
from tract.llm.parsing import (
    Pieces,
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
from tract.messages import join_system, message_from_raw, render_anthropic
from tract.objects.json import parse_json
from tract.objects.message_format import detect_format


def anthropic_body(request: LLMRequest, *, stream: bool, default_max_tokens: int) -> dict[str, Any]:
    """The body of *request*, with its messages in Anthropic's format; ``system`` among its options comes before their instructions."""
    given = [message_from_raw(message, detect_format(message) or "openai") for message in request.messages]
    rendered = render_anthropic(given).value
    system = join_system([one for one in (request.options.get("system"), rendered.get("system")) if one])
    body: dict[str, Any] = {"model": request.model, "messages": rendered["messages"]}
    body["max_tokens"] = default_max_tokens if request.max_tokens is None else request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    body.update({key: value for key, value in request.options.items() if key != "system"})
    if system:
        body["system"] = system
    if stream:
        body["stream"] = True
    return body


def read_anthropic_answer(body: Any) -> LLMResponse:
    """The message in *body*; LLMResponseError names the part that is wrong."""
    body = need_object(body, "the answer")
    raise_if_refused(body)
    if "content" not in body:
        raise LLMResponseError(f"the answer has no 'content': it is {found(body)}")
    content = need_list(body["content"], "the answer's content")
    blocks = [need_object(block, "a block of the answer") for block in content]
    texts = [need_text(block.get("text"), "a block's text") for block in blocks if block.get("type") == "text"]
    return LLMResponse(
        text="".join(texts),
        # The API refuses its own other keys (id, usage, …) in a message that is sent back.
        message={"role": "assistant", "content": [dict(block) for block in blocks]},
        model=text_or_none(body.get("model"), "the answer's 'model'") or "",
        usage=dict(need_object(body.get("usage") or {}, "the answer's 'usage'")),
        finish_reason=text_or_none(body.get("stop_reason"), "the answer's 'stop_reason'"),
        request_id=id_of(body),
        format="anthropic",
    )


class AnthropicAssembler:
    """A streamed message, assembled as it comes. It ignores events it does not know, as the API asks."""

    def __init__(self) -> None:
        self.is_done = False
        self.may_end = False  # only message_stop ends a stream
        self._body: dict[str, Any] | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, Pieces] = {}

    def take(self, event: Event) -> str:
        """Take in *event*, and return its text."""
        try:
            data = need_object(parse_json(event.data), "an event of the stream")
        except ValueError as exc:
            raise LLMResponseError("an event of the stream is not JSON") from exc
        raise_if_refused(data)
        match data.get("type"):
            case "message_start":
                self._body = dict(need_object(data.get("message"), "the stream's message"))
            case "content_block_start":
                block = need_object(data.get("content_block"), "the stream's block")
                self._blocks[self._index(data)] = dict(block)
                return _text_in(block)
            case "content_block_delta":
                return self._take_delta(self._index(data), need_object(data.get("delta"), "an event's 'delta'"))
            case "message_delta":
                self._take_end(data)
            case "message_stop":
                self.is_done = True
        return ""

    def _index(self, data: Mapping[str, Any]) -> int:
        index = data.get("index")
        if type(index) is not int:
            raise LLMResponseError(f"an event's 'index' must be a number, not {found(index)}")
        return index

    def _take_delta(self, index: int, delta: Mapping[str, Any]) -> str:
        block = self._blocks.get(index)
        if block is None:
            raise LLMResponseError("the stream goes on with a block that it has not begun")
        match delta.get("type"):
            case "input_json_delta":
                text = need_text(delta.get("partial_json"), "an event's 'partial_json'")
                self._inputs.setdefault(index, Pieces()).append(text)
            case "citations_delta":
                known = need_list(block.get("citations") or [], "a block's citations")
                block["citations"] = [*known, delta.get("citation")]
            case _:
                # text, thinking, signature: each is appended to the block's text of that name
                add_delta(block, {key: value for key, value in delta.items() if key != "type"})
        return _text_in(delta) if delta.get("type") == "text_delta" else ""

    def _take_end(self, data: Mapping[str, Any]) -> None:
        body = self._started()
        body.update(need_object(data.get("delta") or {}, "an event's 'delta'"))
        usage = need_object(data.get("usage") or {}, "an event's 'usage'")
        counted = {key: value for key, value in usage.items() if value is not None}
        body["usage"] = dict(need_object(body.get("usage") or {}, "the stream's 'usage'")) | counted

    def _started(self) -> dict[str, Any]:
        if self._body is None:
            raise LLMResponseError("the stream has no message in it")
        return self._body

    def answer(self) -> LLMResponse:
        body = self._started()
        for index, pieces in self._inputs.items():
            self._blocks[index]["input"] = _parse_input("".join(pieces))
        return read_anthropic_answer(body | {"content": [joined(block) for _, block in sorted(self._blocks.items())]})


def _text_in(value: Mapping[str, Any]) -> str:
    text = value.get("text")
    return text if isinstance(text, str) else ""


def _parse_input(text: str) -> Any:
    try:
        return parse_json(text) if text.strip() else {}
    except ValueError as exc:
        raise LLMResponseError("a tool call's input is not JSON: the answer was cut, or the model erred") from exc
