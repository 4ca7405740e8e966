"""Keys: a message that a branch has is not committed again, whatever was done to it since."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import make_tract, texts
from tract import (
    BudgetAction,
    BudgetExceededError,
    ContentValidationError,
    KeyConflictError,
    NothingToMergeError,
    Priority,
    RefMovedError,
    TokenBudgetConfig,
    Tract,
    TractConfig,
)
from tract.history.keys import jump_depth, keep_index
from tract.history.notes import KEY, note_tip, noted_entries
from tract.storage import key_index, key_run
from tract.storage.key_index import KeyIndex, Link

ROOT = Path(__file__).resolve().parents[2]


def keyed(t: Tract, *keys: str) -> list[str]:
    """A message of the user with each key, which says it."""
    return [t.user(f"says {key}", key=key).commit_hash for key in keys]


@contextmanager
def index_files_opened() -> Iterator[list[str]]:
    """The files of indexes that this process opens in the block."""
    opened: list[str] = []
    is_watched = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if is_watched and event == "open" and "keys-" in str(arguments[0]):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    try:
        yield opened
    finally:
        is_watched = False


def test_a_known_key_writes_nothing_and_gives_the_commit_back():
    t = make_tract()
    first = t.user("hi", key="a")
    head, size = t.head, t.repository.objects.stats().size

    again = t.user("hi", key="a")

    assert first.commit_hash == again.commit_hash == t.commit_for_key("a").commit_hash
    assert (head, size) == (t.head, t.repository.objects.stats().size)


def test_a_key_is_in_no_commits_id():
    one, other = make_tract(), make_tract()
    clock = "2026-03-01T10:00:00+00:00"
    ids = {t.user("hi", timestamp=clock, key=key).commit_hash for t, key in ((one, "a"), (other, None))}
    assert 1 == len(ids)


def test_the_same_key_with_another_content_is_a_conflict_that_names_the_commit():
    t = make_tract()
    first = t.user("hi", key="a")

    with pytest.raises(KeyConflictError) as caught:
        t.user("ho", key="a")

    assert ("a", first.commit_hash) == (caught.value.key, caught.value.commit_hash)
    assert ["hi"] == texts(t)


def test_contents_are_compared_as_json_values():
    t = make_tract()
    t.commit({"role": "user", "content": "hi", "name": "ada"}, key="a")
    assert t.commit({"name": "ada", "content": "hi", "role": "user"}, key="a").commit_hash == t.head


@pytest.mark.parametrize("key", ["", 7, "\ud800", "x" * 1025])
def test_a_key_that_cannot_be_kept_is_refused(key: Any):
    t = make_tract()
    with pytest.raises(ContentValidationError, match="key"):
        t.user("hi", key=key)
    assert t.head is None


def test_extend_writes_what_is_new():
    t = make_tract()
    said = [{"role": "user", "content": str(at)} for at in range(6)]
    t.extend(said[:4], keys=list("abcd"))

    infos = t.extend(said, keys=list("abcdef"))

    assert list("012345") == texts(t)
    assert [t.commit_for_key(key).commit_hash for key in "abcdef"] == [info.commit_hash for info in infos]


def test_extend_with_a_key_twice_makes_one_commit_and_with_two_contents_none():
    t = make_tract()
    same = [{"role": "user", "content": "x"}] * 2
    assert 1 == len({info.commit_hash for info in t.extend(same, keys=["a", "a"])})
    with pytest.raises(KeyConflictError):
        t.extend([{"role": "user", "content": "y"}, {"role": "user", "content": "z"}], keys=["b", "b"])
    assert ["x"] == texts(t)


def test_keys_must_be_as_many_as_messages():
    with pytest.raises(ContentValidationError, match="1 for 2"):
        make_tract().extend([{"role": "user", "content": "x"}] * 2, keys=["a"])


def test_an_edited_message_keeps_its_key_and_its_first_content():
    t = make_tract()
    (first,) = keyed(t, "a")
    t.edit(first, "corrected")
    assert first == keyed(t, "a")[0]
    assert ["corrected"] == texts(t)


def test_a_key_that_only_another_branch_has_is_picked_from_there():
    t = make_tract()
    keyed(t, "a")
    t.branch("side")
    (b,) = keyed(t, "b")
    t.annotate(b, Priority.PINNED)
    t.switch("side")
    t.user("before")
    assert t.commit_for_key("b") is None

    picked = t.user("says b", key="b")

    assert picked.commit_hash != b
    assert Priority.PINNED is picked.priority
    assert ["says a", "before", "says b"] == texts(t)
    t.switch("main")
    t.user("main")
    t.merge("side")
    assert ["before", "main", "says a", "says b"] == sorted(texts(t))  # one message, though both sides have it
    assert t.commit_for_key("b").commit_hash in (b, picked.commit_hash)


def test_rebases_and_cherry_picks_take_keys_along():
    t = make_tract()
    keyed(t, "a")
    t.branch("side")
    keyed(t, "main")
    t.switch("side")
    keyed(t, "b", "c")
    t.user("without a key")
    t.rebase("main")

    head = t.head
    keyed(t, "a", "main", "b", "c")
    assert head == t.head

    t.switch("main")
    t.cherry_pick("side~1")
    head = t.head
    keyed(t, "c")
    assert (head, ["says a", "says main", "says c"]) == (t.head, texts(t))
    assert t.commit_for_key("b") is None


def test_hard_reset_forgets_and_undo_remembers():
    t = make_tract()
    a, b = keyed(t, "a", "b")
    t.reset(a, "hard")
    assert t.commit_for_key("b") is None
    t.undo()
    assert b == t.commit_for_key("b").commit_hash


def test_a_merge_brings_the_keys_of_the_other_side():
    t = make_tract()
    keyed(t, "a")
    t.branch("side")
    keyed(t, "b")
    t.switch("side")
    (c,) = keyed(t, "c")
    t.switch("main")
    t.merge("side")
    assert c == t.commit_for_key("c").commit_hash
    head = t.head
    assert c == keyed(t, "a", "b", "c")[-1]
    assert head == t.head


def test_a_batch_that_fails_leaves_no_key():
    t = make_tract()
    with pytest.raises(ZeroDivisionError), t.batch():  # noqa: PT012  # a batch is a block
        assert t.get_commit(keyed(t, "a")[0]) == t.commit_for_key("a")
        _ = 1 / 0
    assert t.commit_for_key("a") is None


def test_a_batch_lands_its_keys(tmp_path):
    t = make_tract(path=tmp_path)
    with t.batch():
        keyed(t, "a", "b")
        keyed(t, "a")
    assert ["says a", "says b"] == texts(t)
    with Tract.open(tmp_path) as other:
        assert t.head == keyed(other, "b")[0]


def test_a_key_that_came_meanwhile_is_not_committed_again_by_a_batch_that_lands_behind_it(tmp_path):
    t, other = make_tract("first", path=tmp_path, on_moved="append"), make_tract(path=tmp_path)
    with t.batch() as batch:
        a, b = keyed(t, "a", "b")
        t.annotate(b, "pinned")
        t.edit(a, "says a, better")
        (theirs,) = keyed(other, "a")
        other.user("theirs")
        keyed(other, "b")
        t.user("last", key="c", usage={"input_tokens": 3, "output_tokens": 1})

    assert ["first", "says a, better", "theirs", "says b", "last"] == texts(t) == texts(make_tract(path=tmp_path))
    assert theirs == t.get_commit(a).commit_hash == batch.commits[0]
    assert t.get_commit(b).commit_hash in [info.commit_hash for info in t.pinned()]
    assert 3 == sum(1 for _ in noted_entries(t.repository, note_tip(t.repository, KEY)))


def test_keys_that_a_batch_says_together_land_behind_what_came_meanwhile(tmp_path):
    t, other = make_tract("first", path=tmp_path, on_moved="append"), make_tract(path=tmp_path)
    with t.batch():
        t.extend([{"role": "user", "content": f"says {key}"} for key in "abc"], keys=list("abc"))
        other.extend([{"role": "user", "content": "says b"}], keys=["b"])

    assert ["first", "says b", "says a", "says c"] == texts(t)
    with Tract.open(tmp_path) as again:
        assert 3 == sum(1 for _ in noted_entries(again.repository, note_tip(again.repository, KEY)))
        assert all(again.commit_for_key(key) for key in "abc")


def test_a_batch_all_of_whose_keys_came_meanwhile_lands_nothing(tmp_path):
    t, other = make_tract("first", path=tmp_path, on_moved="append"), make_tract(path=tmp_path)
    with t.batch() as batch:
        keyed(t, "a", "b")
        theirs = keyed(other, "a", "b")
        other.user("more")

    assert (["first", "says a", "says b", "more"], tuple(theirs)) == (texts(t), batch.commits)
    assert other.head == t.head


def test_a_batch_with_another_content_under_a_key_that_came_meanwhile_lands_nothing(tmp_path):
    t, other = make_tract("first", path=tmp_path, on_moved="append"), make_tract(path=tmp_path)
    with pytest.raises(KeyConflictError), t.batch():  # noqa: PT012  # a batch is a block
        t.user("mine", key="a")
        keyed(other, "a")

    assert ["first", "says a"] == texts(t)


def test_two_handles_with_one_key_make_one_commit(tmp_path):
    one, other = make_tract("first", path=tmp_path), make_tract(path=tmp_path)
    assert one.head == other.head
    (made,) = keyed(one, "a")
    assert made == keyed(other, "a")[0]  # though the branch moved since it looked


def test_a_new_key_does_not_hide_that_the_branch_moved(tmp_path):
    one, other = make_tract("first", path=tmp_path), make_tract(path=tmp_path)
    assert one.head == other.head
    one.user("more")
    with pytest.raises(RefMovedError):
        keyed(other, "new")


def test_a_known_message_is_not_refused_for_a_full_budget():
    t = make_tract(config=TractConfig(token_budget=TokenBudgetConfig(12, BudgetAction.REJECT)))
    (a,) = keyed(t, "a")
    with pytest.raises(BudgetExceededError):
        t.user("many words " * 20, key="b")
    assert a == keyed(t, "a")[0]


@pytest.mark.parametrize("drops_index", [False, True], ids=["index kept", "index lost"])
def test_what_gc_lets_go_of_leaves_its_key_behind(tmp_path, drops_index):
    """Imported, compressed, collected with no delay, imported again: nothing is new."""
    said = [{"role": "user", "content": f"message {at} of many"} for at in range(40)]
    keys = [f"uuid-{at}" for at in range(40)]
    with make_tract(path=tmp_path) as t:
        t.extend(said[:30], keys=keys[:30])
        t.compress(content="thirty messages", keep_recent=2)
        t.gc(orphan_retention_days=0, archive_retention_days=0)
        t.extend(said[:35], keys=keys[:35])
        t.compress(content="more messages", keep_recent=2)
        t.gc(orphan_retention_days=0, archive_retention_days=0)
    if drops_index:
        for path in (tmp_path / ".tract" / "cache").glob("keys-*"):
            path.unlink()
    with make_tract(path=tmp_path) as t:
        before = texts(t)
        assert not t.repository.objects.contains(b"\0" * 32)
        t.extend(said, keys=keys)
        assert before + [f"message {at} of many" for at in range(35, 40)] == texts(t)
        head = t.head
        t.extend(said, keys=keys)
        assert head == t.head


@pytest.mark.parametrize("is_reopened", [False, True])
def test_a_key_outlives_a_second_gc_where_a_message_with_a_key_stands_behind_the_compression(tmp_path, is_reopened):
    """The links of that message go by without the compression, which has a key only since that gc."""
    t = make_tract(path=tmp_path)
    keyed(t, "a")
    t.compress(content="one message", keep_recent=0, force=True)
    t.user("more")
    t.gc(orphan_retention_days=0, archive_retention_days=0)
    t.compress(content="all of it", keep_recent=0, force=True)
    keyed(t, "b")
    t.gc(orphan_retention_days=0, archive_retention_days=0)
    if is_reopened:
        t.close()
        t = make_tract(path=tmp_path)
    keyed(t, "a", "b")

    assert ["all of it", "says b"] == texts(t)


def test_a_key_whose_message_a_tag_keeps_is_known_on_the_branch_whose_history_was_cut(tmp_path):
    t = make_tract(path=tmp_path)
    (a,) = keyed(t, "a")
    t.tag("kept", a)
    t.user("more")
    t.compress(content="all of it", keep_recent=0, force=True)
    t.gc(orphan_retention_days=0, archive_retention_days=0)
    keyed(t, "b", "a")

    assert ["all of it", "says b"] == texts(t)
    assert ["says a"] == [message.content for message in t.compile(at_commit="kept").messages]


def test_a_key_of_a_deleted_branch_is_forgotten_once_it_is_collected(tmp_path):
    t = make_tract("start", path=tmp_path)
    t.switch("side", create=True)
    keyed(t, "a")
    t.switch("main")
    t.delete_branch("side", force=True)
    t.gc(orphan_retention_days=0)
    assert t.commit_for_key("a") is None
    keyed(t, "a")
    assert ["start", "says a"] == texts(t)


def test_many_keys_are_found_by_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_MOST_IN_MEMORY", 20)
    with make_tract(path=tmp_path) as t:
        ids = keyed(t, *(f"k{at}" for at in range(300)))
        assert ids == keyed(t, *(f"k{at}" for at in range(300)))
    runs = list((tmp_path / ".tract" / "cache").glob("keys-*"))
    assert 0 < len(runs) < 8
    code = (
        "import sys; from tract import Tract; t = Tract.open(sys.argv[1]);"
        "print(*(t.commit_for_key(f'k{at}').commit_hash for at in range(0, 300, 7)), t.commit_for_key('none'))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert [*ids[::7], "None"] == done.stdout.split()


def test_a_new_key_is_looked_for_in_no_file_by_who_wrote_the_index(tmp_path):
    with Tract.open(tmp_path, durability="process") as t:
        keyed(t, *(f"k{at}" for at in range(100)))  # of which 96 are written

        with index_files_opened() as opened:
            keyed(t, *(f"k{at}" for at in range(100, 190)))
            known = [t.commit_for_key(f"k{at}") for at in (0, 95, 96, 189)]

    assert None not in known
    assert [] == opened


def test_finding_a_key_far_back_opens_each_file_of_the_index_a_few_times(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_MOST_IN_MEMORY", 20)
    with make_tract(path=tmp_path) as t:
        keyed(t, *(f"k{at}" for at in range(1500)))
    runs = len(list((tmp_path / ".tract" / "cache").glob("keys-*")))

    with Tract.open(tmp_path) as t, index_files_opened() as opened:
        assert t.commit_for_key("k100") is not None
    with Tract.open(tmp_path) as t:  # and none stays open
        t.commit_for_key("k700")
        assert not [one for one in os.listdir("/proc/self/fd") if "keys-" in os.path.realpath(f"/proc/self/fd/{one}")]

    assert len(opened) <= 4 * runs


def test_two_handles_that_write_and_merge_the_index_in_turn_know_all_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_MOST_IN_MEMORY", 8)
    with Tract.open(tmp_path, durability="process") as one, Tract.open(tmp_path, on_moved="append") as other:
        for at in range(12):
            for t, name in ((one, "one"), (other, "other")):
                t.log(1)
                keyed(t, *(f"{name} {at} {number}" for number in range(1 + at % 5)))
        made = [
            f"{name} {at} {number}" for at in range(12) for name in ("one", "other") for number in range(1 + at % 5)
        ]

        assert all(t.commit_for_key(key) is not None for t in (one, other) for key in made)
        assert len(made) == len(one.compile().messages)
        assert keyed(one, *made) == keyed(other, *made)
        assert len(made) == len(other.compile().messages)


def test_a_key_is_found_where_another_process_merged_the_runs_of_the_index_that_were_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_MOST_IN_MEMORY", 40)
    with Tract.open(tmp_path) as writes:
        keys = [f"k{at}" for at in range(80)]
        made = keyed(writes, *keys[:60])
        with Tract.open(tmp_path) as looks:
            assert all(looks.commit_for_key(key) is not None for key in keys[:60])
            made += keyed(writes, *keys[60:])
            assert len([*(tmp_path / ".tract" / "cache").glob("keys-*")]) == 1

            found = [looks.commit_for_key(key) for key in keys]
            assert made == [one and one.commit_hash for one in found]


def test_what_a_process_that_ends_leaves_to_be_read_again_is_little(tmp_path):
    for at in range(58):
        with make_tract(path=tmp_path) as t:
            keyed(t, f"k{at}")
            keep_index(t.repository)
    with make_tract(path=tmp_path) as t:
        known = t.repository.keys
        assert known.has("k40")
        assert not known.has("k57")
        keep_index(t.repository)
        assert known.has("k57")


def test_how_far_a_commit_with_a_key_jumps_back_follows_from_how_many_are_behind_it():
    t = make_tract()
    ids = [bytes.fromhex(id) for id in keyed(t, *(f"k{at}" for at in range(70)))]
    links = [t.repository.keys.link(id) for id in ids]
    depths = {id[:16]: link.depth for id, link in zip(ids, links, strict=True)}
    assert list(range(70)) == list(depths.values())
    assert [depths[link.jump] for link in links[1:]] == [jump_depth(depth) for depth in range(1, 70)]


def test_a_row_among_many_is_found_with_few_reads(tmp_path, monkeypatch):
    names = [blake3(b"%d" % at).digest() for at in range(100_000)]
    index = KeyIndex(f"{tmp_path}/keys-")
    assert index.tip is None
    for name in names:
        index.add_link(name, Link(b"", b"", 3, 0))
    index.advanced(names[0])
    assert index.save()
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: reads.append(args) or pread(*args))
    index = KeyIndex(f"{tmp_path}/keys-")
    assert all(index.link(name) == Link(b"", b"", 3, 0) for name in names[::500])
    reads = [args for args in reads if args[1] == key_run.BLOCK]
    assert len(reads) < 2.1 * 200, "more than the block that a name's place tells, and its neighbour now and then"


def test_a_damaged_index_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_MOST_IN_MEMORY", 20)
    with make_tract(path=tmp_path) as t:
        ids = keyed(t, *(f"k{at}" for at in range(200)))
    rng = random.Random(5)
    for _ in range(12):
        for path in (tmp_path / ".tract" / "cache").glob("keys-*"):
            data = bytearray(path.read_bytes())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
        with make_tract(path=tmp_path) as t:
            assert ids == keyed(t, *(f"k{at}" for at in range(200)))


STEPS = st.lists(st.tuples(st.sampled_from("kkkknbsmc"), st.integers(0, 9)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_is_done_a_key_is_known_where_its_commit_is_in_history(steps):
    """Against the definition: the commits of a branch's whole history, walked."""
    t = make_tract("start")
    keys: dict[str, set[str]] = {}
    for step, at in steps:
        branches = sorted(branch.name for branch in t.list_branches())
        match step:
            case "k":
                keys.setdefault(str(at), set()).add(keyed(t, str(at))[0])
            case "n":
                t.user("plain")
            case "b":
                t.branch(f"b{len(branches)}")
            case "s":
                t.switch(branches[at % len(branches)])
            case "m" if branches[at % len(branches)] != t.current_branch:
                with suppress(NothingToMergeError):
                    t.merge(branches[at % len(branches)], strategy="ours", auto_commit=True)
            case "c" if len(texts(t)) > 3:
                t.compress(content="sum", keep_recent=1)
        history = {info.commit_hash for info in t.log(10_000)}
        for key, commits in keys.items():
            found = t.commit_for_key(key)
            assert (found is not None) == bool(history & commits)
            assert found is None or found.commit_hash in history


