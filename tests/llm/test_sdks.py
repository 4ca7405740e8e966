"""The providers' own clients as judges: of the server these tests ask, and of what ours puts together."""

from __future__ import annotations

import pytest

from tests.llm.asking import KEY, QUESTION, ask, make_client
from tests.llm.server import text
from tests.llm.test_asking import CALLS

REPLY = text("Let me look, Grüße 👋", tool_calls=CALLS, finish_reason="tool_calls")


@pytest.mark.parametrize("way", ["chat", "stream"])
def test_openais_own_client_reads_the_same_answer(way, llm_server):
    openai = pytest.importorskip("openai")
    llm_server.script(REPLY, REPLY)

    ours = ask(way, make_client("openai", llm_server), model="m")
    with openai.OpenAI(api_key=KEY, base_url=llm_server.url, max_retries=0) as theirs:
        if way == "chat":
            answer = theirs.chat.completions.create(model="m", messages=QUESTION)
        else:
            with theirs.chat.completions.stream(model="m", messages=QUESTION, stream_options={"include_usage": True}) as stream:  # fmt: skip
                answer = stream.get_final_completion()

    message = answer.choices[0].message
    assert (ours.text, ours.finish_reason) == (message.content, answer.choices[0].finish_reason)
    called = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert called == [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in ours.message["tool_calls"]]
    assert ours.usage == answer.usage.model_dump(exclude_none=True)
    mine, other = llm_server.requests()
    assert mine.body == other.body


@pytest.mark.parametrize("way", ["chat", "stream"])
def test_anthropics_own_client_reads_the_same_answer(way, llm_server):
    anthropic = pytest.importorskip("anthropic")
    llm_server.script(REPLY, REPLY)

    ours = ask(way, make_client("anthropic", llm_server), model="m", max_tokens=50)
    with anthropic.Anthropic(api_key=KEY, base_url=llm_server.address, max_retries=0) as theirs:
        if way == "chat":
            answer = theirs.messages.create(model="m", messages=QUESTION, max_tokens=50)
        else:
            with theirs.messages.stream(model="m", messages=QUESTION, max_tokens=50) as stream:
                answer = stream.get_final_message()

    assert ours.message["content"] == [block.model_dump(exclude_none=True) for block in answer.content]
    assert (ours.finish_reason, ours.model) == (answer.stop_reason, answer.model)
    assert ours.usage == answer.usage.model_dump(exclude_none=True)
    mine, other = llm_server.requests()
    assert mine.body == other.body
