"""Sessions of the Gemini command line.

    {"sessionId", "projectHash", "startTime", "lastUpdated", "messages": [message, …]}       session-….json
    the same without messages, then a message a line, or {"$set": {…}} and {"$rewindTo": id}  session-….jsonl
    message   {"id", "timestamp", "type": "user" | "gemini" | "info" | "error" | "warning",
               "content": text or parts, "thoughts", "toolCalls", "tokens", "model"}
    toolCalls [{"id", "name", "args", "result": [{"functionResponse"}], "status"}]

A message of type ``gemini`` is an answer with its calls and their results: the answer's calls come first, then the results, then its text, as the program sends them.
If a message comes again under the same id, the last version counts, and a note has the text that only the first one had; ``$set`` changes the session's fields, messages included.
Messages taken back by ``$rewindTo`` or ``$set``, and not restored, are a branch; if nothing else is left, those taken back last are the main line, with a note.
Messages for the user alone (info, error, warning) are left out, with a note.

The shapes are those of sessions in two public repositories; gemini-cli 0.61.0 accepts sessions that tract writes in the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import answer, model_config, objects_in, result, tool_call
from tract.adapters.transcripts.readers.gemini import user_part
from tract.adapters.transcripts.readers.media import note_media
from tract.adapters.transcripts.strictjson import Refused, describe_kind
from tract.objects.message_format import JSON

_TYPES = frozenset({"user", "gemini", "info", "error", "warning"})
_CHANGING = frozenset({"lastUpdated", "summary"})
"""Fields of a session that change with each turn, so that the commit of its beginning has none of them."""


def is_gemini_session(value: JSON) -> bool:
    """Whether *value* is a session, or the first line of one."""
    return isinstance(value, dict) and isinstance(value.get("sessionId"), str) and "projectHash" in value


def read_gemini_cli(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The session in the found values: one object, or one and its lines; nothing if there is no message in it."""
    session: dict[str, JSON] = {}
    messages = _Messages(report)
    for at, value in enumerate(found.values):
        line = found.line(at)
        if not isinstance(value, dict):
            report(line, value.reason if isinstance(value, Refused) else describe_kind(value))
        elif is_gemini_session(value) and "type" not in value:
            session |= {key: one for key, one in value.items() if key != "messages"}
            messages.add(value.get("messages", []), line)
        elif isinstance(value.get("$set"), dict):
            changed = value["$set"]
            session |= {key: one for key, one in changed.items() if key != "messages"}
            if "messages" in changed:
                messages.replace(changed["messages"], line)
        elif isinstance(value.get("$rewindTo"), str):
            messages.rewind(value["$rewindTo"], line)
        elif among(value.get("type"), _TYPES):
            messages.add([value], line)
        else:
            report(line, f"not a message of a session, found type {str(value.get('type'))[:40]!a}")
    own = str(session.get("sessionId") or "")
    lines = messages.lines(own)
    if not any(line.turns for line in lines):
        report(found.line(0), "no message in it")
        return
    title = session.get("summary")
    about = {key: value for key, value in session.items() if key not in _CHANGING}
    yield Conversation(name, lines, about, title=title if isinstance(title, str) else None, id=own or None)


_Said: TypeAlias = tuple[int | None, dict[str, JSON]]
"""A message, and its line."""


