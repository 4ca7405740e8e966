"""What the refs reach: that every object is there, of the right kind, and built by the rules of context.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tract.errors import ObjectCorruptError
from tract.history.context import context_of
from tract.maintenance.fsck.examination import FoundObjects
from tract.maintenance.fsck.report import Problem, Severity
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, Node, borrows_context, named_by
from tract.objects.strict_reader import read_commit, read_node
from tract.storage.shallow import Cut
from tract.tree import MOST, Context, closes


class Root(NamedTuple):
    """The start of a walk: a commit and the ref that names it; *severity* is that of problems behind it."""

    name: str
    id: ObjectId
    severity: Severity = "error"


class Graph:
    """Walks from refs over the objects that could be read, and notes problems on the way."""

    def __init__(self, found: FoundObjects, cuts: Mapping[ObjectId, Cut] | None = None) -> None:
        self._found = found
        self._cuts = cuts or {}
        self._root = Root("", b"")
        self._totals: dict[tuple[ObjectId, bool], int | None] = {}
        self._missing: set[ObjectId] = set()
        self._in_notes = False  # what notes are about, and lists of notes, may be gone: gc asks no note
        self._cut_off: list[ObjectId] = []
        self.problems: list[Problem] = []
        self.commits: dict[ObjectId, Commit] = {}
        self.reached: set[ObjectId] = set()

    def walk(self, roots: Iterable[Root]) -> None:
        """Check everything that *roots* reach and no earlier root did."""
        for root in roots:
            self._root = root
            is_named = root.id in self.reached
            stack = [root.id] if self._need(root.id, "commit", f"ref '{root.name}'", "the commit") else []
            while stack:
                id = stack.pop()
                commit = self._commit(id)
                if commit is not None and not (is_named and id == root.id and self._is_kept_message(id, commit)):
                    stack.extend(parent for parent in self._check(id, commit) if parent not in self.commits)

    def _commit(self, id: ObjectId) -> Commit | None:
        if id in self.commits:
            return None
        try:
            commit = self.commits[id] = read_commit(id, self._found.read(id))
        except ObjectCorruptError as exc:
            self._problem("commit-shape", f"commit {id.hex()}", exc.detail)
            return None
        return commit

    def _problem(
        self, kind: str, subject: str, detail: str, lost: str = "", *, severity: Severity | None = None
    ) -> None:
        place = self._found.get(bytes.fromhex(subject.split()[-1]))
        path, offset = (place.path, place.offset) if place is not None else ("", None)
        detail = f"{detail} (reached from '{self._root.name}')"
        self.problems.append(
            Problem(kind, severity or self._root.severity, subject, path=path, offset=offset, detail=detail, lost=lost)
        )

    def _need(self, id: ObjectId, kind: Kind, owner: str, role: str) -> bool:
        """True if object *id* is there and of *kind*; if not, a problem is noted, once."""
        found = self._found.get(id)
        if found is not None and found.kind == kind:
            self.reached.add(id)
            return True
        if id in self._missing:
            return False
        self._missing.add(id)
        if found is None:
            lost = f"{_LOST[kind]} {id.hex()[:16]}, {role} of {owner[:48]}"
            self._problem(
                "missing-object", f"{kind} {id.hex()}", f"it is missing, and {owner} needs it as {role}", lost
            )
        else:
            self._problem("wrong-kind", f"{found.kind} {id.hex()}", f"{owner} needs a {kind} as {role}")
        return False

    def _is_cut_off(self, id: ObjectId, commit: Commit) -> bool:
        """True if *id* is a compression whose history is missing although 'shallow' does not say that it was cut; this is noted."""
        if commit.operation is not CommitOperation.COMPRESS or not commit.parents or commit.parents[0] in self._cuts:
            return False
        before = self._peek(commit.parents[0]) if commit.parents[0] in self._found else None
        named = () if before is None else (*before.parents, before.content, before.target, before.tree, *before.open)
        if before is not None and all(one is None or one in self._found for one in named):
            return False
        self._cut_off.append(id)
        detail = "the messages it compressed are missing, and 'shallow' does not say that gc removed them"
        lost = f"what the compression {id.hex()[:16]} took out of the context, and all before it"
        self._problem("history-missing", f"commit {id.hex()}", detail, lost)
        return True

    def check_messages(self) -> None:
        """Check messages that only contexts name, and the edits kept of them: note those that lack more than 'shallow' says.

        If a compression is noted already, these are covered by that problem.
        """
        if self._cuts and not self._cut_off:
            named = (id for id in self.reached if id not in self.commits and id not in self._cuts)
            for id in sorted(
                id for id in named if (place := self._found.get(id)) is not None and place.kind == "commit"
            ):
                self._root = Root("a context", id)
                commit = self._peek(id)
                if commit is not None:
                    self._is_kept_message(id, commit)
            for id, commit in self._unreached_edits():
                self._root = Root("an edit", id)
                self._is_kept_message(id, commit)

    def _unreached_edits(self) -> list[tuple[ObjectId, Commit]]:
        """The edits of messages without history that no object names."""
        unreached = (id for id, place in self._found.items() if place.kind == "commit" and id not in self.reached)
        commits = ((id, self._peek(id)) for id in sorted(unreached))
        return [
            (id, commit)
            for id, commit in commits
            if commit is not None and commit.operation is CommitOperation.EDIT and commit.target in self._cuts
        ]

    def _is_kept_message(self, id: ObjectId, commit: Commit) -> bool:
        """True if nothing but the message is left of commit *id*, which a context names, in a store whose history was cut; noted unless 'shallow' says so."""
        named = (*commit.parents, commit.target, commit.tree, *commit.open)
        is_whole = all(one is None or one in self._found for one in named)
        if is_whole or id in self._cuts or commit.content is None or not (self._cuts or self._cut_off):
            return False
        self._cut_off.append(id)
        detail = "the history before this message is missing, and 'shallow' does not say that gc removed it"
        self._problem(
            "history-missing",
            f"commit {id.hex()}",
            detail,
            f"the context at message {id.hex()[:16]}, and all before it",
        )
        return True

    @property
    def cut_off(self) -> tuple[ObjectId, ...]:
        """The compress commits whose history is missing although nothing says that it was cut, and the messages that they kept."""
        return tuple(self._cut_off)

    def _check(self, id: ObjectId, commit: Commit) -> list[ObjectId]:
        """Check one commit; return those of its parents that are there, and the commit from which it borrows its context."""
        subject = f"commit {id.hex()}"
        if commit.content is not None:
            self._need(commit.content, "blob", subject, "content")
        self._check_shape(subject, commit)
        self._check_refs(subject, commit)
        cut = self._cuts.get(id)
        if cut is not None and cut.grade == "all":
            return []
        if cut is not None or self._is_cut_off(id, commit):
            commit, cut = commit._replace(parents=()), cut or Cut("parents", "")  # the parents may be gone
        parents = [parent for parent in commit.parents if self._need(parent, "commit", subject, "parent")]
        self._in_notes = commit.operation is CommitOperation.NOTE
        lenders: list[ObjectId] = []
        if commit.target is not None and not self._in_notes and self._need(commit.target, "commit", subject, "target"):
            # The context of a spawn is its target's, so the target stays with all that it needs.
            lenders = [commit.target] if borrows_context(commit) else []
        if cut is None:
            self._check_generation(subject, commit)
        total = self._check_context(subject, commit)
        if self._in_notes and (total == 0 or (commit.open and commit.open[-2:] != (commit.target, commit.content))):
            self._problem("context-entries", subject, "its last entry is not the note itself")
        if len(commit.parents) == 1 and len(parents) == 1 and total is not None:
            self._check_step(subject, commit, total)
        return [*parents, *lenders]

    def _check_shape(self, subject: str, commit: Commit) -> None:
        """Check the number of parents that the operation requires, and that there is a content if it brings one."""
        if commit.content is None and commit.operation in _BRINGS:
            self._problem("no-content", subject, f"its operation is {commit.operation}, and it has no content")
        least, most = _PARENTS.get(commit.operation, (0, None))
        number = len(commit.parents)
        if number < least or (most is not None and number > most):
            self._problem("parents", subject, f"its operation is {commit.operation}, and it has {number} parents")

    def _check_refs(self, subject: str, commit: Commit) -> None:
        """Check the list of objects that a record needs, or of the records behind a compression."""
        if commit.refs is None:
            return
        if commit.refs.tree is not None:
            self._check_tree(commit.refs.tree, subject, None, last=True)
        self._need_items(
            subject, Node(0, commit.refs.open, "records" if commit.operation is CommitOperation.COMPRESS else "refs")
        )

    def _need_items(self, subject: str, node: Node) -> None:
        """Note the missing objects among all that the items of a list name."""
        for id, kind, role in named_by(node):
            if role != "noted":
                self._need(id, kind, subject, role)

    def _peek(self, id: ObjectId) -> Commit | None:
        """Read a commit that may not have been checked yet; None if that fails."""
        known = self.commits.get(id)
        if known is not None:
            return known
        try:
            return read_commit(id, self._found.read(id))
        except ObjectCorruptError:
            return None

    def _check_generation(self, subject: str, commit: Commit) -> None:
        parents = [self._peek(id) for id in commit.parents if id in self._found]
        if len(parents) == len(commit.parents) and None not in parents:
            expected = 1 + max((parent.generation for parent in parents if parent is not None), default=0)
            if commit.generation != expected:
                self._problem("generation", subject, f"its generation is {commit.generation}, not {expected}")

    def _check_context(self, subject: str, commit: Commit) -> int | None:
        """The number of entries of the commit's context before its own, or None if that cannot be told."""
        total = 0 if commit.tree is None else self._check_tree(commit.tree, subject, None, last=True)
        commits = commit.entry_commits
        if len(commits) >= MOST or any(closes(id, at) for at, id in enumerate(commits, 1)):
            self._problem("context-cut", subject, "its open entries have a boundary in them")
        for entry, blob in zip(commits, commit.entry_blobs, strict=False):
            if not self._in_notes:
                self._need(entry, "commit", subject, "the commit of a message")
            self._need(blob, "blob", subject, f"the content of message {entry.hex()[:16]}")
        return None if total is None else total + len(commits)

    def _check_tree(self, id: ObjectId, owner: str, level: int | None, *, last: bool) -> int | None:
        """The number of entries under a node; *last* says that it is at the right edge, where a run may be unfinished."""
        key = (id, last)
        if key not in self._totals:
            self._totals[key] = None
            if self._need(id, "tree", owner, "tree"):
                self._totals[key] = self._check_node(id, level, last=last)
        return self._totals[key]

    def _check_node(self, id: ObjectId, level: int | None, *, last: bool) -> int | None:
        subject = f"tree {id.hex()}"
        try:
            node = read_node(id, self._found.read(id))
        except ObjectCorruptError as exc:
            self._problem("tree-shape", subject, exc.detail)
            return None
        ids = node.items[::2]
        if level is not None and node.level != level:
            self._problem("tree-level", subject, f"it is of level {node.level} instead of {level}")
            return None
        if any(closes(item, at) for at, item in enumerate(ids[:-1], 1)):
            self._problem("tree-cut", subject, "it has a boundary in it")
        if (node.level == 0 or not last) and not closes(ids[-1], len(ids)):
            self._problem("tree-cut", subject, "it does not end at a boundary")
        if level is None and node.level > 0 and len(ids) < 2:
            self._problem("tree-cut", subject, "it is a root with one child")
        return self._check_leaf(subject, node) if node.level == 0 else self._check_children(subject, node, last=last)

    def _check_leaf(self, subject: str, node: Node) -> int:
        if node.of != "messages":
            self._need_items(subject, node)
            return len(node.items) // 2
        for entry, blob in zip(node.items[::2], node.items[1::2], strict=True):
            self._need(entry, "commit", subject, "the commit of a message")
            self._need(blob, "blob", subject, f"the content of message {entry.hex()[:16]}")
        return len(node.items) // 2

    def _check_children(self, subject: str, node: Node, *, last: bool) -> int | None:
        totals = []
        end = len(node.items) - 2
        for at in range(0, len(node.items), 2):
            child, count = node.items[at : at + 2]
            total = self._check_tree(child, subject, node.level - 1, last=last and at == end)
            if total is not None and total != count:
                self._problem("tree-count", subject, f"it says {count} entries where there are {total}")
            totals.append(total)
        return None if None in totals else sum(total for total in totals if total is not None)

    def _context_at(self, id: ObjectId) -> Context | None:
        """The context at a commit, even if a spawn borrowed it; None if it cannot be read."""
        commit = self._peek(id)
        while commit is not None and borrows_context(commit):
            id = commit.target or id
            commit = self._peek(id) if id in self._found else None
        return None if commit is None else context_of(id, commit)

    def _check_step(self, subject: str, commit: Commit, total: int) -> None:
        """Compare a commit's context with that of its only parent: only what the operation says may be added or removed."""
        before = self._context_at(commit.parents[0])
        if before is None:
            return
        closed = 0 if before.tree is None else self._check_tree(before.tree, subject, None, last=True)
        if closed is None:
            return
        expected = closed + len(before.open) // 2 + (commit.operation is CommitOperation.NOTE)
        if (
            commit.operation
            in (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD, CommitOperation.NOTE)
            and total != expected
        ):
            self._problem("context-count", subject, f"its context has {total} entries instead of {expected}")
        if (
            commit.operation in (CommitOperation.APPEND, CommitOperation.RECORD)
            and commit.open
            and commit.open != before.open
        ):
            self._problem("context-entries", subject, "its open entries are not those of the commit before it")
        if commit.operation is CommitOperation.EDIT and not self._has_entry(commit, before.tree):
            is_there = any(entry == commit.target for entry, _ in self.entries(Context(commit.tree, commit.open)))
            detail = "has another content in its context" if is_there else "is not in its context"
            self._problem("edit-without-target", subject, f"the message it edits {detail}", severity="warning")
        if commit.operation is CommitOperation.REORDER:
            had, has = (sorted(self.entries(one)) for one in (before, Context(commit.tree, commit.open)))
            if had != has:
                self._problem("context-entries", subject, "its entries are not those of the commit before it")

    def entries(self, context: Context) -> list[Entry]:
        """The entries of a context, as far as its nodes can be read, in no order."""
        items = list(context.open)
        stack = [] if context.tree is None else [context.tree]
        while stack:
            id = stack.pop()
            if id in self._found:
                node = read_node(id, self._found.read(id))
                if node.level:
                    stack += node.items[::2]
                else:
                    items += node.items
        return list(zip(items[::2], items[1::2], strict=True))

    def _has_entry(self, commit: Commit, before: ObjectId | None) -> bool:
        """True if an edit's message is in its context with the content of the edit.

        That entry is in a node that the context *before* lacks, so other nodes are read only if it is in none of these.
        """
        wanted = (commit.target or b"", commit.content or b"")
        if wanted in zip(commit.entry_commits, commit.entry_blobs, strict=False):
            return True
        old = {before}
        nodes = [] if commit.tree is None else [commit.tree]
        while nodes:
            new = [read_node(id, self._found.read(id)) for id in nodes if id not in old]
            if any(node.level == 0 and wanted in zip(node.items[::2], node.items[1::2], strict=True) for node in new):
                return True
            level = new[0].level if new else 0
            gone = [
                read_node(id, self._found.read(id))
                for id in old.difference(nodes)
                if id is not None and id in self._found
            ]
            nodes = [child for node in new if node.level for child in node.items[::2]]
            old = {child for node in gone if node.level == level for child in node.items[::2]}
        return before is not None and self._has_entry(commit, None)


# The number of parents of a commit: at least, and at most.
_PARENTS: dict[CommitOperation, tuple[int, int | None]] = {
    CommitOperation.APPEND: (0, 1),
    CommitOperation.EDIT: (1, 1),
    CommitOperation.MERGE: (2, 2),
    CommitOperation.COMPRESS: (1, None),
    CommitOperation.REVERT: (1, 1),
    CommitOperation.REORDER: (1, 1),
    CommitOperation.RECORD: (0, 1),
    CommitOperation.SPAWN: (0, 1),
    CommitOperation.NOTE: (0, 1),
}
_BRINGS = (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD, CommitOperation.NOTE)
_LOST = {"blob": "content", "tree": "a part of a context", "commit": "commit", "operation": "operation"}
