"""What a provider sends, or who sits between: whole answers, streams and errors, as far as the flow takes them without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.fuzz.object_targets import json_seeds
from tests.fuzz.target import JSON, LINES, Form, Target, check
from tract.errors import LLMError, TractError
from tract.llm.anthropic_format import AnthropicAssembler, read_anthropic_answer
from tract.llm.client_settings import Limits, Secrets
from tract.llm.flow import Assembler, Call, Head, Piece, Receive, Reply, Send, ask
from tract.llm.openai_format import OpenAIAssembler, read_openai_answer
from tract.llm.sse import Event, EventParser
from tract.llm.types import LLMResponse

_LIMITS = Limits(timeout=60, read_timeout=60, max_retries=0, backoff=0, max_wait=0)

_OPENAI: dict[str, Any] = {
    "id": "c1",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "hi"}],
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "ls", "arguments": "{}"}}],
            },
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
_OPENAI_EVENTS: list[dict[str, Any]] = [
    {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "h"}}]},
    {"choices": [{"index": 0, "delta": {"content": "i", "reasoning": {"a": ["b"]}}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "ls", "arguments": "{"}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3}},
]
_BLOCK = {"type": "text", "text": "h", "citations": [{"a": 1}]}
_CALL = {"type": "tool_use", "id": "t", "name": "ls", "input": {"a": 1}}
_ANTHROPIC: dict[str, Any] = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "model": "m",
    "content": [_BLOCK, _CALL],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
_ANTHROPIC_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**_ANTHROPIC, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {**_BLOCK, "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"b": 2}}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {**_CALL, "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
_ERROR = {"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}


def _ask(
    provider: tuple[Callable[[object], LLMResponse], Callable[[], Assembler]], head: Head, chunks: list[bytes]
) -> None:
    """Put one question, and answer it with these bytes; only an LLMError may say no."""
    read, assembler = provider
    is_stream = head.headers.get("content-type") == "text/event-stream"
    flow = ask(
        Call(
            url="https://x/",
            headers={},
            body=b"",
            is_stream=is_stream,
            limits=_LIMITS,
            secrets=Secrets(("sk-secret",)),
            read=read,
            assembler=assembler,
            request_id_header="request-id",
        )
    )
    coming = iter([*chunks, b""])
    reply: Reply = None
    given: list[str] = []
    try:
        while True:
            match flow.send(reply):
                case Send():
                    reply = head
                case Receive():
                    reply = next(coming)
                case Piece(text):
                    given.append(text)
                    reply = None
                case step:
                    raise AssertionError(f"it wants to {step}")
    except StopIteration as stop:
        answer: LLMResponse = stop.value
    except LLMError as exc:
        str(exc).encode("utf-8", "surrogatepass")
        raise
    except TractError as exc:
        raise AssertionError(f"{type(exc).__name__} is no LLMError: {exc}") from exc
    assert isinstance(answer.text, str)
    json.dumps([answer.message, answer.usage, answer.finish_reason, answer.model])


_PROVIDERS = {
    "openai": (read_openai_answer, OpenAIAssembler),
    "anthropic": (read_anthropic_answer, AnthropicAssembler),
}


def _answer(name: str) -> Callable[[bytes], None]:
    return lambda data: _ask(_PROVIDERS[name], Head(200, {"content-type": "application/json"}), [data] if data else [])


def _stream(name: str) -> Callable[[bytes], None]:
    """Each line is the data of an event."""

    def run(data: bytes) -> None:
        body = b"".join(b"data: " + line + b"\n\n" for line in data.splitlines()) + b"data: [DONE]\n\n"
        _ask(_PROVIDERS[name], Head(200, {"content-type": "text/event-stream"}), _cut(body))

    return run


def _raw_stream(data: bytes) -> None:
    """Bytes as they are; the first says from whom."""
    check(len(data) > 1, "no stream")
    provider = list(_PROVIDERS.values())[data[0] % 2]
    _ask(provider, Head(200, {"content-type": "text/event-stream"}), _cut(data[1:]))


def _error(data: bytes) -> None:
    """A status, a line for the headers that say when to come back, and the body."""
    check(len(data) > 2, "no answer")
    line, _, body = data[2:].partition(b"\n")
    text = line.decode("latin-1")
    headers = {"retry-after": text, "date": text[1:], "retry-after-ms": text[2:], "x-should-retry": text}
    status = 300 + int.from_bytes(data[:2], "big") % 300
    try:
        _ask(_PROVIDERS["openai"], Head(status, headers), [body] if body else [])
    except LLMError:
        return
    raise AssertionError(f"an answer with status {status} is no error")


def _events(data: bytes) -> None:
    """The same events, however the bytes are cut."""
    whole = EventParser().feed(data)
    for size in (1, 2, 7):
        parser = EventParser()
        cut: list[Event] = []
        for at in range(0, min(len(data), 4096), size):
            cut += parser.feed(data[at : at + size])
        assert len(data) > 4096 or whole == cut, (size, whole, cut)
    check(bool(whole), "no event")


def _cut(body: bytes) -> list[bytes]:
    size = 1 + len(body) % 97
    return [body[at : at + size] for at in range(0, len(body), size)]


def _lines(events: list[dict[str, Any]]) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (b"\n".join(json.dumps(event).encode() for event in events),)


def _sse(events: list[dict[str, Any]], first: bytes) -> bytes:
    body = "".join(f"event: {event.get('type', '')}\r\ndata: {json.dumps(event)}\r\n\r\n" for event in events)
    return first + body.encode() + b": ping\n\ndata: [DONE]\n\n"


TARGETS = (
    Target("llm-events", _events, lambda: (_sse(_ANTHROPIC_EVENTS[:3], b"\xef\xbb\xbf"), b"data: a\rdata: b\n\r\n")),
    Target("llm-openai-answer", _answer("openai"), json_seeds(_OPENAI), form=JSON),
    Target("llm-anthropic-answer", _answer("anthropic"), json_seeds(_ANTHROPIC), form=JSON),
    Target("llm-openai-stream", _stream("openai"), _lines(_OPENAI_EVENTS), form=LINES),
    Target("llm-anthropic-stream", _stream("anthropic"), _lines(_ANTHROPIC_EVENTS), form=LINES),
    Target("llm-stream-bytes", _raw_stream, lambda: (_sse(_OPENAI_EVENTS, b"\0"), _sse(_ANTHROPIC_EVENTS, b"\1"))),
    Target("llm-error", _error, lambda: (b"\x00\x0012\n" + json.dumps(_ERROR).encode(),), form=Form("json", 5)),
)
