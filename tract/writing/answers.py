"""Answers of a provider's SDK: the message, its usage and its model's settings are taken from the object, or from its stream.

| object | message | usage | settings |
|---|---|---|---|
| OpenAI completion (LiteLLM's too) | ``choices[0].message`` | ``usage`` | ``model`` |
| OpenAI Responses response | each item of ``output`` | ``usage`` | ``model``, ``temperature``, ``top_p``, ``max_output_tokens``, ``reasoning`` |
| Anthropic message | ``role`` and ``content`` | ``usage`` | ``model`` |
| Gemini response | ``candidates[0].content``, as a chat completions message | ``usage_metadata`` | ``model_version`` |
| tract's ``LLMResponse`` | ``message`` | ``usage`` | ``generation_config`` |

An SDK's message alone (``ChatCompletionMessage``, an item of a response's ``output``) is a message without usage and settings.
An Anthropic message that was dumped to a dict brings its usage and its model too, and is kept as it is.
No SDK is imported: an object is read through its ``model_dump``. Null fields are left out: the providers send them, and refuse to get them back.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tract.compile.workspace import Workspace
from tract.errors import ContentValidationError
from tract.history.commit import Draft
from tract.named_tuple import NamedTuple
from tract.objects.content import BUILTIN, ContentTypes, MessageContent
from tract.objects.json import whole_pairs
from tract.objects.kept import dumped, without_nulls
from tract.objects.message_format import detect_format
from tract.objects.model import CommitOperation
from tract.writing.drafts import CommitOptions, draft, is_dumped_answer

_SETTINGS = ("model", "temperature", "top_p", "max_output_tokens", "reasoning")
_ANSWERS_ALONE = ("content", "tool_calls", "function_call", "refusal", "audio")


class Answer(NamedTuple):
    """An answer as it is committed: a message, or the items of a response; with its usage and its model's settings.

    *others* are the messages of further choices, if several were requested.
    *id* is the name by which a later request may continue it, if the provider keeps answers.
    """

    contents: tuple[MessageContent, ...]
    usage: Mapping[str, Any] | None = None
    generation_config: Mapping[str, Any] | None = None
    others: Sequence[Mapping[str, Any]] = ()
    id: str | None = None


def given_answer(content: Any, types: ContentTypes = BUILTIN) -> Answer | None:
    """The answer in the SDK's object *content*; None for a content of one of the *types*, or a dict that is not a whole answer.

    ContentValidationError for an object of an unknown kind.
    """
    if isinstance(content, Answer):
        return content
    if isinstance(content, Mapping):
        if is_dumped_answer(content):
            return Answer((MessageContent(dict(content), "anthropic"),), content.get("usage"), _settings(content))
        is_whole = "role" not in content and "content_type" not in content and _reader_of(content) is not None
        return read_answer(content) if is_whole else None
    if isinstance(content, str) or hasattr(content, "content_type") or type(content) in types.values():
        return None
    if type(content).__module__ == "tract.llm.types" and hasattr(content, "generation_config"):
        config = content.generation_config or ({"model": content.model} if content.model else None)
        return Answer((MessageContent(dict(content.message), content.format),), content.usage or None, config)
    return read_answer(dumped(content)) if hasattr(content, "model_dump") else None


def answer_drafts(
    space: Workspace, answer: Answer, operation: CommitOperation | str, options: CommitOptions
) -> list[Draft]:
    """The answer as drafts, one for each item; usage, settings and note belong to the last. *options* take precedence over the answer's own."""
    *first, last = answer.contents
    if first and operation != CommitOperation.APPEND:
        raise ContentValidationError(f"an answer of {len(answer.contents)} items cannot be one message's correction")
    whole: CommitOptions = {**options}
    if options.get("usage") is None and answer.usage:
        whole["usage"] = answer.usage
    if answer.generation_config:
        whole["generation_config"] = {**answer.generation_config, **(options.get("generation_config") or {})}
    return [*(draft(space, one) for one in first), draft(space, last, operation, **whole)]


def read_answer(value: Mapping[str, Any]) -> Answer:
    """The answer in a dumped object, or a dict of the same shape; ContentValidationError for an unknown shape."""
    reader = _reader_of(value)
    if reader is None:
        raise ContentValidationError(
            f"an object that is not an answer of a known provider (keys: {', '.join(value)[:80]})"
        )
    return reader(value)


def _reader_of(value: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Answer] | None:
    if isinstance(value.get("choices"), list):
        return _read_completion
    if value.get("object") == "response" and isinstance(value.get("output"), list):
        return _read_response
    if isinstance(value.get("candidates"), list):
        return _read_gemini
    if value.get("type") == "message" and isinstance(value.get("content"), list) and "stop_reason" in value:
        return _read_anthropic
    return _read_message if detect_format(value) is not None else None