class _Messages:
    """The present messages of a session by their ids; and the lines that were taken back."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._now: dict[str, _Said] = {}
        self._taken_back: list[dict[str, _Said]] = []
        self._said: dict[str, tuple[str, list[str]]] = {}
        """The last text of each message, and the ids of its calls."""

    def add(self, new: JSON, line: int | None) -> None:
        if not isinstance(new, list):
            self._report(line, f"'messages' must be a list, found {describe_kind(new)}")
            return
        for message in new:
            if not isinstance(message, dict):
                self._report(line, f"a message must be an object, found {describe_kind(message)}")
                continue
            id = str(message.get("id") or f"{line}-{len(self._now)}")
            if among(message.get("type"), ("user", "gemini")) and "content" not in message:
                self._report(line, f"message {id[:40]!a} has no content")
            text, calls = _text(message.get("content")), _call_ids(message)
            before, called = self._said.get(id, ("", []))
            if before not in text:
                self._report.note(line, f"message {id[:40]!a} occurs again, without the text {before[:80]!a}")  # fmt: skip
            gone = [one for one in called if one not in calls]
            if gone:
                self._report.note(line, f"message {id[:40]!a} occurs again, without the call {gone[0][:80]!a}")  # fmt: skip
            self._said[id] = text, calls
            self._now[id] = line, message

    def replace(self, new: JSON, line: int | None) -> None:
        """Replace all messages with *new*."""
        before, self._now = self._now, {}
        self.add(new, line)
        if not before.keys() <= self._now.keys():
            self._taken_back.append(before)

    def rewind(self, id: str, line: int | None) -> None:
        """Remove the message *id* and all behind it."""
        if id not in self._now:
            self._report.note(line, f"rewound to message {id[:40]!a}, which is not in the file: nothing is taken back")
            return
        ids = list(self._now)
        self._taken_back.append(dict(self._now))
        for gone in ids[ids.index(id) :]:
            del self._now[gone]

    def lines(self, session: str) -> tuple[Branch, ...]:
        """The line of the present messages, then those taken back, if they have more messages; never an empty one before others."""
        behind: dict[tuple[int, str], int] = {}
        """Beginnings of lines by number: the beginning that another becomes with the message of an id behind it."""

        owners = [0]
        """The line that was the first with each beginning; 0 is the empty one."""

        branches: list[Branch] = []
        made: dict[str, list[Turn]] = {}
        lists = [self._now, *self._taken_back]
        for id, (line, message) in ((id, said) for messages in lists for id, said in messages.items()):
            if id not in made:
                made[id] = _turns(message, line, session, self._report)
        saying = [messages for messages in lists if any(made[id] for id in messages)]
        if saying and saying[0] is not self._now:
            self._report.note(None, "everything was taken back; the main line is what was taken back last")
            lists = [saying[-1], *saying[:-1]]
        for messages in lists:
            turns: list[Turn] = []
            count, beginning, new = 0, 0, list[str]()
            for id in messages:
                turns += made[id]
                known = None if new else behind.get((beginning, id))
                if known is None:
                    new.append(id)
                else:
                    count, beginning = len(turns), known
            if branches and count == len(turns):
                continue
            parent = owners[beginning]
            for id in new:
                behind[beginning, id] = len(owners)
                beginning = len(owners)
                owners.append(len(branches))
            name = "main" if not branches else f"main-{len(branches) + 1}"
            branches.append(Branch(name, tuple(turns), count, parent if count else None))
        return tuple(branches)


def _call_ids(message: dict[str, JSON]) -> list[str]:
    return [str(call.get("id") or call.get("name")) for call in objects_in(message.get("toolCalls"))]


def _turns(message: dict[str, JSON], line: int | None, session: str, report: Report) -> list[Turn]:
    kind, id, time = message.get("type"), message.get("id"), read_time(message.get("timestamp"))
    text = _text(message.get("content"))
    if kind not in ("user", "gemini"):
        report.note(line, f"shown only to the user, and left out: {kind}: {text[:80]!a}")
        return []
    key = f"{session}:{id}" if isinstance(id, str) and id else None
    content, is_all = _parts(message.get("content"))
    if not is_all:
        report.note_once(
            line, f"message {str(id)[:40]!a}: a part that is neither text nor picture nor file is only in the metadata"
        )
    if kind == "user":
        metadata: dict[str, JSON] = {} if is_all else {"gemini_cli": message}
        said: dict[str, JSON] = {"role": "user", "content": content}
        note_media(said, line, report)
        return [Turn(said, "openai", time=time, metadata=metadata, key=key, line=line)] if content or metadata else []
    calls = objects_in(message.get("toolCalls"))
    if message.get("toolCalls") and not calls:
        report(line, f"message {str(id)[:40]!a}: 'toolCalls' is {describe_kind(message['toolCalls'])} without a call")
    if any(map(_has_more, calls)):
        report.note_once(line, f"message {str(id)[:40]!a}: what a tool gave beside its text is only in the metadata")
    usage = message["tokens"] if isinstance(message.get("tokens"), dict) else None
    config = model_config(message.get("model"))
    made = _answers(message, calls, text)
    return [
        Turn(
            one,
            "openai",
            time=time,
            usage=_usage(usage) if at == len(made) - 1 and usage is not None else None,
            config=config if one["role"] == "assistant" else None,
            metadata={"gemini_cli": message} if at == 0 and (calls or not is_all or content != text) else {},
            key=None if key is None else key if at == 0 else f"{key}/{at}",
            line=line,
        )
        for at, one in enumerate(made)
    ]


def _answers(message: dict[str, JSON], calls: list[dict[str, JSON]], text: str) -> list[dict[str, JSON]]:
    """The model's message as several: its calls, their results, and its text."""
    given = message.get("thoughts")
    thought = "\n".join(filter(None, map(_thought, given if isinstance(given, list) else [given])))
    made: list[dict[str, JSON]] = []
    if calls:
        made.append(answer(None, [tool_call(call.get("id"), call.get("name"), call.get("args")) for call in calls], thought))  # fmt: skip
        made += [result(call.get("id"), _result(call), call.get("name")) for call in calls]
    if text or not calls:
        made.append(answer(text, (), "" if calls else thought))
    return made


