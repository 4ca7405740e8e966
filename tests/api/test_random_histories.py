"""Random histories against a model of ten lines: a list of what a reader should see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.making import Words
from tract import DialogueContent, Priority, Tract, TractConfig


@dataclass(frozen=True)
class Row:
    commit: str
    text: str
    config: int | None = None
    hidden: bool = False


class Model:
    """The history as a list of rows, oldest first."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.commits = 0

    def append(self, commit: str, text: str, config: int | None) -> None:
        self.rows.append(Row(commit, text, config))
        self.commits += 1

    def change(self, at: int, **fields: Any) -> None:
        self.rows[at] = replace(self.rows[at], **fields)

    def shown(self) -> list[Row]:
        return [row for row in self.rows if not row.hidden]


class WhimError(Exception):
    pass


CONFIG = TractConfig(author="tester", compile_cache_maxsize=2)
TEXT = st.text("ab ", min_size=1, max_size=6)
AT = st.integers(0, 10**6)
STEP = st.one_of(
    st.tuples(st.just("append"), TEXT, st.none() | st.integers(0, 3)),
    st.tuples(st.just("extend"), st.lists(TEXT, max_size=20)),
    st.tuples(st.just("edit"), AT, TEXT),
    st.tuples(st.just("annotate"), AT, st.sampled_from(Priority)),
    st.tuples(st.just("compile"), AT),
    st.tuples(st.just("log")),
    st.tuples(st.just("check")),
    st.tuples(st.just("usage"), st.integers(1, 1000)),
    st.tuples(st.just("reopen")),
)
IN_BATCH = STEP.filter(lambda step: step[0] != "reopen")
BATCH = st.tuples(st.just("batch"), st.booleans(), st.lists(IN_BATCH, max_size=6))
PLAN = st.lists(STEP | BATCH, max_size=25)


class Player:
    """Plays steps on a tract and its model alike; *reopen* gives the tract anew."""

    def __init__(self, tract: Tract, reopen: Callable[[Tract], Tract]) -> None:
        self.tract = tract
        self.model = Model()
        self._reopen = reopen

    def play(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"play_{step[0]}")(*step[1:])

    def play_append(self, text: str, config: int | None) -> None:
        given = None if config is None else {"temperature": config}
        info = self.tract.commit(DialogueContent("user", text), generation_config=given)
        self.model.append(info.commit_hash, text, config)

    def play_extend(self, texts: list[str]) -> None:
        for info, text in zip(self.tract.extend({"role": "user", "content": t} for t in texts), texts, strict=True):
            self.model.append(info.commit_hash, text, None)

    def play_edit(self, at: int, text: str) -> None:
        if self.model.rows:
            at %= len(self.model.rows)
            target = self.model.rows[at].commit
            info = self.tract.edit(target, DialogueContent("user", text))
            if len(text) % 2:  # an edit of the edit is an edit of the original
                text += "!"
                self.tract.edit(info.commit_hash, text)
                self.model.commits += 1
            self.model.change(at, text=text)
            self.model.commits += 1

    def play_annotate(self, at: int, priority: Priority) -> None:
        if self.model.rows:
            at %= len(self.model.rows)
            self.tract.annotate(self.model.rows[at].commit, priority)
            self.model.change(at, hidden=priority is Priority.SKIP)

    def play_compile(self, at: int) -> None:
        if self.model.rows:
            self.tract.compile(at_commit=self.model.rows[at % len(self.model.rows)].commit)

    def play_log(self) -> None:
        self.tract.log()
        self.tract.status()

    def play_usage(self, tokens: int) -> None:
        if self.model.rows:
            self.tract.record_usage({"input_tokens": tokens})

    def play_reopen(self) -> None:
        self.tract = self._reopen(self.tract)

    def play_batch(self, aborted: bool, steps: list[tuple[Any, ...]]) -> None:
        rows, commits = list(self.model.rows), self.model.commits
        try:
            with self.tract.batch():
                for step in steps:
                    self.play(step)
                if aborted:
                    raise WhimError
        except WhimError:
            self.model.rows, self.model.commits = rows, commits

    def play_check(self) -> None:
        context = self.tract.compile()
        shown = self.model.shown()
        status = self.tract.status()
        assert [row.text for row in shown] == [message.content for message in context.messages]
        assert [row.commit for row in shown] == context.commit_hashes
        configs = [None if row.config is None else {"temperature": row.config} for row in shown]
        assert configs == context.generation_configs
        assert [4 + len(row.text.split()) for row in shown] == context.token_counts  # framing is 3, the role 1
        assert (len(shown), len(self.model.rows) - len(shown)) == (status.message_count, status.skipped_count)
        assert (context.token_count, context.token_source) == (status.token_count, status.token_source)
        assert self.model.commits == status.commit_count == len(self.tract.log(limit=None))


@contextmanager
def memory_player() -> Iterator[Player]:
    tract = Tract.open(":memory:", config=CONFIG, tokenizer=Words(), verify_cache=True)
    with tract:
        yield Player(tract, lambda same: same)


@contextmanager
def disk_player() -> Iterator[Player]:
    with tempfile.TemporaryDirectory() as folder:

        def open_again(old: Tract | None = None) -> Tract:
            if old is not None:
                old.close()
            return Tract.open(folder, config=CONFIG, tokenizer=Words(), verify_cache=True, durability="process")

        player = Player(open_again(), open_again)
        try:
            yield player
        finally:
            player.tract.close()


@pytest.mark.parametrize(("make", "examples"), [(memory_player, 120), (disk_player, 40)])
def test_a_random_history_compiles_to_what_the_model_says(make, examples):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(PLAN)
    def play(plan):
        with make() as player:
            for step in plan:
                player.play(step)
            player.play_check()
            player.play_reopen()
            player.play_check()

    play()
