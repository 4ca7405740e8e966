"""Merging another commit into HEAD's branch: planned as a value, then made in one operation."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from tract.dataclass import dataclass, replace
from tract.errors import MergeError, NothingToMergeError, RefMovedError
from tract.history.context import context_at, count_entries, entries, entries_from
from tract.history.foreign import brought_notes, take_notes
from tract.history.notes import CONFIG, PRIORITY, NoteTable, note_history, note_tip
from tract.history.priority import Priority
from tract.history.reachability import merge_bases
from tract.history.sameness import named_alike, worded_alike
from tract.history.three_way import Merged, merge_contexts, with_conflicts_undecided
from tract.history.tree_diff import diff_contexts
from tract.history.tree_edit import splice
from tract.history.walk import cut_behind
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, Entry, NewObject, shown
from tract.refs.names import HEADS, TAGS
from tract.refs.store import ANY, Expected
from tract.repo import Repository
from tract.revision import find_ref, resolve_revision
from tract.transaction import Transaction, check_branch, transaction
from tract.tree import Context

# Criss-cross merges this deep: the base of a message can no longer be told, and the oldest base serves.
_MOST_BASES_DEEP = 16

# This many entries before the first difference are read as well, to show them to people.
_SHOWN_BEFORE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """The plan for merging *source* into *branch*; *merged* is None for a fast-forward.

    *ours* and *theirs* are the two tips (*ours* is None on a branch without a commit), *bases* their merge bases.
    *source_ref* is the branch that *source* names, None if it is not a branch.
    *shared* is the number of messages that both sides and the base begin with, and that *merged* leaves out.
    """

    branch: str
    ours: ObjectId | None
    theirs: ObjectId
    bases: tuple[ObjectId, ...]
    source: str
    source_ref: str | None
    merged: Merged | None
    shared: int = 0

    @property
    def branch_name(self) -> str:
        return self.branch.removeprefix(HEADS)


def plan_merge(
    repo: Repository, source: str, *, no_ff: bool = False, allow_unrelated: bool = False, expected: Expected = ANY
) -> MergePlan:
    """Plan the merge of the revision *source* into HEAD's branch; nothing is written.

    NothingToMergeError if the branch reaches *source* already. MergeError if the two have no commit in common, HistoryCutError if gc cut the one they had; *allow_unrelated* merges all the same.
    RefMovedError if the branch is not at *expected*; DetachedHeadError if HEAD is on no branch.
    With *no_ff*, a fast-forward becomes a merge commit.
    """
    branch, ours = check_branch(repo, "merge", expected)
    theirs = resolve_revision(repo, source)
    ref = find_ref(repo, source)
    source_ref = ref if ref is not None and ref.startswith(HEADS) else None
    name = branch.removeprefix(HEADS)
    if source_ref == branch:
        raise NothingToMergeError(f"branch '{name}' cannot be merged into itself")
    if repo.commit(theirs).operation is CommitOperation.NOTE:
        raise MergeError(f"cannot merge '{source}': it is a note, which has no context")
    repo.check_whole(theirs, f"cannot merge '{source}'")
    plan = MergePlan(
        branch=branch, ours=ours, theirs=theirs, bases=(), source=source, source_ref=source_ref, merged=None
    )
    if ours is None:
        return plan
    bases = tuple(merge_bases(repo, ours, theirs))
    if bases == (theirs,):
        raise NothingToMergeError(f"nothing to merge: branch '{name}' has all of '{source}'")
    if not bases and not allow_unrelated:
        failed = f"cannot merge '{source}' into '{name}': they have no commit in common"
        cut = cut_behind(repo, (ours, theirs))
        if cut is not None:
            repo.check_history(cut, f"{failed} any more")
        raise MergeError(failed)
    if bases == (ours,) and not no_ff:
        return replace(plan, bases=bases)
    shared, merged = merged_contexts(repo, ours, theirs, bases, skipped_since(repo, bases, ours))
    return replace(plan, bases=bases, merged=merged, shared=shared)


def merged_contexts(
    repo: Repository, ours: ObjectId, theirs: ObjectId, bases: Sequence[ObjectId], hidden: AbstractSet[ObjectId]
) -> tuple[int, Merged]:
    """Merge the contexts of two commits with the merge bases *bases*: return how many entries all begin with, and the merge of what follows.

    With one base, entries that all three begin with are not read, except the last few, which show people what came before.
    A message that was rebased or picked is one message under both its ids, and gets ours. Contents that differ only in the order of keys are equal too, and ours is kept.
    """
    sides = context_at(repo, ours), context_at(repo, theirs)
    if len(bases) != 1:
        mine, other = (entries(repo, side) for side in sides)
        old, new = named_alike(repo, virtual_base(repo, bases), mine, other)
        old, new = worded_alike(repo, old, mine, new)
        return 0, merge_contexts(old, mine, new, hidden=hidden, is_virtual=True)
    three = (context_at(repo, bases[0]), *sides)
    shared = max(0, min(_common_start(repo, three[0], side) for side in sides) - _SHOWN_BEFORE)
    base, mine, other = (entries_from(repo, context, shared) for context in three)
    old, new = named_alike(repo, base, mine, other)
    old, new = worded_alike(repo, old, mine, new)
    return shared, merge_contexts(old, mine, new, hidden=hidden)


def _common_start(repo: Repository, base: Context, side: Context) -> int:
    """The number of entries that both begin with."""
    first = next(diff_contexts(repo, base, side), None)
    return count_entries(repo, base) if first is None else first.old_start


def virtual_base(repo: Repository, bases: Sequence[ObjectId]) -> Sequence[Entry]:
    """The context of the merge base: of several bases, their own merge, the oldest first.

    Both sides of the merge reach every base, so a side removed whatever it lacks of this context.
    If the bases disagree, each side has decided for itself, and different decisions are a conflict again.
    """
    known: dict[frozenset[ObjectId], Sequence[Entry]] = {}

    def base_of(bases: Sequence[ObjectId], depth: int) -> Sequence[Entry]:
        if not bases:
            return ()
        key = frozenset(bases)
        if key not in known:
            known[key] = merged_bases(bases, depth)
        return known[key]

    def merged_bases(bases: Sequence[ObjectId], depth: int) -> Sequence[Entry]:
        done, *rest = reversed(bases)
        merged: Sequence[Entry] = entries(repo, context_at(repo, done))
        if depth == _MOST_BASES_DEEP:
            return merged
        older = [done]
        for base in rest:
            below = merge_bases(repo, base, *older)
            before = base_of(below, depth + 1)
            theirs = entries(repo, context_at(repo, base))
            merged = with_conflicts_undecided(merge_contexts(before, merged, theirs, is_virtual=len(below) != 1))
            older.append(base)
        return merged

    return base_of(tuple(bases), 0)


def skipped_since(repo: Repository, bases: Sequence[ObjectId], ours: ObjectId) -> frozenset[ObjectId]:
    """The messages that are hidden now and were hidden after the newest of *bases* was committed.

    Skips apply to the whole tract, not to a branch: a user who edited a message on a branch may not have known of one.
    """
    if not bases or ours in bases:
        return frozenset()
    since = max(repo.commit(base).time for base in bases)
    table = NoteTable()
    table.advance(repo, note_tip(repo, PRIORITY))
    said = {note.target for note in note_history(repo, PRIORITY) if note.time > since}
    skipped = (target for target in said if (table.get(repo, target) or {}).get("priority") == Priority.SKIP)
    return frozenset(skipped)


def fast_forward(repo: Repository, plan: MergePlan, *, delete_source: bool = False) -> ObjectId:
    """Move the branch to the plan's other tip; with *delete_source* the merged branch is deleted in the same operation.

    Commits from another tract come with their notes.
    """
    notes = brought_notes(repo, plan.theirs, plan.ours)
    with transaction(repo, f"merge {plan.source}: fast-forward", moves="refs") as tx:
        _move_refs(tx, plan, plan.theirs, delete_source)
        take_notes(tx, notes)
    return plan.theirs


def write_merge(
    repo: Repository,
    plan: MergePlan,
    items: Sequence[Entry],
    blobs: Sequence[NewObject] = (),
    *,
    message: str | None = None,
    metadata: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    delete_source: bool = False,
) -> ObjectId:
    """Commit *items* as the merge of the plan's two tips, and move the branch to it; the merge adds no message of its own.

    *blobs* are those of settled conflicts; *config* becomes a note about the commit.
    Commits from another tract come with their notes.
    One operation: objects, notes and refs, or nothing. RefMovedError if the branch, HEAD or the source moved since the plan.
    """
    assert plan.ours is not None
    notes = brought_notes(repo, plan.theirs, plan.ours)
    with transaction(repo, f"merge {plan.source}: three-way", moves="refs") as tx:
        tx.objects += blobs
        ours = context_at(repo, plan.ours)
        context = splice(repo, ours, plan.shared, count_entries(repo, ours), items, tx.objects)
        id = tx.commit(
            CommitOperation.MERGE,
            context,
            parents=(plan.ours, plan.theirs),
            message=message if message is not None else default_message(repo, plan),
            metadata=metadata,
        )
        _move_refs(tx, plan, id, delete_source)
        take_notes(tx, notes)
        if config:
            tx.note(CONFIG, id, config)
    return id


def default_message(repo: Repository, plan: MergePlan) -> str:
    """The message that git writes for a merge: which branch, tag or commit, and into which branch."""
    ref = find_ref(repo, plan.source) or ""
    kind = "branch" if plan.source_ref is not None else "tag" if ref.startswith(TAGS) else "commit"
    return f"Merge {kind} '{plan.source}' into {plan.branch_name}"


def _move_refs(tx: Transaction, plan: MergePlan, new: ObjectId, delete_source: bool) -> None:
    """Make the ref moves of a merge, if the refs are where the plan saw them; else RefMovedError."""
    if tx.branch != plan.branch or tx.tip != plan.ours:
        at = shown(tx.tip) if tx.branch == plan.branch else tx.branch or "a commit"
        raise RefMovedError(plan.branch, shown(plan.ours), at)
    tx.move_branch(new, orig_head=True)
    if plan.source_ref is not None:
        tx.move(plan.source_ref, None if delete_source else plan.theirs, plan.theirs)
    elif delete_source:
        raise MergeError(f"cannot delete '{plan.source}': it is not a branch")
