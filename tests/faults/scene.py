"""A store that faults happen to, what was acknowledged of it, and what must hold of it afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tract.storage.database
from tests.making import Letters
from tract import Priority, Tract, TractConfig
from tract.cli.console import Console
from tract.cli.main import main
from tract.errors import TractError
from tract.storage.locks import FileLock

CONFIG = TractConfig(author="tester")
LARGE = "large " * 2000

# What may be left behind without harm: the next writer or gc sees to it.
LEFT_BEHIND = {"torn-end", "mark-damaged", "ref-file-behind", "ref-file-missing", "ref-file-damaged", "index-missing"}
LEFT_BEHIND |= {"journal-length"}  # gc on a full disk gives back the zeros at its end
LEFT_BEHIND |= {"counts-damaged"}  # a cache that ends in half a row, which the next reader throws away


def opened(folder: Path, **options: Any) -> Tract:
    return Tract.open(folder, tokenizer=Letters(), **{"on_moved": "append", **options})


class CommandError(TractError):
    """A command that said what failed."""


def command(folder: Path, *argv: str, stdin: bytes = b"") -> str:
    """What a command prints; CommandError when it failed with a message for people."""
    out, err = io.StringIO(), io.StringIO()
    reader = io.TextIOWrapper(io.BytesIO(stdin))
    console = Console(stdin=reader, stdout=out, stderr=err, environ={}, folder=str(folder))
    status = main(argv, console=console)
    said = err.getvalue()
    assert "internal error" not in said, said
    assert "the output cannot be written" not in said, said
    if status:
        assert said.startswith("tract: ") or argv[0] == "fsck", (status, said, out.getvalue())
        raise CommandError(said or out.getvalue())
    return out.getvalue()


# The store that each fault happens to


@dataclass
class Scene:
    """A store in *folder* with handle *tract* on it, and the texts of main's history that were acknowledged, oldest first; *unsure* ones may be there or not."""

    folder: Path
    texts: list[str]
    commits: list[str]
    tract: Tract | None = None
    unsure: set[str] = field(default_factory=set)
    durability: str = "full"

    @property
    def handle(self) -> Tract:
        assert self.tract is not None
        return self.tract

    def say(self, *texts: str) -> None:
        """Commit, and remember what was acknowledged."""
        self.unsure.update(texts)
        if len(texts) == 1:
            self.handle.user(texts[0])
        else:
            self.handle.extend({"role": "user", "content": text} for text in texts)
        self.acknowledge(*texts)

    def acknowledge(self, *texts: str) -> None:
        self.texts.extend(texts)
        self.unsure.difference_update(texts)


def make_template(folder: Path) -> Scene:
    """A store with packs, a loose object, a journal, notes, a tag, branches, another tract, and something for gc."""
    texts = [f"message {number}" for number in range(12)]
    with opened(folder, config=CONFIG, durability="process") as t:
        commits = [t.user(text).commit_hash for text in texts]
        t.user(LARGE)
        texts.append(LARGE)
        t.annotate(commits[2], Priority.SKIP)
        t.tag("v1", commits[4])
        command(folder, "update-ref", "refs/heads/draft", "HEAD")
        command(folder, "symbolic-ref", "HEAD", "refs/heads/draft")
        t.user("on a draft")
        command(folder, "symbolic-ref", "HEAD", "refs/heads/main")
        t.gc(orphan_retention_days=0)
        command(folder, "update-ref", "-d", "refs/heads/draft")
        texts.append("after the gc")
        t.user("after the gc")
        with opened(folder, tract_id="helper", durability="process") as other:
            other.user("another tract")
        t.compile()
    return Scene(folder, texts, commits)


def open_handle(scene: Scene) -> None:
    scene.tract = opened(scene.folder, durability=scene.durability)


@contextmanager
def small_journals(limit: int) -> Iterator[None]:
    before = tract.storage.database.JOURNAL_LIMIT
    tract.storage.database.JOURNAL_LIMIT = limit
    try:
        yield
    finally:
        tract.storage.database.JOURNAL_LIMIT = before


def text_of(value: dict[str, Any]) -> str:
    return str(value["message"]["content"] if "message" in value else value["text"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that stays behind is found out at once."""
    assert FileLock.acquire.__kwdefaults__ is not None
    monkeypatch.setitem(FileLock.acquire.__kwdefaults__, "timeout", 0.5)
