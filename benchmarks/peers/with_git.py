"""git: a process a commit, and ``fast-import``, which takes a whole history as one stream.

Both keep a chain: each commit's tree has one file, the message as JSON. It is the smallest and fastest shape; a conversation is read by walking the commits.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.peers.peer import Durability, Message, Peer

FILE = "message"
ENVIRONMENT = {
    **os.environ,
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
}  # fmt: skip


def git(folder: str, *words: str, data: bytes | None = None) -> bytes:
    """What git says, in *folder*."""
    return subprocess.run(
        ["git", *words], cwd=folder, env=ENVIRONMENT, input=data, stdout=subprocess.PIPE, check=True
    ).stdout


def read_chain(folder: str, tip: str) -> list[Message]:
    """The messages of the commits up to *tip*, by two processes."""
    commits = git(folder, "rev-list", "--first-parent", "--reverse", tip).splitlines()
    out = git(folder, "cat-file", "--batch", data=b"".join(b"%s:%s\n" % (id, FILE.encode()) for id in commits))
    found: list[Message] = []
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        found.append(json.loads(out[end + 1 : end + 1 + size]))
        at = end + size + 2
    return found


def collect(folder: str) -> bool:
    """``git gc --aggressive``, nothing unreachable kept."""
    git(folder, "reflog", "expire", "--expire=now", "--all")
    git(folder, "gc", "-q", "--aggressive", "--prune=now")
    return True


class GitPeer(Peer):
    lacks = "a process a commit; no edits but by rewriting what follows (not done here)"
    durability: ClassVar[dict[Durability, str]] = {"process": "core.fsync=none", "full": "core.fsync=all"}
    most = 1_000
    why_most = "some 10 ms each"

    def open(self, folder: str, durability: Durability) -> None:
        self.folder = folder
        if not os.path.exists(os.path.join(folder, ".git")):
            git(folder, "init", "-q", "-b", "main")
            git(folder, "config", "core.fsync", "all" if durability == "full" else "none")
            git(folder, "config", "gc.auto", "0")
            with open(os.path.join(folder, FILE), "w"):
                pass
            git(folder, "add", FILE)

    def append(self, message: Message) -> bool:
        with open(os.path.join(self.folder, FILE), "w") as file:
            file.write(json.dumps(message, ensure_ascii=False))
        git(self.folder, "commit", "-q", "-a", "--allow-empty-message", "-m", "")
        return True

    def load(self) -> list[Message]:
        return read_chain(self.folder, "HEAD")

    def load_at(self, number: int, place: str | None) -> list[Message]:
        back = int(git(self.folder, "rev-list", "--count", "HEAD")) - number
        return read_chain(self.folder, f"HEAD~{back}")

    def fork(self, name: str) -> bool:
        git(self.folder, "branch", name)
        return True

    def switch(self, name: str) -> bool:
        git(self.folder, "switch", "-q", name)
        return True

    def gc(self) -> bool:
        return collect(self.folder)


class FastImportPeer(Peer):
    lacks = "one stream, no commit by itself"
    durability: ClassVar[dict[Durability, str]] = {
        "process": "core.fsync=none",
        "full": "git's default: the pack synced at the end",
    }

    def open(self, folder: str, durability: Durability) -> None:
        self.folder = folder
        self._is_new = not os.path.exists(os.path.join(folder, "HEAD"))
        if self._is_new:
            git(folder, "init", "-q", "--bare", "-b", "main")
            if durability == "process":
                git(folder, "config", "core.fsync", "none")

    def append_many(self, messages: Sequence[Message]) -> bool:
        stream = [b"feature done\n"]
        begins = b"" if self._is_new else b"from refs/heads/main^0\n"
        self._is_new = False
        for at, message in enumerate(messages):
            data = json.dumps(message, ensure_ascii=False).encode()
            stream.append(
                b"commit refs/heads/main\ncommitter a <a@example.com> %d +0000\ndata 0\n%sM 100644 inline %s\ndata %d\n%s\n"
                % (1_700_000_000 + at, begins, FILE.encode(), len(data), data)
            )
            begins = b""
        git(self.folder, "fast-import", "--quiet", data=b"".join([*stream, b"done\n"]))
        return True

    def load(self) -> list[Message]:
        return read_chain(self.folder, "main")

    def load_at(self, number: int, place: str | None) -> list[Message]:
        back = int(git(self.folder, "rev-list", "--count", "main")) - number
        return read_chain(self.folder, f"main~{back}")

    def fork(self, name: str) -> bool:
        git(self.folder, "branch", name)
        return True

    def switch(self, name: str) -> bool:
        git(self.folder, "symbolic-ref", "HEAD", f"refs/heads/{name}")
        return True

    def gc(self) -> bool:
        return collect(self.folder)
