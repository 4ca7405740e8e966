"""Replaying: running what tract/history/replay_plan.py planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tract.errors import CherryPickError, RebaseError
from tract.history.batch import Batch
from tract.history.commit import Change, add_commit
from tract.history.context import build_context, nodes_of
from tract.history.notes import CONFIG, ORIGIN, PRIORITY, NewNote, NoteTable, add_notes
from tract.history.replay_plan import Command, ReplayPlan, Step
from tract.history.sameness import Sameness
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, new_commit
from tract.refs.names import ORIG_HEAD
from tract.refs.store import RefEdit
from tract.repo import Repository


class Replayed(NamedTuple):
    """One commit that was made again."""

    source: ObjectId
    made: ObjectId


def run_replay(repo: Repository, plan: ReplayPlan, *, tables: Mapping[str, NoteTable]) -> tuple[Replayed, ...]:
    """Make the commits of *plan* and move its branch to the last: one operation, with their notes.

    *tables* hold the notes that go with the commits, by namespace.
    RebaseError or CherryPickError where something is still undecided; RefMovedError when the branch is no longer where it was.
    Objects first, ref last: a crash before the operation is whole leaves everything as it was.
    """
    if plan.losses:
        error = RebaseError if plan.command == "rebase" else CherryPickError
        raise error(f"commit {plan.losses[0].commit.hex()[:16]} cannot be replayed: {plan.losses[0].detail}")
    with repo.objects.lock():
        repo.refs.refresh()
        batch = Batch(repo)
        run = _Run(batch.repo, plan.onto)
        for step in plan.steps:
            run.make(step)
        edits = [RefEdit(repo.prefix + plan.branch, run.at, plan.old)]
        if plan.command == "rebase":
            edits.append(RefEdit(repo.prefix + ORIG_HEAD, plan.old))
        edits += _notes_beside(repo, run, plan.command, tables)
        repo.refs.update(edits, reason=_reason(repo, plan), objects=run.new)
    return tuple(run.made)


class _Run:
    """The replayed commits as they are made, in memory."""

    def __init__(self, repo: Repository, onto: ObjectId | None) -> None:
        self._repo = repo
        self._anew: dict[ObjectId, ObjectId] = {}
        self.configs: dict[ObjectId, Mapping[str, Any]] = {}
        self.at = onto
        self.new: list[NewObject] = []
        self.made: list[Replayed] = []

    def make(self, step: Step) -> None:
        source = self._repo.commit(step.source)
        if step.metadata is not None:
            source = source._replace(metadata={**(source.metadata or {}), **step.metadata})
        new = list(step.blobs)
        if step.context is not None:
            self.at = self._make_whole(step, step.context, source, new)
        else:
            assert step.content is not None
            target = None if step.target is None else self._anew.get(step.target, step.target)
            change = Change(
                step.operation, step.content, target, source.time, source.author, source.message, source.metadata
            )
            self.at = add_commit(self._repo, self.at, change, new)
        self._anew.setdefault(step.source, self.at)
        self._repo.objects.write_many(new)
        self.new += new
        self.made.append(Replayed(step.source, self.at))
        if step.config is not None:
            self.configs[self.at] = step.config

    def _make_whole(self, step: Step, context: Sequence[Entry], source: Commit, new: list[NewObject]) -> ObjectId:
        """A commit that is neither an append nor an edit, with its context built from the list."""
        nodes: list[NewObject] = []
        items = [(self._anew.get(commit, commit), blob) for commit, blob in context]
        built = build_context(self._repo, items, nodes)
        new += nodes_of(self._repo, built, nodes)
        metadata = None if step.metadata is None else dict(step.metadata)
        is_revert = step.operation is CommitOperation.REVERT and step.target == step.source
        parents = () if self.at is None else (self.at, *(() if is_revert else source.parents[1:]))
        commit = Commit(
            step.operation,
            parents,
            None,
            None if step.target is None else self._anew.get(step.target, step.target),
            built.tree,
            built.open,
            1 + max((self._repo.commit(id).generation for id in parents), default=0),
            self._repo.clock() if is_revert else source.time,
            self._repo.author if is_revert else source.author,
            None if is_revert else source.message,
            metadata if is_revert else source.metadata,
        )
        made = new_commit(commit)
        new.append(made)
        self._repo.keep_commit(made.id, commit)
        return made.id


def _notes_beside(repo: Repository, run: _Run, command: Command, tables: Mapping[str, NoteTable]) -> list[RefEdit]:
    """The notes that go with replayed commits, and those that say where they came from."""
    now = repo.clock()
    replayed = [] if command == "revert" else [one for one in run.made if one.made != one.source]
    same = Sameness(repo)
    bodies: dict[str, dict[ObjectId, Any]] = {
        PRIORITY: {made: tables[PRIORITY].get(repo, source) for source, made in replayed},
        CONFIG: {made: tables[CONFIG].get(repo, source) for source, made in replayed} | run.configs,
        ORIGIN: {made: _origin(same, command, source) for source, made in replayed},
    }
    edits = []
    for namespace, found in bodies.items():
        notes = [NewNote(made, dict(body), now) for made, body in found.items() if body is not None]
        if notes:
            edits.append(add_notes(repo, namespace, notes, run.new))
    return edits


def _origin(same: Sameness, command: Command, source: ObjectId) -> dict[str, str]:
    """Where a commit was made from, and as what it was first made: gc drops what is known of those in between."""
    first = same.first(source)
    return {"by": command, "from": source.hex()} | ({} if first == source else {"first": first.hex()})


def _reason(repo: Repository, plan: ReplayPlan) -> str:
    count = f"{len(plan.steps)} commit{'s' if len(plan.steps) != 1 else ''}"
    if plan.command == "rebase":
        return f"rebase: {count} onto {plan.onto.hex()[:10] if plan.onto else 'nothing'}"
    if len(plan.steps) != 1:
        return f"{plan.command}: {count}"
    source = plan.steps[0].source
    subject = repo.commit(source).message
    return f"{plan.command}: {subject.splitlines()[0][:72] if subject else source.hex()[:10]}"
