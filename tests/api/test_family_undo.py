"""Undoing what was done with children: a spawn takes its child along, and a collapse leaves the link open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making import Words, texts
from tract import Session, SessionError, Tract, TractConfig, TractError
from tract.maintenance.fsck.check import check_repository


@pytest.fixture(params=["memory", "disk", "root"])
def lead(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tract]:
    place = ":memory:" if request.param == "memory" else tmp_path
    with Session.open(place, durability="process", tokenizer=Words()) as session:
        lead = session.get_tract("root") if request.param == "root" else session.create_tract("lead")
        lead.user("a")
        lead.assistant("b")
        yield lead
    if request.param != "memory":
        assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def tracts(lead: Tract) -> list[str]:
    return [prefix for prefix, _, _ in lead.repository.refs.tracts() if lead.repository.refs.read(prefix + "HEAD")]


def test_a_spawn_undone_takes_its_child_along_and_comes_back(lead: Tract) -> None:
    before = tracts(lead)
    child = lead.spawn("look", name="child", config=TractConfig(display_name="Looker"))
    made = tracts(lead)

    plan = lead.undo()

    assert ("spawn: child", ["a", "b"]) == (plan.reason, texts(lead))
    assert (before, []) == (tracts(lead), lead.children())
    for use in (lambda: child.user("x"), child.compile, lambda: child.head):
        with pytest.raises(SessionError, match="no tract named 'child' any more"):
            use()

    lead.redo()
    assert (made, ["open"]) == (tracts(lead), [one.status for one in lead.children()])
    assert (["a", "b"], ["Looker"]) == (texts(child), [one.display_name for one in lead.children()])


def test_a_spawn_whose_child_did_something_is_not_undone(lead: Tract) -> None:
    child = lead.spawn("look", name="child")
    child.user("c")
    before = dict(lead.repository.refs.list())

    with pytest.raises(TractError, match="'spawn: child' cannot be undone: tract 'child' has done something since"):
        lead.undo()
    with pytest.raises(TractError, match="has done something since"):
        lead.undo(2)

    assert before == dict(lead.repository.refs.list())


def test_what_a_child_only_noted_goes_with_it(lead: Tract) -> None:
    child = lead.spawn("look", name="child")
    child.record_usage({"input_tokens": 3, "output_tokens": 1})

    lead.undo()

    assert [] == [name for name, _ in lead.repository.refs.list("tracts/child/")]


def test_spawns_are_undone_one_after_the_other(lead: Tract) -> None:
    before = tracts(lead)
    lead.spawn("one", name="one")
    lead.user("c")
    lead.spawn("two", name="two")

    lead.undo(2)
    assert (["one"], ["a", "b"]) == ([one.child_tract_id for one in lead.children()], texts(lead))
    lead.undo()
    lead.undo()
    assert (before, ["a"]) == (tracts(lead), texts(lead))
    lead.redo(4)
    assert (["one", "two"], ["a", "b", "c"]) == ([one.child_tract_id for one in lead.children()], texts(lead))


def test_a_spawn_of_a_child_that_was_deleted_since_is_undone_all_the_same(lead: Tract) -> None:
    lead.spawn("look", name="child")
    lead.repository.refs.update(
        [(name, None, value) for name, value in lead.repository.refs.list("tracts/child/")], reason="delete"
    )

    lead.undo()

    assert (["a", "b"], []) == (texts(lead), lead.children())


def test_a_spawn_is_not_redone_over_another_tract_of_that_name(lead: Tract) -> None:
    lead.spawn("look", name="child")
    lead.undo()
    Session(lead.repository).create_tract("child")

    with pytest.raises(TractError, match="'spawn: child' cannot be redone: there is another tract 'child'"):
        lead.redo()


def test_a_collapse_undone_leaves_the_link_open(lead: Tract) -> None:
    child = lead.spawn("look", name="child")
    child.assistant("found")
    lead.collapse(child, content="It was found.")
    assert ["collapsed"] == [one.status for one in lead.children()]

    lead.undo()

    assert (["open"], ["a", "b"]) == ([one.status for one in lead.children()], texts(lead))
    assert ["a", "b", "found"] == texts(child)
    lead.redo()
    assert ["collapsed"] == [one.status for one in lead.children()]
    lead.undo()
    lead.collapse(child, content="It was found again.")
    assert "It was found again." in texts(lead)[-1]
