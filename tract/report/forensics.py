"""Forensics: the origin of each message of a context, its former versions, and the commit that broke something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from tract.compile.compiled import CompiledContext, compile_at
from tract.compile.tables import ConfigTable
from tract.compile.workspace import Workspace, ask_store, context_commit
from tract.dataclass import dataclass, field, replace
from tract.errors import BisectError, EditTargetError
from tract.escape import escaped
from tract.history.blame import Blamed, blame_entries
from tract.history.commit import Draft, message_named
from tract.history.compression import sources_by_summary
from tract.history.context import context_at, entries, find_entry
from tract.history.priority import Priority
from tract.history.walk import ancestors, is_ancestor
from tract.messages import copy_json, message_text
from tract.messages.message import message_in
from tract.objects.id import ObjectId
from tract.objects.kept import check_text
from tract.objects.message_format import JSON
from tract.objects.model import COLLAPSE, Commit, CommitOperation, Entry
from tract.repo import Repository
from tract.report.info import CommitInfo, describe, rebuilt_with_count
from tract.report.text import Shown, excerpt, short
from tract.revision import Revision, resolve_revision, revision_texts

if TYPE_CHECKING:
    from tract.history.bisect import Bisection
    from tract.history.collapse import Collapse

Judge = Callable[[CompiledContext], bool | None]
"""Says whether a context is good; None if that cannot be told."""

_ADDS_OR_MOVES = (CommitOperation.APPEND, CommitOperation.NOTE, CommitOperation.REORDER)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class BlameEntry:
    """A message of a context, hidden ones included: the commit that introduced it, and the last commit that changed its content.

    The two are the same if it was never changed. *number* is its place in the context, from 1: ``HEAD:4`` names message 4. *generation_config* is that of its present content.
    *sources* are the messages that it replaces, if it is a summary or tells the work of the tract *child*, as long as they are kept.
    """

    number: int
    introduced: CommitInfo
    changed: CommitInfo
    content_hash: str
    role: str
    text: str
    generation_config: dict[str, JSON] | None
    sources: tuple[str, ...]
    child: str | None = None
    _count: Callable[[], int] = field(compare=False)

    @property
    def commit_hash(self) -> str:
        """The commit that introduced the message: its id everywhere."""
        return self.introduced.commit_hash

    @property
    def changed_hash(self) -> str:
        """The commit that last changed it."""
        return self.changed.commit_hash

    @property
    def is_changed(self) -> bool:
        """Whether it was changed since it was introduced."""
        return self.commit_hash != self.changed_hash

    @property
    def author(self) -> str:
        """The author of its present text."""
        return self.changed.author

    @property
    def model(self) -> str | None:
        """The model in its generation config."""
        model = (self.generation_config or {}).get("model")
        return model if isinstance(model, str) else None

    @property
    def priority(self) -> Priority:
        """Its priority: hidden, pinned or neither."""
        return self.introduced.priority

    @property
    def token_count(self) -> int:
        """Its tokens as a message, framing included; counted when first asked for."""
        return self._count()

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt_with_count(self)

    def __repr__(self) -> str:
        change = f" changed by {self.changed_hash[:16]}" if self.is_changed else ""
        return f"BlameEntry({self.number} {self.commit_hash[:16]} {self.role}{change}: {self.text[:40]!r})"


class BlameList(list[BlameEntry], Shown):
    """The messages of a context, first to last; printed one to a line."""

    def __str__(self) -> str:
        return "\n".join(map(_line, self)) or "no messages"


def _line(entry: BlameEntry) -> str:
    change = f" [edit of {short(entry.commit_hash)}]" if entry.is_changed else ""
    who = f"{escaped(entry.changed.author)} {entry.changed.created_at:%Y-%m-%d %H:%M}"
    return f"{short(entry.changed_hash)} ({who} {entry.number}) {escaped(entry.role)}{change}: {excerpt(entry.text)}"


def blame(space: Workspace, revision: Revision, places: slice = slice(None)) -> list[BlameEntry]:
    """The origin of each message of the context at *revision*, first to last; empty if there is no commit yet.

    *places* selects some of them, and limits how far back history is read.
    """
    repo = space.repo
    if revision == "HEAD" and repo.head()[1] is None:
        return BlameList()
    tip = context_commit(repo, revision)
    rows = entries(repo, context_at(repo, tip))
    chosen = range(len(rows))[places]
    configs = space.compiler.advance_notes().configs
    if configs.tip is not None:
        configs.sort_out(repo, {commit for commit, _ in rows}.__contains__)
    blamed = blame_entries(repo, tip, rows[places])
    sources = sources_by_summary(repo, (row.commit for row in blamed))
    return BlameList(
        _entry(space, at + 1, row, configs, sources.get(row.commit, ())) for at, row in zip(chosen, blamed, strict=True)
    )


def _entry(space: Workspace, number: int, row: Blamed, configs: ConfigTable, sources: Sequence[Entry]) -> BlameEntry:
    repo = space.repo
    collapse = _collapse(repo, row.changed) or _collapse(repo, row.commit)
    if collapse is not None:
        from tract.history.collapse import kept_messages_of

        sources = kept_messages_of(repo, collapse)
    value = repo.blob(row.blob)
    as_introduced = repo.commit(row.commit).content == row.blob
    introduced = describe(space, row.commit, value if as_introduced else None)
    changed = introduced if row.changed == row.commit else describe(space, row.changed)
    message = message_in(value)
    return BlameEntry(
        number=number,
        introduced=introduced,
        changed=changed,
        content_hash=row.blob.hex(),
        role=message.role,
        text=message_text(message),
        generation_config=copy_json(configs.of_words(repo, row.commit, row.blob)),
        sources=tuple(commit.hex() for commit, _ in sources),
        child=None if collapse is None else collapse.child,
        _count=lambda: ask_store(space, lambda open_: open_.message_tokens(row.blob)),
    )


def _collapse(repo: Repository, id: ObjectId) -> Collapse | None:
    """The collapse that commit *id* made; None if it made none, as most commits."""
    if COLLAPSE not in (repo.commit(id).metadata or ()):
        return None
    from tract.history.collapse import collapse_told_by  # brings all about children along

    return collapse_told_by(repo, id)


# Former versions of a message


def versions_of(space: Workspace, message: Revision) -> list[ObjectId]:
    """The commits that gave the message its content, oldest first: the one that introduced it, then those reachable from HEAD that changed it.

    These are its edits, merges that resolved a conflict about it, and reverts.
    *message* may be any of its versions except a merge or a revert.
    If :func:`cut_among_versions` names a commit, versions between the first two may be missing.
    """
    repo = space.repo
    original = message_named(repo, message)
    tip = repo.head()[1]
    behind = ancestors(repo, [] if tip is None else [tip])
    changes = [id for id, commit in behind if _blob_given(repo, id, commit, original) is not None and id != original]
    return [original, *reversed(changes)]


def cut_among_versions(space: Workspace, message: Revision) -> ObjectId | None:
    """The commit at which gc cut history that may have changed the message; None if all its versions are known."""
    repo = space.repo
    tip = repo.head()[1]
    if not repo.shallow.cuts or tip is None:
        return None
    since = repo.commit(message_named(repo, message)).generation
    cuts = repo.shallow.cuts
    return next((id for id, commit in ancestors(repo, [tip]) if id in cuts and commit.generation > since), None)


def _blob_given(repo: Repository, id: ObjectId, commit: Commit, message: ObjectId) -> ObjectId | None:
    """The content that commit *id* gave the message; None if it did not change it, or its context does not have it."""
    if id == message:
        return commit.content
    if commit.operation is CommitOperation.EDIT:
        return commit.content if commit.target == message else None
    if commit.operation in _ADDS_OR_MOVES or not commit.parents:
        return None
    blob = find_entry(repo, context_at(repo, id), message)
    if blob is None:
        return None
    before = [find_entry(repo, context_at(repo, parent), message) for parent in commit.parents]
    # A message that no parent has was only brought in, for example by an expansion, unless a revert brought it back.
    was_there = commit.operation is CommitOperation.REVERT or any(before)
    return blob if was_there and blob not in before else None


def restoring_draft(space: Workspace, message: Revision, version: int | Revision, note: str | None) -> Draft:
    """An edit, not made yet, that gives the message the content it has in *version*.

    A number counts from the original, 0, or if negative back from the newest; a text names the commit, which may be on another branch.
    EditTargetError if that is not a version of the message; HistoryCutError for a number that counts across a cut, because it may have meant another version before.
    """
    check_text("message", note)
    repo = space.repo
    original = message_named(repo, message)
    chosen = _numbered(space, message, version) if isinstance(version, int) else resolve_revision(repo, version)
    blob = _blob_given(repo, chosen, repo.commit(chosen), original)
    if blob is None:
        raise EditTargetError(f"commit {chosen.hex()[:16]} is not a version of message {original.hex()[:16]}")
    return Draft(dict(repo.blob(blob)), CommitOperation.EDIT, original, message=note)


def _numbered(space: Workspace, message: Revision, number: int) -> ObjectId:
    versions = versions_of(space, message)
    cut = cut_among_versions(space, message)
    if cut is not None and number != 0 and not -len(versions) < number < 0:
        space.repo.check_history(cut, f"it is not known which version {number} of message {versions[0].hex()[:16]} was")
    try:
        return versions[number]
    except IndexError:
        count = f"{len(versions)} version{'' if len(versions) == 1 else 's'}"
        raise EditTargetError(f"message {versions[0].hex()[:16]} has {count}, none of them {number}") from None


# The first commit that fails a test


def first_bad(
    looking: Callable[[], AbstractContextManager[Workspace]],
    good: Revision | Sequence[Revision],
    bad: Revision,
    test: Judge,
    notes: Literal["now", "then"],
) -> CommitInfo:
    """The first commit between *good* and *bad* whose context does not pass *test*.

    If that commit collapsed the work of another tract, and that tract's last context does not pass either, the result is the first such commit in that tract.
    *looking* is held while the workspace is used, but not while the test runs, which may take its time.
    """
    from tract.history.bisect import Bisection  # blame has none

    with looking() as space:
        known = Bisection().marked("bad", context_commit(space.repo, bad))
        for name in revision_texts(good):
            known = known.marked("good", context_commit(space.repo, name))
    while True:
        found = _searched(looking, known, test, notes)
        with looking() as space:
            collapse = _collapse(space.repo, found)
            inside = None if collapse is None else _known_inside(space, collapse)
            if collapse is None or inside is None:
                return describe(space, found)
        deeper = partial(_inside, looking, collapse)
        with deeper() as space:
            ends = [compile_at(space, at_commit=id.hex()) for id in (collapse.spawn, collapse.head)]
        if [test(one) for one in ends] != [True, False]:
            with looking() as space:
                return describe(space, found)
        looking, known, notes = deeper, inside, "now"


@contextmanager
def _inside(looking: Callable[[], AbstractContextManager[Workspace]], collapse: Collapse) -> Iterator[Workspace]:
    """The workspace of the collapsed tract, with its notes; without them if the tract was deleted."""
    from tract.history.origins import Origins  # most of what is bad was said here
    from tract.history.spawn import name_now
    from tract.history.tracts import in_tract

    with looking() as space:
        name = name_now(space.repo, collapse.spawn)
        if name is None:
            yield space
        else:
            repo = in_tract(space.repo, name)
            yield replace(space.on(repo), compiler=space.compiler.beside(repo), origins=Origins(repo), shown=None)


def _known_inside(space: Workspace, collapse: Collapse) -> Bisection | None:
    """The bisection in the collapsed tract; None if its history is not kept."""
    repo = space.repo
    if not (repo.objects.contains(collapse.spawn) and repo.objects.contains(collapse.head)):
        return None
    if not is_ancestor(repo, collapse.spawn, collapse.head):
        return None
    from tract.history.bisect import Bisection

    return Bisection().marked("bad", collapse.head).marked("good", collapse.spawn)


def _searched(
    looking: Callable[[], AbstractContextManager[Workspace]],
    known: Bisection,
    test: Judge,
    notes: Literal["now", "then"],
) -> ObjectId:
    """The first bad commit, found with as few tests as possible."""
    from tract.history.bisect import next_step

    while True:
        with looking() as space:
            step = next_step(space.repo, known)
            if step.is_found:
                return step.commit
            context = compile_at(space, at_commit=step.commit.hex(), notes=notes)
        passed = test(context)
        if isinstance(passed, str):  # a model's word: the text "bad" is as true as "good"
            raise BisectError(f"the test answers with True, False or None, not with {passed[:40]!r}")
        known = known.marked("skip" if passed is None else "good" if passed else "bad", step.commit, step)
