"""Gemini's contents as chat completions messages.

    content                                                   becomes
    {"role": "user", "parts": [{"text"}]}                     {"role": "user", "content": text}, with pictures and files a list of parts
    {"role": "model", "parts": [{"text"}, {"functionCall"}]}  {"role": "assistant", "content", "tool_calls"}
    {"text", "thought": true}                                 its "reasoning_content"
    {"functionResponse": {"name", "response"}}                {"role": "tool", "tool_call_id", "name", "content"} each
    {"role": "system"} and the system instruction             {"role": "system", "content": text} for each part

Keys are in camel case (REST, the command line) or snake case (Google's Python SDK).
A call without an id gets ``call_<content>_<part>``, and a response without one answers the first open call of its name.
A signature stays with its call, where Google's own server for chat completions has it: ``extra_content.google.thought_signature``.
Source: google-genai's ``types.Content`` and ``types.Part``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.media import file_part, note_media
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import describe, describe_kind
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_ROLES = frozenset({"user", "model", "function", "system", "tool"})
_ANSWERS = frozenset({"output", "result"})
_UNREAD = ("executableCode", "executable_code", "codeExecutionResult", "code_execution_result")
_FILES = ("inlineData", "inline_data", "fileData", "file_data")


def is_gemini_content(value: JSON) -> bool:
    """Whether *value* is a content: a role, and parts with keys of Gemini's."""
    if not isinstance(value, dict) or not among(value.get("role", "user"), _ROLES) or "content" in value:
        return False
    parts = value.get("parts")
    return isinstance(parts, list) and bool(parts) and all(map(_is_part, parts))


def _is_part(part: JSON) -> bool:
    return isinstance(part, dict) and any(_get(part, name) is not None for name in _PARTS)


_PARTS = (
    "text", "function_call", "function_response", "inline_data", "file_data", "executable_code",
    "code_execution_result", "video_metadata", "thought_signature",
)  # fmt: skip


def read_contents(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found contents as a conversation; nothing if none can be read."""
    beside = dict(found.beside)
    turns: list[Turn] = []
    for key in ("system_instruction", "systemInstruction"):
        if key in beside:
            given = beside.pop(key)
            said = system_messages(given)
            if given and (not said or len(said) < len(_parts(given))):
                report(
                    found.line(0),
                    f"'{key}' beside the contents: {describe_kind(given)} with something that is not text",
                )
            turns += [Turn(one, "openai", metadata={"beside": key}) for one in said]
    calls = Calls()
    for index, content in enumerate(found.values):
        line = found.line(index)
        content = _with_known_parts(content, f"{found.place}[{index}]", line, report)
        if not is_gemini_content(content):
            report(line, f"{found.place}[{index}]: not a content of Gemini's, found {describe_kind(content)}")
            continue
        for what in unread_parts(content):
            report.note_once(line, f"{found.place}[{index}]: a part with {what[:40]!a} is only in the metadata")
        messages = content_messages(content, calls)
        for message in messages:
            note_media(message, line, report)
        turns += [
            Turn(message, "openai", metadata={"gemini": found.values[index]} if nth == 0 else {}, line=line)
            for nth, message in enumerate(messages)
        ]
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    yield linear(name, turns, keep_beside(beside, found.place, found.line(0), report))


def _with_known_parts(content: JSON, where: str, line: int | None, report: Report) -> JSON:
    """*content* without the parts that are of no kind that is known, which are reported, where it has others."""
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(parts, list) or not any(map(_is_part, parts)):
        return content
    for at, part in enumerate(parts):
        if not _is_part(part):
            report(line, f"{where}.parts[{at}]: no part that tract knows: {describe(part)}")
    return {**content, "parts": [part for part in parts if _is_part(part)]}


class Calls:
    """The calls so far that no response has answered yet."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        self._contents = 0

    def __copy__(self) -> Calls:
        other = Calls()
        other._open, other._contents = self._open[:], self._contents
        return other

    def begin(self) -> None:
        """Begin the next content."""
        self._contents += 1

    def made(self, id: JSON, name: str, part: int) -> str:
        """The id of a call; a generated one if it has none."""
        found = id if isinstance(id, str) and id else f"call_{self._contents}_{part}"
        self._open.append((found, name))
        return found

    def answered(self, id: JSON, name: str) -> str:
        """The id of the call that a response to *name* answers."""
        at = next((at for at, call in enumerate(self._open) if call[0] == id or (not id and call[1] == name)), None)
        if at is not None:
            return self._open.pop(at)[0]
        return id if isinstance(id, str) and id else f"call_{name}"


def content_messages(content: Mapping[str, JSON], calls: Calls) -> list[dict[str, JSON]]:
    """The messages of *content*: one, or one for each function response in it and one for its other parts."""
    calls.begin()
    if content.get("role") == "system":
        return system_messages(content)
    if content.get("role") == "model":
        return [_answer(content, calls)]
    results: list[dict[str, JSON]] = []
    said: list[JSON] = []
    for part in content["parts"]:
        response = _get(part, "function_response")
        if isinstance(response, Mapping):
            name = str(response.get("name") or "")
            id = calls.answered(response.get("id"), name)
            results.append({"role": "tool", "tool_call_id": id, "name": name, "content": _result(response.get("response"))})  # fmt: skip
        elif (written := user_part(part)) is not None:
            said.append(written)
    if not said:
        return results
    texts = [part["text"] for part in said if part["type"] == "text"]
    body = texts[0] if len(said) == 1 == len(texts) else said
    return [*results, {"role": "user", "content": body}]


def system_messages(instruction: JSON) -> list[dict[str, JSON]]:
    """The messages of a system instruction: a text, or one for each of its parts."""
    if isinstance(instruction, str):
        return [{"role": "system", "content": instruction}] if instruction else []
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in _parts(instruction)]
    return [{"role": "system", "content": text} for text in texts if isinstance(text, str)]


