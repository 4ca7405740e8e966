"""Events of OpenHands: actions and observations of an agent, a list or a line each.

    {"id", "source": "user" | "agent" | "environment", "action": "message" | "run" | …, "args", "tool_call_metadata"}
    {"id", "source", "observation": "run" | …, "content", "cause": id of the action}

A message belongs to its source; any other action of the agent is a call, with its ``thought`` as text, and the observation it caused is the result.
An action without an observation, and an observation without its action, become messages of their side; changes of the agent's state are passed over.
Source: OpenHands, ``events/serialization/``. Since its version 1 events are others: readers/openhands_sdk.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.readers.building import answer, model_config, result, tool_call
from tract.adapters.transcripts.readers.openhands_sdk import is_sdk_event, read_sdk_events
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_PASSED = frozenset({"change_agent_state", "agent_state_changed", "null", "recall", "system_log"})


def is_openhands_event(value: JSON) -> bool:
    """Whether *value* is such an event, of any version."""
    return is_sdk_event(value) or _is_event(value)


def _is_event(value: JSON) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("id"), int) or "source" not in value:
        return False
    return (isinstance(value.get("action"), str) and isinstance(value.get("args"), dict)) or (
        isinstance(value.get("observation"), str) and "content" in value
    )


def read_openhands(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found events as a conversation; nothing if they have no message."""
    if any(map(is_sdk_event, found.values)):
        yield from read_sdk_events(name, found, report)
        return
    turns: list[Turn] = []
    calls: dict[int, tuple[str, str]] = {}  # the calls by the ids of their actions
    for index, event in enumerate(found.values):
        line = found.line(index)
        if not _is_event(event):
            report(line, f"[{index}]: not an event of OpenHands")
            continue
        message = _action(event, calls) if "action" in event else _observation(event, calls)
        if message is None:
            if event.get("observation") == "recall":
                report.note_once(line, "what the program recalled for the model is left out")
            continue
        about = event["tool_call_metadata"] if isinstance(event.get("tool_call_metadata"), dict) else {}
        response = about.get("model_response")
        model = response.get("model") if isinstance(response, dict) else None
        kept = {key: one for key, one in event.items() if key not in ("message", "tool_call_metadata")}
        turns.append(
            Turn(
                message,
                "openai",
                time=read_time(event.get("timestamp")),
                config=model_config(model),
                metadata={"openhands": kept},
                line=line,
            )
        )
    if not turns:
        report(None, "no message in it")
        return
    yield linear(name, turns, {})


def _action(event: dict[str, JSON], calls: dict[int, tuple[str, str]]) -> dict[str, JSON] | None:
    kind, args = event["action"], event["args"]
    if kind in _PASSED:
        return None
    text = args.get("content") or args.get("thought") or ""
    if kind in ("message", "system"):
        role = "system" if kind == "system" else "assistant" if event["source"] == "agent" else "user"
        said = text or event.get("message") or ""
        words: JSON = said if isinstance(said, str) else compact_json(said)
        urls = [url for url in args["image_urls"] if isinstance(url, str)] if isinstance(args.get("image_urls"), list) else []  # fmt: skip
        if urls and role == "user":
            pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            words = [*([{"type": "text", "text": words}] if words else []), *pictures]
        return {"role": role, "content": words}
    about = event["tool_call_metadata"] if isinstance(event.get("tool_call_metadata"), dict) else {}
    id, name = str(about.get("tool_call_id") or f"call_{event['id']}"), str(about.get("function_name") or kind)
    given = {key: one for key, one in args.items() if key not in ("thought", "blocking", "confirmation_state", "security_risk", "hidden", "is_static", "is_input", "cwd") and one is not None}  # fmt: skip
    calls[event["id"]] = id, name
    thought = args.get("thought")
    return answer(thought if isinstance(thought, str) else None, [tool_call(id, name, given)])


def _observation(event: dict[str, JSON], calls: dict[int, tuple[str, str]]) -> dict[str, JSON] | None:
    if event["observation"] in _PASSED:
        return None
    content = event["content"] if isinstance(event["content"], str) else compact_json(event["content"])
    call = calls.pop(cause if isinstance(cause := event.get("cause"), int) else -1, None)
    if call is None:
        return {"role": "user", "content": content} if content else None
    return result(call[0], content, call[1])
