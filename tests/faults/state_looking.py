"""What is looked at, and how the store is looked after."""

from __future__ import annotations

import io
import shutil

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from tests.faults.state_machine import (
    AT,
    Letters,
    read_said,
)
from tests.faults.state_model import Said
from tests.faults.state_writing import WritingMachine
from tract import Tract
from tract.errors import CommitNotFoundError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.stream.dump import plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream
from tract.opening import open_repository


class LookingMachine(WritingMachine):
    """Reads what is there, collects garbage and exports."""

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
            self._collect()

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
