"""Real conversations keep every word in their own format and stay valid in another.

Skipped where the corpus or the providers' SDKs are not at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tract.messages import (
    message_of,
    pairing_warnings,
    render_anthropic,
    render_openai,
    render_responses,
    render_text,
)
from tract.messages.message import Message
from tract.objects.content import MessageContent
from tract.objects.message_format import detect_format

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
AIRLINE = CORPUS / "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json"
CLAUDE_CODE = sorted((CORPUS / "entireio+cli").rglob("*.jsonl"))

pytestmark = pytest.mark.skipif(not AIRLINE.exists(), reason="the corpus is not here")


def forced(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: forced(item) for key, item in value.items()}
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return value
    return [forced(item) for item in value]


def adapter(module: str, name: str) -> Any:
    pydantic = pytest.importorskip("pydantic")
    return pydantic.TypeAdapter(list[getattr(pytest.importorskip(module), name)])


def msgs(format: str, raws: Iterable[dict[str, Any]]) -> list[Message]:
    return [message_of(MessageContent(raw, format)) for raw in raws]


def airline() -> list[list[dict[str, Any]]]:
    return [task["traj"] for task in json.loads(AIRLINE.read_text())]


def claude_code(path: Path) -> list[dict[str, Any]]:
    messages = []
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            return []  # another tool's session under the same name
        if record.get("type") in ("user", "assistant") and not record.get("isSidechain"):
            messages.append({key: record["message"][key] for key in ("role", "content")})
    return messages


def assert_chat_is_paired(messages: list[dict[str, Any]]) -> None:
    """Every tool message directly follows, among its siblings, the message with its call."""
    open_ids: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_ids
            open_ids.discard(message["tool_call_id"])
        else:
            assert not open_ids
            open_ids = {call["id"] for call in message.get("tool_calls", ())}


def assert_anthropic_is_paired(messages: list[dict[str, Any]]) -> None:
    """Roles alternate, ids are used once, and each message of calls is answered by the next one, results first."""
    seen: set[str] = set()
    for number, message in enumerate(messages):
        blocks = message["content"] if isinstance(message["content"], list) else []
        assert number == 0 or messages[number - 1]["role"] != message["role"]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert seen.isdisjoint(calls)
        seen.update(calls)
        if calls and number + 1 < len(messages):
            answers = messages[number + 1]["content"][: len(calls)]
            assert sorted(calls) == sorted(block["tool_use_id"] for block in answers)


def test_chat_conversations_come_back_value_for_value():
    for raws in airline():
        rendered = render_openai(msgs("openai", raws))

        assert raws == rendered.value
        assert () == rendered.warnings


def test_chat_conversations_are_detected_and_paired():
    for raws in airline():
        assert {"openai"} == {detect_format(raw) for raw in raws}
        assert () == pairing_warnings(msgs("openai", raws))


def test_chat_conversations_become_valid_anthropic_ones():
    judge = adapter("anthropic.types", "MessageParam")
    for raws in airline():
        rendered = render_anthropic(msgs("openai", raws))

        assert raws[0]["content"] == rendered.value["system"]
        assert rendered.value["messages"] == forced(judge.validate_python(rendered.value["messages"]))
        assert_anthropic_is_paired(rendered.value["messages"])


def test_chat_conversations_become_valid_responses_items():
    judge = adapter("openai.types.responses", "ResponseInputItemParam")
    for raws in airline()[:40]:
        value = render_responses(msgs("openai", raws)).value

        assert value == forced(judge.validate_python(value))


@pytest.mark.parametrize("path", CLAUDE_CODE, ids=lambda path: path.parent.parent.name)
def test_sessions_of_claude_code_stay_themselves_and_become_valid_chat(path):
    judge = adapter("openai.types.chat", "ChatCompletionMessageParam")
    raws = claude_code(path)
    if not raws:
        pytest.skip("another tool's session")
    messages = msgs("anthropic", raws)

    chat = render_openai(messages)

    own = render_anthropic(messages)
    kept = own.value["messages"]
    # One was interrupted behind a thought, which alone is not sent back.
    assert [raw for raw in raws if raw in kept] == kept
    assert len(raws) - len(kept) <= len(own.warnings)
    assert chat.value == forced(judge.validate_python(chat.value))
    assert () == pairing_warnings(messages)
    assert_chat_is_paired(chat.value)
    text = render_text(messages)
    assert len(messages) <= text.count("\n--- ") + 1
