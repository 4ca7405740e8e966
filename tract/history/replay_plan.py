"""Replaying: commits made again on top of another commit, planned first and then run.

    a ─ b ─ c ─ d     draft          a ─ b ─ x ─ y                main
        └── x ─ y     main                       └── c' ─ d'      draft
    commits_to_replay ─▸ plan_replay, plan_revert ─▸ ReplayPlan ─▸ run_replay (replay.py)

A plan writes nothing: it follows the contexts that the replay would make, message by message, and says what each commit would mean there.
Until the plan is run, messages that will be made again have the ids of their original commits.

A replayed commit has the content, author, time, message and metadata of its original. The message that it edits or replies to gets its new id if it was replayed too.
Its priority and generation config go with it, and a note says where it came from. Recorded usage does not: it was paid once, for another context.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, TypeAlias

from tract.dataclass import dataclass, field
from tract.errors import CherryPickError
from tract.history.commit import edited_message
from tract.history.context import context_at, entries, find_entry
from tract.history.diff import same_content
from tract.history.reachability import reachable
from tract.history.sameness import Sameness, worded_alike
from tract.history.three_way import Choice, ConflictKind, EntryConflict, merge_contexts, settle
from tract.history.walk import cut_behind
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, NewObject, new_blob
from tract.repo import Repository

Command = Literal["rebase", "cherry-pick", "revert"]

ConcernKind = Literal[
    "reply_target_missing",
    "edit_target_missing",
    "conflict",
    "tool_pair_torn",
    "edited_below_answers",
    "left_out_returns",
]


class Concern(NamedTuple):
    """An effect of a replay on the meaning of *commit*, one of the replayed commits.

    If *is_loss*, text would be lost or would replace other text: a person has to decide before the plan is run.
    *message* is the message concerned, and *conflict* the two contents, if there are two.
    """

    kind: ConcernKind
    commit: ObjectId
    message: ObjectId
    detail: str
    is_loss: bool = False
    conflict: EntryConflict | None = None


class ReplayStep(NamedTuple):
    """One commit of a replay.

    *target* is the message that it edits or replies to; *context* is the whole context that it makes, if it is neither append nor edit.
    *blobs* are contents that a person decided on and that no commit has yet; *metadata* and *config* say who decided, beside those of the source.
    """

    source: ObjectId
    operation: CommitOperation
    content: ObjectId | None
    target: ObjectId | None
    context: tuple[Entry, ...] | None = None
    blobs: tuple[NewObject, ...] = ()
    metadata: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None


Decision: TypeAlias = Literal["ours", "theirs"] | Mapping[str, Any]
"""The decision on a message that a commit would change differently from what is there.

