"""Archives: history that only the parents of compress commits lead to, and what of it stays when gc takes it.

    refs ─ e ─ d ─ C2 ─ c ─ b ─ C1 ─ a ─ P        C are compress commits, P is pinned
           └─ live ─┘ └ young ┘    └ old: it goes ┘

An archive is as old as its compress commit. What any ref, command under way or younger archive reaches in another way stays whole.
Of the rest the messages stay that contexts of what stays name, and pinned ones if asked for: their commits and contents, nothing else.
A commit of which something is gone then is put into ``shallow``.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence

from tract.config import Retention
from tract.history.collection.cutting import Behind, Cutting, is_unseen
from tract.history.collection.marks import Border, Found, Gathered, Groups, Progress, walk
from tract.history.context import Context, chunks
from tract.history.notes import PRIORITY
from tract.history.priority import Priority
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, read_commit
from tract.reflog import split_tract
from tract.refs.names import NOTES, ORIG_HEAD
from tract.repo import Repository
from tract.storage.catalogue import Catalogue


class Separation:
    """Tells what is live from the archives that go; *window* is None where none go, and only what was cut before counts.

    *oldest* is the time, in microseconds since 1970, before which an archive is old.
    """

    def __init__(
        self,
        repo: Repository,
        catalogue: Catalogue,
        marks: bytearray,
        window: Retention | None,
        oldest: int,
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._catalogue = catalogue
        self._marks = marks
        self._window = window
        self._oldest = oldest
        self._left = 0 if window is None or window.size is None else window.size
        self._is_full = False
        self._opened: set[int] = set()
        self._border = Border(catalogue, repo.shallow.cuts, stops=window is not None)
        self._gathered = Gathered(catalogue, progress)
        self.cutting = Cutting(repo.shallow.cuts, window is not None, bytearray(catalogue.size))

    def find_live(self, roots: Sequence[int], *, keep_pinned: bool) -> None:
        """Mark what stays whole. An ``ORIG_HEAD`` does not keep an archive: the last compression would be one for ever."""
        heads = _orig_heads(self._repo) if self._window is not None else []
        aside = {self._catalogue.admit(value) for _, value in heads}
        todo = [number for number in roots if number not in aside or self._is_root_of_another(number)]
        while todo:
            self._take(todo)
            self._open_archives()
            self._measure()
            todo = self._wanted_besides([value for _, value in heads])
        archived = self.cutting.archived
        self.cutting.released = tuple(
            (name, value)
            for name, value in heads
            if (number := self._catalogue.admit(value)) < len(archived) and archived[number]
        )
        if keep_pinned:
            self._border.name(id for id in pinned_commits(self._repo) if self._is_cut_message(id))

    def _is_root_of_another(self, number: int) -> bool:
        """Whether a ref that is no ``ORIG_HEAD`` holds the commit."""
        id = self._catalogue.id_of(number)
        return any(value == id and split_tract(name)[1] != ORIG_HEAD for name, value in self._repo.refs.list())

    def _take(self, roots: Sequence[int]) -> None:
        for found in walk(self._catalogue, roots, self._marks, border=self._border):
            self._gathered.add(found)

    def _held(self) -> list[tuple[int, Commit]]:
        """The compress commits behind which nothing was looked yet, the newest first."""
        held = ((number, commit) for number, commit in self._border.compressions.items() if number not in self._opened)
        return sorted(held, key=lambda one: (-one[1].time, one[0]))

    def _open_archives(self) -> None:
        """Take in the archives that stay: those whose history is reached otherwise, and the young ones."""
        is_changed = True
        while is_changed:
            is_changed = False
            for number, commit in self._held():
                parents = [self._catalogue.admit(id) for id in commit.parents]
                if not is_unseen(self._marks, parents[0]) or self._is_young(commit, parents):
                    self._opened.add(number)
                    self._take(parents)
                    is_changed = True
                    break  # a younger one may have come to light behind it

    def _is_young(self, commit: Commit, parents: Sequence[int]) -> bool:
        if self._window is None or self._window.size is None:
            return commit.time >= self._oldest
        if not self._is_full:
            border = Border(self._catalogue, self.cutting.cuts, stops=True)
            behind = walk(self._catalogue, parents, bytearray(self._marks), gaps=True, border=border)
            self._left -= sum(self._catalogue.stored_size(found.number) for found in behind if self._would_go(found))
            self._is_full = self._left < 0
        return not self._is_full

    def _would_go(self, found: Found) -> bool:
        return found.number < self._catalogue.size and not self._border.was_named(found.number)

    def _measure(self) -> None:
        """Look what is behind the compress commits whose archives go."""
        self.cutting.archived = bytearray(self._catalogue.size)
        self.cutting.behind = {}
        seen = bytearray(self._marks)
        border = Border(self._catalogue, self.cutting.cuts, stops=True)
        waiting = [(-commit.time, number) for number, commit in self._held()]
        heapq.heapify(waiting)
        while waiting:
            time, number = heapq.heappop(waiting)
            commit = self._border.compressions.get(number) or border.compressions[number]
            known = len(border.compressions)
            self.cutting.behind[number] = self._look_behind(-time, commit, seen, border)
            for new in list(border.compressions)[known:]:
                heapq.heappush(waiting, (-border.compressions[new].time, new))

    def _look_behind(self, time: int, commit: Commit, seen: bytearray, border: Border) -> Behind:
        behind = Behind(time)
        catalogue = self._catalogue
        roots = [catalogue.admit(id) for id in commit.parents]
        while roots:
            for found in walk(catalogue, roots, seen, gaps=True, border=border):
                if found.number < catalogue.size:
                    self.cutting.archived[found.number] = 1
                    behind.objects.append(found.number)
                    if found.commit is not None:
                        behind.commits.append(found.number)
                        if found.commit.operation is CommitOperation.APPEND:
                            behind.messages.append(found.number)
            # Messages that only these contexts still name go with them.
            roots = [n for n in border.named if is_unseen(seen, n) and catalogue.id_of(n) in self.cutting.cuts]
        return behind

    def _wanted_besides(self, heads: Sequence[ObjectId]) -> list[int]:
        """What is not live yet but in no archive that goes: it stays whole."""
        catalogue, archived = self._catalogue, self.cutting.archived
        named = [n for n in self._border.named if is_unseen(self._marks, n) and not self.cutting.is_cut(catalogue, n)]
        others = [catalogue.admit(id) for id in heads]
        return named + [n for n in others if is_unseen(self._marks, n) and (n >= len(archived) or not archived[n])]

    def _is_cut_message(self, id: ObjectId) -> bool:
        number = self._catalogue.number_of(id)
        if number is None or number >= self._catalogue.size:
            return False
        return bool(self.cutting.archived[number]) or id in self.cutting.cuts

    def age(self, ages: array[int]) -> None:
        """Let all that goes with archives, or stays as a message, be old: no reflog keeps it."""
        for number, is_archived in enumerate(self.cutting.archived):
            if is_archived:
                ages[number] = 0
        for number in (*self._border.named, *self._messages_of_old()):
            if number < len(ages):
                ages[number] = 0

    def _messages_of_old(self) -> Iterator[int]:
        """The messages, with their contents, that stayed when archives went before."""
        for id, cut in self.cutting.cuts.items():
            number = self._catalogue.number_of(id)
            if cut.grade == "all" and number is not None and number < self._catalogue.size:
                yield number
                content = read_commit(id, self._catalogue.read(number)).content
                if content is not None:
                    yield self._catalogue.admit(content)

    def groups(self, roots: Sequence[int]) -> Groups:
        """All that stays, with the messages that do; for the end, when the marks tell what is kept otherwise."""
        self.cutting.edges.extend(self._border.cut)
        self.cutting.edges.extend(number for number, _ in self._held())
        for found in self.cutting.keep_messages(self._catalogue, self._border, self._marks):
            self._gathered.add(found)
        return self._gathered.groups(roots)


def _orig_heads(repo: Repository) -> list[tuple[str, ObjectId]]:
    return [
        (name, value)
        for name, value in repo.refs.list()
        if split_tract(name)[1] == ORIG_HEAD and isinstance(value, bytes)
    ]


def pinned_commits(repo: Repository) -> Iterator[ObjectId]:
    """The messages that somebody pinned, in any tract, and did not unpin since."""
    for name, tip in repo.refs.list():
        if split_tract(name)[1] == NOTES + PRIORITY and isinstance(tip, bytes):
            newest: dict[ObjectId, ObjectId] = {}
            commit = repo.commit(tip)
            for _, items in chunks(repo, Context(commit.tree, commit.open)):
                newest.update(zip(items[::2], items[1::2], strict=True))
            for target, blob in newest.items():
                note = repo.blob(blob)
                if isinstance(note, dict) and note.get("priority") == Priority.PINNED:
                    yield target
