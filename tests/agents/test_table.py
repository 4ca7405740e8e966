"""Every operation of the table does what it says, and gives back what a model can read."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tests.making import call, conversation, make_tract, texts
from tract import Action, ActionResult, Tract
from tract.agents.operation_table import execute


def run(t: Tract, name: str, /, **arguments: Any) -> ActionResult:
    result = execute(t, Action(name, arguments))
    assert result.error is None, result.error
    return result


def test_status_names_branch_tokens_budget_and_open_calls() -> None:
    t = conversation()
    t.commit(call("c1"))

    result = run(t, "status")

    assert "on branch 'main', 4 messages shown, 0 skipped" in result.text
    assert "no budget is set" in result.text
    assert "call f (c1) waits for its result" in result.text
    assert result.data["messages"] == 4


def test_an_empty_tract_can_be_looked_at() -> None:
    t = make_tract()

    for name in ("status", "log", "compile", "blame"):
        run(t, name)
    assert "nothing found" == run(t, "search", text="x").text


def test_compile_lists_numbers_kinds_tokens_marks_and_first_words_a_page_at_a_time() -> None:
    t = conversation()
    t.annotate("HEAD:2", "skip")

    lines = run(t, "compile", count=2).text.splitlines()

    assert lines[0].startswith("3 messages, ")
    assert lines[1].startswith("1 ")
    assert lines[1].endswith(" system 6 tokens [pinned]: be terse")
    assert lines[2].endswith("user 7 tokens [skip]: one two three")
    assert lines[3] == "1 more from start=3 on"
    assert run(t, "compile", start=3).data[0]["kind"] == "answer"


def test_show_gives_a_text_whole_or_cut_with_how_to_get_the_rest() -> None:
    t = make_tract("a" * 10_000)

    first = run(t, "show", target=1)
    rest = run(t, "show", target=1, offset=8000)

    assert first.text.endswith("[characters 0 to 8000 of 10000; the rest is at offset=8000]")
    assert "a" * 10_000 == first.data["text"] + rest.data["text"]


def test_show_gives_versions_summaries_sources_and_what_left_the_context() -> None:
    t = conversation()
    first = t.get_commit("HEAD:2").commit_hash
    run(t, "edit", target=2, content="two words")

    assert "one two three" in run(t, "show", target=2, version=0).text
    assert "two words" in run(t, "show", target=2, version=-1).text
    assert "has 2 versions" in str(execute(t, Action("show", {"target": 2, "version": 5})).error)

    run(t, "compress", commits=[2, 3], content="gist")

    assert f"in the place of {first[:10]}" in run(t, "show", target=2).text
    assert "not in the context at HEAD\none two three" in run(t, "show", target=first[:12]).text


def test_diff_blame_search_and_log_name_messages_by_number_and_id() -> None:
    t = conversation()
    run(t, "edit", target=2, content="one two 3", message="a digit")

    assert "changed 2" in run(t, "diff").text
    assert "one two three -> one two 3" in run(t, "diff").text
    assert ", changed by " in run(t, "blame", start=2, count=1).text
    assert [2] == [hit["number"] for hit in run(t, "search", text="three").data]
    assert "edit user: one two 3 (a digit)" in run(t, "log", limit=1).text


def test_several_messages_are_hidden_at_once_or_none() -> None:
    t = conversation()

    run(t, "annotate", target=[2, 3], priority="skip", reason="noise")
    assert ["be terse"] == texts(t)
    assert execute(t, Action("annotate", {"target": [2, 9], "priority": "normal"})).error is not None
    assert ["be terse"] == texts(t)


def test_branches_are_made_left_and_merged() -> None:
    t = conversation()

    run(t, "branch", name="aside", switch=True)
    run(t, "commit", content="five")
    run(t, "switch", name="main")
    run(t, "tag", name="v1")
    done = run(t, "merge", source_branch="aside")

    assert "fast-forward" in done.text
    assert "five" == texts(t)[-1]
    assert done.commit_hash == t.head


def test_a_merge_in_conflict_says_where_and_changes_nothing() -> None:
    t = conversation()
    run(t, "branch", name="aside")
    run(t, "edit", target=2, content="ours")
    run(t, "switch", name="aside")
    run(t, "edit", target=2, content="theirs")
    head = t.head

    error = str(execute(t, Action("merge", {"source_branch": "main"})).error)

    assert "messages 2 (" in error
    assert head == t.head
    run(t, "merge", source_branch="main", strategy="ours")
    assert "theirs" in texts(t)


def test_a_summary_takes_the_place_of_messages_and_is_expanded_again() -> None:
    t = conversation()

    done = run(t, "compress", from_commit=1, to_commit=3, content="gist")
    assert ["be terse", "gist"] == texts(t)
    assert "summed up 2 messages" in done.text
    run(t, "expand", summary=2)
    assert ["be terse", "one two three", "four"] == texts(t)


def test_supervisors_restore_reorder_revert_pick_and_reset() -> None:
    t = conversation()
    run(t, "edit", target=3, content="5")
    run(t, "restore", target=3, version=0)
    assert "four" == texts(t)[-1]
    run(t, "reorder", messages=[3], before=2)
    assert ["be terse", "four", "one two three"] == texts(t)
    run(t, "branch", name="aside", switch=True)
    picked = run(t, "commit", content="six").commit_hash
    run(t, "switch", name="main")
    run(t, "cherry_pick", revision=picked)
    assert "six" == texts(t)[-1]
    run(t, "revert", revision="HEAD")
    assert "six" not in texts(t)
    run(t, "reset", target="HEAD~2")
    run(t, "undo")


def test_children_are_spawned_and_collapsed() -> None:
    t = conversation()
    child = run(t, "spawn", purpose="look it up", message="find the price").data["tract"]

    done = run(t, "collapse", child=child, content="it costs 3")

    assert done.commit_hash == t.head
    assert "it costs 3" in texts(t)[-1]
    assert f"there are {child}" in str(execute(t, Action("collapse", {"child": "x"})).error)


def test_usage_is_recorded_and_the_store_collected(tmp_path: Any) -> None:
    t = make_tract("a", path=tmp_path)

    assert 500 == run(t, "record_usage", input_tokens=500, output_tokens=20, cached_tokens=100).data["tokens"]
    assert "would drop" in run(t, "gc", dry_run=True).text
    assert "dropped" in run(t, "gc").text
    t.close()


@pytest.mark.parametrize("name", ["a b", "", "..", "x" * 300, "-", "HEAD", "\ud800"])
def test_a_bad_name_is_an_error(name: str) -> None:
    assert execute(conversation(), Action("branch", {"name": name})).error is not None


@pytest.mark.parametrize("action", [Action("compress"), Action("annotate", {"target": [2]}, "why", "manual")])
def test_an_action_goes_to_another_process(action):
    assert action == pickle.loads(pickle.dumps(action)) == copy.deepcopy(action)
