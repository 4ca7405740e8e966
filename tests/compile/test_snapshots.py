"""What is remembered between compilations, and that it never shows: every compile here is checked against a fresh one."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counting import sent_counts
from tests.making import Words, call, move_ref, texts
from tract import DialogueContent, Priority, Tract, TractConfig
from tract.objects.id import ObjectId


def make_tract(*texts: str, maxsize: int = 8) -> Tract:
    config = TractConfig(author="x", compile_cache_maxsize=maxsize)
    t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True, config=config)
    t.extend({"role": "user", "content": text} for text in texts)
    return t


def move_branch(t: Tract, commit: str) -> None:
    """What reset and checkout will do."""
    id = ObjectId(bytes.fromhex(commit))
    move_ref(t.repository, "refs/heads/main", id, expected=t.repository.head()[1], reason="moved")
    t.head  # noqa: B018


def test_going_back_to_what_was_compiled_finds_it():
    t = make_tract("a", "b")
    old = t.head
    before = t.compile()
    t.user("c")
    t.compile()

    move_branch(t, old)

    assert before.snapshot is t.compile().snapshot


def test_any_snapshot_on_the_way_is_extended_and_shares_its_rows():
    t = make_tract("a")
    fork = t.head
    first = t.compile()
    t.user("b")
    t.compile()
    move_branch(t, fork)
    other = t.user("c")

    assert ["a", "c"] == texts(t.compile())
    move_branch(t, fork)
    assert first.snapshot.columns is t.compile().snapshot.columns
    assert ["a", "c"] == texts(t.compile(at_commit=other.commit_hash))


def test_an_edit_copies_the_lists_and_shares_the_messages():
    t = make_tract("a", "b", "c")
    before = t.compile()
    t.edit("HEAD~1", "B")

    after = t.compile()

    assert (["a", "b", "c"], ["a", "B", "c"]) == (texts(before), texts(after))
    old, new = before.snapshot.columns.messages, after.snapshot.columns.messages
    assert old[0] is new[0]
    assert old[2] is new[2]


def test_a_context_read_from_its_tree_shares_decoded_messages_with_others():
    t = Tract.open(":memory:", tokenizer=Words())
    infos = t.extend({"role": "user", "content": str(n)} for n in range(500))
    whole = t.compile()

    old = t.compile(at_commit=infos[300].commit_hash)

    assert 301 == len(old)
    shared = zip(old.snapshot.columns.messages, whole.snapshot.columns.messages, strict=False)
    assert all(mine is theirs for mine, theirs in shared)


def test_token_counts_follow_every_patch():
    t = make_tract("a", "b b", "c c c", "d")
    ids = list(t.compile().commit_hashes)
    assert [5, 6, 7, 5] == list(t.compile().token_counts)

    t.edit(ids[1], "b b b b")
    t.annotate(ids[0], Priority.SKIP)
    assert ([8, 7, 5], 23) == (list(t.compile().token_counts), t.compile().token_count)
    t.annotate(ids[0], Priority.NORMAL)
    assert ([5, 8, 7, 5], 28) == (list(t.compile().token_counts), t.compile().token_count)


def test_the_least_recently_used_snapshot_goes_first():
    t = make_tract("a", "b", "c", maxsize=2)
    ids = list(t.compile().commit_hashes)
    old = t.compile(at_commit=ids[0])
    kept = t.compile(at_commit=ids[1])

    assert kept.snapshot is t.compile(at_commit=ids[1]).snapshot
    t.compile(at_commit=ids[2])
    assert old.snapshot is not t.compile(at_commit=ids[0]).snapshot


def test_an_edits_config_is_the_messages_as_long_as_its_words_are_shown():
    t = make_tract()
    answer = t.commit(DialogueContent("assistant", "a"), generation_config={"t": 1})
    t.edit(answer.commit_hash, "A", generation_config={"t": 2})

    assert [{"t": 2}] == t.compile().generation_configs
    assert [{"t": 1}] == t.compile(at_commit=answer.commit_hash).generation_configs
    assert {"t": 1} == t.get_commit(answer.commit_hash).generation_config
    t.edit(answer.commit_hash, "by hand")
    assert [{"t": 1}] == t.compile().generation_configs


def test_of_edits_with_the_same_words_the_newest_gives_its_config_in_whatever_order_they_were_seen():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for first in (0, 1, 2, 3):
        t = make_tract("a")
        message = t.head
        t.compile()
        t.branch("other")
        for name, age in (("main", first), ("other", 2)):
            t.switch(name)
            t.edit(message, "A", generation_config={"by": name}, timestamp=start + timedelta(seconds=age))

        contexts = [t.compile(at_commit=name) for name in ("main", "other")]

        assert contexts[0].generation_configs == contexts[1].generation_configs
        if first != 2:
            assert [{"by": "main" if first > 2 else "other"}] == contexts[0].generation_configs


def test_a_message_is_found_after_any_number_of_others_were_hidden_and_shown():
    t = make_tract(*map(str, range(40)))
    ids = list(t.compile().commit_hashes)
    order = [ids[at * 17 % 40] for at in range(40)]

    for number, commit in enumerate(order):
        t.annotate(commit, Priority.SKIP)
        t.user(f"more {number}")
        t.edit(order[(number + 1) % 40], f"edited {number}")
        t.compile()
    for commit in order[::-1]:
        t.annotate(commit, Priority.NORMAL)
        t.compile()

    assert ids == t.compile().commit_hashes[:40]
    t.edit(order[3], "found")
    assert "found" == t.compile().messages[ids.index(order[3])].content


def test_a_context_with_more_changes_than_are_worth_looking_along_is_mapped_anew():
    t = make_tract(*map(str, range(1100)))
    ids = list(t.compile().commit_hashes)
    columns = t.compile().snapshot.columns.copy(1100)
    columns.place(ObjectId(bytes.fromhex(ids[0])))

    for _ in range(600):
        columns.remove(0)

    assert [None, 0, 499] == [columns.place(ObjectId(bytes.fromhex(ids[at]))) for at in (599, 600, 1099)]


def test_threads_that_ask_for_the_warnings_at_once_all_get_the_same():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            t = make_tract("a")
            assert () == t.compile().warnings
            for number in range(30):
                call = {"id": str(number), "type": "function", "function": {"name": "f", "arguments": "{}"}}
                t.commit({"role": "assistant", "content": None, "tool_calls": [call]})
                t.tool_result(str(number), "done")
            context = t.compile()
            with ThreadPoolExecutor(4) as threads:
                found = list(threads.map(lambda _, context=context: context.warnings, range(4)))

            assert [()] * 4 == found
    finally:
        sys.setswitchinterval(interval)


def test_an_edits_config_is_found_in_a_new_process(tmp_path):
    with Tract.open(tmp_path, tokenizer=Words()) as t:
        answer = t.assistant("a")
        t.edit(answer.commit_hash, "A", generation_config={"t": 2})

    with Tract.open(tmp_path, tokenizer=Words(), verify_cache=True) as t:
        assert [{"t": 2}] == t.compile().generation_configs


def test_a_batch_that_is_given_up_leaves_nothing_in_what_is_remembered():
    t = make_tract("a")
    t.compile()
    with pytest.raises(ZeroDivisionError), t.batch():  # noqa: PT012
        t.annotate("HEAD", Priority.SKIP)
        t.user("b")
        assert ["b"] == texts(t.compile())
        1 / 0  # noqa: B018

    assert ["a"] == texts(t.compile())


def result(id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": "r"}


AT = st.integers(0, 10**6)
ID = st.sampled_from(["1", "2", "3"])
CONFIG = st.none() | st.integers(0, 2).map(lambda t: {"t": t})
STEP = st.one_of(
    st.tuples(st.just("user"), st.sampled_from("ab"), CONFIG),
    st.tuples(st.just("call"), st.lists(ID, min_size=1, max_size=2, unique=True), st.none() | st.just("text")),
    st.tuples(st.just("result"), ID),
    st.tuples(st.just("edit"), AT, st.sampled_from("ab"), CONFIG),
    st.tuples(st.just("skip"), AT, st.sampled_from(Priority)),
    st.tuples(st.just("move"), AT),
    st.tuples(st.just("look"), AT, st.sampled_from(["now", "then"])),
    st.tuples(st.just("compile")),
)


class Player:
    def __init__(self, maxsize: int) -> None:
        self.t = make_tract("first", maxsize=maxsize)
        self.commits = [self.t.head]

    def play(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])

    def user(self, text: str, config: Any) -> None:
        self.commits.append(self.t.commit(DialogueContent("user", text), generation_config=config).commit_hash)

    def call(self, ids: list[str], text: str | None) -> None:
        self.commits.append(self.t.commit(call(*ids, text=text)).commit_hash)

    def result(self, id: str) -> None:
        self.commits.append(self.t.commit(result(id)).commit_hash)

    def edit(self, at: int, text: str, config: Any) -> None:
        shown = list(self.t.compile().commit_hashes)
        if shown:
            target = shown[at % len(shown)]
            info = self.t.edit(target, DialogueContent("user", text), generation_config=config)
            self.commits.append(info.commit_hash)

    def skip(self, at: int, priority: Priority) -> None:
        self.t.annotate(self.commits[at % len(self.commits)], priority)

    def move(self, at: int) -> None:
        move_branch(self.t, self.commits[at % len(self.commits)])

    def look(self, at: int, notes: Any) -> None:
        self.check(self.t.compile(at_commit=self.commits[at % len(self.commits)], notes=notes))

    def compile(self) -> None:
        context = self.t.compile()
        status = self.t.status()
        self.check(context)
        assert (len(context), context.token_count) == (status.message_count, status.token_count)

    def check(self, context: Any) -> None:
        assert context.token_counts == sent_counts(context.messages)
        assert isinstance(context.warnings, tuple)


@settings(deadline=None, max_examples=250)
@given(st.integers(1, 4), st.lists(STEP, max_size=30))
def test_whatever_is_taken_in_one_by_one_is_what_a_fresh_compile_has(maxsize, steps):
    player = Player(maxsize)
    for step in steps:
        player.play(step)
    player.compile()
