"""Rules of mending have a number, and old numbers stay renderable; what was sent is rendered by those of then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from blake3 import blake3

from tests.compile.test_sent import bytes_of
from tests.llm.test_refusing import HISTORIES, SAID
from tests.making import make_tract
from tract import ContentValidationError, ReasoningContent
from tract.compile import sent
from tract.messages import message_from_raw, message_of, render
from tract.messages.form import RULES
from tract.messages.tool_names import TARGETS


def rendered(context: Any, format: str, **options: Any) -> str:
    name = "to_openai_responses" if format == "responses" else f"to_{format}"
    return repr(getattr(context, name)(**options))


@pytest.mark.parametrize("format", ["openai", "responses", "anthropic"])
def test_a_thought_is_nothing_that_the_assistant_said(format):
    t = make_tract("hi")
    t.commit(ReasoningContent("a secret plan"))
    t.assistant("ho")
    context = t.compile()

    assert "secret" not in rendered(context, format)
    assert "secret" in rendered(context, format, rules=1)
    assert {"thinking_left_out", "no_counterpart"} & {warning.kind for warning in context.warnings_for(format)}
    assert "[thinking] a secret plan" in context.to_text()


def test_gemini_is_told_a_thought_as_a_thought():
    t = make_tract("hi")
    t.commit(ReasoningContent("a secret plan"))
    t.assistant("ho")
    parts = [part for content in t.compile().to_gemini()["contents"] for part in content["parts"]]
    assert all(part.get("thought") for part in parts if "secret" in part["text"])


def test_what_stands_before_a_torn_reasoning_item_stays_as_it_was():
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    torn = {"type": "reasoning", "id": "rs_1", "summary": []}
    messages = [message_from_raw(raw, "responses") for raw in (search, torn)]

    assert [search] == render(messages, "responses").value
    assert [] == render(messages, "responses", rules=2).value


def test_answers_whose_calls_are_all_left_out_do_not_become_one_without_content():
    waiting = {"type": "computer_call", "id": "cu_1", "call_id": "a", "action": {"type": "wait"}}
    empty = message_from_raw({"role": "assistant", "content": ""}, "anthropic")
    messages = [message_from_raw(waiting, "responses"), empty, empty]

    assert [{"role": "assistant", "content": ""}] * 2 == render(messages, "openai").value


def test_a_call_of_a_provider_s_own_tool_is_owed_nothing_once_other_calls_of_the_answer_have_results():
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "4"}]}
    raws = [{"role": "assistant", "content": [block]}, {"role": "assistant", "content": [call]}, result]
    messages = [message_from_raw(raw, "anthropic") for raw in raws]

    assert [raws[1], result] == render(messages, "anthropic").value["messages"]
    assert raws[:2] == render(messages[:2], "anthropic").value["messages"]


def test_a_request_that_was_recorded_under_older_rules_is_rebuilt_by_them(monkeypatch):
    t = make_tract("hi")
    t.commit(ReasoningContent("a plan"))
    body = {"model": "m", "messages": t.compile().to_openai(rules=1)}
    monkeypatch.setattr(sent, "RULES", 1)  # as tract was then
    id = t.assistant("ho", request={**body, "body_hash": blake3(bytes_of(body)).hexdigest()}).commit_hash
    monkeypatch.undo()

    assert body["messages"] == t.sent(id).to_openai() != t.sent(id).to_openai(rules=RULES)
    assert body == t.sent(id).request("openai")
    assert t.verify_sent(id)


def test_rules_that_are_not_known_yet_are_refused(monkeypatch):
    t = make_tract("hi")
    monkeypatch.setattr(sent, "RULES", RULES + 1)
    t.assistant("ho", request={"model": "m"})
    monkeypatch.undo()

    with pytest.raises(ContentValidationError, match=f"rules {RULES + 1} are not known here, only 1 to {RULES}"):
        t.sent("HEAD").to_openai()


KNOWN = {
    (1, "openai"): "3bb1cfe848084337",
    (1, "responses"): "af722fe538ef32b6",
    (1, "anthropic"): "37882435921a284f",
    (1, "gemini"): "a53c7546825f9ff3",
    (2, "openai"): "990b220e035c9ca3",
    (2, "responses"): "5690710fe8160703",
    (2, "anthropic"): "b8a31b54963cce48",
    (2, "gemini"): "089588e02d9dd154",
    (3, "openai"): "990b220e035c9ca3",
    (3, "responses"): "040706c4adb2da70",
    (3, "anthropic"): "b8a31b54963cce48",
    (3, "gemini"): "089588e02d9dd154",
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rules", range(1, RULES + 1))
def test_what_is_sent_by_a_number_never_changes(rules, target):
    """Where this fails because a rule was changed, RULES grows, and the old number goes on rendering as it did."""
    sent = []
    for format, raws in [*HISTORIES.values()][:31]:  # new ones come behind these
        sent.append(render([message_from_raw(raw, format) for raw in raws], target, rules=rules).value)
    sent.append(
        render([message_of(ReasoningContent("hm")), message_from_raw(SAID, "responses")], target, rules=rules).value
    )

    assert KNOWN[rules, target] == blake3(json.dumps(sent).encode()).hexdigest(8)
