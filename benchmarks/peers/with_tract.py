"""tract itself, through its public interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.peers.peer import Durability, Message, Peer
from tract import Tract


class TractPeer(Peer):
    """A commit a message, and its tokens counted before the next."""

    lacks = ""
    durability: ClassVar[dict[Durability, str]] = {"process": "written", "full": "written, one fdatasync"}
    most = 1_000_000
    counts = True

    def open(self, folder: str, durability: Durability) -> None:
        self.tract = Tract.open(folder, durability=durability)

    def close(self) -> None:
        self.tract.close()

    def append(self, message: Message) -> bool:
        info = self.tract.commit(message)
        if self.counts:
            _ = info.token_count
        self.places.append(info.commit_hash)
        return True

    def append_many(self, messages: Sequence[Message]) -> bool:
        infos = self.tract.extend(messages)
        if self.counts:
            for info in infos:
                _ = info.token_count
        self.places += [info.commit_hash for info in infos]
        return True

    def load(self) -> list[Message]:
        return self.tract.compile().to_openai()

    def load_at(self, number: int, place: str | None) -> list[Message]:
        return self.tract.compile(at_commit=place).to_openai()

    def fork(self, name: str) -> bool:
        self.tract.branch(name)
        return True

    def switch(self, name: str) -> bool:
        self.tract.switch(name)
        return True

    def edit(self, number: int, places: Sequence[str], message: Message) -> bool:
        self.tract.edit(places[number], message)
        return True

    def gc(self) -> bool:
        self.tract.gc()
        return True


class UncountedPeer(TractPeer):
    """The same without asking for the tokens, which are counted when somebody asks."""

    lacks = "the tokens are counted later"
    counts = False
