"""pygit2, in two shapes: a chain with one message in each commit's tree, and the whole conversation in every tree.

The chain is faster to append to and smaller; whole trees are faster to read at any point, and to edit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pygit2

from benchmarks.peers.peer import Durability, Message, Peer
from benchmarks.peers.with_git import FILE, collect

_WIDTH = 100
"""Messages in a folder of a whole tree."""


class ChainPeer(Peer):
    lacks = "an edit is new commits for all that follows"
    durability: ClassVar[dict[Durability, str]] = {"process": "no fsync", "full": "fsync of objects and refs"}
    most = 10_000
    why_most = "12 KiB of files a commit"

    def open(self, folder: str, durability: Durability) -> None:
        pygit2.settings.enable_fsync_gitdir(durability == "full")
        self.folder = folder
        try:
            self.repo = pygit2.Repository(folder)
        except pygit2.GitError:
            self.repo = pygit2.init_repository(folder, bare=True, initial_head="main")
        self.branch = "refs/heads/main"
        self.tip = self._target()
        self.begin()

    def begin(self) -> None:
        pass

    def close(self) -> None:
        self.repo.free()

    def _target(self) -> Any:
        found = self.repo.references.get(self.branch)
        return found.target if found else None

    def _blob(self, message: Message) -> Any:
        return self.repo.create_blob(json.dumps(message, ensure_ascii=False).encode())

    def _tree(self, message: Message) -> Any:
        builder = self.repo.TreeBuilder()
        builder.insert(FILE, self._blob(message), pygit2.enums.FileMode.BLOB)
        return builder.write()

    def _commit(self, tree: Any, parent: Any, ref: str | None) -> Any:
        who = pygit2.Signature("a", "a@example.com", 1_700_000_000, 0)
        return self.repo.create_commit(ref, who, who, "", tree, [] if parent is None else [parent])

    def append(self, message: Message) -> bool:
        self.tip = self._commit(self._tree(message), self.tip, self.branch)
        self.places.append(str(self.tip))
        return True

    def load(self) -> list[Message]:
        return self._read(self.tip)

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self._read(place)

    def _read(self, at: Any) -> list[Message]:
        repo = self.repo
        found = []
        while at is not None:
            commit = repo[at]
            found.append(json.loads(repo[repo[commit.tree_id][0].id].data))
            at = commit.parent_ids[0] if commit.parent_ids else None
        return found[::-1]

    def fork(self, name: str) -> bool:
        self.repo.references.create("refs/heads/" + name, self.tip)
        return True

    def switch(self, name: str) -> bool:
        self.branch = "refs/heads/" + name
        self.repo.set_head(self.branch)
        self.tip = self._target()
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        trees = [self.repo[id].tree_id for id in places[number + 1 :]]
        at = self._commit(self._tree(message), places[number - 1], None)
        for tree in trees:
            at = self._commit(tree, at, None)
        self.repo.references.get(self.branch).set_target(at)
        self.tip = at
        return True

    def gc(self) -> bool:
        return collect(self.folder)


class TreePeer(ChainPeer):
    """A folder of folders: message 1234 is ``0012/0034``."""

    lacks = "a commit writes three trees' worth of names"

    def begin(self) -> None:
        self.number = len(self.load()) if self.tip is not None else 0
        self.folders: dict[str, Any] = {}

    def _put(self, number: int, message: Message) -> Any:
        """The tree of HEAD with *message* at *number*."""
        folder, name = f"{number // _WIDTH:04}", f"{number % _WIDTH:04}"
        top = self.repo[self.repo[self.tip].tree_id] if self.tip is not None else None
        inner = self.repo.TreeBuilder(top[folder]) if top is not None and folder in top else self.repo.TreeBuilder()
        inner.insert(name, self._blob(message), pygit2.enums.FileMode.BLOB)
        outer = self.repo.TreeBuilder(top) if top is not None else self.repo.TreeBuilder()
        outer.insert(folder, inner.write(), pygit2.enums.FileMode.TREE)
        return outer.write()

    def append(self, message: Message) -> bool:
        self.tip = self._commit(self._put(self.number, message), self.tip, self.branch)
        self.number += 1
        self.places.append(str(self.tip))
        return True

    def _read(self, at: Any) -> list[Message]:
        repo = self.repo
        return [json.loads(blob.data) for folder in repo[repo[at].tree_id] for blob in folder]

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        self.tip = self._commit(self._put(number, message), self.tip, self.branch)
        return True
