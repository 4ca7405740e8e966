"""Revisions: how people name commits.

    3fa9c1d…      a full id, or a prefix of four digits or more that only one commit has
    main, v1      a branch or a tag; refs/heads/main in full
    origin/main   the branch main of the remote origin, as it was when it was last looked at
    HEAD, @       where this tract is
    HEAD~2, x^    the second first-parent back, the first parent; x^2 the second parent
    main@{1}      where the ref was one move ago
    ORIG_HEAD     where the branch was before the last reset, merge or rebase
    HEAD:4        message 4 of that context, counted from 1: the commit that introduced it
    x::main~2     the same in the tract named x

In Python a revision may also be a value with a ``commit_hash``, such as a CommitInfo.

Plumbing also takes

    x^{tree}      the closed chunks of a commit's context; x^{blob} its content, x^{commit} the commit
    x..y, ^x y    what y has and x has not
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from tract.dataclass import replace
from tract.errors import AmbiguousPrefixError, BlobNotFoundError, CommitNotFoundError, SessionError
from tract.objects.id import HEX_SIZE, Kind, ObjectId, is_hex, parse_id
from tract.objects.model import CommitOperation, Node
from tract.reflog import ref_history
from tract.refs.names import HEAD, HEADS, ORIG_HEAD, REMOTES, TAGS, tract_prefix
from tract.repo import Repository
from tract.tree import children_of, node_of_level

LEAST_PREFIX = 4

_SUFFIX = re.compile(r"~(\d*)|\^(\d*)|@\{(\d+)\}")
_SUFFIX_START = re.compile(r"~|\^|@\{")
_PEEL = re.compile(r"\^\{(commit|tree|blob)\}\Z")
_MESSAGE = re.compile(r"(.*[^:]|):(\d{1,18})", re.S)
_MOST_STEPS = 10**9


class NamesCommit(Protocol):
    """A value that stands for a commit: a CommitInfo, or the result of a command."""

    @property
    def commit_hash(self) -> str | None:
        """The commit's hexadecimal id; None if there is none."""
        ...


Revision: TypeAlias = str | NamesCommit
"""A name of a commit: a text, or a value with a ``commit_hash``."""


def revision_text(revision: Revision) -> str:
    """The text that names the same commit; CommitNotFoundError for a value that names none."""
    if isinstance(revision, str):
        return revision
    found = getattr(revision, "commit_hash", None)
    if not isinstance(found, str):
        raise CommitNotFoundError(repr(revision)[:80], "a revision is a text, or a value with a commit_hash")
    return found


def revision_texts(revisions: Sequence[Revision] | Revision) -> list[str]:
    """The same for several revisions, or one."""
    several = revisions if isinstance(revisions, list | tuple) else [revisions]
    return [revision_text(one) for one in several]  # type: ignore[arg-type]  # of a sequence mypy does not know it


def resolve_revision(repo: Repository, revision: Revision) -> ObjectId:
    """The commit that *revision* names.

    CommitNotFoundError names the part that was not found, AmbiguousPrefixError lists the candidates; nothing is ever guessed.
    """
    revision = revision_text(revision)
    if not revision:
        raise CommitNotFoundError("", "a revision is a non-empty text")
    tract, is_other, local = revision.rpartition("::")
    if is_other:
        return resolve_revision(_in_tract(repo, tract, revision), local or HEAD)
    numbered = _MESSAGE.fullmatch(revision) if ":" in revision else None
    if numbered is not None:
        return _message(repo, resolve_revision(repo, numbered[1] or HEAD), int(numbered[2]), revision)
    base, suffixes = _split(revision)
    at: ObjectId | None = None
    if suffixes and suffixes[0].startswith("@{"):
        at = _earlier(repo, base, _number(suffixes.pop(0)[2:-1]), revision)
    else:
        at = _resolve_base(repo, base, revision)
    for suffix in suffixes:
        at = _step(repo, at, suffix, revision)
    return at


def _in_tract(repo: Repository, name: str, revision: str) -> Repository:
    """The store as seen from the tract *name*."""
    try:
        prefix = tract_prefix(name)
    except SessionError as exc:
        raise CommitNotFoundError(revision, str(exc)) from exc
    if repo.refs.read(prefix + HEAD) is None:
        raise CommitNotFoundError(revision, f"there is no tract named '{name}'")
    return replace(repo, tract=name, prefix=prefix)


def _message(repo: Repository, commit: ObjectId, number: int, revision: str) -> ObjectId:
    """The commit that introduced message *number*, from 1, of the context at *commit*."""
    repo.check_whole(commit)
    found = repo.commit(commit)
    in_open = found.entry_commits
    if found.operation is CommitOperation.APPEND and found.content is not None:
        in_open = (*in_open, commit)
    closed = 0 if found.tree is None else repo.node(found.tree).total
    if not 0 < number <= closed + len(in_open):
        have = closed + len(in_open)
        raise CommitNotFoundError(revision, f"that context has {have} message{'' if have == 1 else 's'}")
    if found.tree is None or number > closed:
        return in_open[number - closed - 1]
    node: Node = repo.node(found.tree)
    left = number
    while node.level:
        for child in children_of(node):
            if left <= child.total:
                break
            left -= child.total
        node = node_of_level(repo, child.id, node.level - 1)
    found_at: ObjectId = node.items[2 * (left - 1)]
    return found_at


