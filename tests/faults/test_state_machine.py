"""A state machine drives a real store, several handles, reopenings and crashes against a plain model of it."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tract.refs.operations
import tract.storage.database
from tests.faults.state_crashes import copy_store, in_mortal_child, tear
from tests.faults.state_model import MAIN, HandleModel, Said, TractModel
from tract import DialogueContent, InstructionContent, Priority, Tract, TractConfig
from tract.errors import BranchExistsError, CommitNotFoundError, RefMovedError, TagExistsError
from tract.history.branch import create_branch, switch_branch
from tract.history.fast_export import plan_store_export, write_stream
from tract.history.fast_import import import_stream
from tract.history.fsck.check import check_repository
from tract.history.moves import move_ref
from tract.refs.names import HEADS
from tract.refs.store import ANY
from tract.repo import Repository, open_repository

CONFIG = TractConfig(author="tester", compile_cache_maxsize=3)
TRACTS = ("root", "helper")
BRANCHES = (MAIN, "draft", "draft-2", "team/idea")
TAGS = ("v1", "v2", "release/1")
MOST_HANDLES = 3

# What a killed process leaves behind until the next writer or gc comes by.
LEFT_BEHIND = {"torn-end", "ref-file-behind", "ref-file-missing", "ref-file-damaged", "index-missing", "counts-damaged"}

AT = st.integers(0, 10**6)
SAID = st.builds(
    Said,
    st.sampled_from(["user", "assistant", "system"]),
    st.text("ab \n", min_size=1, max_size=8) | st.sampled_from(["x" * 300, "y" * 2500, "tract journal\n"]),
)
PRIORITY = st.sampled_from(Priority)
IN_BATCH = st.one_of(
    st.tuples(st.just("append"), SAID),
    st.tuples(st.just("edit"), AT, SAID),
    st.tuples(st.just("annotate"), AT, PRIORITY),
    st.tuples(st.just("failing part"), SAID),
)
IN_CHILD = st.one_of(
    st.tuples(st.just("append"), st.lists(SAID, min_size=1, max_size=3)),
    st.tuples(st.just("annotate"), AT, PRIORITY),
    st.tuples(st.just("gc"), st.sampled_from([0, 7])),
)


class Letters:
    name = "letters"

    def count(self, text: str) -> int:
        return len(text)


class WhimError(Exception):
    pass


@dataclass
class Handle:
    tract: Tract
    model: HandleModel

    @property
    def repo(self) -> Repository:
        return self.tract._base


def content(said: Said) -> Any:
    return InstructionContent(said.text) if said.role == "system" else DialogueContent(said.role, said.text)


def read_said(value: Any) -> Said:
    return Said("system", value.text) if isinstance(value, InstructionContent) else Said(value.role, value.text)


class StoreMachine(RuleBasedStateMachine):
    """The store in a folder, up to three open handles, and the model."""

    def __init__(self) -> None:
        super().__init__()
        shm = Path("/dev/shm")  # as fast as memory, where there is one
        self.home = Path(tempfile.mkdtemp(prefix="tract-model-", dir=shm if shm.is_dir() else None))
        self.folder = self.home / "0"
        self.lives = 0
        self.tracts: dict[str, TractModel] = {}
        self.handles: list[Handle] = []
        self.watchers: dict[str, Tract] = {}
        self.crashed = False
        self.steps = 0
        self._limits = (
            tract.storage.database.JOURNAL_LIMIT,
            tract.storage.database.LOOSE_LIMIT,
            tract.refs.operations._KEYFRAME_EVERY,
        )

    @initialize(journal=st.sampled_from([4000, 20_000, 4 * 1024 * 1024]), loose=st.sampled_from([2000, 1 << 20]))
    def begin(self, journal: int, loose: int) -> None:
        # Small, so that a short life sees many packs, loose objects and keyframes.
        self._set_limits(journal, loose, 7)
        for name in TRACTS:
            self._open(name, "error", "process")
            self.commit(len(self.handles) - 1, Said("user", f"the first of {name}"))

    def _set_limits(self, journal: int, loose: int, keyframe: int) -> None:
        tract.storage.database.JOURNAL_LIMIT = journal
        tract.storage.database.LOOSE_LIMIT = loose
        tract.refs.operations._KEYFRAME_EVERY = keyframe

    def teardown(self) -> None:
        self._set_limits(*self._limits)
        for one in (*self.watchers.values(), *(handle.tract for handle in self.handles)):
            one.close()
        shutil.rmtree(self.home)

    # Handles

    def _open(self, name: str, on_moved: str, durability: str) -> None:
        opened = Tract.open(
            self.folder,
            tract_id=name,
            tokenizer=Letters(),
            config=None if self.tracts else CONFIG,
            on_moved=on_moved,  # type: ignore[arg-type]
            durability=durability,  # type: ignore[arg-type]
            verify_cache=True,
        )
        model = self.tracts.setdefault(name, TractModel(name))
        self.handles.append(Handle(opened, HandleModel(model, on_moved == "append")))

    def _watcher(self, name: str) -> Tract:
        """A handle of our own, which looks at the tract after every step."""
        if name not in self.watchers:
            self.watchers[name] = Tract.open(
                self.folder,
                tract_id=name,
                tokenizer=Letters(),
                durability="process",
                on_moved="append",
                verify_cache=True,
            )
        return self.watchers[name]

    def _handle(self, at: int) -> Handle:
        if not self.handles:
            self._open("root", "error", "process")
        return self.handles[at % len(self.handles)]

    @precondition(lambda self: len(self.handles) < MOST_HANDLES)
    @rule(
        name=st.sampled_from(TRACTS),
        on_moved=st.sampled_from(["error", "append"]),
        durability=st.sampled_from(["process", "full"]),
    )
    def open(self, name: str, on_moved: str, durability: str) -> None:
        self._open(name, on_moved, durability)

    @rule(at=AT)
    def close(self, at: int) -> None:
        handle = self._handle(at)
        self.handles.remove(handle)
        handle.tract.close()

    @rule(at=AT)
    def reopen(self, at: int) -> None:
        handle = self._handle(at)
        self.close(at)
        self._open(handle.model.tract.name, "append" if handle.model.appends else "error", "process")

    # Committing

    def _write(self, handle: Handle, act: Callable[[], list[str]], said: list[Said], targets: list[str | None]) -> None:
        """Let the handle commit; it is refused exactly when the branch moved since it looked."""
        if handle.model.is_stale:
            tip, branch = handle.model.tract.tip, HEADS + handle.model.tract.branch
            with pytest.raises(RefMovedError) as caught:
                act()
            assert caught.value.actual == (branch if caught.value.ref == "HEAD" else tip)
            return
        handle.model.tract.append(act(), said, targets)
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
        start, stale = model.tip, handle.model.is_stale
        trial = replace(model, branches=dict(model.branches), commits=dict(model.commits), lives=dict(model.lives))
        ids: list[str] = []
        notes: list[tuple[str, Priority]] = []
        try:
            with handle.tract.batch():
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
        except RefMovedError:
            assert (stale and any(step[0] != "annotate" for step in steps)) or (ids and model.tip != start)
            handle.model.seen, handle.model.place = seen, place
            return
        assert not fails
        assert not ids or (not stale and model.tip == start)
        for message, priority in notes:
            model.annotate(message, priority)
        if ids:
            made = [trial.commits[id] for id in ids]
            model.append(ids, [one.said for one in made], [one.target for one in made])
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
        handle.model.tract.annotate(message, priority)

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

    # Looking

    @rule(at=AT)
    def look(self, at: int) -> None:
        handle = self._handle(at)
        assert handle.tract.head == handle.model.tract.tip
        assert handle.tract.current_branch == handle.model.tract.branch
        handle.model.look()

    @rule(at=AT)
    def read_all(self, at: int) -> None:
        handle = self._handle(at)
        self._check_tract(handle.tract, handle.model.tract)
        handle.model.look()

    @rule(at=AT, which=AT, then=st.booleans())
    def compile_at(self, at: int, which: int, then: bool) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        commit = self._kept(handle, which)
        then = then and model.knows_then(commit)
        found = handle.tract.compile(at_commit=commit, notes="then" if then else "now")
        handle.model.look()
        shown = model.shown(commit, then=then)
        assert [entry.id for entry in shown] == found.commit_hashes
        assert [entry.said for entry in shown] == [Said(one.role, one.content) for one in found.messages]

    @rule(at=AT, which=AT)
    def read_commit(self, at: int, which: int) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        if not model.lives:
            return
        commit = list(model.lives)[which % len(model.lives)]
        handle.model.look()
        if model.lives[commit] != "kept":
            try:
                value = handle.tract.get_content(commit)
            except CommitNotFoundError:
                return
            assert model.lives[commit] == "unsure"
            assert read_said(value) == model.commits[commit].said
            return
        known = model.commits[commit]
        info = handle.tract.get_commit(commit)
        assert (known.id, known.parent) == (info.commit_hash, info.parent_hash)
        assert (known.target, "edit" if known.is_edit else "append") == (info.response_to, info.operation)
        assert model.priority(commit) is info.priority
        assert read_said(handle.tract.get_content(commit)) == known.said
        assert [one.priority for one in handle.tract.get_annotations(commit)] == model.notes.get(
            known.target or commit, []
        )

    @rule(at=AT, steps=st.integers(0, 5))
    def read_revision(self, at: int, steps: int) -> None:
        handle = self._handle(at)
        model = handle.model.tract
        if not model.branches:
            return
        for name, tip in model.branches.items():
            line = [commit.id for commit in model.line(tip)]
            if steps < len(line):
                assert line[steps] == handle.tract.get_commit(f"{name}~{steps}").commit_hash
            else:
                with pytest.raises(CommitNotFoundError):
                    handle.tract.get_commit(f"{name}~{steps}")
            assert line == [info.commit_hash for info in handle.tract.log(None, start=name)]
        handle.model.look()

    # Looking after the store

    @rule(at=AT, days=st.sampled_from([0, 7]), aggressive=st.booleans())
    def gc(self, at: int, days: int, aggressive: bool) -> None:
        self._handle(at).tract.gc(orphan_retention_days=days, aggressive=aggressive)
        if not days:
            for model in self.tracts.values():
                model.collect()

    @precondition(lambda self: self.steps % 4 == 0)
    @rule()
    def export(self) -> None:
        """Another store made from the stream of this one has the same refs, and what they name."""
        stream = io.BytesIO()
        target = self.home / "imported"
        with Tract.open(target, tokenizer=Letters()):
            pass
        mine = open_repository(str(self.folder / ".tract"), durability="process")
        other = open_repository(str(target / ".tract"), durability="process")
        try:
            write_stream(mine, plan_store_export(mine), stream.write)
            stream.seek(0)
            import_stream(other, stream, force=True)
            assert mine.refs.list() == other.refs.list()
        finally:
            mine.close()
            other.close()
        for model in self.tracts.values():
            with Tract.open(target, tract_id=model.name, tokenizer=Letters()) as tract:
                self._check_tract(tract, model)
        assert () == check_repository(str(target / ".tract")).errors
        shutil.rmtree(target)

    # Crashes

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
        with watcher._base.objects.lock():
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
            move_ref(watcher._base, HEADS + name, bytes.fromhex(commit), expected=ANY, reason="reset")
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
            for each in self.tracts.values():
                each.collect()

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
            for each in self.tracts.values():
                each.collect(killed=True)

    # After every step

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        self.steps += 1
        for model in self.tracts.values():
            self._check_refs(self._watcher(model.name)._base, model)
        for model in self.tracts.values():
            self._check_tract(self._watcher(model.name), model)

    @invariant()
    def a_new_process_finds_the_same(self) -> None:
        if self.steps % 5 == 0:
            for model in self.tracts.values():
                with Tract.open(self.folder, tract_id=model.name, tokenizer=Letters(), durability="process") as fresh:
                    self._check_tract(fresh, model)

    @invariant()
    def fsck_finds_nothing(self) -> None:
        if self.steps % 6 == 0 and self.tracts:
            self._fsck(LEFT_BEHIND if self.crashed else set())
            with self._watcher("root")._base.objects.lock():
                pass  # whoever writes clears the torn end of a write
            self._fsck(LEFT_BEHIND - {"torn-end"} if self.crashed else set())

    def _fsck(self, accepted: set[str]) -> None:
        report = check_repository(str(self.folder / ".tract"))
        found = {problem.kind for problem in report.problems if problem.severity != "note"}
        assert found <= accepted, report.problems

    def _check_refs(self, repo: Repository, model: TractModel) -> None:
        repo.refs.refresh()
        found = {name: value for name, value in repo.local_refs() if not name.startswith(("refs/notes/", "tracts/"))}
        expected: dict[str, Any] = {f"refs/heads/{name}": bytes.fromhex(id) for name, id in model.branches.items()}
        expected |= {f"refs/tags/{name}": bytes.fromhex(id) for name, id in model.tags.items()}
        assert {**expected, "HEAD": HEADS + model.branch} == found

    def _check_tract(self, tract: Tract, model: TractModel) -> None:
        shown = model.shown(model.tip)
        context = tract.compile()
        assert [entry.id for entry in shown] == context.commit_hashes
        assert [entry.said for entry in shown] == [Said(one.role, one.content) for one in context.messages]
        assert [commit.id for commit in model.line(model.tip)] == [info.commit_hash for info in tract.log(None)]
        whole = model.context(model.tip)
        for priority, listed in ((Priority.PINNED, tract.pinned()), (Priority.SKIP, tract.skipped())):
            assert [entry.id for entry in whole if model.priority(entry.id) is priority] == [
                info.commit_hash for info in listed
            ]
        assert model.tags == tract.tags()


def run(examples: int, steps: int, *, same: bool) -> None:
    """Play so many lives, with *same* the same ones every time."""
    run_state_machine_as_test(
        StoreMachine,
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
