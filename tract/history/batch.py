"""A batch: commits, edits and notes that land in one transaction, all or none.

base      a ── b ── c'             c' came while the batch was open
batch          └─── x ── y         made in memory, on b
landed    a ── b ── c' ── x' ── y'    made again on c', if that is allowed; else nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from tract.dataclass import replace
from tract.errors import EditTargetError, RefMovedError
from tract.history.commit import Change, add_commit
from tract.history.notes import CONFIG, KEY, REQUEST, USAGE, NewNote, noted_by, said_by
from tract.history.records import build_refs
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, NewObject, Refs, RefValue, named_by, shown
from tract.refs.buffered import BufferedObjects, BufferedRefs
from tract.refs.names import HEAD, HEADS, NOTES
from tract.refs.store import ANY, RefEdit
from tract.repo import Repository
from tract.transaction import Transaction, transaction
from tract.tree import list_items

Follows = Callable[[ObjectId | None, ObjectId | None], bool]
"""Called with the commit on which a batch began and the branch's commit now; true if the batch may land on the latter."""

_REPEATED = (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD)

_COME_WITH = (CONFIG, KEY, REQUEST, USAGE)
"""The namespaces of the notes that come with a new commit; notes of other namespaces are about a commit that exists."""


class Batch:
    """A repository whose writes are held back in memory; ``land`` makes them one operation.

    Nothing is locked while the batch fills, so it may stay open across calls to a model.
    """

    def __init__(self, base: Repository) -> None:
        self._base = base
        self._objects = BufferedObjects(base.objects)
        self._refs = BufferedRefs(base.refs, self._objects)
        self._sent: list[ObjectId] = []
        self._known: dict[ObjectId, ObjectId] = {}
        keys = {base.prefix: base.keys.beside()}
        self.repo = replace(base, objects=self._objects, refs=self._refs, key_indexes=keys, gates=[])

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the batch that leaves no trace if it fails, whatever happens to the rest."""
        mark = self._refs.mark()
        try:
            yield
        except BaseException:
            self._refs.go_back(mark)
            raise

    @property
    def held_back(self) -> int:
        """The number of objects that wait."""
        return len(self._objects.new)

    def commits(self) -> tuple[ObjectId, ...]:
        """The commits made so far, without those of notes, in order."""
        made = (new.id for new in self._objects.new if new.kind == "commit")
        return tuple(id for id in made if self.repo.commit(id).operation is not CommitOperation.NOTE)

    def land(
        self, *, reason: str, follows: Follows | None = None, check: Callable[[bool], None] | None = None
    ) -> dict[ObjectId, ObjectId]:
        """Write everything in one transaction; return the new ids of commits that had to be made again, by their old ids.

        RefMovedError if a branch moved meanwhile, unless *follows* allows the batch's commits to be made again on its new tip; nothing is written then.
        Notes that others wrote meanwhile stay: the batch's own come after them.
        *check* is called while the lock is held, with True if the batch moves a branch, and may raise to stop it.
        """
        edits = self._refs.edits()
        about_head = any(self._local(edit).startswith((HEAD, HEADS)) for edit in edits)
        with transaction(self._base, reason, moves="head" if about_head else "refs") as tx:
            if check is not None:
                check(about_head)
            moved = [edit for edit in edits if self._base.refs.read(edit.name) != edit.expected]
            anew: dict[ObjectId, ObjectId] = {}
            for edit in moved:
                if self._local(edit).startswith(HEADS) and edit.new is not None:
                    tx.edits.append(RefEdit(edit.name, self._make_again(tx, edit, follows, anew), ANY))
            made = {edit.name for edit in tx.edits}
            for edit in edits:
                if edit.name in made:
                    continue
                if self._local(edit).startswith(NOTES) and (edit in moved or anew):
                    self._note_again(tx, edit, anew)
                elif edit.new in anew:
                    expected = self._base.refs.read(edit.name) if edit in moved else edit.expected
                    tx.edits.append(RefEdit(edit.name, anew[edit.new], expected))
                else:
                    tx.edits.append(edit)
            tx.objects += self._needed(tx, anew.values()) if anew else self._objects.new
        for index in self.repo.key_indexes.values():
            index.clear()  # what it put off refers to the whole batch, in a reference cycle
        return anew

    def _local(self, edit: RefEdit) -> str:
        return edit.name.removeprefix(self._base.prefix)

    def _make_again(
        self, tx: Transaction, edit: RefEdit, follows: Follows | None, anew: dict[ObjectId, ObjectId]
    ) -> ObjectId | None:
        """Make the commits of a branch that moved meanwhile again on its tip; return the last one. *anew* receives their new ids by their old ones.

        If the branch got a commit with the same key meanwhile, that commit is used instead; KeyConflictError if it has another content.
        """
        now, was = self._base.refs.read(edit.name), edit.expected
        assert was is None or isinstance(was, bytes)
        assert now is None or isinstance(now, bytes)
        error = RefMovedError(self._local(edit), shown(was), shown(now))
        chain = self._chain(edit.new, was)
        if chain is None or follows is None or not follows(was, now):
            raise error
        trees = (commit.refs.tree for _, commit in chain if commit.refs is not None)
        wanted = {commit.content for _, commit in chain} | self._led_to(tree for tree in trees if tree is not None)
        tx.objects += [new for new in self._objects.new if new.id in wanted]
        tx.read_own()
        self._known = self._known_now(chain, now)
        anew |= self._known
        at = now
        for id, commit in chain:
            if id in self._known:
                continue
            assert commit.content is not None
            target = None if commit.target is None else anew.get(commit.target, commit.target)
            refs = commit.refs
            if refs is not None:
                needs = [one for one, _ in list_items(self.repo, *refs)]
                if not anew.keys().isdisjoint(needs):
                    refs = build_refs(tx.repo, (anew.get(one, one) for one in needs), tx.objects)
            change = Change.again(commit, commit.content, target)._replace(refs=refs)
            try:
                at = anew[id] = add_commit(tx, at, change)
            except EditTargetError:
                raise error from None  # the message is gone
        return at

    def _known_now(self, chain: Sequence[tuple[ObjectId, Commit]], tip: ObjectId | None) -> dict[ObjectId, ObjectId]:
        """The commits of *chain* whose keys the branch at *tip* received meanwhile, each with the commit that has the key."""
        keys = next((edit for edit in self._refs.edits() if self._local(edit) == NOTES + KEY), None)
        if keys is None:
            return {}
        from tract.history.keys import commit_instead  # most programs use no keys

        said = {note.target: note.body["key"] for _, note in self._notes_since(keys.new, keys.expected)}
        known: dict[ObjectId, ObjectId] = {}
        for id, commit in chain:
            if id in said and commit.content is not None:
                found = commit_instead(self._base, said[id], self.repo.blob(commit.content), tip)
                known |= {} if found is None else {id: found}
        return known

    def _chain(self, tip: RefValue | None, start: ObjectId | None) -> list[tuple[ObjectId, Commit]] | None:
        """The commits after *start* up to *tip*; None if they are not all messages, edits and records."""
        chain: list[tuple[ObjectId, Commit]] = []
        while isinstance(tip, bytes) and tip != start:
            commit = self.repo.commit(tip)
            if commit.operation not in _REPEATED or commit.content is None:
                return None
            chain.append((tip, commit))
            tip = commit.parents[0] if commit.parents else None
        return chain[::-1] if tip == start else None

    def _note_again(self, tx: Transaction, edit: RefEdit, anew: dict[ObjectId, ObjectId]) -> None:
        """Make the batch's notes again, after those that others made meanwhile, and about the commits as they landed."""
        assert not isinstance(edit.expected, str)
        namespace = self._local(edit).removeprefix(NOTES)
        # A request was made of the messages inside the batch, whatever came between them since.
        names = {} if namespace == REQUEST else {was.hex(): now.hex() for was, now in anew.items()}
        for blob, note in self._notes_since(edit.new, edit.expected):
            if note.target in self._known and namespace in _COME_WITH:
                continue  # as for every commit whose key is known
            refs = None
            if namespace == REQUEST and note.body["context"] is not None:
                context = bytes.fromhex(note.body["context"])
                self._sent.append(context)
                if context in anew:  # it is in no history: the note is what keeps it
                    refs = Refs(None, (context, "commit"))
            target = anew.get(note.target, note.target)
            body = {key: names.get(value, value) if type(value) is str else value for key, value in note.body.items()}
            made = tx.note(namespace, target, body, time=note.time, message=note.message, refs=refs)
            now = tx.repo.commit(made).content
            assert now is not None
            names[blob.hex()] = now.hex()

    def _notes_since(self, tip: RefValue | None, since: object) -> list[tuple[ObjectId, NewNote]]:
        """The batch's notes, oldest first, each with its blob."""
        notes = []
        while isinstance(tip, bytes) and tip != since:
            commit = self.repo.commit(tip)
            for target, blob in noted_by(self.repo, tip)[::-1]:
                event = said_by(self.repo, (target, blob))
                notes.append((blob, NewNote(target, event.body, event.time, commit.message)))
            tip = commit.parents[0] if commit.parents else None
        return notes[::-1]

    def _needed(self, tx: Transaction, anew: Iterable[ObjectId]) -> list[NewObject]:
        """The batch's objects that the moves of *tx* and the commits in *anew* still reach, and all its blobs; commits that were made again are left out."""
        starts = [*self._sent, *(edit.new for edit in tx.edits if isinstance(edit.new, bytes))]
        for commit in map(tx.repo.commit, anew):
            starts += () if commit.target is None else (commit.target,)
            starts += () if commit.refs is None else (id for id, _ in list_items(tx.repo, *commit.refs))
        wanted = self._led_to(starts)
        return [new for new in self._objects.new if new.kind == "blob" or new.id in wanted]

    def _led_to(self, starts: Iterable[ObjectId]) -> set[ObjectId]:
        """The batch's commits and tree nodes that are reachable from *starts*."""
        mine = {new.id: new for new in self._objects.new if new.kind != "blob"}
        found: set[ObjectId] = set()
        work = list(starts)
        while work:
            new = mine.get(work.pop())
            if new is not None and new.id not in found:
                found.add(new.id)
                made = self.repo.commit(new.id) if new.kind == "commit" else self.repo.node(new.id)
                work += [id for id, _, _ in named_by(made)]
        return found