*ours* is the content there, *theirs* that of the commit; a map is another content.
For an edit whose message is missing, *ours* leaves it out, and the others append a message.
"""

Decisions: TypeAlias = Mapping[tuple[ObjectId, ObjectId], Decision]
"""Decisions, by the replayed commit and the message concerned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a rebase, a cherry-pick or a revert would do; ``run_replay`` does it.

    *old* is the branch's commit, *onto* the commit on which the steps go.
    *dropped* are the commits that are not replayed, each with the reason.
    *context* is the resulting context, in which replayed messages have the ids of their originals.
    """

    command: Command
    branch: str
    old: ObjectId | None
    onto: ObjectId | None
    steps: tuple[ReplayStep, ...]
    dropped: tuple[tuple[ObjectId, str], ...] = ()
    concerns: tuple[Concern, ...] = ()
    context: tuple[Entry, ...] = field(default=(), repr=False)

    @property
    def losses(self) -> tuple[Concern, ...]:
        """The concerns that need a decision."""
        return tuple(concern for concern in self.concerns if concern.is_loss)


def commits_to_replay(repo: Repository, tip: ObjectId, upstream: ObjectId) -> list[ObjectId]:
    """The commits that *tip* reaches and *upstream* does not, in the order of replay: a merged branch's commits come after those it was merged into.

    The summaries of a compression are part of it, and are not listed.
    HistoryCutError if gc cut the answer: the history behind one of the commits, or behind *upstream* if the commits go back to a beginning.
    """
    wanted = {id for id, _ in reachable(repo, [tip], [upstream])}
    order: list[ObjectId] = []
    seen: set[ObjectId] = set()
    stack: list[tuple[ObjectId, bool]] = [(tip, False)]
    while stack:
        id, is_done = stack.pop()
        if is_done:
            order.append(id)
            continue
        if id in seen or id not in wanted:
            continue
        seen.add(id)
        stack.append((id, True))
        commit = repo.commit(id)
        parents = commit.parents if commit.operation is CommitOperation.MERGE else commit.parents[:1]
        stack.extend((parent, False) for parent in reversed(parents))
    if repo.shallow.cuts:
        _check_parting(repo, order, upstream)
    return order


def _check_parting(repo: Repository, wanted: Sequence[ObjectId], upstream: ObjectId) -> None:
    """Raise HistoryCutError if it cannot be told that *upstream* lacks the commits *wanted*: it may have had them before a cut, and have them in a summary now."""
    failed = "it is not known where the two parted"
    beginnings = [id for id in wanted if not repo.commit(id).parents]
    for id in beginnings:
        repo.check_history(id, failed)
    cut = cut_behind(repo, [upstream]) if beginnings else None
    if cut is not None:
        repo.check_history(cut, failed)


def plan_replay(
    repo: Repository,
    command: Command,
    commits: Sequence[ObjectId],
    *,
    branch: str,
    old: ObjectId | None,
    onto: ObjectId | None,
    sameness: Sameness,
    decisions: Decisions | None = None,
) -> ReplayPlan:
    """Plan to make *commits* again on *onto*, in that order; nothing is written.

    *old* is the tip of *branch*, which moves when the plan is run.
    *decisions* settle what would be a loss.
    """
    before = repo.commit(commits[0]).parents[:1] if commits else ()
    planner = _Planner(repo, onto, before[0] if before else None, sameness, decisions or {})
    for id in commits:
        planner.add(id)
    return ReplayPlan(
        command=command,
        branch=branch,
        old=old,
        onto=onto,
        steps=tuple(planner.steps),
        dropped=tuple(planner.dropped),
        concerns=tuple(planner.concerns),
        context=tuple(planner.context.items()),
    )


def plan_revert(
    repo: Repository,
    commits: Sequence[ObjectId],
    *,
    branch: str,
    tip: ObjectId,
    mainline: int | None = None,
    decisions: Decisions | None = None,
) -> ReplayPlan:
    """Plan to revert *commits*, in that order, on *branch* at *tip*; nothing is written.

    *mainline* is the number of the parent, from 1, to which a merge is reverted.
    CherryPickError for a merge without *mainline*, and for a commit that changed nothing.
    """
    planner = _Planner(repo, tip, tip, Sameness(repo), decisions or {})
    for id in commits:
        planner.take_back(id, mainline)
    steps, concerns = tuple(planner.steps), tuple(planner.concerns)
    return ReplayPlan(
        command="revert",
        branch=branch,
        old=tip,
        onto=tip,
        steps=steps,
        dropped=(),
        concerns=concerns,
        context=tuple(planner.context.items()),
    )


class _Planner:
    """Follows the context while one commit after the other is replayed."""

    def __init__(
        self,
        repo: Repository,
        onto: ObjectId | None,
        before: ObjectId | None,
        sameness: Sameness,
        decisions: Decisions,
    ) -> None:
        self._repo = repo
        self._decisions = decisions
        self._origins = sameness
        self.context: dict[ObjectId, ObjectId] = dict(entries(repo, context_at(repo, onto)))
        self._there = sameness.among(self.context)
        self._places = {id: at for at, id in enumerate(self.context)}
        # The places of messages that the author of the first commit had not seen.
        known = {commit for commit, _ in entries(repo, context_at(repo, before))}
        self._unseen = [at for id, at in self._places.items() if id not in known]
        self.steps: list[ReplayStep] = []
        self.dropped: list[tuple[ObjectId, str]] = []
        self.concerns: list[Concern] = []

    def add(self, id: ObjectId) -> None:
        commit = self._repo.commit(id)
        if commit.operation is CommitOperation.APPEND:
            self._append(id, commit)
            return
        if commit.operation is CommitOperation.RECORD:
            self.steps.append(ReplayStep(id, CommitOperation.RECORD, commit.content, None))
            return
        self._repo.check_history(id)
        if commit.operation is CommitOperation.EDIT:
            self._edit(id, commit)
        elif commit.operation is CommitOperation.MERGE:
            self._merge(id, commit)
        else:
            self._change(id, commit, commit.parents[0] if commit.parents else None)

    def _append(self, id: ObjectId, commit: Commit) -> None:
        assert commit.content is not None
        if self._origins.first(id) in self._there:
            self.dropped.append((id, "the message is there already"))
            return
        target = commit.target
        if target is not None:
            message = edited_message(self._repo, target)
            if message not in self.context and (target := self._here(message)) not in self.context:
                detail = f"it replies to message {message.hex()[:16]}, which is not there"
                self.concerns.append(Concern("reply_target_missing", id, id, detail))
        self.steps.append(ReplayStep(id, CommitOperation.APPEND, commit.content, target))
        self.context[id] = commit.content

    def _here(self, message: ObjectId) -> ObjectId:
        """The message of the context that is *message*, perhaps replayed under another id; *message* itself if there is none."""
        return message if message in self.context else self._there.get(self._origins.first(message), message)

    def _edit(self, id: ObjectId, commit: Commit) -> None:
        assert commit.target is not None
        assert commit.content is not None
        before = find_entry(self._repo, context_at(self._repo, commit.parents[0]), commit.target)
        self._replace(id, self._here(commit.target), before, commit.content)

    def _replace(self, id: ObjectId, target: ObjectId, before: ObjectId | None, content: ObjectId) -> None:
        """Replay an edit of the message *target* from *before* to *content*, which commit *id* made."""
        there = self.context.get(target)
        decision = self._decisions.get((id, target))
        if same_content(self._repo, there, content):
            self.dropped.append((id, f"message {target.hex()[:16]} has that content already"))
        elif there is not None and same_content(self._repo, there, before):
            self._note_answers(id, target)
            self._set(ReplayStep(id, CommitOperation.EDIT, content, target))
        elif decision is not None:
            self._decide(id, target, content, decision)
        elif there is None:
            detail = f"it edits message {target.hex()[:16]}, which is not there"
            conflict = EntryConflict(
                ConflictKind.EDITED_AND_REMOVED, target, _entry(target, before), (), ((target, content),)
            )
            self.concerns.append(Concern("edit_target_missing", id, target, detail, True, conflict))
        else:
            detail = f"message {target.hex()[:16]} was edited there as well"
            sides = (_entry(target, before), ((target, there),), ((target, content),))
            conflict = EntryConflict(ConflictKind.BOTH_EDITED, target, *sides)
            self.concerns.append(Concern("conflict", id, target, detail, True, conflict))

    def _decide(self, id: ObjectId, target: ObjectId, content: ObjectId, decision: Decision) -> None:
        if decision == "ours":
            is_there = "stays as it is" if target in self.context else "is not there"
            self.dropped.append((id, f"message {target.hex()[:16]}, which it edits, {is_there}"))
            return
        blobs = (new_blob(dict(decision)),) if isinstance(decision, Mapping) else ()
        chosen = blobs[0].id if blobs else content
        if target in self.context:
            self._set(ReplayStep(id, CommitOperation.EDIT, chosen, target, blobs=blobs))
        else:
            self._set(ReplayStep(id, CommitOperation.APPEND, chosen, None, blobs=blobs))

    def _set(self, step: ReplayStep) -> None:
        assert step.content is not None
        self.steps.append(step)
        is_edit = step.operation is CommitOperation.EDIT and step.target is not None
        self.context[step.target if is_edit and step.target else step.source] = step.content

    def _note_answers(self, id: ObjectId, target: ObjectId) -> None:
        """Add a concern if messages after *target* were written without the edit."""
        place = self._places.get(target)
        later = 0 if place is None else len(self._unseen) - bisect_right(self._unseen, place)
        if later:
            detail = f"{later} later messages were written before message {target.hex()[:16]} was edited so"
            self.concerns.append(Concern("edited_below_answers", id, target, detail))

    def _merge(self, id: ObjectId, commit: Commit) -> None:
        """Replay what a merge itself changed: the contents that none of its parents had."""
        parents = [dict(entries(self._repo, context_at(self._repo, parent))) for parent in commit.parents]
        for message, blob in entries(self._repo, context_at(self._repo, id)):
            befores = [parent[message] for parent in parents if message in parent]
            if blob not in befores and befores:
                self._replace(id, message, self.context.get(message), blob)
        self._note_returned(id, {message for parent in parents for message in parent})
        self.dropped.append((id, "a merge's commits are replayed one by one"))

    def _note_returned(self, id: ObjectId, merged: AbstractSet[ObjectId]) -> None:
        """Add a concern for each message that the merge left out and that its commits, replayed one by one, bring back."""
        kept = {message for message, _ in entries(self._repo, context_at(self._repo, id))}
        for message in self.context:
            if message in merged and message not in kept:
                detail = f"message {message.hex()[:16]}, which the merge left out, is there again"
                self.concerns.append(Concern("left_out_returns", id, message, detail))

    def _change(self, id: ObjectId, commit: Commit, parent: ObjectId | None) -> None:
        """Replay a compression, a revert or a new order: apply its change of the parent's context to this context."""
        base, theirs = (entries(self._repo, context_at(self._repo, at)) for at in (parent, id))
        self._apply(id, commit.operation, commit.target, base, theirs)

    def take_back(self, id: ObjectId, mainline: int | None) -> None:
        self._repo.check_history(id)
        commit = self._repo.commit(id)
        if len(commit.parents) > 1 and commit.operation is CommitOperation.MERGE and mainline is None:
            raise CherryPickError(f"commit {id.hex()[:16]} is a merge: say which parent it is taken back to")
        if mainline is not None and type(mainline) is not int:
            raise CherryPickError(f"a parent's number is an int, not {type(mainline).__name__}")
        if mainline is not None and not 1 <= mainline <= max(1, len(commit.parents)):
            raise CherryPickError(f"commit {id.hex()[:16]} has no parent number {mainline}")
        parent = commit.parents[(mainline or 1) - 1] if commit.parents else None
        base, theirs = (entries(self._repo, context_at(self._repo, at)) for at in (id, parent))
        before = len(self.steps) + len(self.concerns)
        self._apply(id, CommitOperation.REVERT, id, base, theirs)
        if len(self.steps) + len(self.concerns) == before:
            raise CherryPickError(f"commit {id.hex()[:16]} has nothing left in the context to take back")

    def _apply(
        self,
        id: ObjectId,
        operation: CommitOperation,
        target: ObjectId | None,
        base: Sequence[Entry],
        theirs: Sequence[Entry],
    ) -> None:
        ours = tuple(self.context.items())
        base, theirs = worded_alike(self._repo, base, ours, theirs)
        merged = merge_contexts(base, ours, theirs)
        undecided = [one for one in merged.conflicts if (id, one.commit) not in self._decisions]
        for conflict in undecided:
            detail = f"message {conflict.commit.hex()[:16]} was changed there as well"
            self.concerns.append(Concern("conflict", id, conflict.commit, detail, True, conflict))
        if undecided:
            return
        blobs: list[NewObject] = []
        choices: dict[ObjectId, Choice] = {}
        for conflict in merged.conflicts:
            decision = self._decisions[id, conflict.commit]
            if isinstance(decision, Mapping):
                blobs.append(new_blob(dict(decision)))
            choices[conflict.commit] = blobs[-1].id if isinstance(decision, Mapping) else decision
        after = settle(merged, merged.conflicts, choices)
        if after == ours:
            self.dropped.append((id, "it changes nothing there"))
            return
        self._note_lost_questions(id, after)
        self.context = dict(after)
        self.steps.append(ReplayStep(id, operation, None, target, context=after, blobs=tuple(blobs)))

    def _note_lost_questions(self, id: ObjectId, after: Sequence[Entry]) -> None:
        """Add a concern for each reply that stays while the message it replies to is removed."""
        kept = {commit for commit, _ in after}
        gone = self.context.keys() - kept
        for commit in kept if gone else ():
            target = self._repo.commit(commit).target
            if target is not None and edited_message(self._repo, target) in gone:
                detail = f"message {commit.hex()[:16]} replies to {target.hex()[:16]}, which is removed"
                self.concerns.append(Concern("reply_target_missing", id, commit, detail))


def _entry(commit: ObjectId, blob: ObjectId | None) -> tuple[Entry, ...]:
    return () if blob is None else ((commit, blob),)
