"""Events of OpenHands since its version 1, whose agents are written with its SDK.

    {"id", "kind", "source", "timestamp", "parent_id": the event that it follows, else the one before}
    SystemPromptEvent        system_prompt, dynamic_context
    MessageEvent             llm_message: {"role", "content": [part, …], "reasoning_content"}, extended_content: [part, …]
    ActionEvent              thought: [part, …], reasoning_content, tool_call: {"id", "name", "arguments"}, llm_response_id
    ObservationEvent         tool_call_id, tool_name, observation: {"content": [part, …]}, extended_content
    UserRejectObservation    tool_call_id, rejection_reason         AgentErrorEvent    tool_call_id, error
    Condensation             forgotten_event_ids, summary: a compression
    part                     {"type": "text", "text"}   {"type": "image", "image_urls": [url, …]}

Actions in a row of one response are one answer with several calls; siblings are branches.
Events that are not messages (states, hooks, pauses) are passed over; an unknown kind is reported.
Source: OpenHands' software-agent-sdk (August 2026), ``openhands/sdk/event/``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import Node, answer, lines_of, objects_in, result, tool_call
from tract.objects.message_format import JSON

_RESULTS = ("ObservationEvent", "UserRejectObservation", "AgentErrorEvent")
_SAYING = frozenset({"SystemPromptEvent", "MessageEvent", "ActionEvent", "Condensation", *_RESULTS})
_PASSED = frozenset({
    "ACPToolCallEvent", "CondensationRequest", "CondensationSummaryEvent", "ConversationErrorEvent", "ConversationStateUpdateEvent",
    "HookExecutionEvent", "InterruptEvent", "LLMCompletionLogEvent", "PauseEvent", "StreamingDeltaEvent", "TokenEvent",
})  # fmt: skip


def is_sdk_event(value: JSON) -> bool:
    """Whether *value* is such an event."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or "source" not in value:
        return False
    return among(value.get("kind"), _SAYING | _PASSED)


def read_sdk_events(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found events as a conversation; nothing if they have no message."""
    nodes: list[Node] = []
    actions: tuple[str, list[dict[str, JSON]]] = ("", [])
    for index, event in enumerate(found.values):
        line = found.line(index)
        kind = event.get("kind") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(event.get("id"), str) or not isinstance(kind, str):
            report(line, f"[{index}]: not an event of OpenHands")
            continue
        if kind not in _SAYING and kind not in _PASSED:
            report.note_once(line, f"an event of kind {kind[:40]!a}, which tract does not know, is left out")
        before = nodes[-1].id if nodes else None
        parent = event["parent_id"] if isinstance(event.get("parent_id"), str) else before
        response = str(event.get("llm_response_id"))
        if kind == "ActionEvent" and actions[0] == response and actions[1] and parent == before:
            actions[1].append(_call(event))  # the list is the answer's own
            nodes.append(Node(event["id"], parent, ()))
            continue
        turn = _turn(event, kind, line, nodes, report)
        calls = turn.message.get("tool_calls") if turn is not None and kind == "ActionEvent" else None
        actions = (response, calls) if isinstance(calls, list) else ("", [])
        nodes.append(Node(event["id"], parent, () if turn is None else (turn,)))
    branches = lines_of(nodes)
    if not any(branch.turns for branch in branches):
        report(None, "no message in it")
        return
    yield Conversation(name, branches)


def _turn(event: dict[str, JSON], kind: str, line: int | None, nodes: list[Node], report: Report) -> Turn | None:
    time, key = read_time(event.get("timestamp")), str(event["id"])
    if kind == "Condensation":
        forgotten = event["forgotten_event_ids"] if isinstance(event.get("forgotten_event_ids"), list) else []
        if not isinstance(event.get("summary"), str):
            if forgotten:
                report.note(
                    line, f"{len(forgotten)} events that were taken out of the context without a summary stay in it"
                )
            return None
        said: dict[str, JSON] = {"role": "user", "content": event["summary"]}
        keeps = frozenset(node.id for node in nodes).difference(map(str, forgotten))
        return Turn(said, "openai", time=time, key=key, line=line, summarises=True, keeps=keeps)
    message = _message(event, kind)
    if message is None:
        if kind in _SAYING:
            report(line, f"event {key[:40]!a} says nothing tract can read")
        return None
    return Turn(message, "openai", time=time, key=key, metadata={"openhands": event}, line=line)


def _message(event: dict[str, JSON], kind: str) -> dict[str, JSON] | None:
    more = objects_in(event.get("extended_content"))
    if kind == "SystemPromptEvent":
        parts = [one for one in (event.get("system_prompt"), event.get("dynamic_context")) if isinstance(one, dict)]
        return {"role": "system", "content": _content(parts)} if parts else None
    if kind == "MessageEvent":
        said = event.get("llm_message")
        if not isinstance(said, dict) or not among(said.get("role"), ("user", "system", "assistant", "tool")):
            return None
        content = _content([*objects_in(said.get("content")), *more])
        if said["role"] == "tool":
            return result(said.get("tool_call_id"), content, said.get("name"))
        if said["role"] != "assistant":
            return {"role": said["role"], "content": content}
        calls = [_call({"tool_call": call}) for call in objects_in(said.get("tool_calls"))]
        thought = said.get("reasoning_content")
        return answer(None, calls, thought if isinstance(thought, str) else None) | {
            "content": content or (None if calls else "")
        }
    if kind == "ActionEvent":
        thought = event.get("reasoning_content")
        content = _content(objects_in(event.get("thought")))
        return answer(None, [_call(event)], thought if isinstance(thought, str) else None) | {
            "content": content or None
        }
    if kind not in _RESULTS:
        return None
    inner = event["observation"] if isinstance(event.get("observation"), dict) else {}
    words = event.get("error") or event.get("rejection_reason")
    output = [{"type": "text", "text": words}] if isinstance(words, str) else objects_in(inner.get("content"))
    message = result(event.get("tool_call_id"), "", event.get("tool_name"))
    return message | {"content": _content([*output, *more])}


def _call(event: dict[str, JSON]) -> dict[str, JSON]:
    call = event["tool_call"] if isinstance(event.get("tool_call"), dict) else {}
    id, name = call.get("id") or event.get("tool_call_id"), call.get("name") or event.get("tool_name")
    return tool_call(id, name, call.get("arguments", event.get("action")))


def _content(parts: list[dict[str, JSON]]) -> JSON:
    """The content of parts: a text, or with pictures a list."""
    said: list[JSON] = []
    for part in parts:
        urls = part.get("image_urls")
        if isinstance(part.get("text"), str):
            said.append({"type": "text", "text": part["text"]})
        for url in urls if isinstance(urls, list) else ():
            said.append({"type": "image_url", "image_url": {"url": url}})
    if all(part["type"] == "text" for part in said):
        return "\n".join(part["text"] for part in said)
    return said
