"""Sessions of the Gemini command line.

    {"sessionId", "projectHash", "startTime", "lastUpdated", "messages": [message, …]}       session-….json
    the same without messages, then a message a line, or {"$set": {…}} and {"$rewindTo": id}  session-….jsonl
    message   {"id", "timestamp", "type": "user" | "gemini" | "info" | "error" | "warning",
               "content": text or parts, "thoughts", "toolCalls", "tokens", "model"}
    toolCalls [{"id", "name", "args", "result": [{"functionResponse"}], "status"}]

A message of type ``gemini`` is an answer with its calls and their results: the answer's calls come first, then the results, then its words, as the program sends them.
Of a message that is there again under the same id, the last one counts; ``$set`` changes what the session says, messages included.
What is for the user alone (info, error, warning) is left out, with a note.

The shapes are those of sessions in two public repositories; gemini-cli 0.61.0 takes what tract writes in the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.model import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.readers.building import answer, model_config, result, tool_call
from tract.adapters.transcripts.strictjson import Refused, describe_kind
from tract.objects.message_format import JSON

_TYPES = frozenset({"user", "gemini", "info", "error", "warning"})
_CHANGING = frozenset({"lastUpdated", "summary"})
"""What a session says of itself that is another with each turn: a commit of its beginning has none of it."""


def is_gemini_session(value: JSON) -> bool:
    """Whether *value* is a session, or the first line of one."""
    return isinstance(value, dict) and isinstance(value.get("sessionId"), str) and "projectHash" in value


def read_gemini_cli(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The session in the values that were found: one object, or one and its lines; nothing if there is no message in it."""
    session: dict[str, JSON] = {}
    messages: dict[str, tuple[int | None, dict[str, JSON]]] = {}
    for at, value in enumerate(found.values):
        line = found.line(at)
        if not isinstance(value, dict):
            report(line, value.reason if isinstance(value, Refused) else describe_kind(value))
        elif is_gemini_session(value) and "type" not in value:
            session |= {key: one for key, one in value.items() if key != "messages"}
            _add(messages, value.get("messages"), line)
        elif isinstance(value.get("$set"), dict):
            changed = value["$set"]
            session |= {key: one for key, one in changed.items() if key != "messages"}
            if isinstance(changed.get("messages"), list):
                messages.clear()
                _add(messages, changed["messages"], line)
        elif isinstance(value.get("$rewindTo"), str):
            _rewind(messages, value["$rewindTo"])
        elif among(value.get("type"), _TYPES):
            _add(messages, [value], line)
        else:
            report(line, f"no message of a session, found type {str(value.get('type'))[:40]!a}")
    own = str(session.get("sessionId") or "")
    turns = [turn for line, message in messages.values() for turn in _turns(message, line, own, report)]
    if not turns:
        report(found.line(0), "no message in it")
        return
    title = session.get("summary")
    about = {key: value for key, value in session.items() if key not in _CHANGING}
    yield linear(name, turns, about, title=title if isinstance(title, str) else None, id=own or None)


def _add(messages: dict[str, tuple[int | None, dict[str, JSON]]], new: JSON, line: int | None) -> None:
    for message in new if isinstance(new, list) else ():
        if isinstance(message, dict):
            messages[str(message.get("id") or len(messages))] = line, message


def _rewind(messages: dict[str, tuple[int | None, dict[str, JSON]]], id: str) -> None:
    """Take away the message *id* and all behind it."""
    ids = list(messages)
    for gone in ids[ids.index(id) :] if id in messages else ():
        del messages[gone]


def _turns(message: dict[str, JSON], line: int | None, session: str, report: Report) -> list[Turn]:
    kind, id, time = message.get("type"), message.get("id"), read_time(message.get("timestamp"))
    text = _text(message.get("content"))
    if kind not in ("user", "gemini"):
        report.note(line, f"for the user alone, and left out: {kind}: {text[:80]!a}")
        return []
    key = f"{session}:{id}" if isinstance(id, str) and id else None
    if kind == "user":
        said = {"role": "user", "content": text}
        return [Turn(said, "openai", time=time, key=key, line=line)] if text else []
    calls = [call for call in message.get("toolCalls") or () if isinstance(call, dict)]
    thought = "\n".join(filter(None, map(_thought, message.get("thoughts") or ())))
    usage = message["tokens"] if isinstance(message.get("tokens"), dict) else None
    config = model_config(message.get("model"))
    made: list[dict[str, JSON]] = []
    if calls:
        made.append(answer(None, [tool_call(call.get("id"), call.get("name"), call.get("args")) for call in calls], thought))  # fmt: skip
        made += [result(call.get("id"), _result(call), call.get("name")) for call in calls]
    if text or not calls:
        made.append(answer(text, (), "" if calls else thought))
    return [
        Turn(
            one,
            "openai",
            time=time,
            usage=_usage(usage) if at == len(made) - 1 and usage is not None else None,
            config=config if one["role"] == "assistant" else None,
            metadata={"gemini_cli": message} if calls and at == 0 else {},
            key=None if key is None else key if at == 0 else f"{key}/{at}",
            line=line,
        )
        for at, one in enumerate(made)
    ]


def _text(content: JSON) -> str:
    if isinstance(content, list):
        return "".join(part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else part if isinstance(part, str) else "" for part in content)  # fmt: skip
    if isinstance(content, dict):
        return str(content.get("text") or "")
    return content if isinstance(content, str) else ""


def _thought(thought: JSON) -> str:
    if not isinstance(thought, dict):
        return thought if isinstance(thought, str) else ""
    return ": ".join(str(thought[key]) for key in ("subject", "description") if thought.get(key))


def _result(call: dict[str, JSON]) -> JSON:
    """What a tool answered: the output of its function's response alone where that is all there is."""
    given = call.get("result")
    responses = [part["functionResponse"].get("response") for part in given if isinstance(part, dict) and isinstance(part.get("functionResponse"), dict)] if isinstance(given, list) else []  # fmt: skip
    if len(responses) == 1 and isinstance(responses[0], dict) and responses[0].keys() <= {"output", "error"}:
        return next(iter(responses[0].values()), "")
    return responses if responses else call.get("resultDisplay") or given or f"[{call.get('status')}]"


def _usage(tokens: dict[str, JSON]) -> dict[str, JSON]:
    """The program's counts under the names of Gemini's API, with its own beside them."""
    return {
        "promptTokenCount": tokens.get("input") or 0,
        "candidatesTokenCount": tokens.get("output") or 0,
        "thoughtsTokenCount": tokens.get("thoughts") or 0,
        "cachedContentTokenCount": tokens.get("cached") or 0,
        "totalTokenCount": tokens.get("total") or 0,
    }