def test_a_budget_has_to_have_room_for_what_is_new_alone():
    t = make_tract(config=TractConfig(token_budget=TokenBudgetConfig(40, BudgetAction.REJECT)))
    said = [{"role": "user", "content": "many words " * 4} for _ in range(2)]
    t.extend(said, keys=["a", "b"])

    t.extend([*said, {"role": "user", "content": "new"}], keys=["a", "b", "c"])

    assert "new" == texts(t)[-1]
    with pytest.raises(BudgetExceededError):
        t.extend([*said, {"role": "user", "content": "many words " * 20}], keys=["a", "b", "d"])


@pytest.mark.parametrize("collects", [1, 2])
def test_a_key_of_a_message_that_is_in_the_context_still_means_that_message_after_gc(tmp_path, collects):
    t = make_tract(path=tmp_path)
    (c,) = keyed(t, "a", "b", "c")[2:]
    for at in range(collects):
        t.annotate(c, "pinned")
        t.user(f"more {at}")
        t.compress(content="messages before", keep_recent=0, force=True)
        t.gc(orphan_retention_days=0, archive_retention_days=0, keep_pinned=False)

    assert [c, c] == [t.commit_for_key("c").commit_hash, *keyed(t, "c")]
    with pytest.raises(KeyConflictError, match=c[:16]):
        t.user("something else", key="c")
    assert "says c" in texts(t)


