"""What most tests need: counters without a vocabulary, a tract or repository with some messages in it, and the texts a model would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tract import CompiledContext, Session, Tract
from tract.config import TractConfig
from tract.history.commit import Draft, write_commits
from tract.history.context import context_at, entries
from tract.history.moves import RefMove, move_refs
from tract.maintenance.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.opening import memory_repository
from tract.refs.store import ANY, Expected
from tract.repo import Repository


class Words:
    """One token a word; a message of n words has 3 + 1 + n tokens, and what begins the answer has 3."""

    name = "words"

    def count(self, text: str) -> int:
        return len(text.split())


class Letters:
    """One token a character."""

    name = "letters"

    def count(self, text: str) -> int:
        return len(text)


def make_tract(*said: str, path: Any = ":memory:", **options: Any) -> Tract:
    """A tract with a message of the user for each text."""
    defaults = {
        "config": TractConfig(author="tester"),
        "tokenizer": Words(),
        "verify_cache": True,
        "durability": "process",
    }
    t = Tract.open(path, **{**defaults, **options})
    for text in said:
        t.user(text)
    return t


def texts(seen: Tract | CompiledContext, **options: Any) -> list[Any]:
    """The content of each message that the model is shown; *options* are those of ``compile``."""
    context = seen.compile(**options) if isinstance(seen, Tract) else seen
    return [message.content for message in context.messages]


def reopen(path: Any) -> Tract:
    """The tract in a folder once more; it writes what a process that dies would leave."""
    return Tract.open(path, tokenizer=Words(), durability="process")


def conversation() -> Tract:
    """A tract with instructions, a question and an answer."""
    t = make_tract()
    t.system("be terse")
    t.user("one two three")
    t.assistant("four")
    return t


def roles_and_texts(t: Tract) -> list[tuple[str, Any]]:
    """Who said it, and what: each message that the model is shown."""
    return [(message.role, message.content) for message in t.compile().messages]


def assert_whole(path: Path) -> None:
    """fsck finds nothing in the store of the folder *path*, not even a note."""
    assert () == tuple(check_repository(str(path / ".tract")).problems)


def assert_clean(path: Path) -> None:
    """fsck finds nothing in the store of the folder *path* that is worse than a note."""
    assert [] == [one for one in check_repository(str(path / ".tract")).problems if one.severity != "note"]


def call(*ids: str, text: str | None = None) -> dict[str, Any]:
    """An assistant's message in OpenAI's chat format that calls the tool ``f`` once for each id."""
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def make_repo(*said: str) -> tuple[Repository, list[ObjectId]]:
    """A repository in memory with a commit for each text, and the ids of the commits."""
    repo = memory_repository(config=TractConfig(author="tester"))
    return repo, [say(repo, text) for text in said]


def say(repo: Repository, text: str, **fields: Any) -> ObjectId:
    """Commit *text* as the user's; *fields* are those of :class:`Draft`."""
    return write_commits(repo, [Draft({"content_type": "dialogue", "role": "user", "text": text}, **fields)])[-1]


def texts_in(repo: Repository, at: ObjectId | None = None) -> list[str]:
    """The text of each message of the context at *at*, or at HEAD; hidden ones too."""
    return [repo.blob(blob)["text"] for _, blob in entries(repo, context_at(repo, at or repo.head()[1]))]


def family(session: Session, *work: str) -> tuple[Tract, Tract]:
    """A parent of three messages and a child that did *work*."""
    lead = session.create_tract("lead")
    for text in ("one", "two", "three"):
        lead.user(text)
    child = lead.spawn("look", name="x")
    for text in work:
        child.assistant(text)
    return lead, child


def move_ref(repo: Repository, name: str, new: ObjectId | None, *, expected: Expected = ANY, reason: str) -> None:
    """Put the ref *name* on *new*, or delete it, in an operation of its own."""
    move_refs(repo, [RefMove(name, new, expected)], reason=reason)


def classes_in(path: Path) -> list[type[Any]]:
    """The classes that the module of tract at *path* declares."""
    parts = path.relative_to(Path(__file__).resolve().parents[1]).with_suffix("").parts
    module = __import__(".".join(part for part in parts if part != "__init__"), fromlist=["_"])
    return [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
