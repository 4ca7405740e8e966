"""Notes: data about a commit that is not part of it and may be added later.

    refs/notes/priority   skip, pin, normal, with a reason
    refs/notes/config     the generation config a message was made with
    refs/notes/usage      the tokens a provider counted
    refs/notes/origin     the commit that a replayed one was made from
    refs/notes/request    what was sent beside the messages (tract/compile/sent.py)
    refs/notes/key        a name that another program gave a commit (tract/history/keys.py)
    refs/notes/dropped    facts in the messages of a compression that its summary lacks
    refs/notes/proposals  actions that wait for approval, and their outcome (tract/agents/proposals.py)
    refs/notes/policies   the policies of the tract, and its autonomy (tract/agents/policy_settings.py)
    refs/notes/policy-log what policies did (tract/agents/policy_log.py)
    refs/notes/orchestrator whether the orchestrator runs, is paused or was stopped, and when it is to run (tract/agents/orchestrator.py)
    refs/notes/runs       what its runs did (tract/agents/orchestrator.py)

A note is a commit of its own on its namespace's ref, and moves no branch; the first commit of a list may bring several notes.
Its tree is the list of all the namespace's notes, as ``(commit the note is about, blob)``: reading all of them costs a node for every 16, and no note need be read twice.
The content of a note is in its blob, an event (tract/objects/note.py); the events alone decide which of several notes counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from tract.annotations import Any, Self
from tract.errors import ObjectCorruptError
from tract.history.context import chunks
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Entry, Object
from tract.objects.note import NoteEvent, left_standing, read_body, read_event
from tract.objects.strict_reader import read_blob
from tract.refs.names import NOTES
from tract.repo import Repository
from tract.tree import Context

PRIORITY = "priority"
CONFIG = "config"
USAGE = "usage"
ORIGIN = "origin"
KEY = "key"
REQUEST = "request"

DROPPED = "dropped"

PROPOSALS = "proposals"
POLICIES = "policies"
POLICY_LOG = "policy-log"
ORCHESTRATOR = "orchestrator"
RUNS = "runs"
BOOKKEEPING = frozenset(NOTES + name for name in (PROPOSALS, POLICIES, POLICY_LOG, ORCHESTRATOR, RUNS))
"""The refs of the records of actions: no undo takes them back, and they outlive the commits they are about."""

# If two tips are further apart than this, reading the whole list is no slower than walking.
_MOST_STEPS = 64

_READ_TOGETHER = 256


def note_tip(repo: Repository, namespace: str) -> ObjectId | None:
    """The newest note of the namespace; its id identifies the state of all its notes."""
    tip = repo.ref(NOTES + namespace)
    return tip if isinstance(tip, bytes) else None


class NewNote(NamedTuple):
    """A note still to be made; *time* is in microseconds since 1970."""

    target: ObjectId
    body: dict[str, Any]
    time: int
    message: str | None = None


def write_note(repo: Repository, namespace: str, note: NewNote, *, reason: str, table: NoteTable | None = None) -> None:
    """Make one note, as an operation of its own; *table*, the caller's table of the namespace, saves reading the whole list."""
    from tract.transaction import transaction  # most that read notes write none

    with transaction(repo, reason, moves="refs") as tx:
        replaces = None
        if table is not None:
            table.advance(repo, note_tip(repo, namespace))
            replaces = table.standing(repo, note.target)
        tx.note(namespace, note.target, note.body, time=note.time, message=note.message, replaces=replaces)


def notes_between(
    repo: Repository, old: ObjectId | None, new: ObjectId | None, *, most: int = _MOST_STEPS, least: int = 0
) -> list[Entry] | None:
    """The commit and the blob of every note after the tip *old* up to *new*, oldest first.

    None if they are more than *most* steps apart, or *old* is not behind *new*; the walk stops at a commit of generation *least* or lower.
    If *old* is None the whole list of *new* is returned: the first commit of a list can bring several notes.
    """
    if old is None:
        return list(noted_entries(repo, new))
    steps: list[Entry] = []
    at = new
    while at is not None and at != old and len(steps) < most:
        commit = repo.commit(at)
        if commit.generation <= least or commit.target is None or commit.content is None:
            return None
        steps.append((commit.target, commit.content))
        at = commit.parents[0] if commit.parents else None
    return steps[::-1] if at == old else None


