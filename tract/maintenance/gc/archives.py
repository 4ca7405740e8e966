"""Archives: history that only the parents of compress commits lead to, and what of it stays when gc takes it.

    refs ─ e ─ d ─ C2 ─ c ─ b ─ C1 ─ a ─ P        C are compress commits, P is pinned
           └─ live ─┘ └ young ┘    └ old: it goes ┘

An archive is as old as its compress commit, and stays for the longest window of the tracts whose refs lead there.
What any ref, command under way or younger archive reaches in another way stays whole, and so does an archive in which branches parted that could not be merged without it.
Of the rest the messages stay that contexts of what stays name, and pinned ones if asked for: their commits and contents, nothing else.
A commit of which something is gone then is put into ``shallow``.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence

from tract.config import FOR_EVER
from tract.history.times import moment as moment_of
from tract.maintenance.gc.catalogue import Catalogue
from tract.maintenance.gc.cutting import Behind, Cutting, HeldArchive, is_unseen
from tract.maintenance.gc.lineage import Lineage, Reach
from tract.maintenance.gc.marks import Border, Found, Gathered, Groups, Progress, walk
from tract.maintenance.gc.partings import Tip, bits, find_partings
from tract.maintenance.gc.pins import last_wordings, pinned_commits
from tract.maintenance.gc.policies import Policies, Window
from tract.maintenance.gc.wordings import Archived, find_wordings
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, read_commit
from tract.refs.names import HEAD, HEADS, NOTES, ORIG_HEAD, TAGS, split_tract
from tract.repo import Repository


class Separation:
    """Tells what is live from the archives that go; where the *policies* let none go, only what was cut before counts.

    *now* in nanoseconds since 1970.
    """

    def __init__(
        self,
        repo: Repository,
        catalogue: Catalogue,
        marks: bytearray,
        policies: Policies,
        now: int,
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._catalogue = catalogue
        self._marks = marks
        self._policies = policies
        self._takes = policies.takes_archives
        self._windows = [Window(policy.archives, now) for policy in policies.policies]
        self._refs = [(name, value) for name, value in repo.refs.list() if isinstance(value, bytes)]
        self._lineage: Lineage | None = None
        self._owned: Reach | None = None
        self._opened: set[int] = set()
        self._edits: dict[ObjectId, Commit] = {}
        self._border = Border(catalogue, repo.shallow.cuts, stops=self._takes)
        self._gathered = Gathered(catalogue, progress)
        self.cutting = Cutting(repo.shallow.cuts, self._takes, bytearray(catalogue.size))

    def find_live(self, roots: Sequence[int], in_work: Sequence[int] = ()) -> None:
        """Mark what stays whole: what refs, the *roots*, lead to, and what commands under way need. An ``ORIG_HEAD`` does not keep an archive: the last compression would be one for ever."""
        heads = self._heads_aside()
        aside = {self._catalogue.admit(value) for _, value in heads}
        others = {value for ref in self._refs if ref not in heads for value in ref[1:]}
        todo = [number for number in roots if number not in aside or self._catalogue.id_of(number) in others]
        todo += in_work
        while todo:
            self._take(todo)
            self._open_archives()
            self._measure()
            todo = self._wanted_besides([value for _, value in heads])
            if not todo:
                todo = self._hold_for_merges()
        archived = self.cutting.archived
        self.cutting.released = tuple(
            (name, value)
            for name, value in heads
            if (number := self._catalogue.admit(value)) < len(archived) and archived[number]
        )
        self._keep_pinned()
        old = {id: commit for id, commit in self._old_messages() if commit.operation is CommitOperation.EDIT}
        known = Archived(archived, self._edits | old)
        self.cutting.wordings = find_wordings(self._repo, self._catalogue, self._marks, known)

    def _heads_aside(self) -> list[tuple[str, ObjectId]]:
        """The refs ``ORIG_HEAD`` of tracts whose archives may go."""
        return [
            (name, value)
            for name, value in self._refs
            if split_tract(name)[1] == ORIG_HEAD and self._policies.of(name).archives != FOR_EVER
        ]

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
                if not is_unseen(self._marks, parents[0]) or self._is_young(number, commit, parents):
                    self._opened.add(number)
                    self._take(parents)
                    is_changed = True
                    break  # a younger one may have come to light behind it

    def _is_young(self, number: int, commit: Commit, parents: Sequence[int]) -> bool:
        windows = self._windows_of(number)

        def measure() -> int:
            border = Border(self._catalogue, self.cutting.cuts, stops=True)
            behind = walk(self._catalogue, parents, bytearray(self._marks), gaps=True, border=border)
            return sum(found.size for found in behind if self._would_go(found))

        if any(window.has_time(commit) for window in windows):
            return True
        return sum(window.has_room(measure) for window in windows) > 0  # all of them: each is a little fuller now

    def _windows_of(self, number: int) -> list[Window]:
        """Those of all tracts whose refs lead to the compress commit."""
        if len(self._windows) == 1:
            return self._windows
        if self._owned is None:
            tips: dict[int, int] = {}
            for name, value in self._refs:
                at = self._catalogue.admit(value)
                tips[at] = tips.get(at, 0) | 1 << self._policies.number_of(name)
            self._owned = Reach(self._behind_refs(), tips)
        mask = self._owned[number]
        # What only a command under way leads to may be anybody's.
        return [window for bit, window in enumerate(self._windows) if not mask or mask >> bit & 1]

    def _behind_refs(self) -> Lineage:
        if self._lineage is None:
            starts = [self._catalogue.admit(value) for name, value in self._refs if NOTES not in name]
            self._lineage = Lineage(self._catalogue, starts, self.cutting.cuts)
        return self._lineage

    def _would_go(self, found: Found) -> bool:
        return found.number < self._catalogue.size and not self._border.was_named(found.number)

    def _measure(self) -> None:
        """Look what is behind the compress commits whose archives go."""
        self.cutting.archived = bytearray(self._catalogue.size)
        self.cutting.behind = {}
        self._edits = {}
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
                        elif found.commit.operation is CommitOperation.EDIT:
                            self._edits[catalogue.id_of(found.number)] = found.commit
            # Messages that only these contexts still name go with them.
            roots = [n for n in border.named if is_unseen(seen, n) and catalogue.id_of(n) in self.cutting.cuts]
        return behind

    def _wanted_besides(self, heads: Sequence[ObjectId]) -> list[int]:
        """What is not live yet but in no archive that goes: it stays whole."""
        catalogue, archived = self._catalogue, self.cutting.archived
        named = [n for n in self._border.named if is_unseen(self._marks, n) and not self.cutting.is_cut(catalogue, n)]
        others = [catalogue.admit(id) for id in heads]
        return named + [n for n in others if is_unseen(self._marks, n) and (n >= len(archived) or not archived[n])]

    def _partings(self) -> tuple[dict[int, tuple[str, ...]], dict[int, tuple[str, ...]]]:
        """The refs that part where archives go, by the compress commit: those that merges need it for, and others."""
        needed: dict[int, int] = {}
        parted: dict[int, int] = {}
        going = self.cutting.behind
        tips = list(self._tips()) if going else []
        branches: dict[str, int] = {}  # of each tract, a bit for each
        for bit, tip in enumerate(tips):
            branches[tip.tract] = branches.get(tip.tract, 0) | tip.is_branch << bit
        for number, ref, others in find_partings(self._behind_refs(), tips, going) if len(tips) > 1 else ():
            is_kept = ref.is_branch and number not in self._opened and self._policies.of(ref.name).keep_merge_bases
            wanted = others & branches[ref.tract] if is_kept else 0
            needed[number] = needed.get(number, 0) | wanted
            parted[number] = parted.get(number, 0) | others & ~wanted

        def names(masks: dict[int, int]) -> dict[int, tuple[str, ...]]:
            return {at: tuple(sorted(tips[bit].name for bit in bits(mask))) for at, mask in masks.items() if mask}

        return names(needed), names(parted)

    def _tips(self) -> Iterator[Tip]:
        for name, value in self._refs:
            tract, local = split_tract(name)
            is_branch = local.startswith(HEADS) or local == HEAD
            if is_branch or local.startswith(TAGS):
                yield Tip(name, tract, self._catalogue.admit(value), is_branch)

    def _hold_for_merges(self) -> list[int]:
        """Take back that archives go in which branches of a tract parted, where it keeps those; what is behind them.

        Where there is none, say which refs part all the same. What is opened may show others that are needed, never fewer.
        """
        needed, self.cutting.parted = self._partings()
        behind: list[int] = []
        for number, names in needed.items():
            id = self._catalogue.id_of(number)
            commit = read_commit(id, self._catalogue.read(number))
            self.cutting.held.append(HeldArchive(id.hex(), moment_of(commit.time), names))
            self._opened.add(number)
            behind += [self._catalogue.admit(parent) for parent in commit.parents]
        self.cutting.held.sort(key=lambda held: (held.created_at, held.commit), reverse=True)
        return behind

    def _keep_pinned(self) -> None:
        """Name the pinned messages that are to stay though no context has them, with the wordings that contexts had."""
        pins = {
            id
            for id in pinned_commits(self._repo, self._policies)
            if self._is_cut_message(id) and not self._border.was_named(self._catalogue.admit(id))
        }
        if not pins:
            return
        self._border.name(sorted(pins))
        commits = (
            read_commit(id, self._catalogue.read(number))
            for number in self.cutting.behind
            if (id := self._catalogue.id_of(number))
        )
        left = [commit.parents[0] for commit in commits]
        self._border.name(last_wordings(self._repo, pins, self._edits, left))
        for id, commit in self._old_messages():
            if commit.operation is CommitOperation.EDIT and commit.target in pins:
                self._border.name([id])

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
        for id, commit in self._old_messages():
            yield self._catalogue.admit(id)
            if commit.content is not None:
                yield self._catalogue.admit(commit.content)

    def _old_messages(self) -> Iterator[tuple[ObjectId, Commit]]:
        for id, cut in self.cutting.cuts.items():
            number = self._catalogue.number_of(id)
            if cut.grade == "all" and number is not None and number < self._catalogue.size:
                yield id, read_commit(id, self._catalogue.read(number))

    def groups(self, roots: Sequence[int]) -> Groups:
        """All that stays, with the messages that do; for the end, when the marks tell what is kept otherwise."""
        self.cutting.edges.extend(self._border.cut)
        self.cutting.edges.extend(number for number, _ in self._held())
        for found in self.cutting.keep_messages(self._catalogue, self._border, self._marks):
            self._gathered.add(found)
        return self._gathered.groups(roots)