def test_a_clone_of_a_context_alone_knows_the_keys_of_its_messages(tmp_path):
    with make_tract(path=tmp_path / "a") as t:
        keyed(t, "a", "b", "c")
        t.add_remote("origin", f"file://{tmp_path}/r", probe=False)
        t.push()
    with Tract.clone(f"file://{tmp_path}/r", tmp_path / "b", depth=1) as clone:
        keyed(clone, "a", "b", "c", "d")
        with pytest.raises(KeyConflictError):
            clone.user("something else", key="a")

        assert ["says a", "says b", "says c", "says d"] == texts(clone)
        keyed(clone, "a", "b", "c", "d")
        assert 4 == len(clone.compile())


def test_a_message_that_was_edited_and_cut_from_history_keeps_its_key(tmp_path):
    t = make_tract(path=tmp_path)
    _, b = keyed(t, "a", "b")
    t.edit(b, "said otherwise")
    t.compress(content="a message", keep_recent=1, force=True)
    t.gc(orphan_retention_days=0, archive_retention_days=0)
    keyed(t, "a", "b")

    assert ["a message", "said otherwise"] == texts(t)


def test_what_stands_for_a_message_that_gc_took_is_told_as_what_it_is(tmp_path):
    t = make_tract(path=tmp_path)
    keyed(t, "a", "b", "c")
    t.compress(content="three messages", keep_recent=1)
    t.gc(orphan_retention_days=0, archive_retention_days=0)

    assert t.commit_for_key("a") == t.user("says a", key="a")
    assert "compress" == t.user("says a", key="a").content_type
