"""Replaying: running a plan from tract/history/replay_plan.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.errors import CherryPickError, RebaseError
from tract.history.commit import Change, add_commit
from tract.history.foreign import tracts_with
from tract.history.notes import CONFIG, KEY, ORIGIN, PRIORITY, NoteTable, note_tip
from tract.history.replay_plan import Command, ReplayPlan, ReplayStep
from tract.history.sameness import Sameness
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject
from tract.refs.names import ORIG_HEAD
from tract.repo import Repository
from tract.transaction import Transaction, transaction
from tract.tree import build_context, nodes_of


def run_replay(
    repo: Repository, plan: ReplayPlan, *, tables: Mapping[str, NoteTable]
) -> list[tuple[ObjectId, ObjectId]]:
    """Make the commits of *plan* and move its branch to the last: one operation, with their notes. Return each commit with its new id.

    *tables* hold the notes that go with the commits, by namespace.
    RebaseError or CherryPickError if something is still undecided; RefMovedError if the branch moved since the plan.
    Objects first, ref last: a crash before the operation is whole leaves everything as it was.
    """
    if plan.losses:
        error = RebaseError if plan.command == "rebase" else CherryPickError
        raise error(f"commit {plan.losses[0].commit.hex()[:16]} cannot be replayed: {plan.losses[0].detail}")
    with transaction(repo, _reason(repo, plan), moves="refs") as tx:
        tx.read_own()
        run = _Run(tx, plan.onto)
        for step in plan.steps:
            run.make(step)
        tx.move(plan.branch, run.at, plan.old)
        if plan.command == "rebase":
            tx.move(ORIG_HEAD, plan.old)
        _add_notes(tx, run, plan.command, tables)
    return run.made


class _Run:
    """The replayed commits as they are made."""

    def __init__(self, tx: Transaction, onto: ObjectId | None) -> None:
        self._tx = tx
        self._anew: dict[ObjectId, ObjectId] = {}
        self.configs: dict[ObjectId, Mapping[str, Any]] = {}
        self.at = onto
        self.made: list[tuple[ObjectId, ObjectId]] = []

    def make(self, step: ReplayStep) -> None:
        source = self._tx.repo.commit(step.source)
        if step.metadata is not None:
            source = source._replace(metadata={**(source.metadata or {}), **step.metadata})
        self._tx.objects += step.blobs
        if step.context is not None:
            self.at = self._make_whole(step, step.context, source)
        else:
            assert step.content is not None
            target = None if step.target is None else self._anew.get(step.target, step.target)
            change = Change.again(source, step.content, target)._replace(operation=step.operation)
            self.at = add_commit(self._tx, self.at, change)
        self._anew.setdefault(step.source, self.at)
        self.made.append((step.source, self.at))
        if step.config is not None:
            self.configs[self.at] = step.config

    def _make_whole(self, step: ReplayStep, context: Sequence[Entry], source: Commit) -> ObjectId:
        """Make a commit that is neither an append nor an edit, with its context built from the list."""
        tx = self._tx
        nodes: list[NewObject] = []
        items = [(self._anew.get(commit, commit), blob) for commit, blob in context]
        built = build_context(tx.repo, items, nodes)
        tx.objects += nodes_of(tx.repo, built, nodes)
        target = None if step.target is None else self._anew.get(step.target, step.target)
        before = () if self.at is None else (self.at,)
        metadata = None if step.metadata is None else dict(step.metadata)
        if step.operation is CommitOperation.REVERT and step.target == step.source:
            return tx.commit(step.operation, built, parents=before, target=target, metadata=metadata)
        return tx.commit(
            step.operation,
            built,
            parents=(*before, *source.parents[1:]) if before else (),
            target=target,
            time=source.time,
            author=source.author,
            message=source.message,
            metadata=source.metadata,
        )


def _add_notes(tx: Transaction, run: _Run, command: Command, tables: Mapping[str, NoteTable]) -> None:
    """Add the notes that go with replayed commits, and the notes that say where these came from."""
    repo = tx.repo
    now = repo.clock()
    replayed = [] if command == "revert" else [(source, made) for source, made in run.made if made != source]
    told = _told_elsewhere(repo, [source for source, _ in replayed]) if command == "cherry-pick" else {}
    same = Sameness(repo)
    bodies: dict[str, dict[ObjectId, Any]] = {
        **{
            namespace: {
                made: tables[namespace].get(repo, source) or told.get((namespace, source)) for source, made in replayed
            }
            for namespace in (PRIORITY, CONFIG)
        },
        ORIGIN: {made: _origin(same, command, source) for source, made in replayed},
    }
    bodies[CONFIG] |= run.configs
    for namespace, found in bodies.items():
        for made, body in found.items():
            if body is not None:
                tx.note(namespace, made, dict(body), time=now)
    if replayed and note_tip(repo, KEY) is not None:
        from tract.history.keys import keys_of  # most programs use no keys

        keys = keys_of(repo, [source for source, _ in replayed])
        for source, made in replayed:
            for key in keys.get(source, ()):
                tx.note(KEY, made, {"key": key}, time=now, replaces=())
    for source, made in replayed:
        named = told.get((KEY, source)) or {}
        if "key" in named:
            tx.note(KEY, made, {"key": named["key"]}, time=now, replaces=())


def _told_elsewhere(repo: Repository, sources: Sequence[ObjectId]) -> dict[tuple[str, ObjectId], Any]:
    """The notes of other tracts about commits of theirs that count there, by namespace and commit."""
    found: dict[tuple[str, ObjectId], Any] = {}
    for source in sources:
        for other in tracts_with(repo, source)[:1]:
            for namespace in (PRIORITY, CONFIG, KEY):
                table = NoteTable()
                table.advance(other, note_tip(other, namespace))
                found[namespace, source] = table.get(other, source)
    return found


def _origin(same: Sameness, command: Command, source: ObjectId) -> dict[str, str]:
    """The body of an origin note: the commit's source, and its first original, since gc drops the notes about those in between."""
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
