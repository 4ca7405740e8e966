"""Logs of requests to an API, and the files of batch APIs: a request, its answer, or both, an object each.

    {"request": {"model", "messages", …}, "response": {"choices", "usage", …}}
    {"custom_id", "method", "url", "body": {…}}                         a batch's input (OpenAI's)
    {"id", "custom_id", "response": {"status_code", "body": {…}}}       a batch's output (OpenAI's)
    {"custom_id", "params": {…}}   {"custom_id", "result": {"message": {…}}}     the same of Anthropic's
    {"choices": [{"message"}], …}                                       a response by itself
    {"id", "messages", "response", "call_type", …}                      LiteLLM's standard logging object
    {"key", "request": {"contents"}}   {"key", "response": {"candidates"}}       a batch's input and output (Gemini's)
    {"input": [message, …], "output": message, …}                       a row of Langfuse's; the input may be a request, the output a text
    {"modelId", "input": {"inputBodyJson": {…}}, "output": {"outputBodyJson": {…}}}     Bedrock's log of invocations

The request's ``input`` or ``prompt`` may be a text, and a request or a response the text of its JSON.

The request's messages are the conversation, and the answer is its last turn, with the usage and the model in it.
If there are several choices, the first is the answer; the others are branches that end with them.
The shapes are those of the providers' API references, and of LiteLLM's ``StandardLoggingPayload``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report, Turn
from tract.adapters.transcripts.formats import is_message
from tract.adapters.transcripts.readers.answers import answer_turns, other_branches
from tract.adapters.transcripts.readers.bedrock import bedrock_turn, bedrock_usage, is_bedrock_message, read_bedrock
from tract.adapters.transcripts.readers.building import model_config, objects_in
from tract.adapters.transcripts.readers.gemini import is_gemini_content, read_contents
from tract.adapters.transcripts.readers.messages import SETTINGS, keep_beside, read_messages
from tract.adapters.transcripts.strictjson import parse
from tract.objects.message_format import JSON

_FOLDED = frozenset({"request", "response", "body", "input", "output"})
_ANSWERED = frozenset({"choices", "candidates", "stop_reason"})
"""What only an answer of an API has."""

_LISTS = ("messages", "input", "contents")
_TEXTS = ("input", "prompt")
_ASKING = ("prompt", "question", "query", "instruction")
_REQUESTS = ("request", "body", "params", "kwargs", "input")


def is_logged_request(value: JSON) -> bool:
    """Whether *value* is such an object. One with messages at its top level is left to the reader of messages, except LiteLLM's."""
    if not isinstance(value, dict):
        return False
    value = _unfolded(value)
    if _request(value) is not None:
        return True
    if any(isinstance(value.get(key), list) for key in _LISTS):
        return False
    return bool(_answer_turns(_response(value), None, "", Report()))


def _unfolded(value: dict[str, JSON]) -> dict[str, JSON]:
    """*value* with its request and its response as objects where a log has the text of their JSON."""
    texts = {key: one for key, one in value.items() if key in _FOLDED and isinstance(one, str) and one.lstrip()[:1] == "{"}  # fmt: skip
    parsed = {key: parse(one.encode("utf-8", "replace")) for key, one in texts.items()}
    objects = {key: one for key, one in parsed.items() if isinstance(one, dict)}
    return {
        **value,
        **{key: one for key, one in objects.items() if _messages_key(one) or not _ANSWERED.isdisjoint(one)},
    }


def _request(value: dict[str, JSON]) -> dict[str, JSON] | None:
    for key in _REQUESTS:
        inner = value.get(key)
        for name in ("body", "inputBodyJson"):
            inner = inner[name] if isinstance(inner, dict) and isinstance(inner.get(name), dict) else inner
        if isinstance(inner, dict) and _messages_key(inner) is not None:
            return inner
    if isinstance(value.get("prompt"), str) and isinstance(value.get("response"), dict):
        asked = [{"role": "user", "content": value["prompt"]}]
        return {"messages": asked, **({"model": value["model"]} if value.get("model") else {})}
    if isinstance(value.get("output"), (dict, str)) and "messages" not in value:
        row = {"messages": value.get("input"), **({"model": value["model"]} if value.get("model") else {})}
        return row if _messages_key(row) is not None else None
    return None


def _messages_key(request: dict[str, JSON]) -> str | None:
    """The key of the messages in a request; a text counts if the request names a model."""
    for name in _LISTS:
        given = request.get(name)
        if isinstance(given, list) and any(is_message(one) or is_gemini_content(one) for one in given):
            return name
    return next((name for name in _TEXTS if isinstance(request.get(name), str) and "model" in request), None)