def resolve_or_before(repo: Repository, revision: Revision) -> ObjectId | None:
    """The commit that *revision* names; None for the place before a first commit, such as HEAD~3 on a branch of three."""
    try:
        return resolve_revision(repo, revision)
    except CommitNotFoundError:
        text = revision_text(revision)
        base, suffixes = _split(text)
        if not suffixes or not re.fullmatch(r"~\d*|\^1?", suffixes[-1]):
            raise
        steps = _number(suffixes[-1][1:] or "1") - 1
        last = "".join([base, *suffixes[:-1], f"~{steps}" if steps else ""])
        try:
            root = resolve_revision(repo, last)
            is_first = not repo.commit(root).parents and root not in repo.shallow.cuts
        except CommitNotFoundError:
            is_first = False  # it is further back than that
        if not is_first:
            raise
        return None


def _split(revision: str) -> tuple[str, list[str]]:
    """The name at the front, and the suffixes after it; no name contains the beginning of a suffix."""
    first = _SUFFIX_START.search(revision)
    if first is None:
        return revision, []
    at = first.start()
    suffixes: list[str] = []
    while at < len(revision):
        match = _SUFFIX.match(revision, at)
        if match is None:
            return revision, []
        suffixes.append(match.group())
        at = match.end()
    return revision[: first.start()], suffixes


def _number(digits: str) -> int:
    """The number in *digits*, or more steps than any history has."""
    return int(digits) if len(digits) < 20 else _MOST_STEPS


def _resolve_base(repo: Repository, name: str, revision: str) -> ObjectId:
    if len(name) == HEX_SIZE and is_hex(name):
        return _full_id(repo, name, revision)
    if name in (HEAD, "@", ""):
        _, tip = repo.head()
        if tip is None:
            raise CommitNotFoundError(revision, "there is no commit yet")
        return tip
    ref = find_ref(repo, name)
    if ref is not None:
        value = repo.ref(ref)
        return value if isinstance(value, bytes) else _resolve_base(repo, str(value), revision)
    if len(name) >= LEAST_PREFIX and is_hex(name):
        return _unique_prefix(repo, name, revision)
    detail = "it is not a branch, tag or commit id"
    if is_hex(name):
        detail = f"a prefix of an id needs {LEAST_PREFIX} digits"
    raise CommitNotFoundError(revision, detail)


def find_ref(repo: Repository, name: str) -> str | None:
    """The full name of the ref that *name* means, or None: tried as it stands, then as a tag, a branch, and a remote's branch, as in git."""
    if not isinstance(name, str):
        return None
    for candidate in (name, "refs/" + name, TAGS + name, HEADS + name, REMOTES + name):
        if candidate in (HEAD, ORIG_HEAD) or candidate.startswith("refs/"):
            value = repo.ref(candidate)
            if value is not None:
                return candidate
    return None


def _full_id(repo: Repository, name: str, revision: str) -> ObjectId:
    id = parse_id(name)
    id = None if id is None else repo.landed_as(id)
    if id is None or not repo.objects.contains(id):
        raise CommitNotFoundError(revision)
    found = repo.objects.read(id)
    if found.kind != "commit":
        raise CommitNotFoundError(revision, f"that object is a {found.kind}")
    return id


def _unique_prefix(repo: Repository, prefix: str, revision: str) -> ObjectId:
    candidates = [id for id in repo.objects.find(prefix) if repo.objects.read(id).kind == "commit"]
    if len(candidates) > 1:
        # People mean messages: a note about one should not make its id ambiguous.
        candidates = [id for id in candidates if repo.commit(id).operation is not CommitOperation.NOTE] or candidates
    if not candidates:
        begin = [repo.landed_as(id) for id in list(repo.replaced) if id.hex().startswith(prefix)]
        candidates = [id for id in begin if repo.objects.contains(id)]
    if not candidates:
        raise CommitNotFoundError(revision)
    if len(candidates) > 1:
        raise AmbiguousPrefixError(prefix, tuple(id.hex() for id in candidates))
    return candidates[0]


