"""A store in a folder with its handles, beside the plain model of it: what they are, and what must hold after every step."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

import tract.refs.operations
import tract.storage.database
from tests.faults.state_model import MAIN, HandleModel, Said, TractModel
from tests.making import Letters
from tract import DialogueContent, InstructionContent, Priority, Tract, TractConfig
from tract.maintenance.fsck.check import check_repository
from tract.refs.names import HEADS
from tract.repo import Repository

CONFIG = TractConfig(author="tester", compile_cache_maxsize=3)
TRACTS = ("root", "helper")
BRANCHES = (MAIN, "draft", "draft-2", "team/idea")
TAGS = ("v1", "v2", "release/1")
MOST_HANDLES = 3

# What a killed process leaves behind until the next writer or gc comes by.
LEFT_BEHIND = {
    "torn-end",
    "journal-length",  # the zeros at its end were written in part
    "mark-damaged",
    "ref-file-behind",
    "ref-file-missing",
    "ref-file-damaged",
    "index-missing",
    "counts-damaged",
}

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


class WhimError(Exception):
    pass


@dataclass
class Handle:
    tract: Tract
    model: HandleModel

    @property
    def repo(self) -> Repository:
        return self.tract.repository


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

    def _collect(self, *, killed: bool = False) -> None:
        """What a gc that keeps nothing for days does to the models."""
        for model in self.tracts.values():
            model.collect(killed=killed)
        for handle in self.handles:
            handle.model.is_unsure = True

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

    # After every step

    @invariant()
    def the_store_is_what_the_model_says(self) -> None:
        self.steps += 1
        for model in self.tracts.values():
            self._check_refs(self._watcher(model.name).repository, model)
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
            with self._watcher("root").repository.objects.lock():
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
