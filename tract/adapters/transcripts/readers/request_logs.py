"""Logs of requests to an API, and the files of batch APIs: a request, its answer, or both, an object each.

    {"request": {"model", "messages", …}, "response": {"choices", "usage", …}}
    {"custom_id", "method", "url", "body": {…}}                         a batch's input (OpenAI's)
    {"id", "custom_id", "response": {"status_code", "body": {…}}}       a batch's output (OpenAI's)
    {"custom_id", "params": {…}}   {"custom_id", "result": {"message": {…}}}     the same of Anthropic's
    {"choices": [{"message"}], …}                                       a response by itself
    {"id", "messages", "response", "call_type", …}                      LiteLLM's standard logging object

The request's messages are the conversation, and the answer its last turn, with the usage and the model that stand there.
Of several choices the first is the answer; the others are branches that end with them.
The shapes are those of the providers' API references, and of LiteLLM's ``StandardLoggingPayload``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report, Turn
from tract.adapters.transcripts.formats import is_message
from tract.adapters.transcripts.readers.answers import answer_turns, other_branches
from tract.adapters.transcripts.readers.messages import SETTINGS, keep_beside, read_messages
from tract.objects.message_format import JSON

_LISTS = ("messages", "input", "contents")
_REQUESTS = ("request", "body", "params", "kwargs")


def is_logged_request(value: JSON) -> bool:
    """Whether *value* is such an object; one whose messages stand at its top is left to who reads messages, but for LiteLLM's."""
    if not isinstance(value, dict):
        return False
    if _request(value) is not None:
        return True
    return not any(isinstance(value.get(key), list) for key in _LISTS) and bool(answer_turns(_response(value)))


def _request(value: dict[str, JSON]) -> dict[str, JSON] | None:
    for key in _REQUESTS:
        inner = value.get(key)
        inner = inner.get("body") if isinstance(inner, dict) and isinstance(inner.get("body"), dict) else inner
        if isinstance(inner, dict) and any(_has_messages(inner.get(name)) for name in _LISTS):
            return inner
    return None


def _has_messages(value: JSON) -> bool:
    return isinstance(value, list) and any(map(is_message, value))


def _response(value: dict[str, JSON]) -> JSON:
    result = value.get("result")
    if isinstance(result, dict):
        return result.get("message") or result.get("response") or result
    if value.get("response") is not None:
        return value["response"]
    if value.get("completion") is not None:
        return value["completion"]
    return value if isinstance(value.get("choices"), list) else None


def read_logged_request(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The request and its answer as a conversation; nothing where neither says anything."""
    (value,) = found.values
    request, line = _request(value), found.line(0)
    turns: list[Turn] = []
    metadata: dict[str, JSON] = {}
    if request is not None:
        key = next(name for name in _LISTS if isinstance(request.get(name), list))
        beside = {name: one for name, one in request.items() if name != key}
        inner = Found(f"{found.place}.{key}".lstrip("."), request[key], beside, lines=[line])
        for conversation in read_messages(name, inner, report):
            turns = list(conversation.branches[0].turns)
            metadata = conversation.metadata
    answer = _response(value)
    made = answer_turns(answer, line)
    if made and request is not None:
        settings = {name: request[name] for name in SETTINGS if request.get(name) is not None}
        made[-1] = made[-1]._replace(config={**settings, **(made[-1].config or {})} or None)
    elif answer is not None and not made:
        report(line, f"{found.place or name}: its response is no answer tract can read")
    if isinstance(value.get("error"), dict):
        report.note(line, f"{found.place or name}: an error came back: {str(value['error'].get('message'))[:80]!a}")
    if not turns and not made:
        return
    known = {"response", "result", "completion", "choices", "messages"}
    asked = [key for key in _REQUESTS if value.get(key)]
    if request is not None:
        known.update(_REQUESTS)
    elif asked:
        report(line, f"{found.place or name}: no message tract can read in its '{asked[0]}', which is in the metadata")
    beside = {key: one for key, one in value.items() if key not in known} if answer is not value else {}
    metadata |= keep_beside(beside, found.place, line, report)
    branches = [Branch("main", (*turns, *made)), *other_branches(answer, turns, found.place or name, line, report)]
    yield Conversation(name, tuple(branches), metadata)
