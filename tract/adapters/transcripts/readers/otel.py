"""Spans of OpenTelemetry with the GenAI conventions' attributes, as JSON.

    "gen_ai.input.messages", "gen_ai.output.messages"    [{"role", "parts": [part, …]}], or that as a text
        {"type": "text" | "reasoning" | "thinking", "content"}   {"type": "blob", "modality", "mime_type", "content"}   {"type": "uri", "modality", "uri"}   {"type": "tool_call", "id", "name", "arguments"}   {"type": "tool_call_response", "id", "response"}
        {"type": "image-url", "url"}   {"type": "binary", "media_type", "content"}     Pydantic AI's
    "gen_ai.system_instructions"                         [part, …], or a text
    "gen_ai.request.model", "gen_ai.usage.input_tokens", …
    messages that are an event each                      as ``message_events`` has them

Attributes are an object, or OTLP's list of {"key", "value": {"stringValue": …}}; a span, an event of one, a log record, or a file of OTLP's ``resourceSpans`` or ``resourceLogs``.
Each span with messages is a conversation; one that continues another repeats its messages.
Source: the semantic conventions' package (0.66b2, incubating) and its JSON schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import answer, give_ids, model_config, numbered, result, tool_call
from tract.adapters.transcripts.readers.flat_spans import gather_messages
from tract.adapters.transcripts.readers.message_events import Event, event_of, gather_events
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import Refused, describe_kind, parse
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_THOUGHTS = ("reasoning", "thinking")
_TEXTS = ("text", *_THOUGHTS)
_ANSWERS = (*_TEXTS, "tool_call", "tool_call_response")
_INPUT, _OUTPUT, _SYSTEM = "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"


def is_otel_span(value: JSON) -> bool:
    """Whether *value* is a span with messages, or a file of spans with such a span."""
    return isinstance(value, dict) and any(True for _ in _spans(value))


def _spans(value: dict[str, JSON]) -> Iterator[dict[str, JSON]]:
    """The attributes of the spans with messages in *value*."""
    for names in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        if isinstance(value.get(names[0]), list):
            scopes = [scope for resource in _objects(value, names[0]) for scope in _objects(resource, names[1])]
            inner = [one for scope in scopes for one in _objects(scope, names[2])]
            yield from _logged(inner)
            for span in inner:
                yield from _spans(span)
            return
    attributes = _attributes(value.get("attributes", value))
    if _INPUT in attributes or _OUTPUT in attributes:
        yield attributes
        return
    if (gathered := gather_messages(attributes)) is not None:
        yield gathered
        return
    events = [_event(event, "attributes") for event in _objects(value, "events")]
    if messages := [event for event in events if event is not None]:
        yield attributes | gather_events(messages)
    for event in _objects(value, "events"):
        for said in _spans({"attributes": event.get("attributes")}):
            yield {**attributes, **said}


def _logged(records: list[dict[str, JSON]]) -> Iterator[dict[str, JSON]]:
    """The messages that *records* log as an event each, as attributes for each span."""
    by_span: dict[str, list[Event]] = {}
    about: dict[str, dict[str, JSON]] = {}
    for record in records:
        if (event := _event(record, "body")) is not None:
            span = compact_json([record.get("traceId"), record.get("spanId")])
            by_span.setdefault(span, []).append(event)
            about.setdefault(span, {}).update(_attributes(record.get("attributes")))
    for span, events in by_span.items():
        kept = {key: one for key, one in about[span].items() if key != "event.name"}
        yield kept | gather_events(events)


def _event(record: dict[str, JSON], key: str) -> Event | None:
    """The message that *record* logs under *key*, if it is one."""
    attributes = _attributes(record.get("attributes"))
    fields = attributes if key == "attributes" else _value(record.get(key))
    return event_of(record.get("eventName") or record.get("name") or attributes.get("event.name"), fields)


def _attributes(given: JSON) -> dict[str, JSON]:
    """Attributes, which may be OTLP's list."""
    if isinstance(given, list):
        return {one["key"]: _value(one.get("value")) for one in given if isinstance(one, dict) and isinstance(one.get("key"), str)}  # fmt: skip
    return given if isinstance(given, dict) else {}


def _objects(value: dict[str, JSON], key: str) -> list[dict[str, JSON]]:
    """The objects in the list under *key*."""
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _value(value: JSON) -> JSON:
    """An OTLP value."""
    if not isinstance(value, dict):
        return value
    if "intValue" in value:
        return int(value["intValue"]) if str(value["intValue"]).lstrip("-").isdigit() else value["intValue"]
    if isinstance(value.get("arrayValue"), dict):
        values = value["arrayValue"].get("values")
        return [_value(one) for one in values] if isinstance(values, list) else []
    if isinstance(value.get("kvlistValue"), dict):
        return {str(one.get("key")): _value(one.get("value")) for one in _objects(value["kvlistValue"], "values")}
    return next(iter(value.values()), None)


