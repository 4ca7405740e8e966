"""A state machine drives a real store, several handles, reopenings and crashes against a plain model of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
    run_state_machine_as_test,
)

from tests.faults.state_crashes import copy_store, in_mortal_child, tear
from tests.faults.state_looking import LookingMachine
from tests.faults.state_machine import (
    AT,
    IN_CHILD,
    SAID,
    Letters,
    content,
)
from tests.faults.state_model import Said, TractModel
from tests.making import move_ref
from tract import Priority, Tract
from tract.refs.names import HEADS
from tract.refs.store import ANY


class CrashingMachine(LookingMachine):
    """All of it, and deaths in the middle."""

    @rule(
        which=AT,
        kind=st.sampled_from(["append", "annotate", "reset"]),
        said=st.lists(SAID, min_size=1, max_size=3),
        whole=st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    )
    def crash_in_a_write(self, which: int, kind: str, said: list[Said], whole: float) -> None:
        """Every process dies; the last one while it wrote, of which the first part came to the file."""
        model = self.tracts[sorted(self.tracts)[which % len(self.tracts)]]
        watcher = self._watcher(model.name)
        with watcher.repository.objects.lock():
            pass  # clears what an earlier crash left, so that the copies differ in this write alone
        self.lives += 1
        copy = self.home / str(self.lives)
        copy_store(self.folder, copy)
        messages = model.messages()
        if not messages:
            kind = "append"
        if kind == "append":
            ids = [info.commit_hash for info in watcher.extend(map(content, said))]
            happened = lambda: model.append(ids, said, [None] * len(ids))  # noqa: E731
        elif kind == "annotate":
            watcher.annotate(messages[0], Priority.PINNED)
            happened = lambda: model.annotate(messages[0], Priority.PINNED)  # noqa: E731
        else:
            name, commit = model.branch, model.kept()[which % len(model.kept())]
            move_ref(watcher.repository, HEADS + name, bytes.fromhex(commit), expected=ANY, reason="reset")
            happened = lambda: model.branches.__setitem__(name, commit)  # noqa: E731
        journal = Path(".tract", "objects", "journal")
        large = kind == "append" and any(len(words.text) > 2000 for words in said)  # its blob may be in no journal
        if tear(copy / journal, self.folder / journal, min(whole, 0.9) if large else whole):
            happened()
        self._leave_for(copy)

    def _leave_for(self, copy: Path) -> None:
        for one in (*self.watchers.values(), *(handle.tract for handle in self.handles)):
            one.close()
        self.watchers, self.handles = {}, []
        shutil.rmtree(self.folder)
        self.folder = copy
        self.crashed = True
        self._open("root", "error", "process")

    @rule(
        which=AT,
        steps=st.lists(IN_CHILD, min_size=1, max_size=4),
        calls=st.integers(0, 60),
        part=st.floats(0, 1),
        durability=st.sampled_from(["process", "full"]),
    )
    def crash_a_child(self, which: int, steps: list[tuple[Any, ...]], calls: int, part: float, durability: str) -> None:
        """Another process works on the store and dies at one of its calls; the handles here stay open."""
        model = self.tracts[sorted(self.tracts)[which % len(self.tracts)]]
        messages = model.messages()
        steps = [step for step in steps if step[0] != "annotate" or messages]
        results, ended = in_mortal_child(lambda: self._child(model.name, steps, messages, durability), calls, part)
        for step, result in zip(steps, results, strict=False):
            self._adopt(model, step, result, messages)
        self.crashed = True
        if not ended and len(results) < len(steps):
            self._adopt_what_landed(model, steps[len(results)], messages)

    def _child(
        self, name: str, steps: list[tuple[Any, ...]], messages: list[str], durability: str
    ) -> Iterator[list[str]]:
        with Tract.open(
            self.folder,
            tract_id=name,
            tokenizer=Letters(),
            durability=durability,
            on_moved="append",  # type: ignore[arg-type]
        ) as child:
            for kind, *rest in steps:
                if kind == "append":
                    yield [info.commit_hash for info in child.extend(map(content, rest[0]))]
                elif kind == "annotate":
                    child.annotate(messages[rest[0] % len(messages)], rest[1])
                    yield []
                else:
                    child.gc(orphan_retention_days=rest[0])
                    yield []

    def _adopt(self, model: TractModel, step: tuple[Any, ...], ids: list[str], messages: list[str]) -> None:
        if step[0] == "append":
            model.append(ids, step[1], [None] * len(ids))
        elif step[0] == "annotate":
            model.annotate(messages[step[1] % len(messages)], step[2])
        elif not step[1]:
            self._collect()

    def _adopt_what_landed(self, model: TractModel, step: tuple[Any, ...], messages: list[str]) -> None:
        """What was not acknowledged has happened as a whole, or not at all."""
        watcher = self._watcher(model.name)
        if step[0] == "append" and watcher.head != model.tip:
            new = watcher.log(len(step[1]))[::-1]
            assert new[0].parent_hash == model.tip
            self._adopt(model, step, [info.commit_hash for info in new], messages)
        elif step[0] == "annotate":
            message = messages[step[1] % len(messages)]
            if len(watcher.get_annotations(message)) != len(model.notes.get(message, [])):
                self._adopt(model, step, [], messages)
        elif step[0] == "gc" and not step[1]:
            self._collect(killed=True)


def run(examples: int, steps: int, *, same: bool) -> None:
    """Play so many lives, with *same* the same ones every time."""
    run_state_machine_as_test(
        CrashingMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=same,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_store_is_what_the_model_says_whatever_happens_to_it() -> None:
    run(60, 40, same=True)


@pytest.mark.slow
def test_a_store_is_what_the_model_says_in_many_long_lives() -> None:
    examples = int(os.environ.get("TRACT_MODEL_EXAMPLES", "400"))
    run(examples, 60, same=False)