def _step(repo: Repository, at: ObjectId, suffix: str, revision: str) -> ObjectId:
    if suffix.startswith("@{"):
        raise CommitNotFoundError(revision, "'@{n}' goes right after a ref's name")
    number = _number(suffix[1:] or "1")
    if suffix[0] == "^":
        if number == 0:
            return at
        parents = repo.commit(at).parents
        if number > len(parents):
            repo.check_history(at, f"no commit named '{revision}'")
            count = f"{len(parents)} parent{'' if len(parents) == 1 else 's'}"
            raise CommitNotFoundError(revision, f"commit {at.hex()[:16]} has {count}")
        return parents[number - 1]
    for _ in range(min(number, _MOST_STEPS)):
        parents = repo.commit(at).parents
        if not parents:
            repo.check_history(at, f"no commit named '{revision}'")
            raise CommitNotFoundError(revision, "the history does not reach that far back")
        at = parents[0]
    return at


def _earlier(repo: Repository, name: str, moves: int, revision: str) -> ObjectId:
    """The commit of the ref before its last *moves* moves."""
    if name == "":
        ref = repo.head()[0] or HEAD
    else:
        found = repo.branch or HEAD if name in ("@", HEAD) else find_ref(repo, name)
        if found is None:
            raise CommitNotFoundError(revision, f"there is no ref named '{name}'")
        ref = found
    now = repo.ref(ref)
    if moves == 0 and isinstance(now, bytes):
        return now
    for at, (value, _) in enumerate(ref_history(repo, ref)):
        if at == moves:
            return value
    raise CommitNotFoundError(revision, f"'{name or ref}' has not moved that often")


def resolve_object(repo: Repository, name: str, kind: Kind | None = None) -> ObjectId:
    """The object that *name* names: a full id or a prefix of any kind of object, or a revision, each also with ``^{tree}`` and its like.

    *kind* only chooses if several ids begin with a prefix; the object found may still be of another kind.
    BlobNotFoundError for a full id that the store lacks, CommitNotFoundError for any other name, AmbiguousPrefixError lists the candidates.
    """
    wanted: list[str] = []
    base = name
    while (match := _PEEL.search(base)) is not None:
        wanted.insert(0, match[1])
        base = base[: match.start()]
    id = _resolve_any(repo, base, "commit" if wanted else kind)
    for peeled in wanted:
        id = _peel(repo, id, peeled, name)
    return id


def _resolve_any(repo: Repository, name: str, kind: Kind | None) -> ObjectId:
    id = parse_id(name)
    if id is not None:
        id = repo.landed_as(id)
        if not repo.objects.contains(id):
            raise BlobNotFoundError(name)
        return id
    if len(name) < LEAST_PREFIX or not is_hex(name) or find_ref(repo, name) is not None:
        return resolve_revision(repo, name)
    candidates = repo.objects.find(name)
    if len(candidates) > 1 and kind is not None:
        candidates = tuple(id for id in candidates if repo.objects.read(id).kind == kind) or candidates
    if not candidates:
        raise CommitNotFoundError(name, "no object's id begins with it")
    if len(candidates) == 1:
        return candidates[0]
    if kind == "commit":
        return resolve_revision(repo, name)
    raise AmbiguousPrefixError(name, tuple(id.hex() for id in candidates))


def _peel(repo: Repository, id: ObjectId, wanted: str, name: str) -> ObjectId:
    """The object that the suffix ``^{wanted}`` means for *id*: itself, or one that a commit names."""
    kind = repo.objects.read(id).kind
    if kind == wanted:
        return id
    if kind != "commit":
        raise CommitNotFoundError(name, f"object {id.hex()[:16]} is a {kind}")
    commit = repo.commit(id)
    found = commit.tree if wanted == "tree" else commit.content
    if found is None:
        detail = "no chunk of its context is closed yet" if wanted == "tree" else "it brought no content"
        raise CommitNotFoundError(name, f"commit {id.hex()[:16]} has no {wanted}: {detail}")
    return found


def resolve_range(repo: Repository, text: str) -> tuple[ObjectId | None, ObjectId | None]:
    """The commit that *text* includes and the one it excludes: one of them for ``x`` and ``^x``, both for ``x..y``; an empty side is HEAD."""
    if "..." in text:
        raise CommitNotFoundError(text, "'...' is not understood; a range is 'x..y'")
    left, dots, right = text.partition("..")
    if dots:
        return resolve_revision(repo, right or HEAD), resolve_revision(repo, left or HEAD)
    if text.startswith("^"):
        return None, resolve_revision(repo, text[1:])
    return resolve_revision(repo, text), None


def shorten_ref(repo: Repository, ref: str) -> str:
    """The shortest name that :func:`find_ref` accepts for *ref*: ``main``, or ``heads/main`` if a tag has that name too."""
    for prefix in (HEADS, TAGS, REMOTES, "refs/"):
        short = ref.removeprefix(prefix)
        if short != ref and find_ref(repo, short) in (ref, None):
            return short
    return ref


def shorten_id(repo: Repository, id: ObjectId, least: int) -> str:
    """The shortest prefix of *id*, of *least* digits or more, that no other object's id has."""
    text = id.hex()
    for size in range(least, HEX_SIZE):
        if len(repo.objects.find(text[:size])) == 1:
            return text[:size]
    return text
