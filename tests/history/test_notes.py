"""Notes as events: what counts is the same wherever lists of notes were joined, in whatever order, and whatever the clocks said."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import make_repo, say
from tract.config import TractConfig
from tract.errors import ObjectCorruptError
from tract.history.batch import Batch
from tract.history.commit import Draft, write_commits
from tract.history.notes import (
    CONFIG,
    PRIORITY,
    REQUEST,
    USAGE,
    NewNote,
    NoteTable,
    note_history,
    note_tip,
    noted_entries,
    notes_between,
    write_note,
)
from tract.history.origins import notes_when_noted
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Refs, new_blob, new_commit
from tract.objects.note import left_standing, new_event, read_event
from tract.opening import memory_repository
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import EMPTY, append_entry

YEARS = 10 * 365 * 86_400 * 1_000_000
NOW = 1_700_000_000_000_000


class Clones:
    """Three clones of one store: one that shares its objects with the others, and has refs of its own."""

    def __init__(self) -> None:
        self.repo = memory_repository(config=TractConfig(author="tester"))
        self.targets = [say(self.repo, text) for text in "ab"]
        self.tips: dict[str, ObjectId | None] = dict.fromkeys("xyz")

    def write(self, clone: str, target: int, text: str, time: int) -> None:
        self._go(clone)
        write_note(self.repo, PRIORITY, NewNote(self.targets[target], {"n": text}, time), reason="note")
        self.tips[clone] = note_tip(self.repo, PRIORITY)

    def join(self, clone: str, other: str) -> None:
        self._go(clone)
        theirs = self.tips[other]
        known = {blob for _, blob in noted_entries(self.repo, self.tips[clone])}
        with transaction(self.repo, "fetch", moves="refs") as tx:
            for commit, blob in noted_entries(self.repo, theirs):
                if blob not in known:
                    known.add(blob)
                    tx.take_note(PRIORITY, commit, blob)
        self.tips[clone] = note_tip(self.repo, PRIORITY)

    def collect(self, clone: str) -> None:
        """Write the list anew, as gc does, without the notes before it."""
        self._go(clone)
        rows = list(noted_entries(self.repo, self.tips[clone]))
        self.tips[clone] = None
        self._go(clone)
        with transaction(self.repo, "gc", moves="refs") as tx:
            for commit, blob in rows:
                tx.take_note(PRIORITY, commit, blob)
        self.tips[clone] = note_tip(self.repo, PRIORITY)

    def state(self, clone: str) -> Mapping[ObjectId, object]:
        table = NoteTable()
        table.advance(self.repo, self.tips[clone])
        return {target: table.get(self.repo, target)["n"] for target in table.targets()}

    def _go(self, clone: str) -> None:
        with transaction(self.repo, "go", moves="refs") as tx:
            if note_tip(self.repo, PRIORITY) != self.tips[clone]:
                tx.move("refs/notes/priority", self.tips[clone])


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("xyz"), st.integers(0, 1), st.sampled_from([-YEARS, 0, 1, YEARS])),
        st.tuples(st.just("join"), st.sampled_from("xyz"), st.sampled_from("xyz")),
        st.tuples(st.just("collect"), st.sampled_from("xyz")),
    ),
    max_size=14,
)


def run(clones: Clones, made: list[tuple[object, ...]]) -> None:
    for number, step in enumerate(made):
        match step:
            case "write", str(clone), int(target), int(skew):
                clones.write(clone, target, str(number), NOW + number + skew)
            case "join", str(clone), str(other):
                clones.join(clone, other)
            case "collect", str(clone):
                clones.collect(clone)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_joining_is_commutative_associative_and_idempotent(made: list[tuple[object, ...]]) -> None:
    clones = Clones()
    run(clones, made)
    before = dict(clones.tips)

    found = []
    for order in (
        ["xy", "xz"],
        ["yx", "xy", "xz"],
        ["zy", "xz", "xz"],
        ["yz", "zx", "xy", "xz", "xy"],
        ["zx", "xz", "xy"],
    ):
        clones.tips = dict(before)
        for clone, other in order:
            clones.join(clone, other)
        clones.collect("x")
        found.append(clones.state("x"))

    assert all(state == found[0] for state in found)


@given(st.integers(-YEARS, YEARS), st.integers(-YEARS, YEARS))
def test_who_knew_of_a_note_has_the_last_word_whatever_the_clocks_say(first: int, second: int) -> None:
    clones = Clones()
    clones.write("x", 0, "early", NOW + first)
    clones.join("y", "x")
    clones.write("y", 0, "late", NOW + second)
    clones.join("x", "y")

    assert {clones.targets[0]: "late"} == clones.state("x") == clones.state("y")


def test_of_notes_that_knew_nothing_of_each_other_the_later_one_counts_and_one_that_saw_both_replaces_both() -> None:
    clones = Clones()
    clones.write("x", 0, "early", NOW)
    clones.write("y", 0, "late", NOW + 5)
    clones.join("x", "y")
    assert "late" == clones.state("x")[clones.targets[0]]

    clones.write("x", 0, "last", NOW - YEARS)

    assert "last" == clones.state("x")[clones.targets[0]]
    (last, *_) = note_history(clones.repo, PRIORITY, clones.targets[0])
    assert 2 == len(last.replaces)


def test_a_note_can_be_made_twice_in_one_transaction() -> None:
    repo: Repository = memory_repository()
    id = say(repo, "a")

    with transaction(repo, "twice", moves="refs") as tx:
        tx.note(PRIORITY, id, {"n": 1}, time=9)
        tx.note(PRIORITY, id, {"n": 2}, time=5)

    table = NoteTable()
    table.advance(repo, note_tip(repo, PRIORITY))
    assert {"n": 2} == table.get(repo, id)


def test_two_notes_that_say_the_same_are_two_events() -> None:
    made = [new_blob(new_event("priority", bytes(32), 5, "ada", (), {"n": 1})).id for _ in range(2)]

    assert 2 == len(set(made))


@pytest.mark.parametrize(
    ("key", "value"),
    [("target", "xyz"), ("time", "5"), ("time", 2**62), ("replaces", ["xyz"]), ("replaces", {}), ("body", []), ("author", None)],
)  # fmt: skip
def test_a_blob_that_says_no_note_is_damaged(key: str, value: object) -> None:
    event = new_event("priority", bytes(32), 5, "ada", (bytes(32),), {"n": 1})
    assert (bytes(32),) == read_event(bytes(32), event).replaces

    for damaged in (
        {**event, key: value},
        {name: item for name, item in event.items() if name != key},
        {**event, "more": 1},
    ):
        with pytest.raises(ObjectCorruptError):
            read_event(bytes(32), damaged)


def test_an_event_that_names_itself_is_not_out() -> None:
    id = bytes([1]) * 32
    event = read_event(id, new_event("priority", bytes(32), 5, "ada", (id,), {}))

    assert (id,) == left_standing({id: event})


def test_a_list_that_begins_with_several_notes_is_read_whole() -> None:
    repo, (first, second) = make_repo("a", "b")
    hidden = [new_blob(new_event(PRIORITY, target, NOW, "x", (), {"priority": "skip"})) for target in (first, second)]
    entries = (first, hidden[0].id, second, hidden[1].id)
    note = new_commit(Commit(CommitOperation.NOTE, (), hidden[1].id, second, None, entries, 1, NOW, "x"))
    repo.refs.update([RefEdit("refs/notes/priority", note.id)], reason="test", objects=[*hidden, note])

    table = NoteTable()
    changed = table.advance(repo, note.id)

    assert {first, second} == changed == set(table.targets())
    assert [{"priority": "skip"}] * 2 == [table.get(repo, target) for target in (first, second)]
    assert [(first, hidden[0].id), (second, hidden[1].id)] == notes_between(repo, None, note.id)


def configured(repo: Repository, *models: str) -> list[ObjectId]:
    """A message of each model, all in one transaction, each with a config of its own."""
    value = {"content_type": "dialogue", "role": "assistant", "text": "said"}
    return write_commits(repo, [Draft({**value, "name": model}, config={"model": model}) for model in models])


def test_several_notes_that_begin_a_list_come_in_its_first_commit_and_all_others_in_ones_of_their_own() -> None:
    repo, _ = make_repo("a")
    first = configured(repo, *(f"m{at}" for at in range(40)))
    tip = note_tip(repo, CONFIG)
    assert tip is not None
    more = configured(repo, "x", "y")

    assert () == repo.commit(tip).parents
    assert 2 == repo.commit(note_tip(repo, CONFIG)).generation - repo.commit(tip).generation
    assert [*first, *more] == [target for target, _ in noted_entries(repo, note_tip(repo, CONFIG))]
    assert more == [target for target, _ in notes_between(repo, tip, note_tip(repo, CONFIG)) or ()]
    table = NoteTable()
    table.advance(repo, note_tip(repo, CONFIG))
    assert [f"m{at}" for at in range(40)] == [table.get(repo, id)["model"] for id in first]
    one_by_one = EMPTY
    for entry in noted_entries(repo, tip):
        one_by_one = append_entry(repo, one_by_one, entry, [], "notes")
    assert one_by_one == (repo.commit(tip).tree, repo.commit(tip).open)


def test_a_batch_writes_a_list_that_it_begins_in_one_commit_however_often_it_adds_to_it() -> None:
    repo, _ = make_repo("a")
    batch = Batch(repo)
    ids = [*configured(batch.repo, "m", "n"), *configured(batch.repo, "o"), *configured(batch.repo, "p", "q")]
    batch.land(reason="batch")

    tip = note_tip(repo, CONFIG)
    assert () == repo.commit(tip).parents
    assert ids == [target for target, _ in noted_entries(repo, tip)]


def test_a_batch_adds_no_several_notes_at_once_to_a_list_that_others_have_seen() -> None:
    repo, _ = make_repo("a")
    configured(repo, "l")
    seen = note_tip(repo, CONFIG)
    batch = Batch(repo)
    ids = configured(batch.repo, "m", "n")
    batch.land(reason="batch")

    assert ids == [target for target, _ in notes_between(repo, seen, note_tip(repo, CONFIG)) or ()]


def test_what_the_note_of_a_request_keeps_is_kept_where_more_notes_come_in_the_same_batch() -> None:
    repo, (needed,) = make_repo("a")
    batch = Batch(repo)
    with transaction(batch.repo, "note", moves="refs") as tx:
        tx.note(REQUEST, needed, {"n": 1}, refs=Refs(None, (needed, "commit")))
    with transaction(batch.repo, "note", moves="refs") as tx:
        tx.note_new(REQUEST, [(needed, {"n": 2}, NOW), (needed, {"n": 3}, NOW)])
    batch.land(reason="batch")

    at = note_tip(repo, REQUEST)
    while repo.commit(at).parents:
        (at,) = repo.commit(at).parents
    assert Refs(None, (needed, "commit")) == repo.commit(at).refs


@pytest.mark.parametrize("number", [2, 64, 65, 300])
def test_what_a_note_was_written_with_is_known_of_however_many_that_came_at_once(number: int) -> None:
    repo, _ = make_repo("a")
    value = {"content_type": "dialogue", "role": "assistant", "text": "said"}
    for said in "xy":
        drafts = [Draft({**value, "name": f"{said}{at}"}, usage={"input_tokens": at}) for at in range(number)]
        ids = write_commits(repo, drafts)
        tip = note_tip(repo, USAGE)

        assert [{USAGE: tip}] * 2 == [notes_when_noted(repo, USAGE, id) for id in (ids[0], ids[-1])]