def _parts(content: JSON) -> tuple[JSON, bool]:
    """A message's content, a text, or with pictures a list of parts; and whether nothing was left out."""
    parts = content if isinstance(content, list) else [content] if isinstance(content, dict) else []
    said = [{"type": "text", "text": part} if isinstance(part, str) else user_part(part) if isinstance(part, dict) else None for part in parts]  # fmt: skip
    kept = [one for one in said if one is not None]
    if all(one["type"] == "text" for one in kept):
        return _text(content), len(kept) == len(said)
    return kept, len(kept) == len(said)


def _text(content: JSON) -> str:
    if isinstance(content, list):
        return "".join(part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else part if isinstance(part, str) else "" for part in content)  # fmt: skip
    if isinstance(content, dict):
        return str(content.get("text") or "")
    return content if isinstance(content, str) else ""


def _thought(thought: JSON) -> str:
    if not isinstance(thought, dict):
        return thought if isinstance(thought, str) else ""
    return ": ".join(str(thought[key]) for key in ("subject", "description", "text") if thought.get(key))


def _result(call: dict[str, JSON]) -> JSON:
    """A tool's result: the output of its function's response alone if there is nothing else."""
    given = call.get("result")
    responses = [part["functionResponse"].get("response") for part in given if isinstance(part, dict) and isinstance(part.get("functionResponse"), dict)] if isinstance(given, list) else []  # fmt: skip
    if len(responses) == 1 and isinstance(responses[0], dict) and responses[0].keys() <= {"output", "error"}:
        return next(iter(responses[0].values()), "")
    return responses if responses else call.get("resultDisplay") or given or f"[{call.get('status')}]"


def _has_more(call: dict[str, JSON]) -> bool:
    """Whether a tool gave a picture or another file, which a result of texts has not."""
    parts = objects_in(call.get("result"))
    inner = [part["functionResponse"].get("parts") for part in parts if isinstance(part.get("functionResponse"), dict)]
    return any(inner) or any("functionResponse" not in part for part in parts)


def _usage(tokens: dict[str, JSON]) -> dict[str, JSON]:
    """The program's counts under the names of Gemini's API, with its own beside them."""
    return {
        "promptTokenCount": tokens.get("input") or 0,
        "candidatesTokenCount": tokens.get("output") or 0,
        "thoughtsTokenCount": tokens.get("thoughts") or 0,
        "cachedContentTokenCount": tokens.get("cached") or 0,
        "totalTokenCount": tokens.get("total") or 0,
    }
