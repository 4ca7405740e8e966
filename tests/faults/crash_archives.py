"""Workloads that compress, and whose gc takes what the compressions left behind.

main    ─ a b c d e ─ C1 ─ … ─ C2 ─ …     pins stay, a tag keeps its history, C1 and C2 lose theirs
aside     └─ x y ─ C3                     a second branch, with compressions of its own
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.crash_recording import Life, Look, Shown
from tract.api.tract import Tract
from tract.curation.compress.result import PendingCompression
from tract.history.notes import PRIORITY, note_history
from tract.maintenance.gc.options import read_options
from tract.maintenance.gc.plan import plan_gc
from tract.maintenance.gc.run import run_gc
from tract.refs.names import HEADS, TAGS
from tract.storage.store import Durability

_SHORT = 1e-6
"""Days that a workload lives through while it says a few things."""


def shown_everywhere(tract: Tract) -> Shown:
    """The context at HEAD and of every branch and tag, byte for byte, how far a tag's history goes back, and what is pinned."""
    return tuple(_lines(tract))


def shown_and_waiting(tract: Tract) -> Shown:
    """The same, and the compressions that wait for their review; these are synced even where nothing else is."""
    there = tract.compile().commit_hashes
    # One whose messages are gone was approved: its file goes after that.
    waiting = (one for one in tract.pending_compressions() if one.parts[0].first in there)
    return (*_lines(tract), *(f"waiting {one.id} {one.text}" for one in waiting))


def _lines(tract: Tract) -> Iterator[str]:
    repo = tract.repository
    yield _context(tract, None)
    for name, _ in repo.refs.list():
        if name.startswith((HEADS, TAGS)):
            yield f"{name} {_context(tract, name)}"
        if name.startswith(TAGS):
            yield f"{name} goes back {len(tract.log(None, start=name))}"
    newest: dict[str, object] = {}
    for note in note_history(repo, PRIORITY):
        newest.setdefault(note.target.hex(), note.body["priority"])
    for id in sorted(id for id, priority in newest.items() if priority == "pinned"):
        yield f"pinned {id} {tract.get_content(id)}"


def _context(tract: Tract, revision: str | None) -> str:
    compiled = tract.compile(at_commit=revision)
    return json.dumps([*compiled.commit_hashes, *compiled.to_openai()])


class _Agent:
    """A tract that notes every step it takes."""

    def __init__(self, life: Life, tract: Tract, durability: Durability) -> None:
        self.life = life
        self.tract = tract
        self.durability: Durability = durability

    def did(self, _: object) -> None:
        self.life.done(self.tract, self.durability)

    def say(self, count: int) -> list[str]:
        """Say so many things; their ids."""
        said = []
        for _ in range(count):
            said.append(self.tract.user(self.life.text(240)).commit_hash)
            self.did(None)
        return said

    def pin(self, id: str) -> None:
        self.did(self.tract.annotate(id, "pinned"))

    def compress(self, text: str, **options: Any) -> None:
        self.did(self.tract.compress(content=text, **options))

    def compress_after_review(self, text: str) -> None:
        pending = self.tract.compress(content=text, auto_commit=False, keep_recent=1)
        self.did(None)
        assert isinstance(pending, PendingCompression)
        self.did(self.tract.approve_compression(pending))

    def collect(self, by: Tract, days: float, meanwhile: Callable[[], object]) -> None:
        """A gc of archives older than so many *days*, by another handle; something happens between its plan and its run."""
        with by.repository.objects.maintenance():  # type: ignore[attr-defined]
            plan = plan_gc(by.repository, read_options(by.repository, orphans=0, archives=days))
            meanwhile()
            run_gc(by.repository, plan)
        self.life.done(by, "full")


def life_with_archives(life: Life, durability: Durability) -> None:
    """A long conversation on two branches, compressed and collected over and over."""
    tract, other = life.open(durability), life.open("full")
    agent = _Agent(life, tract, durability)
    first = agent.say(4)
    agent.pin(first[1])
    agent.did(tract.tag("audited", first[2]))
    agent.did(tract.branch("aside", source=first[3]))
    agent.compress("the first four, in short", keep_recent=1)
    agent.pin(first[2])  # summed up already: only its message stays
    agent.collect(other, _SHORT, lambda: agent.say(1))
    second = agent.say(2)
    agent.did(tract.edit(second[0], "the same, said better"))
    agent.compress_after_review("all of it, in short")
    agent.did(tract.switch("aside"))
    agent.say(2)
    agent.compress("aside, in short", keep_recent=1)
    agent.collect(other, 0.0, lambda: agent.say(1))
    agent.did(tract.switch("main"))
    agent.say(2)
    agent.compress("once more", keep_recent=1)
    agent.did(tract.delete_tag("audited"))
    agent.collect(other, 0.0, lambda: agent.did(tract.expand("HEAD")))
    agent.say(1)
    agent.compress("and at last", keep_recent=1)
    agent.did(tract.delete_branch("aside", force=True))
    agent.collect(other, 0.0, lambda: None)
    agent.say(1)
    life.close(tract)
    life.close(other)


def life_with_archives_that_ends_early(life: Life) -> None:
    """Two compressions, of which the second is cut off behind the first; to be killed in the middle of."""
    tract = life.open("full")
    agent = _Agent(life, tract, "full")
    first = agent.say(4)
    agent.pin(first[1])
    agent.did(tract.branch("aside", source=first[2]))
    agent.compress("the first four, in short", keep_recent=1)
    agent.collect(tract, 0.0, lambda: None)
    agent.say(2)
    agent.compress("all of it, in short", keep_recent=1)
    agent.did(tract.delete_branch("aside", force=True))
    agent.collect(tract, 0.0, lambda: None)
    tract.user("the end")


def life_after_archives(life: Life) -> None:
    """What another process does after that."""
    tract = life.open("full")
    agent = _Agent(life, tract, "full")
    agent.say(3)
    agent.compress("what the dead one left", keep_recent=1)
    agent.collect(tract, 0.0, lambda: None)
    agent.say(1)
    life.close(tract)


ARCHIVE_WORKLOADS: dict[str, tuple[Callable[[Life], None], Look]] = {
    "archives": (lambda life: life_with_archives(life, "full"), shown_and_waiting),
    "archives, process": (lambda life: life_with_archives(life, "process"), shown_everywhere),
}
"""Lives that go well, and what is looked at."""
