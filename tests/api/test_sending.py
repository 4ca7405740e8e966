"""Whatever is done to a context, what is sent of it is what the provider takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making import Words
from tests.messages.validators import anthropic_faults, chat_faults, gemini_faults, responses_faults
from tract import ContentValidationError, MessageContent, Priority, Tract, TractError
from tract.compile.compiled import CompiledContext

try:
    from tests.messages.test_request_types import TYPES, accepted
except pytest.skip.Exception:  # the SDKs are not here
    TYPES = {}

Raw = dict[str, Any]
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def faults_of(context: CompiledContext, came_with: dict[str, str]) -> dict[str, list[str]]:
    """What each provider would refuse; a context of which nothing can be sent is refused by tract, one of no messages is empty."""
    found: dict[str, list[str]] = {}
    if len(context):
        with suppress(ContentValidationError):
            found["openai"] = chat_faults(context.to_openai(), may_be_open=True)
        with suppress(ContentValidationError):
            found["responses"] = responses_faults(context.to_openai_responses(), came_with, may_be_open=True)
        with suppress(ContentValidationError):
            found["anthropic"] = anthropic_faults(context.to_anthropic(), may_be_open=True)
        with suppress(ContentValidationError):
            found["gemini"] = gemini_faults(context.to_gemini(), may_be_open=True)
    return {name: faults for name, faults in found.items() if faults}


def judge_by_types(context: CompiledContext) -> None:
    """The SDKs' own types take what is sent without keys that no rule names, and find no key that they have not."""
    with suppress(ContentValidationError):
        for name, value in (
            ("openai", context.to_openai(extras="drop")),
            ("responses", context.to_openai_responses(extras="drop")),
            ("anthropic", context.to_anthropic(extras="drop")["messages"]),
        ):
            assert name not in TYPES or value == accepted(TYPES[name], value)


class Agent:
    """Talks as an agent does, in one format or another, and is interrupted, repeats itself and is curated."""

    def __init__(self) -> None:
        self.t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True)
        self.number = 0
        self.waiting: list[tuple[str, str]] = []
        self.came_with: dict[str, str] = {}
        self.t.user("go")

    def play(self, step: tuple[Any, ...]) -> None:
        with suppress(TractError, ZeroDivisionError):  # there is nothing to merge, to compress, to skip, …
            getattr(self, step[0])(*step[1:])

    def ids(self) -> list[str]:
        return list(self.t.compile().commit_hashes)

    def commit(self, *raws: Raw, format: str) -> None:
        self.t.extend([MessageContent(raw, format) for raw in raws])

    def say(self, format: str) -> None:
        self.commit({"role": "user", "content": "next"}, format=format)

    def answer(self, format: str, calls: int, thinks: bool) -> None:
        self.number += 1
        ids = [f"c{self.number}_{n}" for n in range(calls)]
        self.waiting = [(format, id) for id in ids]
        self.commit(*answer(format, self.number, ids, thinks, self.came_with), format=format)

    def result(self, which: int, format: str | None, times: int) -> None:
        if not self.waiting:
            return
        of, id = self.waiting[which % len(self.waiting)]
        self.commit(*[result(format or of, id)] * times, format=format or of)

    def orphan(self, format: str) -> None:
        self.commit(result(format, "of another session"), format=format)

    def skip(self, at: int, priority: Priority) -> None:
        ids = self.ids()
        self.t.annotate(ids[at % len(ids)], priority)

    def edit(self, at: int) -> None:
        ids = self.ids()
        self.t.edit(ids[at % len(ids)], "other words")

    def compress(self, start: int, length: int) -> None:
        ids = self.ids()
        first = start % len(ids)
        last = min(first + length, len(ids) - 1)
        self.t.compress(content="so far", from_commit=ids[first], to_commit=ids[last])

    def reorder(self, at: int, to: int) -> None:
        ids = self.ids()
        self.t.reorder([ids[at % len(ids)]], after=ids[to % len(ids)])

    def branch(self, steps: Sequence[tuple[Any, ...]]) -> None:
        """Go on from here on another branch as well, and merge that."""
        self.number += 1
        name = f"side{self.number}"
        self.t.branch(name)
        for step in steps[::2]:
            self.play(step)
        self.t.switch(name)
        for step in steps[1::2]:
            self.play(step)
        self.t.switch("main")
        merged = self.t.merge(name)
        if merged.unresolved:
            for at, conflict in enumerate(merged.unresolved):
                merged = merged.take(conflict, ("ours", "theirs", "both")[(self.number + at) % 3])
            self.t.commit_merge(merged)

    def undo(self) -> None:
        self.t.undo()


