"""What is written: commits, edits, batches, notes, branches and tags."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    rule,
)

from tests.faults.state_machine import (
    AT,
    BRANCHES,
    IN_BATCH,
    PRIORITY,
    SAID,
    TAGS,
    TRACTS,
    Handle,
    StoreMachine,
    WhimError,
    content,
)
from tests.faults.state_model import Said, TractModel
from tests.making import move_ref
from tract import Priority, Tract
from tract.errors import BranchExistsError, RefMovedError, TagExistsError
from tract.history.branch import create_branch, switch_branch
from tract.refs.names import HEADS, NOTES
from tract.refs.store import ANY

PRIORITIES = NOTES + "priority"


class WritingMachine(StoreMachine):
    """Writes to the store, and tells the model."""

    @initialize(journal=st.sampled_from([4000, 20_000, 4 * 1024 * 1024]), loose=st.sampled_from([2000, 1 << 20]))
    def begin(self, journal: int, loose: int) -> None:
        # Small, so that a short life sees many packs, loose objects and keyframes.
        self._set_limits(journal, loose, 7)
        for name in TRACTS:
            self._open(name, "error", "process")
            self.commit(len(self.handles) - 1, Said("user", f"the first of {name}"))

    # Committing

    def _write(self, handle: Handle, act: Callable[[], list[str]], said: list[Said], targets: list[str | None]) -> None:
        """Let the handle commit; it is refused exactly when the branch moved since it looked."""
        if handle.model.is_stale:
            tip, branch = handle.model.tract.tip, HEADS + handle.model.tract.branch
            with pytest.raises(RefMovedError) as caught:
                act()
            assert caught.value.ref == PRIORITIES or caught.value.actual == (
                branch if caught.value.ref == "HEAD" else tip
            )
            handle.model.look()  # it was told
            return
        try:
            handle.model.tract.append(act(), said, targets)
        except RefMovedError as exc:
            if exc.ref != PRIORITIES or not handle.model.is_unsure:
                raise
        handle.model.look()

    @rule(at=AT, said=SAID)
    def commit(self, at: int, said: Said) -> None:
        handle = self._handle(at)
        self._write(handle, lambda: [handle.tract.commit(content(said)).commit_hash], [said], [None])

    @rule(at=AT, said=st.lists(SAID, max_size=20))
    def extend(self, at: int, said: list[Said]) -> None:
        handle = self._handle(at)

        def act() -> list[str]:
            return [info.commit_hash for info in handle.tract.extend(map(content, said))]

        self._write(handle, act, said, [None] * len(said))

    @rule(at=AT, which=AT, said=SAID, only_text=st.booleans())
    def edit(self, at: int, which: int, said: Said, only_text: bool) -> None:
        handle = self._handle(at)
        context = handle.model.tract.context(handle.model.tract.tip)
        if not context:
            return
        entry = context[which % len(context)]
        # An edit of an edit is one of the message.
        versions = handle.model.tract.versions(entry.id)
        named = versions[which % len(versions)]
        if only_text:
            said = Said(entry.said.role, said.text)

        def act() -> list[str]:
            return [handle.tract.edit(named, said.text if only_text else content(said)).commit_hash]

        self._write(handle, act, [said], [entry.id])

    @rule(at=AT, which=AT, number=AT)
    def restore(self, at: int, which: int, number: int) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        context = model.context(model.tip)
        if not context:
            return
        message = context[which % len(context)].id
        versions = model.versions(message)
        number %= len(versions)
        said = model.commits[versions[number]].said
        self._write(handle, lambda: [handle.tract.restore(message, number).commit_hash], [said], [message])

    @rule(
        at=AT,
        steps=st.lists(IN_BATCH, max_size=5),
        fails=st.booleans(),
        meanwhile=st.sampled_from(["nothing", "nothing", "commit", "annotate"]),
    )
    def batch(self, at: int, steps: list[tuple[Any, ...]], fails: bool, meanwhile: str) -> None:
        handle = self._handle(at)
        model, seen, place = handle.model.tract, dict(handle.model.seen), handle.model.place
        start, stale, unsure = model.tip, handle.model.is_stale, handle.model.is_unsure
        trial = replace(model, branches=dict(model.branches), commits=dict(model.commits), lives=dict(model.lives))
        ids: list[str] = []
        notes: list[tuple[str, Priority]] = []
        try:
            with handle.tract.batch() as landed:
                for step in steps:
                    self._play_in_batch(handle.tract, trial, step, ids, notes)
                self._interfere(handle, meanwhile)
                if fails:
                    raise WhimError
        except WhimError:
            # Who is stale is told at the first commit.
            assert fails
            assert not (stale and ids)
            handle.model.seen, handle.model.place = seen, place
            return
        except RefMovedError as exc:
            is_told = stale or (unsure and exc.ref == PRIORITIES)
            assert (is_told and any(step[0] != "annotate" for step in steps)) or (ids and model.tip != start)
            handle.model.look()
            return
        assert not fails
        assert not ids or handle.model.appends or (not stale and model.tip == start)
        anew = dict(zip(ids, landed.commits, strict=True))
        handle.model.annotate(*((anew.get(message, message), priority) for message, priority in notes))
        if ids:
            made = [trial.commits[id] for id in ids]
            targets = [one.target and anew.get(one.target, one.target) for one in made]
            model.append(list(landed.commits), [one.said for one in made], targets)
            handle.model.look()

    def _play_in_batch(
        self,
        tract: Tract,
        trial: TractModel,
        step: tuple[Any, ...],
        ids: list[str],
        notes: list[tuple[str, Priority]],
    ) -> None:
        context = trial.context(trial.tip)
        if step[0] == "append":
            ids.append(tract.commit(content(step[1])).commit_hash)
            trial.append(ids[-1:], [step[1]], [None])
        elif step[0] == "edit" and context:
            target = context[step[1] % len(context)].id
            ids.append(tract.edit(target, content(step[2])).commit_hash)
            trial.append(ids[-1:], [step[2]], [target])
        elif step[0] == "annotate" and context:
            target = context[step[1] % len(context)].id
            tract.annotate(target, step[2])
            notes.append((target, step[2]))
        elif step[0] == "failing part":
            with suppress(WhimError), tract.batch():
                tract.commit(content(step[1]))
                raise WhimError

    def _interfere(self, handle: Handle, meanwhile: str) -> None:
        """Another handle does something while a batch is open."""
        model = handle.model.tract
        messages = model.messages()
        watcher = self._watcher(model.name)
        if meanwhile == "commit":
            model.append([watcher.user("meanwhile").commit_hash], [Said("user", "meanwhile")], [None])
        elif meanwhile == "annotate" and messages:
            watcher.annotate(messages[-1], Priority.SKIP)
            model.annotate(messages[-1], Priority.SKIP)

    # Notes and names

    @rule(at=AT, which=AT, priority=PRIORITY)
    def annotate(self, at: int, which: int, priority: Priority) -> None:
        handle = self._handle(at)
        messages = handle.model.tract.messages()
        if not messages:
            return
        message = messages[which % len(messages)]
        handle.tract.annotate(message, priority, reason="why not")
        handle.model.annotate((message, priority))

    def _kept(self, handle: Handle, which: int) -> str:
        """A commit that is there; the first one is made now."""
        model = handle.model.tract
        if not model.kept():
            model.append([self._watcher(model.name).user("first").commit_hash], [Said("user", "first")], [None])
        kept = model.kept()
        return kept[which % len(kept)]

    @rule(at=AT, name=st.sampled_from(TAGS), which=AT)
    def tag(self, at: int, name: str, which: int) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        commit = self._kept(handle, which)
        if model.tags.get(name, commit) != commit:
            with pytest.raises(TagExistsError):
                handle.tract.tag(name, commit)
            return
        assert commit == handle.tract.tag(name, commit)
        model.tags[name] = commit

    @rule(at=AT, name=st.sampled_from(BRANCHES), which=AT, switch=st.booleans())
    def create_branch(self, at: int, name: str, which: int, switch: bool) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        commit = self._kept(handle, which)
        if name in model.branches:
            with pytest.raises(BranchExistsError):
                create_branch(handle.repo, name, bytes.fromhex(commit))
            return
        create_branch(handle.repo, name, bytes.fromhex(commit))
        model.branches[name] = commit
        if switch:
            self.switch(at, name)

    @rule(at=AT, name=st.sampled_from(BRANCHES))
    def switch(self, at: int, name: str) -> None:
        handle = self._handle(at)
        if name not in handle.model.tract.branches:
            return
        switch_branch(handle.repo, name)
        handle.model.tract.branch = name

    @rule(at=AT, which=AT, to=AT, expected=st.sampled_from(["any", "right", "wrong"]))
    def reset(self, at: int, which: int, to: int, expected: str) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        if not model.branches:
            return
        name = sorted(model.branches)[which % len(model.branches)]
        commit = self._kept(handle, to)
        here = bytes.fromhex(model.branches[name])
        at_now = {"any": ANY, "right": here, "wrong": here[::-1]}[expected]
        move = lambda: move_ref(handle.repo, HEADS + name, bytes.fromhex(commit), expected=at_now, reason="reset")  # noqa: E731
        if expected == "wrong":
            with pytest.raises(RefMovedError):
                move()
            return
        move()
        model.branches[name] = commit

    @rule(at=AT, which=AT)
    def delete_branch(self, at: int, which: int) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        if not model.branches:
            return
        name = sorted(model.branches)[which % len(model.branches)]
        move_ref(handle.repo, HEADS + name, None, expected=bytes.fromhex(model.branches[name]), reason="delete")
        del model.branches[name]