def _response(value: dict[str, JSON]) -> JSON:
    result = value.get("result")
    if isinstance(result, dict):
        return result.get("message") or result.get("response") or result
    if value.get("response") is not None:
        return value["response"]
    if isinstance(value.get("output"), dict):
        return value["output"].get("outputBodyJson", value["output"])
    if value.get("completion") is not None:
        return value["completion"]
    if isinstance(value.get("output"), str) and _request(value) is not None:
        return value["output"]
    return value if isinstance(value.get("choices"), list) else None


def read_logged_request(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The request and its answer as a conversation; nothing if neither has a message."""
    value = _unfolded(found.values[0])
    request, line = _request(value), found.line(0)
    turns: list[Turn] = []
    metadata: dict[str, JSON] = {}
    if request is not None:
        for conversation in _asked(name, request, found, report):
            turns = list(conversation.branches[0].turns)
            metadata = conversation.metadata
    answer = _response(value)
    made = _answer_turns(answer, line, found.place or name, report)
    if made and request is not None:
        settings = {name: request[name] for name in SETTINGS if request.get(name) is not None}
        config = {**settings, **(made[-1].config or {})} or model_config(value.get("modelId"))
        usage = value.get("usage") if isinstance(value.get("usage"), dict) else None
        made[-1] = made[-1]._replace(config=config, usage=made[-1].usage or usage)
    elif answer is not None and not made:
        report(line, f"{found.place or name}: its response is not an answer that tract can read")
    if isinstance(value.get("error"), dict):
        report.note(line, f"{found.place or name}: an error came back: {str(value['error'].get('message'))[:80]!a}")
    if not turns and not made:
        return
    known = {"response", "result", "completion", "choices", "messages"} if made or answer is None else {"messages"}
    is_output = answer is value.get("output") or (isinstance(value.get("output"), dict) and "response" not in value)
    if answer is not None and is_output:
        known.add("output")
    asked = [key for key in (*_REQUESTS, *_ASKING) if value.get(key)]
    if request is not None:
        known.update((*_REQUESTS, "prompt"))
    elif asked:
        report(line, f"{found.place or name}: no message tract can read in its '{asked[0]}', which is in the metadata")
    beside = {key: one for key, one in value.items() if key not in known} if answer is not value else {}
    metadata |= keep_beside(beside, found.place, line, report)
    branches = [Branch("main", (*turns, *made)), *other_branches(answer, turns, found.place or name, line, report)]
    yield Conversation(name, tuple(branches), metadata)


def _asked(name: str, request: dict[str, JSON], found: Found, report: Report) -> Iterator[Conversation]:
    """The conversation in a request of any API."""
    key = _messages_key(request)
    assert key is not None
    given: JSON = request[key]
    values: list[JSON] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    beside = {name: one for name, one in request.items() if name != key}
    inner = Found(f"{found.place}.{key}".lstrip("."), values, beside, lines=[found.line(0)])
    if any(map(is_gemini_content, values)):
        return read_contents(name, inner, report)
    if any(map(is_bedrock_message, values)):
        return read_bedrock(name, inner, report)
    return read_messages(name, inner, report, "responses" if key == "input" else None)


def _answer_turns(value: JSON, line: int | None, where: str, report: Report) -> list[Turn]:
    """The turns of an answer of any API."""
    inner = value["response"] if isinstance(value, dict) and isinstance(value.get("response"), dict) else value
    if not isinstance(inner, dict):
        return answer_turns(value, line)
    output = inner["output"] if isinstance(inner.get("output"), dict) else {}
    if is_bedrock_message(output.get("message")):
        return [bedrock_turn(output["message"], line, where, report)._replace(usage=bedrock_usage(inner.get("usage")))]
    contents = [one["content"] for one in objects_in(inner.get("candidates")) if is_gemini_content(one.get("content"))]
    if not contents:
        return answer_turns(value, line)
    if len(contents) > 1:
        report.note(line, f"{where}: {len(contents) - 1} more candidates beside the first are left out")
    usage, made = inner.get("usageMetadata"), Found(where, contents[:1], lines=[line])
    turns = [turn for each in read_contents(where, made, report) for turn in each.branches[0].turns]
    config = model_config(inner.get("modelVersion"))
    return [turn._replace(usage=usage if isinstance(usage, dict) else None, config=config) for turn in turns]