def _parts(instruction: JSON) -> list[JSON]:
    parts = instruction.get("parts") if isinstance(instruction, Mapping) else instruction
    return parts if isinstance(parts, list) else [parts]


def unread_parts(content: Mapping[str, JSON]) -> Iterator[str]:
    """The kinds of parts that have no counterpart in a message, including files in an answer."""
    for part in content["parts"]:
        for key in part:
            response = part[key] if key in ("functionResponse", "function_response") else None
            if isinstance(response, Mapping) and response.get("parts"):
                yield f"{key}.parts"
            if key in _UNREAD or (key in _FILES and content.get("role") == "model"):
                yield key


def _answer(content: Mapping[str, JSON], calls: Calls) -> dict[str, JSON]:
    texts: list[str] = []
    thoughts: list[str] = []
    made: list[dict[str, JSON]] = []
    for at, part in enumerate(content["parts"]):
        call = _get(part, "function_call")
        if isinstance(call, Mapping):
            made.append(_call(part, call, at, calls))
        elif isinstance(part.get("text"), str):
            (thoughts if part.get("thought") else texts).append(part["text"])
    said: JSON = "".join(texts) if len(texts) < 2 else [{"type": "text", "text": text} for text in texts]
    message: dict[str, JSON] = {"role": "assistant", "content": said if texts or not made else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return message | ({"tool_calls": made} if made else {})


def _call(part: Mapping[str, JSON], call: Mapping[str, JSON], at: int, calls: Calls) -> dict[str, JSON]:
    name = str(call.get("name") or "")
    function = {"name": name, "arguments": compact_json(call.get("args") or {})}
    signature = _get(part, "thought_signature")
    extra: dict[str, Any] = (
        {"extra_content": {"google": {"thought_signature": signature}}} if isinstance(signature, str) else {}
    )
    return {"id": calls.made(call.get("id"), name, at), "type": "function", "function": function, **extra}


def user_part(part: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """A part in a user message's form: a text, a picture, or a file; None for any other."""
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    data, file = _get(part, "inline_data"), _get(part, "file_data")
    if isinstance(data, Mapping):
        url = f"data:{_get(data, 'mime_type')};base64,{data.get('data')}"
        return file_part(_get(data, "mime_type"), url)
    if isinstance(file, Mapping):
        return file_part(_get(file, "mime_type"), str(_get(file, "file_uri")))
    return None


def _result(response: JSON) -> str:
    """A function's response as text: the output alone if there is nothing else."""
    if isinstance(response, Mapping) and len(response) == 1 and isinstance(text := next(iter(response.values())), str):
        return text if next(iter(response)) in _ANSWERS else compact_json(response)
    return response if isinstance(response, str) else compact_json(response)


def _get(value: Mapping[str, JSON], name: str) -> JSON:
    """The value under *name*, in snake or in camel case."""
    if name in value:
        return value[name]
    first, *rest = name.split("_")
    return value.get(first + "".join(word.capitalize() for word in rest))