def answer(format: str, number: int, ids: Sequence[str], thinks: bool, came_with: dict[str, str]) -> Iterator[Raw]:
    if format == "openai":
        calls = [{"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}} for id in ids]
        yield {"role": "assistant", "content": "so" if thinks or not calls else None} | (
            {"tool_calls": calls} if calls else {}
        )
    elif format == "anthropic":
        thought = [{"type": "thinking", "thinking": "hm", "signature": "s"}] if thinks else []
        uses = [{"type": "tool_use", "id": id, "name": "look", "input": {}} for id in ids]
        yield {"role": "assistant", "content": [*thought, *(uses or [{"type": "text", "text": "so"}])]}
    else:
        items = [
            {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "look", "arguments": "{}"} for id in ids
        ]
        said = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed"}
        items = items or [said | {"content": [{"type": "output_text", "text": "so", "annotations": []}]}]
        if thinks:
            came_with.update((item["id"], f"rs_{number}") for item in items)
            yield {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": "zz"}
        yield from items


def result(format: str, id: str) -> Raw:
    if format == "openai":
        return {"role": "tool", "tool_call_id": id, "content": "found"}
    if format == "anthropic":
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "found"}]}
    return {"type": "function_call_output", "call_id": id, "output": "found"}


FORMATS = st.sampled_from(["openai", "responses", "responses", "anthropic"])
AT = st.integers(0, 1000)
TALK = st.one_of(
    st.tuples(st.just("say"), FORMATS),
    st.tuples(st.just("answer"), FORMATS, st.integers(0, 3), st.booleans()),
    st.tuples(st.just("answer"), FORMATS, st.integers(0, 3), st.booleans()),
    st.tuples(st.just("result"), AT, st.none() | FORMATS, st.sampled_from([1, 1, 2])),
    st.tuples(st.just("result"), AT, st.none(), st.just(1)),
    st.tuples(st.just("orphan"), FORMATS),
    st.tuples(st.just("skip"), AT, st.sampled_from([Priority.SKIP, Priority.SKIP, Priority.NORMAL, Priority.PINNED])),
    st.tuples(st.just("edit"), AT),
    st.tuples(st.just("reorder"), AT, AT),
)
STEPS = st.one_of(
    TALK,
    TALK,
    TALK,
    st.tuples(st.just("compress"), AT, st.integers(0, 4)),
    st.tuples(st.just("branch"), st.lists(TALK, max_size=5)),
    st.tuples(st.just("undo")),
)


@CALM
@given(st.lists(STEPS, min_size=3, max_size=18))
def test_no_provider_refuses_what_an_agent_that_is_interrupted_and_curated_sends(steps: list[Any]) -> None:
    agent = Agent()
    for step in steps:
        agent.play(step)
        assert {} == faults_of(agent.t.compile(), agent.came_with), step
    context = agent.t.compile()
    judge_by_types(context)
    sent = {name for warning in context.warnings for name in warning.formats}
    for name in ("openai", "anthropic"):
        assert (name in sent) == bool([one for one in context.warnings_for(name) if one.formats])


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_real_conversations_are_taken_by_every_provider() -> None:
    for path in sorted((CORPUS / "sierra-research+tau-bench").rglob("*.json"))[:2]:
        for task in json.loads(path.read_text())[:20]:
            t = Tract.open(":memory:", tokenizer=Words())
            t.extend(task["traj"])
            assert {} == faults_of(t.compile(), {})
