"""dulwich: git in Python, a chain with one message in each commit's tree."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, ClassVar

from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo

from benchmarks.peers.peer import Durability, Message, Peer
from benchmarks.peers.with_git import FILE, collect


class DulwichPeer(Peer):
    lacks = "an edit is new commits for all that follows; a ref's move is synced in any case"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "refs synced, objects not",
        "full": "core.fsyncObjectFiles",
    }
    most = 10_000
    why_most = "12 KiB of files a commit"

    def open(self, folder: str, durability: Durability) -> None:
        self.folder = folder
        if not os.path.exists(os.path.join(folder, "HEAD")):
            made = Repo.init_bare(folder)
            if durability == "full":
                config = made.get_config()
                config.set((b"core",), b"fsyncObjectFiles", True)
                config.write_to_path()
            made.close()
        self.repo = Repo(folder)
        self.repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
        self.branch = b"refs/heads/main"
        self.tip = self._target()

    def close(self) -> None:
        self.repo.close()

    def _target(self) -> Any:
        try:
            return self.repo.refs[self.branch]
        except KeyError:
            return None

    def _tree(self, message: Message) -> Any:
        blob = Blob.from_string(json.dumps(message, ensure_ascii=False).encode())
        tree = Tree()
        tree.add(FILE.encode(), 0o100644, blob.id)
        self.repo.object_store.add_object(blob)
        self.repo.object_store.add_object(tree)
        return tree.id

    def _commit(self, tree: Any, parent: Any) -> Any:
        commit = Commit()
        commit.tree = tree
        commit.parents = [] if parent is None else [parent]
        commit.author = commit.committer = b"a <a@example.com>"
        commit.author_time = commit.commit_time = 1_700_000_000
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b""
        self.repo.object_store.add_object(commit)
        return commit.id

    def append(self, message: Message) -> bool:
        made = self._commit(self._tree(message), self.tip)
        self.repo.refs.set_if_equals(self.branch, self.tip, made)
        self.tip = made
        self.places.append(made.decode())
        return True

    def load(self) -> list[Message]:
        return self._read(self.tip)

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self._read((place or "").encode())

    def _read(self, at: Any) -> list[Message]:
        store: Any = self.repo.object_store
        found = []
        while at is not None:
            commit = store[at]
            _, id = store[commit.tree][FILE.encode()]
            found.append(json.loads(store[id].data))
            at = commit.parents[0] if commit.parents else None
        return found[::-1]

    def fork(self, name: str) -> bool:
        self.repo.refs[b"refs/heads/" + name.encode()] = self.tip
        return True

    def switch(self, name: str) -> bool:
        self.branch = b"refs/heads/" + name.encode()
        self.repo.refs.set_symbolic_ref(b"HEAD", self.branch)
        self.tip = self._target()
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        store: Any = self.repo.object_store
        trees = [store[id.encode()].tree for id in places[number + 1 :]]
        at = self._commit(self._tree(message), places[number - 1].encode())
        for tree in trees:
            at = self._commit(tree, at)
        self.repo.refs.set_if_equals(self.branch, self.tip, at)
        self.tip = at
        return True

    def gc(self) -> bool:
        return collect(self.folder)
