"""Compiling against a reference of ten lines: whatever happened before, in whatever order the messages are asked for.

Each compile here is checked twice: ``verify_cache`` compares it with a fresh one, and this module with the reference, which shares no code with tract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counting import sent_counts
from tests.making import Words
from tests.messages.validators import chat_faults
from tract import DialogueContent, Priority, Tract, TractConfig

Raw = dict[str, Any]


def reference(entries: Sequence[tuple[str, Raw]], skipped: set[str], order: Sequence[str]) -> list[tuple[str, Raw]]:
    """What a model is sent: nothing skipped, no half of a tool pair whose other half is, *order* first with whole pairs."""
    lost = {id for commit, raw in entries if commit in skipped for id in tool_ids(raw)}
    whole = [(commit, without(raw, lost)) for commit, raw in entries if commit not in skipped]
    shown = {commit: raw for commit, raw in whole if raw is not None}
    units: dict[str, list[str]] = {commit: [commit] for commit in shown}
    for call in (commit for commit, raw in shown.items() if "tool_calls" in raw):
        unit = [call, *(c for c, raw in shown.items() if raw.get("tool_call_id") in tool_ids(shown[call]))]
        units.update(dict.fromkeys(unit, unit))
    first = dict.fromkeys(commit for asked in order for commit in units[asked])
    return [(commit, shown[commit]) for commit in (*first, *(c for c in shown if c not in first))]


def tool_ids(raw: Raw) -> list[str]:
    return [call["id"] for call in raw.get("tool_calls", ())] + [raw[key] for key in ("tool_call_id",) if key in raw]


def without(raw: Raw, lost: set[str]) -> Raw | None:
    """The message without the calls and results that are lost; None where nothing is left of it."""
    if lost.isdisjoint(tool_ids(raw)):
        return raw
    kept = [call for call in raw.get("tool_calls", ()) if call["id"] not in lost]
    if kept:
        return {**raw, "tool_calls": kept}
    return {"role": raw["role"], "content": raw["content"]} if "tool_calls" in raw and raw["content"] else None


class State(NamedTuple):
    """A context as the reference has it, and the calls that were answered on the way to it."""

    entries: tuple[tuple[str, Raw], ...] = ()
    answered: frozenset[str] = frozenset()


class Player:
    """Plays the same steps on a tract and on plain lists."""

    def __init__(self, maxsize: int) -> None:
        config = TractConfig(author="x", compile_cache_maxsize=maxsize)
        self.t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True, config=config)
        self.states: dict[str | None, State] = {None: State()}
        self.made: list[str] = []
        self.tips: dict[str, str] = {}
        self.notes: dict[str, Priority] = {}
        self.then: dict[str, dict[str, Priority]] = {}
        self.calls = 0
        self.say("first")

    def play(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    @property
    def state(self) -> State:
        return self.states[self.t.head]

    def add(self, content: Any, raw: Raw, answered: Sequence[str] = ()) -> None:
        before = self.state
        commit = self.t.commit(content).commit_hash
        self.note_down(commit, State((*before.entries, (commit, raw)), before.answered.union(answered)))

    def note_down(self, commit: str, state: State) -> None:
        self.states[commit] = state
        self.made.append(commit)
        self.then[commit] = dict(self.notes)

    def say(self, text: str) -> None:
        raw = {"role": "user", "content": text}
        self.add(DialogueContent("user", text) if len(self.made) % 2 else raw, raw)

    def call(self, number: int, text: str | None) -> None:
        self.calls += 1
        ids = [f"{self.calls}{letter}" for letter in "abc"[:number]]
        calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
        raw = {"role": "assistant", "content": text, "tool_calls": calls}
        self.add(raw, raw)

    def result(self, at: int) -> None:
        asked = [call["id"] for _, raw in self.state.entries for call in raw.get("tool_calls", ())]
        waiting = [id for id in asked if id not in self.state.answered]
        if waiting:
            id = waiting[at % len(waiting)]
            raw = {"role": "tool", "tool_call_id": id, "content": "r"}
            self.add(raw, raw, [id])

    def edit(self, at: int, text: str) -> None:
        entries = self.state.entries
        target, raw = entries[at % len(entries)], {"role": "user", "content": text}
        before = self.state
        commit = self.t.edit(target[0], raw).commit_hash
        edited = tuple((c, raw if c == target[0] else old) for c, old in entries)
        self.note_down(commit, State(edited, before.answered))

    def mark(self, at: int, priority: Priority) -> None:
        entries = self.state.entries
        target = entries[at % len(entries)][0]
        self.t.annotate(target, priority)
        self.notes[target] = priority

    def branch(self, at: int) -> None:
        self.t.branch(f"b{len(self.t.list_branches())}", source=self.made[at % len(self.made)], switch=True)

    def switch(self, at: int) -> None:
        names = [branch.name for branch in self.t.list_branches()]
        self.t.switch(names[at % len(names)])

    def batch(self, steps: Sequence[tuple[Any, ...]], fails: bool) -> None:
        before = dict(self.states), list(self.made), dict(self.notes)
        try:
            with self.t.batch():
                for step in steps:
                    self.play(step)
                    self.check(self.t.compile(), self.t.head, self.notes)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            self.states, self.made, self.notes = before
        self.then = {commit: notes for commit, notes in self.then.items() if commit in before[1]}

    def look(self, at: int, when: Any) -> None:
        commit = self.made[at % len(self.made)]
        notes = self.notes if when == "now" else self.then.get(commit)
        if notes is not None:
            self.check(self.t.compile(at_commit=commit, notes=when), commit, notes)

    def order(self, picks: Sequence[int]) -> None:
        shown = list(self.t.compile().commit_hashes)
        order = list(dict.fromkeys(shown[at % len(shown)] for at in picks)) if shown else []
        self.check(self.t.compile(order=order), self.t.head, self.notes, order)

    def check(self, context: Any, commit: str | None, notes: dict[str, Priority], order: Sequence[str] = ()) -> None:
        skipped = {target for target, priority in notes.items() if priority is Priority.SKIP}
        expected = reference(self.states[commit].entries, skipped, order)
        assert [c for c, _ in expected] == list(context.commit_hashes)
        assert [raw for _, raw in expected] == [message.raw for message in context.messages]
        if expected:
            assert [] == chat_faults(context.to_openai(), may_be_open=True)
        assert sent_counts(context.messages) == list(context.token_counts)


AT = st.integers(0, 10**6)
TEXT = st.sampled_from(["a", "b b"])
SIMPLE = st.one_of(
    st.tuples(st.just("say"), TEXT),
    st.tuples(st.just("call"), st.integers(1, 3), st.none() | TEXT),
    st.tuples(st.just("result"), AT),
    st.tuples(st.just("edit"), AT, TEXT),
    st.tuples(st.just("mark"), AT, st.sampled_from(Priority)),
)
STEP = st.one_of(
    SIMPLE,
    SIMPLE,
    st.tuples(st.just("branch"), AT),
    st.tuples(st.just("switch"), AT),
    st.tuples(st.just("batch"), st.lists(SIMPLE, max_size=4), st.booleans()),
    st.tuples(st.just("look"), AT, st.sampled_from(["now", "then"])),
    st.tuples(st.just("order"), st.lists(AT, max_size=5)),
)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 4), st.lists(STEP, min_size=8, max_size=40))
def test_any_history_compiles_to_what_the_reference_makes_of_it(maxsize, steps):
    player = Player(maxsize)
    for step in steps:
        player.play(step)
        player.check(player.t.compile(), player.t.head, player.notes)
