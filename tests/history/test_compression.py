"""Compressions and expansions as the history writes them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import texts_in
from tract.config import TractConfig
from tract.errors import BranchExistsError, CompressionError, DetachedHeadError, MergeError, RefMovedError
from tract.history.checkout import checkout
from tract.history.commit import Draft, write_commits
from tract.history.compression import (
    NewSummary,
    commit_compression,
    compress_reason,
    compression_of,
    is_summary,
    known_compression_of,
    runs_of,
    summaries_of,
)
from tract.history.context import context_at, entries
from tract.history.expansion import plan_expansion, write_expansion
from tract.history.state import write_state
from tract.maintenance.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, Entry, new_commit
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.names import HEADS, ORIG_HEAD
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import build_context

MAIN = f"{HEADS}main"
Plan = tuple[tuple[NewSummary, ...], tuple[Entry, ...]]


def sources_of(repo: Repository, summary: ObjectId) -> tuple[Entry, ...]:
    """The messages that *summary* stands for; CompressionError when it is not a summary, or they are not kept any more."""
    return summaries_of(repo, known_compression_of(repo, summary))[summary]


def make_repo(count: int) -> tuple[Repository, list[ObjectId]]:
    """A store in memory with so many messages on main: "0", "1", …"""
    repo = memory_repository()
    return repo, say(repo, *map(str, range(count)))


def say(repo: Repository, *texts: str) -> list[ObjectId]:
    return write_commits(repo, [Draft(value_of(text)) for text in texts])


def value_of(text: str) -> dict[str, str]:
    return {"content_type": "dialogue", "role": "user", "text": text}


def items_of(repo: Repository) -> list[Entry]:
    return entries(repo, context_at(repo, repo.head()[1]))


def compression(repo: Repository, *groups: list[int], dropped: list[int] = (), text: str = "Σ") -> Plan:  # type: ignore[assignment]
    """A compression of the messages at those places, each group with a summary of its own."""
    items = items_of(repo)
    summaries = tuple(summary(text, *(items[at] for at in group)) for group in groups)
    return summaries, tuple(items[at] for at in dropped)


def write_compression(repo: Repository, plan: Plan, branch: str = MAIN) -> tuple[ObjectId, tuple[ObjectId, ...]]:
    """The commit of a compression, and those of its summaries."""
    with transaction(repo, compress_reason(plan[0])) as tx:
        return commit_compression(tx, branch, *plan)


def summary(text: str, *sources: Entry) -> NewSummary:
    return NewSummary(value_of(text), sources, {"first": sources[0][0].hex()})


def test_more_commits_than_are_remembered_can_be_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig())
    repo = open_repository(str(tmp_path / ".tract"))
    say(repo, *map(str, range(200)))
    repo.close()
    monkeypatch.setattr("tract.repo._COMMITS_KEPT", 32)
    repo = open_repository(str(tmp_path / ".tract"))

    _, made = write_compression(repo, compression(repo, [1, 2, 3]))

    assert made[0] in [commit for commit, _ in items_of(repo)]
    repo.close()


def test_the_summary_stands_where_the_first_message_stood_and_the_rest_stays_in_order() -> None:
    repo, ids = make_repo(6)

    id, made = write_compression(repo, compression(repo, [1, 3], dropped=[4]))

    assert ["0", "Σ", "2", "5"] == texts_in(repo)
    commit = repo.commit(id)
    assert (CommitOperation.COMPRESS, (ids[-1], made[0])) == (commit.operation, commit.parents)
    assert (None, None, 7, "Compressed 2 messages") == (
        commit.content,
        commit.target,
        commit.generation,
        commit.message,
    )
    assert (ids[-1], id) == (repo.ref(ORIG_HEAD), repo.ref(MAIN))
    assert [ids[0], made[0], ids[2], ids[5]] == [id for id, _ in items_of(repo)]


def test_a_summary_is_a_commit_whose_context_is_itself() -> None:
    repo, ids = make_repo(3)

    _, (id,) = write_compression(repo, compression(repo, [0, 1]))

    commit = repo.commit(id)
    assert (CommitOperation.APPEND, (), 1) == (commit.operation, commit.parents, commit.generation)
    assert [(id, commit.content)] == entries(repo, context_at(repo, id))
    assert {"messages": 2, "first": ids[0].hex(), "last": ids[1].hex()} == (commit.metadata or {})["summary"]
    assert [True, False] == [is_summary(repo, one) for one in (id, ids[0])]


def test_everything_is_one_operation() -> None:
    repo, _ = make_repo(4)
    before = len(list(repo.refs.history()))

    write_compression(repo, compression(repo, [0], [2, 3]))

    operations = list(repo.refs.history())
    assert before + 1 == len(operations)
    assert "compress: 3 messages" == operations[0][1].reason
    assert {MAIN, ORIG_HEAD} == {change.name for change in operations[0][1].changes}


@pytest.mark.parametrize("count", [1, 8, 9, 33, 100])
def test_the_tree_is_the_one_of_the_list(count: int) -> None:
    repo, _ = make_repo(count)
    going = [at for at in range(count) if at % 7 not in (3, 4)]

    write_compression(repo, compression(repo, going))

    assert context_at(repo, repo.head()[1]) == build_context(repo, items_of(repo), [])


def test_a_range_of_ten_thousand_messages_costs_a_few_nodes(tmp_path: Path) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig())
    # Where chunks end depends on ids, so these are the same in every run: of 100 such ranges 98 keep within the limits.
    opened = open_repository(str(tmp_path / ".tract"), durability="process", author="tester")
    repo = replace(opened, clock=count(10**15).__next__)
    for start in range(0, 10_000, 2_500):
        say(repo, *map(str, range(start, start + 2_500)))
    plan = compression(repo, list(range(2_000, 7_000)))
    old = nodes_of(repo, context_at(repo, repo.head()[1]).tree)
    size = repo.objects.stats().journal_size

    write_compression(repo, plan)

    assert len(nodes_of(repo, context_at(repo, repo.head()[1]).tree) - old) <= 8
    assert repo.objects.stats().journal_size - size <= 8192
    assert 5_001 == len(items_of(repo))
    repo.close()


def nodes_of(repo: Repository, root: ObjectId | None) -> set[ObjectId]:
    found: set[ObjectId] = set()
    stack = [root] if root is not None else []
    while stack:
        id = stack.pop()
        found.add(id)
        node = repo.node(id)
        stack += node.items[::2] if node.level else ()
    return found


def test_the_branch_may_have_moved_on_as_long_as_the_messages_are_the_same() -> None:
    repo, _ = make_repo(4)
    plan = compression(repo, [1, 2])
    say(repo, "later")

    write_compression(repo, plan)

    assert ["0", "Σ", "3", "later"] == texts_in(repo)


def test_a_message_that_was_edited_or_is_gone_refuses_it() -> None:
    repo, ids = make_repo(4)
    edited, gone = compression(repo, [0, 1]), compression(repo, [2, 3])
    write_commits(repo, [Draft(value_of("1!"), CommitOperation.EDIT, ids[1])])
    write_compression(repo, gone)
    head = repo.head()

    with pytest.raises(CompressionError, match=f"message {ids[1].hex()[:16]} was edited since"):
        write_compression(repo, edited)
    with pytest.raises(CompressionError, match=f"message {ids[2].hex()[:16]} is no longer in the context"):
        write_compression(repo, gone)

    assert head == repo.head()


def test_another_branch_a_detached_head_and_a_merge_under_way_refuse_it() -> None:
    repo, ids = make_repo(3)
    plan = compression(repo, [0, 1])

    with pytest.raises(CompressionError, match="HEAD is on 'refs/heads/main'"):
        write_compression(repo, plan, f"{HEADS}other")
    write_state(repo, "merge", {})
    with pytest.raises(MergeError, match="under way"):
        write_compression(repo, plan)
    repo.states.clear()
    checkout(repo, ids[1].hex())
    with pytest.raises(DetachedHeadError):
        write_compression(repo, plan)


def test_sources_are_what_the_parent_has_and_the_compression_has_not() -> None:
    repo, ids = make_repo(6)
    first = items_of(repo)

    commit, made = write_compression(repo, compression(repo, [0, 1], [4], dropped=[2, 5]))
    say(repo, "later")

    assert commit == compression_of(repo, made[1])
    assert {made[0]: tuple(first[:3]), made[1]: (first[4], first[5])} == summaries_of(repo, commit)
    assert (first[4], first[5]) == sources_of(repo, made[1])
    with pytest.raises(CompressionError, match="is not a summary"):
        sources_of(repo, ids[3])
    with pytest.raises(CompressionError, match="is not a compression"):
        summaries_of(repo, ids[3])


def test_a_summary_compressed_again_still_knows_its_own_sources() -> None:
    repo, ids = make_repo(4)
    _, (inner,) = write_compression(repo, compression(repo, [0, 1], text="inner"))
    _, (outer,) = write_compression(repo, compression(repo, [0, 1], text="outer"))

    assert ["outer", "3"] == texts_in(repo)
    assert ids[:2] == [id for id, _ in sources_of(repo, inner)]
    assert [inner, ids[2]] == [id for id, _ in sources_of(repo, outer)]


def test_a_compression_replayed_where_its_messages_were_not_is_not_the_one_that_counts() -> None:
    repo, ids = make_repo(4)
    commit, (sigma,) = write_compression(repo, compression(repo, [1, 2]))
    elsewhere = Commit(CommitOperation.APPEND, (), repo.commit(ids[0]).content, None, None, (), 1, repo.clock(), "me")
    root = new_commit(elsewhere)
    row = next(entry for entry in items_of(repo) if entry[0] == sigma)
    open = (root.id, elsewhere.content or b"", *row)
    replayed = new_commit(
        Commit(CommitOperation.COMPRESS, (root.id, sigma), None, None, None, open, 2, repo.clock(), "me")
    )
    repo.refs.update([RefEdit(f"{HEADS}other", replayed.id, None)], reason="test", objects=[root, replayed])
    checkout(repo, "other")

    assert commit == compression_of(repo, sigma)
    assert ids[1:3] == [id for id, _ in sources_of(repo, sigma)]


def test_expanding_puts_each_message_back_where_it_was() -> None:
    repo, _ = make_repo(8)
    before = items_of(repo)
    _, (id,) = write_compression(repo, compression(repo, [1, 2, 4, 6], dropped=[5]))
    assert ["0", "Σ", "3", "7"] == texts_in(repo)

    made = write_expansion(repo, plan_expansion(repo, id))

    assert before == items_of(repo)
    commit = repo.commit(made)
    assert (CommitOperation.REVERT, compression_of(repo, id)) == (commit.operation, commit.target)
    assert context_at(repo, made) == build_context(repo, before, [])


def test_what_was_done_since_stays() -> None:
    repo, ids = make_repo(5)
    _, (id,) = write_compression(repo, compression(repo, [0, 2]))
    say(repo, "later")
    write_commits(
        repo, [Draft(value_of("1!"), CommitOperation.EDIT, ids[1]), Draft(value_of("Σ!"), CommitOperation.EDIT, id)]
    )

    write_expansion(repo, plan_expansion(repo, id))

    assert ["0", "1!", "2", "3", "4", "later"] == texts_in(repo)


def test_one_of_several_summaries_is_expanded_alone() -> None:
    repo, _ = make_repo(6)
    _, made = write_compression(repo, compression(repo, [0, 1], [3, 4]))

    write_expansion(repo, plan_expansion(repo, made[1]))

    assert ["Σ", "2", "3", "4", "5"] == texts_in(repo)


@pytest.mark.parametrize("group", [[0, 1, 2, 3], [0, 2], [2, 3], [1, 3], [3]])
def test_what_was_appended_since_comes_behind_what_comes_back(group: list[int]) -> None:
    repo, _ = make_repo(4)
    _, (id,) = write_compression(repo, compression(repo, group))
    say(repo, "later")

    write_expansion(repo, plan_expansion(repo, id))

    assert ["0", "1", "2", "3", "later"] == texts_in(repo)


@given(
    st.sets(st.integers(0, 11), min_size=1),
    st.lists(st.tuples(st.sampled_from(["append", "edit", "compress"]), st.integers(0, 11)), max_size=5),
)
def test_random_work_after_a_compression_is_kept_by_its_expansion(
    going: set[int], later: list[tuple[str, int]]
) -> None:
    repo, ids = make_repo(12)
    expected = dict(items_of(repo))
    _, (id,) = write_compression(repo, compression(repo, sorted(going)))
    for number, (what, at) in enumerate(later):
        stays = at not in going and ids[at] in dict(items_of(repo))
        if what == "append":
            say(repo, f"later {number}")
            expected.update([items_of(repo)[-1]])
        elif what == "edit" and stays:
            write_commits(repo, [Draft(value_of(f"{at}!"), CommitOperation.EDIT, ids[at])])
            expected[ids[at]] = dict(items_of(repo))[ids[at]]
        elif what == "compress" and stays:
            place = [commit for commit, _ in items_of(repo)].index(ids[at])
            _, (other,) = write_compression(repo, compression(repo, [place], text=f"Σ{number}"))
            blob = dict(items_of(repo))[other]
            expected = {
                other if commit == ids[at] else commit: blob if commit == ids[at] else was
                for commit, was in expected.items()
            }

    write_expansion(repo, plan_expansion(repo, id))

    assert list(expected.items()) == items_of(repo)
    assert context_at(repo, repo.head()[1]) == build_context(repo, items_of(repo), [])


def test_an_expansion_on_a_new_branch_leaves_this_one_alone() -> None:
    repo, _ = make_repo(3)
    _, (id,) = write_compression(repo, compression(repo, [0, 1]))
    head = repo.head()

    made = write_expansion(repo, plan_expansion(repo, id), branch="full")

    assert (head, made) == (repo.head(), repo.ref(f"{HEADS}full"))
    assert 3 == len(entries(repo, context_at(repo, made)))
    with pytest.raises(BranchExistsError, match="'full'"):
        write_expansion(repo, plan_expansion(repo, id), branch="full")


def test_what_is_no_summary_or_is_not_there_is_not_expanded() -> None:
    repo, ids = make_repo(4)
    _, (inner,) = write_compression(repo, compression(repo, [0, 1]))
    plan = plan_expansion(repo, inner)
    _, (outer,) = write_compression(repo, compression(repo, [0, 1]))

    with pytest.raises(
        CompressionError, match=f"is not in the context at HEAD: summary {outer.hex()[:16]} stands for it"
    ):
        plan_expansion(repo, inner)
    with pytest.raises(CompressionError, match="is not a summary"):
        plan_expansion(repo, ids[3])
    with pytest.raises(RefMovedError):
        write_expansion(repo, plan)


def test_fsck_finds_nothing_wrong_with_any_of_it(tmp_path: Path) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig())
    repo = open_repository(str(tmp_path / ".tract"), durability="process")
    say(repo, *map(str, range(40)))
    _, made = write_compression(repo, compression(repo, list(range(30)), [35]))
    write_expansion(repo, plan_expansion(repo, made[0]))
    repo.close()

    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_runs() -> None:
    assert [(1, 3), (5, 6), (8, 10)] == runs_of([1, 2, 5, 8, 9])
    assert [] == runs_of([])