class NoteTable:
    """The notes of one namespace, by the commit they are about.

    It moves with the namespace's ref: ``advance`` costs no more than the notes that were added.
    """

    __slots__ = ("_blobs", "_bodies", "_several", "tip")

    is_list = True
    """True if *tip* is a commit, from which other states of the notes can be reached."""

    def __init__(self) -> None:
        self._blobs: dict[ObjectId, ObjectId | None] = {}  # None until the one that counts among several is needed
        self._several: dict[ObjectId, dict[ObjectId, NoteEvent | None]] = {}  # None until it is read
        self._bodies: dict[ObjectId, Any] = {}
        self.tip: ObjectId | None = None

    def copy(self) -> Self:
        """A copy that advances separately."""
        other = type(self)()
        other._blobs, other._bodies, other.tip = dict(self._blobs), dict(self._bodies), self.tip
        other._several = {commit: dict(events) for commit, events in self._several.items()}
        return other

    def advance(self, repo: Repository, tip: ObjectId | None) -> frozenset[ObjectId] | None:
        """Move to the notes at *tip*; return the commits whose notes changed, or None if all may have."""
        if tip == self.tip:
            return frozenset()
        added = notes_between(repo, self.tip, tip)
        self.tip = tip
        if added is None:
            self._blobs, self._several = {}, {}
            self._bodies = {}  # gc rewrites notes, without those about removed commits
        for commit, blob in noted_entries(repo, tip) if added is None else added:
            if commit in self._blobs:
                known = self._blobs[commit]
                events = self._several.setdefault(commit, {} if known is None else {known: None})
                events.setdefault(blob)
                self._blobs[commit] = None
            else:
                self._blobs[commit] = blob
        return None if added is None else frozenset(commit for commit, _ in added)

    def get(self, repo: Repository, commit: ObjectId) -> Any:
        """The body of the note about *commit*, or None; the caller must not change it."""
        if commit not in self._blobs:  # most commits have no note
            return None
        blob = self._blob(repo, commit)
        if blob is None:
            return None
        body = self._bodies.get(blob)
        if body is None:
            body = self._bodies[blob] = read_body(blob, repo.blob(blob), commit)
        return body

    def event(self, repo: Repository, commit: ObjectId) -> NoteEvent | None:
        """The note about *commit* that counts, or None."""
        blob = self._blob(repo, commit)
        return None if blob is None else read_event(blob, repo.blob(blob), commit)

    def standing(self, repo: Repository, commit: ObjectId) -> tuple[ObjectId, ...]:
        """The notes about *commit* that no other replaces; a new note must replace these."""
        if commit in self._several:
            events = self._several[commit]
            for id in [id for id, event in events.items() if event is None]:
                events[id] = read_event(id, repo.blob(id), commit)
            return left_standing({id: event for id, event in events.items() if event is not None})
        blob = self._blobs.get(commit)
        return () if blob is None else (blob,)

    def _blob(self, repo: Repository, commit: ObjectId) -> ObjectId | None:
        blob = self._blobs.get(commit)
        if blob is None and commit in self._several:
            blob = self._blobs[commit] = self.standing(repo, commit)[-1]
        return blob

    def has_any(self, commits: Iterable[ObjectId]) -> bool:
        """True if one of the commits has a note."""
        return bool(self._blobs) and not self._blobs.keys().isdisjoint(commits)

    def __len__(self) -> int:
        return len(self._blobs)

    def targets(self) -> tuple[ObjectId, ...]:
        """The commits that have a note."""
        return tuple(self._blobs)


def noted_entries(repo: Repository, tip: ObjectId | None) -> Iterator[Entry]:
    """Yield all notes of the list at *tip*, first to last: the commit each is about, and its blob."""
    if tip is None:
        return
    commit = repo.commit(tip)
    for _, items in chunks(repo, Context(commit.tree, commit.open)):
        yield from zip(items[::2], items[1::2], strict=True)


def noted_by(repo: Repository, id: ObjectId) -> list[Entry]:
    """The notes that the commit *id* of a list brought, as ``noted_entries`` gives them: one, or all for the first commit of a list."""
    commit = repo.commit(id)
    if not commit.parents:
        return list(noted_entries(repo, id))
    assert commit.target is not None
    assert commit.content is not None
    return [(commit.target, commit.content)]


def note_history(repo: Repository, namespace: str, target: ObjectId | None = None) -> Iterator[NoteEvent]:
    """Yield the namespace's notes, replaced ones included, the last in the list first; with *target*, only those about it."""
    found = [entry for entry in noted_entries(repo, note_tip(repo, namespace)) if target in (None, entry[0])]
    check_distinct(namespace, found)
    for start in range(len(found), 0, -_READ_TOGETHER):
        part = found[max(0, start - _READ_TOGETHER) : start]
        payloads = repo.objects.payloads([blob for _, blob in part], "blob")
        for (commit, id), payload in reversed(list(zip(part, payloads, strict=True))):
            yield read_event(id, read_blob(id, Object("blob", payload)), commit)


def said_by(repo: Repository, entry: Entry) -> NoteEvent:
    """Return the note in an entry of a list; ObjectCorruptError if it is not a note, or is about another commit."""
    commit, blob = entry
    return read_event(blob, repo.blob(blob), commit)


def check_distinct(namespace: str, entries: Collection[Entry]) -> None:
    """Raise ObjectCorruptError if a list has a note twice."""
    if len({blob for _, blob in entries}) < len(entries):
        blob, _ = Counter(blob for _, blob in entries).most_common(1)[0]
        raise ObjectCorruptError(f"ref '{NOTES}{namespace}'", f"its list has note {blob.hex()[:16]} more than once")
