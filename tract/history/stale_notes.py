"""Notes about commits that gc removes: keys are noted again on commits that stay, and other lists of notes are rewritten without those about removed commits.

    a ── b ── c ── X ── d        X is a compression whose archive goes; b and c have keys
                   X ── d        the keys of b and c are notes about X now, each with the commit it stood at

So a branch keeps the keys that it had in its history (tract/history/keys.py). The old notes stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tract.dataclass import replace
from tract.errors import RefMovedError
from tract.history.notes import BOOKKEEPING, KEY, REQUEST, noted_by, noted_entries, said_by
from tract.objects.id import ObjectId
from tract.objects.model import Commit, Entry, NewObject, new_commit
from tract.reflog import RENOTED
from tract.refs.names import NOTES, split_tract
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import EMPTY, Context, append_entry

# A list of notes is rewritten only if at least one in this many is about a removed commit: so each note is rewritten only a few times.
_ONE_IN = 4

# A key outlives its commit, and the settings of one request are those of later ones.
_OUTLIVE = (NOTES + KEY, NOTES + REQUEST, *BOOKKEEPING)


def has_keys(repo: Repository) -> bool:
    """True if any commit of the store has a key."""
    return any(split_tract(name)[1] == NOTES + KEY for name, _ in repo.refs.list())


def repeat_keys(repo: Repository, lost: Mapping[ObjectId, Sequence[ObjectId]]) -> None:
    """Note the keys of the *lost* commits again, on the commits at which history will end; *lost* has these for each.

    Before anything is removed. A note about a commit that stays after all does no harm.
    """
    for name, tip in repo.refs.list() if lost else ():
        prefix, local = split_tract(name)
        if local != NOTES + KEY or not isinstance(tip, bytes):
            continue
        own = replace(repo, prefix=prefix)
        said = [(target, blob) for target, blob in noted_entries(own, tip) if target in lost]
        if said:
            with transaction(own, RENOTED, moves="refs") as tx:
                for target, blob in said:
                    body = said_by(own, (target, blob)).body
                    for end in lost[target]:
                        tx.note(KEY, end, {"key": body["key"], "was": body.get("was", target.hex())})


def find_stale_notes(
    repo: Repository, is_dropped: Callable[[ObjectId], bool], is_known: Callable[[ObjectId], bool]
) -> dict[str, set[ObjectId]]:
    """For each ref of notes that is worth rewriting: the commits its notes are about that are dropped, or no longer known.

    A list about no dropped commit is left alone: notes may arrive before the commits they are about.
    """
    stale: dict[str, set[ObjectId]] = {}
    for name, tip in repo.refs.list():
        if NOTES in name and not name.endswith(_OUTLIVE) and isinstance(tip, bytes):
            targets = [target for target, _ in noted_entries(repo, tip)]
            dropped = {target for target in targets if is_dropped(target)}
            gone = dropped | {target for target in targets if not is_known(target)}
            if dropped and len(gone) * _ONE_IN >= len(targets):
                stale[name] = gone
    return stale


def prune_notes(repo: Repository, name: str, gone: set[ObjectId], is_kept: Callable[[ObjectId], bool]) -> bool:
    """Rewrite the notes at the ref *name* as they were, without those about commits in *gone*, unless a commit is kept after all.

    Return False if another process added a note meanwhile; the next gc tries again.
    The old notes become unreachable, and are removed after the retention period.
    """
    tip = at = repo.refs.read(name)
    left: list[tuple[Commit, list[Entry]]] = []
    while isinstance(at, bytes):
        commit = repo.commit(at)
        kept = [entry for entry in noted_by(repo, at) if entry[0] not in gone or is_kept(entry[0])]
        if kept:
            left.append((commit, kept))
        at = commit.parents[0] if commit.parents else None
    new: list[NewObject] = []
    last: ObjectId | None = None
    context = EMPTY
    for number, (commit, kept) in enumerate(reversed(left), 1):
        last, context = repeat_notes(repo, commit, kept, last, context, number, new)
    try:
        with transaction(repo, RENOTED, moves="refs") as tx:
            tx.objects += new  # made before the lock is taken: no one can commit while it is held
            tx.edits.append(RefEdit(name, last, tip))
    except RefMovedError:
        return False
    return True


def repeat_notes(
    repo: Repository,
    note: Commit,
    kept: Sequence[Entry],
    parent: ObjectId | None,
    before: Context,
    number: int,
    new: list[NewObject],
) -> tuple[ObjectId, Context]:
    """Make *note* again, on another parent, with only the notes *kept* of those that it brought."""
    context = before
    for entry in kept:
        context = append_entry(repo, context, entry, new, "notes")
    target, content = kept[-1]
    parents = () if parent is None else (parent,)
    commit = note._replace(
        parents=parents, content=content, target=target, tree=context.tree, open=context.open, generation=number
    )
    made = new_commit(commit)
    new.append(made)
    repo.keep_commit(made.id, commit)
    return made.id, context
