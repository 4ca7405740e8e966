"""A provider that refuses a broken history takes what is sent of it: through tract's own clients, and the providers' own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.llm.asking import KEY
from tests.llm.server import LLMServer
from tests.making import call, make_tract
from tract import LLMError, LLMResponseError, Priority, ReasoningContent, ToolIOContent, Tract
from tract.llm.clients import AnthropicClient, OpenAIClient


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.llm.refusing"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield LLMServer(int(process.stdout.readline()))
        process.stdin.close()
        process.wait(10)


def result(id: str, text: str = "4") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


def use(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in ids]}


def block(id: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "4", **more}]}


USER = {"role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "zz", "status": None}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "so", "annotations": []}]}  # fmt: skip
ITEM_CALL = {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "4"}

HISTORIES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a call that nobody answered": ("openai", [USER, call("a"), USER]),
    "a batch that was answered by half, and gone on from": ("openai", [USER, call("a", "b"), result("a"), USER]),
    "a late result": ("openai", [USER, call("a"), USER, result("a"), USER]),
    "a late parallel result": ("openai", [USER, call("a", "b"), result("a"), USER, result("b"), USER]),
    "a result without a call": ("openai", [USER, result("z"), USER]),
    "a result without a call behind another's": ("openai", [USER, call("a"), result("z"), result("a"), USER]),
    "a result that came twice": ("openai", [USER, call("a"), result("a"), result("a", "5"), USER]),
    "parallel calls one by one": ("openai", [USER, call("a"), call("b"), result("a"), result("b"), USER]),
    "an instruction between call and result": ("openai", [USER, call("a"), {"role": "developer", "content": "be brief"}, result("a"), USER]),
    "empty ids": ("openai", [USER, call(""), {"role": "tool", "name": "f", "content": "4", "tool_call_id": ""}, USER]),
    "a long id": ("openai", [USER, call("x" * 90), result("x" * 90), USER]),
    "more calls than a message takes": ("openai", [USER, call(*map(str, range(300))), *(result(str(n)) for n in range(300)), USER]),
    "no content": ("openai", [USER, {"role": "assistant", "content": None}, {"role": "user", "content": []}, USER]),
    "keys of answers": ("openai", [USER, {"role": "assistant", "content": "so", "parsed": None, "annotations": [], "refusal": None}, USER]),
    "instructions alone": ("openai", [{"role": "system", "content": "be kind"}]),
    "reasoning at the end": ("responses", [USER, THOUGHT]),
    "reasoning before a user": ("responses", [USER, THOUGHT, USER]),
    "reasoning before an output": ("responses", [USER, ITEM_CALL, THOUGHT, OUTPUT, USER]),
    "one reasoning item twice": ("responses", [USER, THOUGHT, SAID, THOUGHT, SAID, USER]),
    "an output without a call": ("responses", [USER, OUTPUT, USER]),
    "a call without an output": ("responses", [USER, THOUGHT, ITEM_CALL, USER]),
    "a result between other items": ("responses", [USER, ITEM_CALL, SAID, OUTPUT, USER]),
    "what the SDK's answers have": ("responses", [USER, {**SAID, "parsed": 1}, {**ITEM_CALL, "parsed_arguments": None}, OUTPUT]),
    "blank text": ("anthropic", [USER, {"role": "assistant", "content": [{"type": "text", "text": " "}]}, USER]),
    "white space at the end": ("anthropic", [USER, {"role": "assistant", "content": "so \n"}]),
    "a whole answer": ("anthropic", [USER, {"id": "m", "type": "message", "model": "m", "usage": {}, "stop_reason": "end_turn", "role": "assistant", "content": [{"type": "text", "text": "so"}]}, USER]),
    "an error without text": ("anthropic", [USER, use("a"), block("a", content="", is_error=True), USER]),
    "thinking at the end": ("anthropic", [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}, USER]),
    "a strange id": ("anthropic", [USER, use("call.1|x"), block("call.1|x"), USER]),
    "a call first": ("anthropic", [use("a"), block("a"), USER]),
    "marks": ("anthropic", [{"role": "user", "content": [{"type": "text", "text": str(n), "cache_control": {"type": "ephemeral"}} for n in range(9)]}]),
    # and more members of the same kinds
    "a call of Anthropic's that nobody answered": ("anthropic", [USER, use("a"), USER]),
    "a custom call that nobody answered": ("responses", [USER, {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "x"}, USER]),
    "a computer's call that nobody answered": ("responses", [USER, {"type": "computer_call", "id": "cu_1", "call_id": "a", "status": "completed", "pending_safety_checks": [], "action": {"type": "wait"}}, USER]),
    "a function call of old that nobody answered": ("openai", [USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}, USER]),
    "Anthropic's batch that was answered by half": ("anthropic", [USER, use("a", "b"), block("a"), USER]),
    "a batch of items that was answered by half": ("responses", [USER, ITEM_CALL, {**ITEM_CALL, "id": "fc_2", "call_id": "b"}, OUTPUT, USER]),
    "three calls, the middle one answered late": ("openai", [USER, call("a", "b", "c"), result("a"), result("c"), USER, result("b"), USER]),
    "Anthropic's late result": ("anthropic", [USER, use("a"), USER, {"role": "assistant", "content": "so"}, block("a"), USER]),
    "a result behind the text it came with": ("anthropic", [USER, use("a"), {"role": "user", "content": [{"type": "text", "text": "also"}, {"type": "tool_result", "tool_use_id": "a", "content": "4"}]}]),
    "Anthropic's result that came twice": ("anthropic", [USER, use("a"), block("a"), block("a"), USER]),
    "an output that came twice": ("responses", [USER, ITEM_CALL, OUTPUT, OUTPUT, USER]),
    "a result twice in one message": ("anthropic", [USER, use("a"), {"role": "user", "content": [*block("a")["content"], *block("a")["content"]]}, USER]),
    "Anthropic's result without a call": ("anthropic", [USER, block("z"), USER]),
    "results at the beginning": ("openai", [result("z"), result("y"), USER]),
    "a result before its call": ("openai", [USER, result("a"), call("a"), USER]),
    "one id in two answers": ("anthropic", [USER, use("a"), block("a"), use("a"), block("a"), USER]),
    "one id twice in an answer": ("openai", [USER, call("a", "a"), result("a"), result("a", "5"), USER]),
    "reasoning behind reasoning": ("responses", [USER, THOUGHT, {**THOUGHT, "id": "rs_2"}, USER]),
    "a message whose reasoning went": ("responses", [USER, {**SAID, "id": "msg_9"}, USER]),
    "a search whose id stands twice": ("responses", [USER, {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}, {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}, SAID]),
    "Anthropic's empty result of an error in a list": ("anthropic", [USER, use("a"), block("a", content=[{"type": "text", "text": ""}], is_error=True), USER]),
    "an answer of nothing but white space": ("anthropic", [USER, {"role": "assistant", "content": " \n"}]),
    "an answer of nothing but thinking": ("anthropic", [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}, USER]),
    "Anthropic's compaction": ("anthropic", [USER, {"role": "assistant", "content": [{"type": "compaction", "content": "so far"}]}, USER]),
    "OpenAI's compaction": ("responses", [USER, {"type": "compaction", "id": "cmp_1", "encrypted_content": "zz"}, USER]),
    "Gemini's roles": ("openai", [USER, {"role": "model", "content": "so"}, USER]),
    "a null here and there": ("openai", [USER, {"role": "assistant", "content": None, "tool_calls": None, "refusal": None}, {"role": "user", "content": "x", "name": None}]),
    "arguments that are an object": ("openai", [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f g", "arguments": {"q": 1}}}]}, result("a"), USER]),
    "a strange name": ("responses", [USER, {**ITEM_CALL, "name": "f.g/h " * 20}, OUTPUT]),
    "a picture that the assistant sent": ("openai", [USER, {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}, USER]),
}  # fmt: skip


def make_history(name: str) -> Tract:
    format, raws = HISTORIES[name]
    t = make_tract()
    t.extend(raws, format=format)
    return t


def openai_client(server: LLMServer) -> OpenAIClient:
    return OpenAIClient(KEY, server.url, max_retries=0)


def asked(server: LLMServer, target: str, context: Any) -> str:
    """The answer to *context*, through the client that there is for it."""
    match target:
        case "openai":
            with openai_client(server) as client:
                return client.chat(context.to_openai(), model="m").text
        case "anthropic":
            body = context.to_anthropic()
            messages = [
                *([{"role": "system", "content": body["system"]}] if "system" in body else []),
                *body["messages"],
            ]
            with AnthropicClient(KEY, server.address, max_retries=0) as client:
                return client.chat(messages, model="m").text
        case "responses":
            openai = pytest.importorskip("openai")
            with openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
                return str(client.responses.create(model="m", input=context.to_openai_responses()).output_text)
        case _:
            body = context.to_gemini()
            response = httpx.post(f"{server.address}/v1beta/models/m:generateContent", json=body, trust_env=False)
            response.raise_for_status()
            return str(response.json()["candidates"][0]["content"]["parts"][0]["text"])


@pytest.mark.parametrize("target", ["openai", "responses", "anthropic", "gemini"])
@pytest.mark.filterwarnings("ignore::tract.RoleWarning")
@pytest.mark.parametrize("name", HISTORIES)
def test_every_provider_takes_it(name, target, server):
    t = make_history(name)

    assert "fine" == asked(server, target, t.compile())


REFUSED_CHAT = [
    name for name, (format, _) in [*HISTORIES.items()][:15] if format == "openai" and name != "instructions alone"
]


@pytest.mark.parametrize("name", REFUSED_CHAT)
def test_as_it_was_committed_it_is_refused_with_a_reason(name, server):
    with openai_client(server) as client, pytest.raises(LLMError, match="400"):
        client.chat(HISTORIES[name][1], model="m")


def test_what_is_open_is_refused_until_its_result_is_there(server):
    t = make_tract("hi")
    t.commit(call("a", "b"))
    t.tool_result("a", "4")
    with pytest.raises(LLMResponseError, match="did not have response messages"):
        asked(server, "openai", t.compile())

    for open_call in t.status().open_calls:
        t.tool_result(open_call.call_id or "", "5")

    for target in ("openai", "responses", "anthropic", "gemini"):
        assert "fine" == asked(server, target, t.compile(strict=True))


def skip(t: Tract) -> None:
    t.annotate("HEAD~2", Priority.SKIP)


def compress(t: Tract) -> None:
    t.compress(content="so far", to_commit="HEAD~1")


def reorder(t: Tract) -> None:
    t.reorder([t.compile().commit_hashes[-1]], before=t.compile().commit_hashes[0])


def edit(t: Tract) -> None:
    t.edit("HEAD~2", {"role": "assistant", "content": "never mind"})


@pytest.mark.parametrize("target", ["openai", "responses", "anthropic", "gemini"])
@pytest.mark.parametrize("change", [skip, compress, reorder, edit])
def test_what_curation_does_to_a_call_is_taken(change: Callable[[Tract], None], target, server):
    t = make_tract("hi")
    t.commit(ToolIOContent("f", "call", {"q": 1}))
    t.commit(ToolIOContent("f", "call", {"q": 2}))
    t.commit(ReasoningContent("hm"))
    t.commit(ToolIOContent("f", "result", "4"))
    t.commit(ToolIOContent("f", "result", "5", "error"))
    t.user("so?")
    change(t)

    assert "fine" == asked(server, target, t.compile())