def read_otel(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """A conversation for each span with messages."""
    (value,) = found.values
    for number, attributes in enumerate(_spans(value), 1):
        line = found.line(0)
        turns = _turns(attributes, line, report)
        give_ids(turns)
        if turns:
            about = {key: one for key, one in attributes.items() if key not in (_INPUT, _OUTPUT, _SYSTEM)}
            kept = keep_beside(about, found.place, line, report)
            yield linear(numbered(name, number - 1), turns, kept)
        else:
            report(found.line(0), f"{found.place or name}: no message in span {number}")


def _turns(attributes: dict[str, JSON], line: int | None, report: Report) -> list[Turn]:
    turns: list[Turn] = []
    system, asked, answered = (_list(attributes, key, line, report) for key in (_SYSTEM, _INPUT, _OUTPUT))
    texts = [part["content"] for part in system if isinstance(part, dict) and isinstance(part.get("content"), str)]
    if texts:
        turns.append(Turn({"role": "system", "content": "\n\n".join(texts)}, "openai", metadata={"beside": _SYSTEM}, line=line))  # fmt: skip
    if len(texts) < len(system):
        report(line, f"'{_SYSTEM}' has parts without a text")
    for at, message in enumerate([*asked, *answered]):
        if isinstance(message, dict) and "parts" not in message and isinstance(message.get("content"), str):
            message = {**message, "parts": [{"type": "text", "content": message["content"]}]}
        if not isinstance(message, dict) or not isinstance(message.get("parts"), list):
            report(line, f"message {at + 1} has no parts")
            continue
        is_answer = at >= len(asked)
        facts: dict[str, Any] = {}
        if is_answer:
            facts["config"] = model_config(attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model"))  # fmt: skip
            counted = {key: one for key, one in attributes.items() if key.startswith("gen_ai.usage.")}
            facts["usage"] = counted or None if at == len(asked) + len(answered) - 1 else None
        made = _messages(message, at, line, report)
        turns += [Turn(one, "openai", line=line, **(facts if one["role"] == "assistant" else {})) for one in made]
    return turns


def _list(attributes: dict[str, JSON], key: str, line: int | None, report: Report) -> list[JSON]:
    value = attributes.get(key)
    if isinstance(value, str):
        text, value = value, parse(value.encode("utf-8", "replace"))
        if isinstance(value, Refused) and key == _SYSTEM:
            value = [{"type": "text", "content": text}]
    if isinstance(value, list):
        return value
    if value is not None:
        report(line, f"'{key}': {value.reason if isinstance(value, Refused) else describe_kind(value)}")
    return []


def _messages(message: dict[str, JSON], at: int, line: int | None, report: Report) -> list[dict[str, JSON]]:
    parts: list[dict[str, JSON]] = []
    for nth, part in enumerate(message["parts"]):
        if isinstance(part, dict) and not (
            among(part.get("type"), _TEXTS) and not isinstance(part.get("content"), str)
        ):
            parts.append(part)
        else:
            report(line, f"message {at + 1}, part {nth + 1}: no part with a text")
    role = str(message.get("role"))
    texts = [part["content"] for part in parts if part.get("type") == "text" and isinstance(part.get("content"), str)]
    results = [result(part.get("id"), part.get("response", part.get("result"))) for part in parts if part.get("type") == "tool_call_response"]  # fmt: skip
    if role == "assistant":
        thoughts = [part["content"] for part in parts if among(part.get("type"), _THOUGHTS) and isinstance(part.get("content"), str)]  # fmt: skip
        calls = [tool_call(part.get("id"), part.get("name"), part.get("arguments")) for part in parts if part.get("type") == "tool_call"]  # fmt: skip
        others = [part for part in parts if not among(part.get("type"), _ANSWERS)]
        _note_others(others, at, line, report)
        return [answer("\n".join([*texts, *map(compact_json, others)]), calls, "\n".join(thoughts)), *results]
    pictures = [picture for part in parts if (picture := _picture(part)) is not None]
    others = [
        part for part in parts if part.get("type") not in ("text", "tool_call_response") and _picture(part) is None
    ]
    _note_others(others, at, line, report)
    text = "\n".join([*texts, *map(compact_json, others)])
    said: JSON = [*([{"type": "text", "text": text}] if text else []), *pictures] if pictures else text
    return [*results, *([{"role": role if role in ("system", "user") else "user", "content": said}] if said else [])]


def _note_others(parts: list[dict[str, JSON]], at: int, line: int | None, report: Report) -> None:
    if parts:
        report.note_once(
            line, f"message {at + 1}: a part of type {str(parts[0].get('type'))[:40]!a} is kept as its JSON"
        )


def _picture(part: dict[str, JSON]) -> dict[str, JSON] | None:
    """The part of a message for a picture, if its data or an address is there."""
    kind, data = part.get("type"), part.get("content")
    mime_type = part.get("mime_type") or part.get("media_type") or "image/png"
    if (
        part.get("modality") != "image"
        and kind != "image-url"
        and not (kind == "binary" and str(mime_type)[:6] == "image/")
    ):
        return None
    url = part.get("uri") or part.get("url")
    if kind in ("blob", "binary") and isinstance(data, str):
        url = f"data:{mime_type};base64,{data}"
    return {"type": "image_url", "image_url": {"url": url}} if isinstance(url, str) else None
