"""An agent's whole loop: a model on loopback calls tract's tools, gets their answers, and goes on."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from tests.llm.asking import every_protocol, make_client
from tests.llm.server import LLMServer, text
from tests.making import make_tract, texts
from tract import LLMResponse, ToolExecutor, Tract
from tract.agents.policy_settings import set_autonomy
from tract.llm.client import ProviderClient

_NUMBERS = count()


def calling(*calls: tuple[str, dict[str, Any]], say: str | None = None) -> dict[str, Any]:
    """An answer that calls these tools."""
    made = [
        {
            "id": f"call_{next(_NUMBERS)}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for name, arguments in calls
    ]
    return text(say, tool_calls=made, finish_reason="tool_calls")


def calls_in(answer: LLMResponse) -> list[tuple[str, str, Any]]:
    """The id, the name and the arguments of each call, as the provider gave them."""
    if answer.format == "anthropic":
        blocks = [block for block in answer.message["content"] if block["type"] == "tool_use"]
        return [(block["id"], block["name"], block["input"]) for block in blocks]
    made = answer.message.get("tool_calls") or []
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in made]


def loop(t: Tract, server: LLMServer, protocol: Any) -> list[str]:
    """Let the model work until it calls nothing; what its tools answered."""
    with make_client(protocol, server) as client:
        return work(t, client, protocol)


def work(t: Tract, client: ProviderClient, format: Any, profile: Any = "self") -> list[str]:
    run = ToolExecutor(t, profile=profile)
    tools = t.as_tools(profile=profile, format=format)
    outputs: list[str] = []
    for _ in range(10):
        answer = client.chat(t.compile().to_openai(), tools=tools)
        t.commit(answer)
        calls = calls_in(answer)
        if not calls:
            return outputs
        for id, name, arguments in calls:
            result = run.execute(name, arguments, reason=answer.text)
            outputs.append(result.output)
            t.tool_result(id, result.output, is_error=not result.success)
    raise AssertionError("the loop does not end")


def conversation() -> Tract:
    t = make_tract()
    t.system("be terse")
    for word in ("one", "two", "three"):
        t.user(f"what is {word}")
        t.assistant(f"{word} is a number")
    t.user("go on")
    return t


def torn(t: Tract) -> list[str]:
    """The warnings of calls without results, and results without calls."""
    return [one.kind for one in t.compile().warnings if "tool" in one.kind]


@every_protocol
def test_a_model_looks_curates_and_goes_on(llm_server: LLMServer, protocol: Any) -> None:
    llm_server.script(
        calling(("compile", {}), ("status", {}), say="let me look"),
        calling(("annotate", {"target": ["2", "3"], "priority": "skip", "reason": "done"})),
        text("I see"),
    )
    t = conversation()

    outputs = loop(t, llm_server, protocol)

    assert "what is one" in outputs[0]
    assert "on branch 'main'" in outputs[1]
    assert "messages 2, 3: skip" == outputs[2]
    assert "what is one" not in texts(t)
    assert "I see" in str(t.messages()[-1].text)
    assert () == t.status().open_calls
    assert [] == torn(t)
    questions = llm_server.requests()
    assert 3 == len(questions)
    names = [tool.get("name") or tool["function"]["name"] for tool in questions[0].body["tools"]]
    assert {"compile", "annotate", "compress"} < set(names)
    assert "messages 2, 3: skip" in json.dumps(questions[2].messages)


@every_protocol
def test_a_model_that_is_wrong_is_told_and_may_do_better(llm_server: LLMServer, protocol: Any) -> None:
    llm_server.script(
        calling(("fly", {"to": "the moon"}), ("annotate", {"target": 2, "priority": "hide"}), ("gc", {})),
        calling(("edit", {"target": 1, "content": "be free"}), ("annotate", {"target": 2, "priority": "skip"})),
        text("done"),
    )
    t = conversation()

    outputs = loop(t, llm_server, protocol)

    assert outputs[0].startswith("there is no operation 'fly'")
    assert "must be one of 'skip', 'normal', 'pinned', not 'hide'" in outputs[1]
    assert "not in profile 'self'" in outputs[2]
    assert "is an instruction or pinned" in outputs[3]
    assert "message 2: skip" == outputs[4]
    assert "be terse" == texts(t)[0]


@every_protocol
def test_a_compression_asked_for_in_the_loop_keeps_the_open_call_and_pins(llm_server: LLMServer, protocol: Any) -> None:
    llm_server.script(
        calling(("compress", {"from_commit": "2", "to_commit": "7", "content": "three numbers were told"})),
        text("done"),
    )
    t = conversation()
    set_autonomy(t.repository, "autonomous")
    t.annotate("HEAD:5", "pinned")

    outputs = loop(t, llm_server, protocol)

    assert "summed up 5 messages" in outputs[0]
    assert "two is a number" in texts(t)
    assert "three numbers were told" in texts(t)
    assert "go on" in texts(t)
    assert () == t.status().open_calls
    assert [] == torn(t)


@every_protocol
def test_what_needs_approval_waits_and_the_loop_goes_on(llm_server: LLMServer, protocol: Any) -> None:
    wanted = {"from_commit": "2", "to_commit": "7", "content": "three numbers"}
    llm_server.script(calling(("compress", wanted), say="the numbers are told"), text("later then"))
    t = conversation()

    (output,) = loop(t, llm_server, protocol)

    assert "compress needs approval" in output
    (waiting,) = t.proposals()
    assert "the numbers are told" == waiting.reasoning
    assert "executed" == t.approve_proposal().status
    assert "three numbers" in texts(t)


@every_protocol
def test_the_answer_that_goes_elsewhere_goes_along(llm_server: LLMServer, protocol: Any) -> None:
    llm_server.script(
        calling(("branch", {"name": "aside"}), ("commit", {"content": "a thought"})),
        calling(("status", {}), ("switch", {"name": "aside"})),
        text("here now"),
        calling(("switch", {"name": "main"})),
        text("back"),
    )
    t = conversation()
    set_autonomy(t.repository, "autonomous")

    outputs = loop(t, llm_server, protocol)

    assert "HEAD is on branch 'aside'" in outputs[3]
    assert "aside" == t.current_branch
    assert [] == torn(t)
    assert () == t.status().open_calls
    assert "here now" in str(t.messages()[-1].text)

    t.user("go back")
    loop(t, llm_server, protocol)
    assert "main" == t.current_branch
    assert "back" in str(t.messages()[-1].text)
    assert "a thought" in str(t.compile().to_dicts())


@every_protocol
def test_undo_takes_back_what_was_done_before_the_answer_that_asks_for_it(llm_server: LLMServer, protocol: Any) -> None:
    llm_server.script(calling(("status", {}), ("undo", {}), say="that was wrong"), text("done"))
    t = conversation()
    set_autonomy(t.repository, "autonomous")
    t.edit("HEAD:3", "a mistake")
    assert "a mistake" in texts(t)

    with make_client(protocol, llm_server) as client:
        work(t, client, protocol, "full")

    assert "one is a number" in texts(t)
    assert "that was wrong" in str(t.compile().to_dicts())
    assert [] == torn(t)
    assert () == t.status().open_calls


@pytest.mark.parametrize("arguments", ["", "{", '{"limit": "2"}', "null", '"x"'])
def test_arguments_as_a_model_wrote_them_are_taken_or_answered(llm_server: LLMServer, arguments: str) -> None:
    broken = {"id": "c", "type": "function", "function": {"name": "log", "arguments": arguments}}
    llm_server.script(text(None, tool_calls=[broken], finish_reason="tool_calls"), text("done"))
    t = conversation()

    (output,) = loop(t, llm_server, "openai")

    assert "append user" in output or output.startswith("log: the arguments")
    assert () == t.status().open_calls
