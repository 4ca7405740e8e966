"""A new session that is being written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count, pairwise

from tract.compile.compiled import CompiledContext
from tract.objects.message_format import JSON

_CARRIED = frozenset({"role", "content", "tool_calls", "tool_call_id"})


class Session:
    """The *id* of the session, its working *folder*, and the losses of its format."""

    def __init__(self, id: str, folder: str, now: datetime) -> None:
        self.id = id
        self.folder = folder
        self.now = now
        self.losses: list[str] = []

    def moments(self) -> Iterator[str]:
        """Times that rise by a millisecond, as programs write them."""
        for number in count():
            moment = self.now + timedelta(milliseconds=number)
            yield moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

    def lost(self, what: str) -> None:
        """Note that the format cannot carry *what*."""
        self.losses.append(what)


def tell_joined(context: CompiledContext, session: Session) -> None:
    """Note the messages that a format with alternating sides joins into one."""
    roles = [message.role for message in context.messages]
    if any(role == other and role in ("user", "assistant") for role, other in pairwise(roles)):
        session.lost("where a message ends and another of the same role begins")


def with_tool_calls(messages: Sequence[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    """*messages* with the calls of functions, as the API had them first, as calls of tools; their results answer them."""
    made: list[dict[str, JSON]] = []
    waiting = ""
    for number, message in enumerate(messages, 1):
        one = dict(message)
        if isinstance(one.get("function_call"), dict):
            waiting = f"call_{number}"
            call = {"id": waiting, "type": "function", "function": one.pop("function_call")}
            one["tool_calls"] = [*(one.get("tool_calls") or ()), call]
        elif one["role"] == "function" and waiting:
            one |= {"role": "tool", "tool_call_id": waiting}
            waiting = ""
        made.append(one)
    return made


def called(call: Mapping[str, JSON]) -> tuple[JSON, str]:
    """The name of a call, and the text of its arguments or of its input."""
    function = call.get("function") or call.get("custom") or {}
    return function.get("name"), str(function.get("arguments") or function.get("input") or "")


def text_of(message: Mapping[str, JSON], session: Session) -> str:
    """The text of a message, or that of a refusal; what else it says is noted, but for its calls."""
    refusal = message.get("refusal")
    for key, value in message.items():
        if key not in _CARRIED and value and not (key == "name" and message["role"] in ("tool", "function")):
            session.lost("that an answer is a refusal" if key == "refusal" else f"the '{key}' of a message")
    texts = tell_parts(message.get("content"), session)
    return "\n".join([*texts, *([refusal] if isinstance(refusal, str) and refusal else [])])


def tell_parts(content: JSON, session: Session) -> list[str]:
    """The texts of a content; parts of another kind are noted."""
    if not isinstance(content, list):
        return [content] if isinstance(content, str) and content else []
    for part in content:
        if isinstance(part.get("refusal"), str):
            session.lost("that an answer is a refusal")
        elif not isinstance(part.get("text"), str):
            session.lost(f"a part of type '{part.get('type')}'")
    texts = (part.get("text", part.get("refusal")) for part in content)
    return [text for text in texts if isinstance(text, str)]


def new_id() -> str:
    """A uuid."""
    return str(uuid.uuid4())


def model_of(configs: Sequence[JSON], default: str = "unknown") -> str:
    """The model of the last answer that names one."""
    for config in reversed(configs):
        if isinstance(config, dict) and isinstance(config.get("model"), str) and config["model"]:
            return str(config["model"])
    return default
