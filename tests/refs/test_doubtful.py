"""Which refs a handle shows for others: those of writers that died before they showed what they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.making import say
from tract.objects.model import RefChange
from tract.opening import memory_repository
from tract.refs.operations import OperationRefs
from tract.refs.store import RefEdit
from tract.storage.store import ObjectStore


class Board:
    """A mirror in memory that handles share; *looked* are the refs somebody looked at."""

    def __init__(self) -> None:
        self.shown: dict[str, object] = {}
        self.looked: list[str] = []

    def write(self, changes: Sequence[RefChange], *, sure: bool = True) -> None:
        for name, _, new in changes:
            self.shown[name] = new

    def names(self) -> Iterator[str]:
        return iter([name for name, value in self.shown.items() if value is not None])

    def shows(self, change: RefChange) -> bool:
        self.looked.append(change.name)
        return self.shown.get(change.name) == change.new

    def check_against(self, store: ObjectStore, names: Sequence[str]) -> None:
        """Nothing is lost in memory."""

    def check_held(self, refs: OperationRefs, names: Sequence[str]) -> None:
        """The same."""

    def close(self) -> None:
        """Nothing is open."""


class Others:
    """A store with one handle that has looked at all refs, and others, which show what they do or die before."""

    def __init__(self) -> None:
        self.repo = memory_repository()
        self.ids = [say(self.repo, text) for text in "abcdef"]
        self.board = Board()
        self.here = self.handle()
        self.move(self.here, {"refs/tags/first": 0})

    def handle(self, *, dies: bool = False) -> OperationRefs:
        return OperationRefs(self.repo.objects, actor="tester", mirror=None if dies else self.board)  # type: ignore[arg-type]

    def move(self, refs: OperationRefs, moves: dict[str, int | None]) -> None:
        edits = [RefEdit(name, None if at is None else self.ids[at]) for name, at in moves.items()]
        refs.update(edits, reason="move")

    def behind(self) -> set[str]:
        return {name for name, value in self.here.list() if self.board.shown.get(name) != value and "tags" in name}


@pytest.fixture
def others() -> Others:
    return Others()


def test_all_that_dead_writers_moved_is_shown_by_the_next_write(others: Others) -> None:
    for number, moves in enumerate(({"refs/tags/a": 1, "refs/tags/b": 2}, {"refs/tags/c": 3}, {"refs/tags/a": 4})):
        others.move(others.handle(dies=True), {**moves, f"refs/tags/x{number}": 1})

    others.move(others.here, {"refs/tags/last": 5})

    assert set() == others.behind()


def test_what_is_known_to_be_behind_stays_so_until_it_is_written(others: Others) -> None:
    others.move(others.handle(dies=True), {"refs/tags/a": 1})
    others.here.refresh()
    others.move(others.handle(dies=True), {"refs/tags/b": 2})
    others.here.refresh()

    others.move(others.here, {"refs/tags/last": 5})

    assert set() == others.behind()


def test_who_showed_their_own_showed_all_before_it_and_one_look_is_enough(others: Others) -> None:
    for at in range(20):
        others.move(others.handle(), {f"refs/tags/n{at}": 1})
    others.board.looked.clear()

    others.here.refresh()

    assert ["refs/tags/n19"] == others.board.looked


def test_what_another_writer_showed_since_is_no_longer_in_doubt(others: Others) -> None:
    others.move(others.handle(dies=True), {"refs/tags/a": 1})
    others.here.refresh()
    others.move(others.handle(), {"refs/tags/b": 2})  # it looks at all, and shows that of the dead one too
    others.here.refresh()
    others.board.looked.clear()

    others.move(others.here, {"refs/tags/last": 5})

    assert [] == others.board.looked


def test_what_came_behind_somebody_who_showed_theirs_is_in_doubt_by_itself(others: Others) -> None:
    others.move(others.handle(dies=True), {"refs/tags/a": 1})
    others.move(others.handle(), {"refs/tags/b": 2})
    others.move(others.handle(dies=True), {"refs/tags/c": 3})

    others.move(others.here, {"refs/tags/last": 5})

    assert set() == others.behind()


def test_among_many_operations_all_of_dead_writers_are_found(others: Others) -> None:
    """More than come between two keyframes."""
    dead = others.handle(dies=True)
    for at in range(300):
        others.move(dead, {f"refs/tags/n{at % 7}": at % 6})

    others.move(others.here, {"refs/tags/last": 5})

    assert set() == others.behind()


def test_the_last_change_that_is_shown_tells_of_all_others_of_its_operation(others: Others) -> None:
    dead = {"refs/tags/a": 1, "refs/tags/b": 2, "refs/tags/z": 3}
    others.move(others.handle(dies=True), dead)
    others.board.shown["refs/tags/a"] = others.ids[1]  # it died behind its first line

    others.move(others.here, {"refs/tags/last": 5})

    assert set() == others.behind()