def _read_completion(value: Mapping[str, Any]) -> Answer:
    messages = [choice.get("message") for choice in value["choices"] if isinstance(choice, Mapping)]
    if not messages or not isinstance(messages[0], Mapping):
        raise ContentValidationError("the completion has no message in it")
    others = [without_nulls(other) for other in messages[1:] if isinstance(other, Mapping)]
    said = {"role": "assistant", **without_nulls(messages[0])}  # some servers leave out the role
    return Answer((_message({**messages[0], **said}, "openai"),), value.get("usage"), _settings(value), others)


def _read_message(value: Mapping[str, Any]) -> Answer:
    return Answer((_message(value, detect_format(value) or "openai"),))


def _read_response(value: Mapping[str, Any]) -> Answer:
    items = tuple(MessageContent(without_nulls(item), "responses") for item in value["output"])
    if not items:
        raise ContentValidationError("the response has no output")
    return Answer(items, value.get("usage"), _settings(value), id=_id_of(value))


def _read_anthropic(value: Mapping[str, Any]) -> Answer:
    return Answer(
        (_message({"role": value["role"], "content": value["content"]}, "anthropic"),),
        value.get("usage"),
        _settings(value),
        id=_id_of(value),
    )


def _id_of(value: Mapping[str, Any]) -> str | None:
    return value["id"] if isinstance(value.get("id"), str) else None


def _message(message: Mapping[str, Any], format: str) -> MessageContent:
    kept = without_nulls(message)
    if format == "openai" and kept.get("role") == "assistant" and not any(kept.get(key) for key in _ANSWERS_ALONE):
        kept.setdefault("content", message.get("content"))
    return MessageContent(kept, format)


def _settings(value: Mapping[str, Any]) -> dict[str, Any] | None:
    found = {name: value[name] for name in _SETTINGS if value.get(name) is not None}
    return without_nulls(found) or None


# Gemini: its contents become chat completions messages; a thought's signature is put where Google's own server for such messages has it.


def _read_gemini(value: Mapping[str, Any]) -> Answer:
    content = next((one.get("content") for one in value["candidates"] if isinstance(one, Mapping)), None) or {}
    model = value.get("model_version") or value.get("modelVersion")
    message = _gemini_message(content.get("parts") or [])
    usage = value.get("usage_metadata") or value.get("usageMetadata")
    return Answer((MessageContent(message, "openai"),), usage, {"model": model} if model else None)


