"""Names of refs that cannot stand beside each other, told without looking at all of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.errors import RefNameError
from tract.objects.model import Commit, CommitOperation, new_commit
from tract.refs.operations import OperationRefs, first_operation
from tract.refs.store import RefEdit
from tract.refs.table import NameTable
from tract.storage.memory import MemoryStore

COMMIT = new_commit(Commit(CommitOperation.APPEND, (), None, None, None, (), 1, 0, "a"))
NAMES = st.lists(st.sampled_from("aAbß"), min_size=1, max_size=3).map("/".join)


def clashes(name: str, others: set[str]) -> bool:
    """As one finds it by looking at all of them."""
    folded = name.casefold()
    for other in others - {name}:
        beside = other.casefold()
        if beside == folded or beside.startswith(folded + "/") or folded.startswith(beside + "/"):
            return True
    return False


def is_refused(table: NameTable, name: str) -> bool:
    try:
        table.check(name)
    except RefNameError:
        return True
    return False


@given(st.lists(st.tuples(st.booleans(), NAMES), max_size=12), NAMES)
def test_the_table_tells_what_looking_at_all_names_tells(steps: list[tuple[bool, str]], asked: str):
    table = NameTable()
    names: set[str] = set()
    for comes, name in steps:
        (table.add if comes else table.remove)(name)
        (names.add if comes else names.discard)(name)

    assert clashes(asked, names) == is_refused(table, asked)


def make_refs() -> OperationRefs:
    store = MemoryStore()
    store.append((), first_operation((), actor="a"), keyframe=True)
    return OperationRefs(store, actor="a")


def head(name: str) -> str:
    return f"refs/heads/{name}"


def test_twenty_thousand_refs_are_made_at_once_in_a_moment():
    refs = make_refs()
    edits = [RefEdit(head(f"b{at}"), COMMIT.id, None) for at in range(20_000)]
    start = time.perf_counter()

    refs.update(edits, reason="many", objects=[COMMIT])

    assert 20_000 == len(refs.list())
    assert time.perf_counter() - start < 3  # it took minutes when every name was held against every other


def test_names_of_one_transaction_are_held_against_each_other_and_a_refusal_leaves_no_trace():
    refs = make_refs()
    refs.update([RefEdit(head("old"), COMMIT.id, None)], reason="first", objects=[COMMIT])

    for pair in (("a", "a/b"), ("a/b", "a"), ("a", "A"), ("new", "OLD/x")):
        with pytest.raises(RefNameError):
            refs.update([RefEdit(head(name), COMMIT.id, None) for name in pair], reason="clash")

    refs.update([RefEdit(head(name), COMMIT.id, None) for name in ("a/b", "new")], reason="fine")
    assert [head("a/b"), head("new"), head("old")] == [name for name, _ in refs.list()]


def test_a_name_is_free_for_its_folder_when_it_goes_in_the_same_transaction():
    refs = make_refs()
    refs.update([RefEdit(head("a"), COMMIT.id, None)], reason="first", objects=[COMMIT])

    refs.update([RefEdit(head("a"), None, COMMIT.id), RefEdit(head("a/b"), COMMIT.id, None)], reason="swap")

    assert [head("a/b")] == [name for name, _ in refs.list()]
    with pytest.raises(RefNameError, match=f"ref '{head('A')}' cannot be beside ref '{head('a/b')}'"):
        refs.update([RefEdit(head("A"), COMMIT.id, None)], reason="clash")
