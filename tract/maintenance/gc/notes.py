"""Notes about commits that are gone: they go too, once they are so many that writing the others anew pays."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from collections.abc import Set as AbstractSet

from tract.errors import RefMovedError
from tract.history.context import chunks
from tract.objects.id import ObjectId
from tract.objects.model import Commit, NewObject, new_commit
from tract.reflog import RENOTED
from tract.refs.names import NOTES
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.tree import EMPTY, Context, append_entry

# Of the notes of a namespace at least one in so many must be about what is gone: so each is written anew a few times at most.
_ONE_IN = 4


def find_stale_notes(
    repo: Repository, dropped: Container[ObjectId], is_known: Callable[[ObjectId], bool]
) -> dict[str, frozenset[ObjectId]]:
    """For each ref of notes that is worth writing anew, the commits its notes are about that are *dropped*, or not known any more.

    Where none is *dropped*, notes may have come before what they are about, and are left alone.
    """
    stale: dict[str, frozenset[ObjectId]] = {}
    for name, tip in repo.refs.list():
        if NOTES in name and isinstance(tip, bytes):
            targets = 0
            drops = False
            gone: set[ObjectId] = set()
            for target in noted_commits(repo, tip):
                targets += 1
                if target in dropped:
                    drops = True
                    gone.add(target)
                elif not is_known(target):
                    gone.add(target)
            if drops and len(gone) * _ONE_IN >= targets:
                stale[name] = frozenset(gone)
    return stale


def noted_commits(repo: Repository, tip: ObjectId) -> Iterator[ObjectId]:
    """The commits that the notes at *tip* are about, each as often as there are notes about it."""
    commit = repo.commit(tip)
    for _, items in chunks(repo, Context(commit.tree, commit.open)):
        yield from items[::2]


def prune_notes(repo: Repository, name: str, gone: AbstractSet[ObjectId], is_kept: Callable[[ObjectId], bool]) -> bool:
    """Write the notes at the ref *name* anew, as they were, but without those about commits in *gone* that are not kept after all.

    False where somebody made a note meanwhile, who goes first: the next gc tries again.
    The old ones are reachable no more, and go after the retention.
    """
    tip = at = repo.refs.read(name)
    left: list[ObjectId] = []
    while isinstance(at, bytes):
        commit = repo.commit(at)
        if commit.target is None or commit.target not in gone or is_kept(commit.target):
            left.append(at)
        at = commit.parents[0] if commit.parents else None
    new: list[NewObject] = []
    last: ObjectId | None = None
    context = EMPTY
    for number, id in enumerate(reversed(left), 1):
        last, context = _repeat(repo, repo.commit(id), last, context, number, new)
    try:
        repo.refs.update([RefEdit(name, last, tip)], reason=RENOTED, objects=new)
    except RefMovedError:
        return False
    return True


def _repeat(
    repo: Repository, note: Commit, parent: ObjectId | None, before: Context, number: int, new: list[NewObject]
) -> tuple[ObjectId, Context]:
    """Make *note* once more, on another parent."""
    assert note.target is not None
    assert note.content is not None
    context = append_entry(repo, before, (note.target, note.content), new, "notes")
    parents = () if parent is None else (parent,)
    commit = note._replace(parents=parents, tree=context.tree, open=context.open, generation=number)
    made = new_commit(commit)
    new.append(made)
    repo.keep_commit(made.id, commit)
    return made.id, context