def _gemini_message(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    text = [part["text"] for part in parts if isinstance(part.get("text"), str) and not part.get("thought")]
    thoughts = [part["text"] for part in parts if isinstance(part.get("text"), str) and part.get("thought")]
    calls = [_gemini_call(part, at) for at, part in enumerate(parts) if _call_in(part)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text) if text or not calls else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return message | ({"tool_calls": calls} if calls else {})


def _call_in(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return part.get("function_call") or part.get("functionCall")


def _gemini_call(part: Mapping[str, Any], at: int) -> dict[str, Any]:
    import json  # 1 ms, and most answers are not Gemini's

    call = _call_in(part) or {}
    arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
    function = {"name": call.get("name"), "arguments": arguments}
    signature = part.get("thought_signature") or part.get("thoughtSignature")
    extra = {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
    return {"id": call.get("id") or f"call_{at}_{call.get('name')}", "type": "function", "function": function, **extra}


# Streams


class Gatherer(Protocol):
    """Assembles an answer from the events of one kind of stream."""

    def take(self, event: Mapping[str, Any]) -> str:
        """Take in *event*, and return its text."""
        ...

    def answer(self) -> Answer | None:
        """The answer received so far; None if the stream has brought none."""
        ...

    @property
    def is_cut(self) -> bool:
        """Whether the stream has not reported the end of the answer."""
        ...


class _Assembled:
    """OpenAI's chunks and Anthropic's events, assembled as by tract's own clients."""

    def __init__(self, assembler: Any) -> None:
        self._assembler = assembler
        self._began = False
        self._id: str | None = None

    def take(self, event: Mapping[str, Any]) -> str:
        import json  # as below

        from tract.llm.sse import Event  # a program that streams has loaded more than that

        self._began = True
        if event.get("type") == "message_start":
            self._id = _id_of(event.get("message") or {})
        text: str = self._assembler.take(Event("", json.dumps(event)))
        return text

    @property
    def is_cut(self) -> bool:
        return not self._began or self._assembler.answer().finish_reason is None

    def answer(self) -> Answer | None:
        found = self._assembler.answer() if self._began else None
        if found is None:
            return None
        config = {"model": found.model} if found.model else None
        others = [*map(without_nulls, getattr(self._assembler, "others", ()))]
        return Answer((_message(found.message, found.format),), found.usage or None, config, others, self._id)


class _Responses:
    """Events of the Responses API: the last one has the whole response; before it, the finished items and the text of the unfinished one."""

    def __init__(self) -> None:
        self._response: Mapping[str, Any] | None = None
        self._begun: Mapping[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self._words: dict[int, str] = {}

    def take(self, event: Mapping[str, Any]) -> str:
        kind, place = event.get("type"), event.get("output_index")
        if kind in ("response.completed", "response.incomplete"):
            self._response = event.get("response")
        elif kind == "response.created":
            self._begun = event.get("response") or {}
        elif kind in ("response.output_item.added", "response.output_item.done") and isinstance(place, int):
            self._items[place] = {**(event.get("item") or {}), "is_done": kind.endswith("done")}
        if kind != "response.output_text.delta":
            return ""
        text = str(event.get("delta") or "")
        if isinstance(place, int):
            self._words[place] = self._words.get(place, "") + text
        return text

    def answer(self) -> Answer | None:
        if self._response is not None:
            return _read_response(self._response)
        items = []
        for place, one in sorted(self._items.items()):
            item = {key: value for key, value in one.items() if key != "is_done"}
            words = whole_pairs(self._words.get(place, ""))
            if one["is_done"]:
                items.append(item)
            elif item.get("type") == "message" and words:
                part = {"type": "output_text", "text": words, "annotations": []}
                items.append({**item, "status": "incomplete", "content": [part]})
        return _read_response({**self._begun, "output": items}) if items else None

    @property
    def is_cut(self) -> bool:
        return self._response is None


class _Gemini:
    """Gemini's chunks: each is a response with some of the parts."""

    def __init__(self) -> None:
        self._parts: list[Mapping[str, Any]] = []
        self._whole: dict[str, Any] = {}

    def take(self, event: Mapping[str, Any]) -> str:
        self._whole |= {key: item for key, item in event.items() if item is not None}
        content = next((one.get("content") for one in event.get("candidates") or []), None) or {}
        parts = content.get("parts") or []
        self._parts += parts
        return "".join(part["text"] for part in parts if part.get("text") and not part.get("thought"))

    @property
    def is_cut(self) -> bool:
        return not any(one.get("finish_reason") for one in self._whole.get("candidates") or [])

    def answer(self) -> Answer | None:
        if not self._whole:
            return None
        return _read_gemini({**self._whole, "candidates": [{"content": {"parts": self._parts}}]})


def read_stream(events: Iterable[Any], finish: Callable[[Answer], object]) -> Iterator[str]:
    """The texts of an SDK's stream, as they come; *finish* gets the whole answer at its end.

    Plain texts, and streams of tract's own clients, are accepted too.
    """
    gathering = Gathering()
    for event in events:
        yield from gathering.take(event)
    gathering.end(events, finish)


async def read_async_stream(events: AsyncIterable[Any], finish: Callable[[Answer], object]) -> AsyncIterator[str]:
    """The same for an asyncio stream."""
    gathering = Gathering()
    async for event in events:
        for text in gathering.take(event):
            yield text
    gathering.end(events, finish)


class Gathering:
    """Assembles the stream of any SDK, event by event."""

    def __init__(self) -> None:
        self._gatherer: Gatherer | None = None

    def take(self, event: Any) -> Iterator[str]:
        """Take in *event*, and yield its text."""
        if isinstance(event, str):
            yield event
            return
        value = event if isinstance(event, Mapping) else dumped(event)
        value = value["chunk"] if isinstance(value.get("chunk"), Mapping) else value  # OpenAI's helper wraps the chunk
        self._gatherer = self._gatherer or _gatherer_of(value)
        text = "" if self._gatherer is None else self._gatherer.take(value)
        if text:
            yield text

    def so_far(self) -> Answer | None:
        """The answer received so far, or None."""
        return None if self._gatherer is None else self._gatherer.answer()

    @property
    def is_cut(self) -> bool:
        """Whether the stream has not reported the end of the answer."""
        return self._gatherer is None or self._gatherer.is_cut

    def end(self, events: object, finish: Callable[[Answer], object]) -> None:
        own = getattr(events, "response", None) if type(events).__module__.startswith("tract.llm") else None
        answer = given_answer(own) if own is not None else self.so_far()
        if answer is not None:
            finish(answer)


def _gatherer_of(event: Mapping[str, Any]) -> Gatherer | None:
    """The gatherer for a stream that begins with *event*; None for an event that any stream may have."""
    kind = str(event.get("type") or "")
    if kind.startswith("response."):
        return _Responses()
    if isinstance(event.get("choices"), list):
        from tract.llm.openai_format import OpenAIAssembler  # few programs stream; the others load no client's files

        return _Assembled(OpenAIAssembler())
    if kind.startswith(("message_", "content_block_")):
        from tract.llm.anthropic_format import AnthropicAssembler  # as above

        return _Assembled(AnthropicAssembler())
    if "candidates" in event:
        return _Gemini()
    return None
