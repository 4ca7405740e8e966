"""Conversations becoming commits."""

from __future__ import annotations

import gc
import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.making import call
from tract import ImportFormatError, RefMovedError, Tract, TractError
from tract.adapters.importing import Importer, import_conversation, import_file
from tract.adapters.transcripts import Branch, Child, Conversation, Turn
from tract.config import TractConfig
from tract.history.branch import create_branch, list_branches
from tract.history.context import context_at, entries
from tract.objects.model import NewObject
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.names import HEADS
from tract.repo import Repository
from tract.tokens.counter import counter_named
from tract.tokens.counts import BlobCache


def turn(text: Any, role: str = "user", **rest: Any) -> Turn:
    return Turn({"role": role, "content": text}, "openai", **rest)


def talk(*texts: str) -> tuple[Turn, ...]:
    return tuple(turn(text) for text in texts)


def conversation(*branches: Branch, name: str = "talk", **metadata: Any) -> Conversation:
    return Conversation(name, branches, metadata)


def texts(repo: Repository, branch: str) -> list[Any]:
    """The contents on *branch*, oldest first, read commit by commit."""
    found = []
    at = repo.ref(HEADS + branch)
    while at is not None:
        commit = repo.commit(at)
        found.append(repo.blob(commit.content)["message"]["content"])
        at = commit.parents[0] if commit.parents else None
    return found[::-1]


def gemini_session(path: Path, *lines: dict[str, Any]) -> Path:
    """A file of the Gemini command line, with these messages and patches."""
    first = {"sessionId": "s", "projectHash": "p"}
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *lines)))
    return path


def operations(repo: Repository) -> list[str]:
    return [operation.reason for _, operation in repo.refs.history()]


def test_a_line_becomes_a_branch_and_head_stays():
    repo = memory_repository()

    result = import_conversation(repo, conversation(Branch("main", talk("a", "b"))))

    assert ["a", "b"] == texts(repo, "talk")
    assert (HEADS + "main", None) == repo.head()
    assert ("talk", 2, 0) == (result.branches[0].name, result.branches[0].messages, result.branches[0].shared)
    assert {"talk": result.branches[0].tip} == list_branches(repo)


def test_the_current_branch_may_take_it_and_grows():
    repo = memory_repository()

    import_conversation(repo, conversation(Branch("main", talk("a"))), place="here")
    import_conversation(repo, conversation(Branch("main", talk("b"))), place="here")

    assert ["a", "b"] == texts(repo, "main")
    assert ["main"] == list(list_branches(repo))


def test_a_session_that_was_rewound_to_nothing_is_on_the_current_branch_and_what_it_says_later_on_one_of_its_own(
    tmp_path,
):
    repo = memory_repository()
    asked = {"id": "1", "type": "user", "content": "a"}
    gone = [asked, {"$rewindTo": "1"}]

    import_file(repo, gemini_session(tmp_path / "talk.jsonl", *gone))
    import_file(repo, gemini_session(tmp_path / "talk.jsonl", *gone, {**asked, "id": "2", "content": "b"}))

    assert (["a"], ["b"]) == (texts(repo, "main"), texts(repo, "talk"))
    assert ["main", "talk"] == sorted(list_branches(repo))


def test_an_import_leaves_none_of_its_objects_to_the_collector(tmp_path):
    create_repository(tmp_path, TractConfig())
    keyed = tuple(turn(str(number), key=f"k{number}") for number in range(9))
    gc.collect()
    gc.disable()
    try:
        before = objects_alive()  # of other tests in this process
        with closing(open_repository(tmp_path)) as repo:
            importer = Importer(repo, count=False)
            importer.take(conversation(Branch("main", keyed)))
            after = objects_alive()
    finally:
        gc.enable()

    assert before == after


def objects_alive() -> int:
    return sum(type(one) is NewObject for one in gc.get_objects())


@pytest.mark.parametrize("is_on", [True, False])
def test_python_s_collector_is_as_it_was_after_an_import_and_after_one_that_fails(tmp_path, is_on):
    (gc.enable if is_on else gc.disable)()
    try:
        import_file(
            memory_repository(), gemini_session(tmp_path / "talk.jsonl", {"id": "1", "type": "user", "content": "a"})
        )
        after = gc.isenabled()
        (tmp_path / "none.json").write_text('{"a": 1}')
        with pytest.raises(ImportFormatError):
            import_file(memory_repository(), tmp_path / "none.json")
        assert (is_on, is_on) == (after, gc.isenabled())
    finally:
        gc.enable()


def test_the_collector_looks_once_at_most_however_many_conversations_a_file_has(tmp_path):
    messages = [{"role": "user", "content": str(number)} for number in range(200)]
    (tmp_path / "many.json").write_text(json.dumps([{"messages": messages}] * 10))
    looks: list[str] = []
    gc.collect()
    gc.callbacks.append(lambda phase, _: looks.append(phase))
    try:
        import_file(memory_repository(), tmp_path / "many.json")
    finally:
        gc.callbacks.pop()

    assert looks.count("start") <= 1


def test_lines_share_the_commits_of_the_turns_they_share():
    repo = memory_repository()
    lines = (
        Branch("main", talk("a", "b", "c")),
        Branch("main-2", talk("a", "b", "x"), 2, 0),
        Branch("main-3", talk("a", "b", "x", "y"), 3, 1),
        Branch("sub", talk("s")),
    )

    result = import_conversation(repo, conversation(*lines))

    assert ["talk", "talk-2", "talk-3", "talk-sub"] == list(list_branches(repo))
    assert [["a", "b", "c"], ["a", "b", "x"], ["a", "b", "x", "y"], ["s"]] == [
        texts(repo, b.name) for b in result.branches
    ]
    assert [3, 1, 1, 1] == [branch.messages for branch in result.branches]
    tips = [bytes.fromhex(branch.tip) for branch in result.branches]
    assert repo.commit(tips[0]).parents == repo.commit(tips[1]).parents
    assert (tips[1],) == repo.commit(tips[2]).parents


def test_a_conversation_lands_in_one_operation():
    repo = memory_repository()
    before = len(operations(repo))

    import_conversation(repo, conversation(Branch("main", talk("a", "b")), Branch("m2", talk("a", "x"), 1, 0)))

    assert ["import: talk"] == operations(repo)[: len(operations(repo)) - before]


def test_a_name_that_is_taken_gets_a_number():
    repo = memory_repository()
    one = conversation(Branch("main", talk("a")))

    results = [import_conversation(repo, one) for _ in range(3)]

    assert ["talk", "talk-2", "talk-3"] == [result.branches[0].name for result in results]
    assert ["talk", "talk", "talk"] == [result.wanted for result in results]


def test_a_name_that_came_meanwhile_is_taken_for_who_imports_several():
    repo = memory_repository()
    importer = Importer(repo)
    names = []

    for name in ("talk", "Talk", "talk-3", "other/talk"):
        names.append(importer.take(conversation(Branch("main", talk("a")), name=name)).branches[0].name)
        create_branch(repo, f"seen-{len(names)}/x", repo.ref(HEADS + names[-1]))
        names.append(importer.take(conversation(Branch("main", talk("b")), name=f"seen-{len(names)}")).branches[0].name)

    assert ["talk", "seen-1-2", "Talk-2", "seen-3-2", "talk-3", "seen-5-2", "other-talk", "seen-7-2"] == names


def test_a_name_whose_messages_were_all_refused_is_free_for_the_next():
    repo = memory_repository()
    importer = Importer(repo)

    refused = importer.take(conversation(Branch("main", (turn(2**70),))))
    taken = importer.take(conversation(Branch("main", talk("a"))))

    assert (0, "talk") == (refused.messages, taken.branches[0].name)


@pytest.mark.parametrize("count", [True, False])
def test_usage_that_came_with_an_answer_counts_for_what_was_sent(tmp_path, count):
    store = str(tmp_path / ".tract")
    create_repository(store, TractConfig())
    repo = open_repository(store)
    result = Turn({"role": "tool", "tool_call_id": "a", "content": "a result"}, "openai")
    usage = {"prompt_tokens": 90, "completion_tokens": 10}
    call_turn = Turn(call("a"), "openai")
    turns = (turn("look"), call_turn, result, result, turn("said", "assistant", usage=usage), result, call_turn)

    importer = Importer(repo, count=count)
    importer.take(conversation(Branch("main", turns)), place="here")
    importer.finish()
    repo.close()

    with Tract.open(tmp_path) as t:
        at_answer = t.compile(at_commit="HEAD~2")
        assert ("api:100+0", 0) == (at_answer.token_source, at_answer.token_counts[3])
        assert at_answer.token_count == t.compile(at_commit="HEAD~1").token_count  # nobody asked for a third result


@pytest.mark.parametrize("count", [True, False])
def test_tokens_are_counted_on_the_way_or_left_to_who_asks(tmp_path, count):
    store = str(tmp_path / ".tract")
    create_repository(store, TractConfig())
    repo = open_repository(store)
    importer = Importer(repo, count=count)

    importer.take(conversation(Branch("main", talk("a b", "c"))), place="here")
    importer.finish()

    counts = BlobCache(repo, counter_named(repo.config.tokenizer_encoding))
    blobs = [blob for _, blob in entries(repo, context_at(repo, repo.head()[1]))]
    assert ([2, 1] if count else [None, None]) == [known and known.text for known in map(counts.known, blobs)]
    repo.close()


def test_a_tract_of_its_own_begins_on_its_default_branch(tmp_path):
    store = str(tmp_path / ".tract")
    create_repository(store, TractConfig())
    repo = open_repository(store)

    results = [import_conversation(repo, conversation(Branch("main", talk("a", "b"))), place="tract") for _ in range(2)]
    repo.close()

    assert ["talk", "talk-2"] == [result.tract for result in results]
    with Tract.open(tmp_path, tract_id="talk-2") as t:
        assert "main" == t.current_branch
        assert ["a", "b"] == [message.content for message in t.compile().messages]
    with Tract.open(tmp_path) as t:
        assert t.head is None


def test_times_come_from_the_file_and_a_turn_without_one_has_the_last():
    repo = memory_repository()
    eight, nine = datetime(2026, 3, 9, 8, tzinfo=UTC), datetime(2026, 3, 9, 9, tzinfo=UTC)
    line = Branch("main", (turn("a", time=eight), turn("b"), turn("c", time=nine)))

    import_conversation(repo, conversation(line), place="here")

    times = []
    at = repo.head()[1]
    while at is not None:
        times.append(repo.commit(at).time)
        at = repo.commit(at).parents[0] if repo.commit(at).parents else None
    assert [int(time.timestamp()) * 10**6 for time in (nine, eight, eight)] == times


def test_what_stood_beside_is_kept_as_metadata():
    repo = memory_repository()
    line = Branch("main", (turn("a", metadata={"id": 1}), turn("b")))

    import_conversation(repo, conversation(line, tools=["f"]), place="here")

    last = repo.commit(repo.head()[1])
    first = repo.commit(last.parents[0])
    assert {"id": 1, "conversation": {"tools": ["f"]}} == first.metadata
    assert last.metadata is None


@pytest.mark.parametrize("count", [True, False])
def test_usage_becomes_a_note_that_counts(tmp_path, count):
    store = str(tmp_path / ".tract")
    create_repository(store, TractConfig())
    repo = open_repository(store)
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    line = Branch("main", (turn("question"), turn("answer", "assistant", usage=usage), turn("more")))

    importer = Importer(repo, count=count)
    importer.take(conversation(line), place="here")
    importer.finish()
    repo.close()

    with Tract.open(tmp_path) as t:
        assert 100 == t.get_commit("HEAD~1").usage.input_tokens
        assert 120 == t.compile(at_commit="HEAD~1").token_count
        assert "api:120+0" == t.compile(at_commit="HEAD~1").token_source
        more = t.compile().token_counts[2]
        assert f"api:120+{more}" == t.compile().token_source


def test_usage_of_an_unknown_shape_is_kept_and_told():
    repo = memory_repository()
    line = Branch("main", (turn("a", usage={"bananas": 3}, line=7),))

    result = import_conversation(repo, conversation(line), place="here")

    assert {"usage": {"bananas": 3}} == repo.commit(repo.head()[1]).metadata
    assert [7] == [refused.line for refused in result.refused]
    assert "it was kept in the message's metadata" in result.refused[0].detail
    assert 1 == result.messages


def test_a_message_that_cannot_be_kept_is_left_out_and_the_rest_is_not():
    repo = memory_repository()
    main = (turn("a"), turn(2**70, line=2), turn("c"))
    lines = (Branch("main", main), Branch("main-2", (*main[:2], turn("x")), 2, 0))

    result = import_conversation(repo, conversation(*lines, tool="t"))

    assert ["a", "c"] == texts(repo, "talk")
    assert ["a", "x"] == texts(repo, "talk-2")
    assert [2] == [refused.line for refused in result.refused]
    assert 3 == result.messages


def test_metadata_of_the_conversation_waits_for_the_first_message_that_is_kept():
    repo = memory_repository()

    import_conversation(repo, conversation(Branch("main", (turn(2**70), turn("b"))), id="x"), place="here")

    assert {"conversation": {"id": "x"}} == repo.commit(repo.head()[1]).metadata


def test_a_conversation_of_which_nothing_can_be_kept_leaves_no_branch():
    repo = memory_repository()

    result = import_conversation(repo, conversation(Branch("main", (turn(2**70),))))

    assert {} == list_branches(repo)
    assert result.branches[0].tip is None
    assert 0 == result.messages


@pytest.mark.parametrize("name", ["../../evil", "a\x1bb", "-x"])
def test_a_hostile_name_becomes_a_harmless_one(name):
    repo = memory_repository()

    result = import_conversation(repo, conversation(Branch(name, talk("a")), name=name))

    assert result.branches[0].name in ("evil", "a-b", "x")


def keyed(*texts: str, **rest: Any) -> tuple[Turn, ...]:
    return tuple(turn(text, key=f"k-{text}", **rest) for text in texts)


def shown(t: Tract) -> list[Any]:
    return [message.content for message in t.compile().messages]


def test_a_compaction_stands_in_the_place_of_what_it_summed_up_and_expands_to_it(tmp_path):
    line = (*talk("a", "b"), turn("sum", key="s", summarises=True), *talk("c"))
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", line)), place="here")
    with Tract.open(tmp_path) as t:
        assert ["sum", "c"] == shown(t)
        assert ["sum"] == shown_at(t, "HEAD~1")
        assert t.commit_for_key("s").commit_hash == t.log(limit=2)[1].commit_hash
        t.expand(t.compile().commit_hashes[0])
        assert ["a", "b", "c"] == shown(t)


def shown_at(t: Tract, revision: str) -> list[Any]:
    return [message.content for message in t.compile(at_commit=revision).messages]


def test_what_a_compaction_keeps_stays_behind_the_summary(tmp_path):
    line = (*keyed("a", "b"), turn("sum", summarises=True, keeps=frozenset({"k-b"})), *talk("c"))
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", line)), place="here")
    with Tract.open(tmp_path) as t:
        assert ["sum", "b", "c"] == shown(t)


def test_what_a_compaction_keeps_stays_where_gc_cut_the_history_behind_it(tmp_path):
    line = (*keyed("a", "b"), turn("sum", summarises=True, keeps=frozenset({"k-b"})), *talk("c"))
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", line[:2])), place="here")
        t.compress(content="short", keep_recent=1, force=True)
        t.gc(orphan_retention_days=0, archive_retention_days=0)
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", line)), place="here")
    with Tract.open(tmp_path) as t:
        assert ["sum", "b", "c"] == shown(t)


def test_a_compaction_with_nothing_before_it_is_a_message():
    repo = memory_repository()

    import_conversation(repo, conversation(Branch("main", (turn("sum", summarises=True), turn("a")))), place="here")

    assert ["sum", "a"] == texts(repo, "main")


def test_a_cleared_result_is_empty_from_there_on_and_comes_back_when_expanded(tmp_path):
    block = {"type": "tool_result", "tool_use_id": "x", "content": "long"}
    use = {"type": "tool_use", "id": "x", "name": "f", "input": {}}
    line = (
        Turn({"role": "assistant", "content": [use]}, "anthropic"),
        Turn({"role": "user", "content": [block]}, "anthropic"),
        turn("next", clears=frozenset({"x"})),
    )
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", line)), place="here")
    with Tract.open(tmp_path) as t:
        assert [{**block, "content": "[Old tool result content cleared]"}] == shown(t)[1]
        assert [use] == shown(t)[0]
        t.expand("HEAD:2")
        assert [[use], [block], "next"] == shown(t)


def test_a_session_that_grew_goes_on_where_it_was():
    repo = memory_repository()
    import_conversation(repo, conversation(Branch("main", keyed("a", "b"))))

    again = import_conversation(repo, conversation(Branch("main", keyed("a", "b"))))
    more = import_conversation(repo, conversation(Branch("main", keyed("a", "b", "c"))))

    assert [("talk", 0, 2)] == [(b.name, b.messages, b.shared) for b in again.branches]
    assert [("talk", 1, 2)] == [(b.name, b.messages, b.shared) for b in more.branches]
    assert ["a", "b", "c"] == texts(repo, "talk")


def test_a_session_that_was_curated_since_goes_on_behind_that(tmp_path):
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", keyed("a", "b"))), place="here")
    with Tract.open(tmp_path) as t:
        t.compress(content="short", keep_recent=0)
        import_conversation(t.repository, conversation(Branch("main", keyed("a", "b", "c"))))
    with Tract.open(tmp_path) as t:
        assert ["short", "c"] == shown(t)


def test_a_session_that_was_rewound_since_gets_a_branch_from_there():
    repo = memory_repository()
    import_conversation(repo, conversation(Branch("main", keyed("a", "b"))))
    lines = (Branch("main", keyed("a", "x")), Branch("main-2", keyed("a", "b"), 1, 0))

    rewound = import_conversation(repo, conversation(*lines))

    assert [("talk-2", 1, 1), ("talk", 0, 2)] == [(b.name, b.messages, b.shared) for b in rewound.branches]
    assert (["a", "b"], ["a", "x"]) == (texts(repo, "talk"), texts(repo, "talk-2"))


def test_a_rewound_line_never_takes_the_current_branch_with_it(tmp_path):
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, conversation(Branch("main", keyed("a", "b"))), place="here")
        result = import_conversation(t.repository, conversation(Branch("main", keyed("a", "x"))), place="here")

    assert [("talk", 1, 1)] == [(b.name, b.messages, b.shared) for b in result.branches]
    with Tract.open(tmp_path) as t:
        assert ["a", "b"] == shown(t)


def test_an_agent_is_a_child_with_its_call(tmp_path):
    use = {"type": "tool_use", "id": "x", "name": "Task", "input": {}}
    main = Branch("main", (turn("a", key="1"), Turn({"role": "assistant", "content": [use]}, "anthropic", key="2")))
    agent = Child(Conversation("agent-1", (Branch("main", keyed("dig")),)), "digging", "x")
    more = Child(Conversation("agent-1", (Branch("main", keyed("dig", "dug")),)), "digging", "x")
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, Conversation("talk", (main,), children=(agent,)), place="here")
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, Conversation("talk", (main,), children=(more,)))
        (child,) = t.children()
        assert ("root/agent-1", "digging") == (child.child_tract_id, child.purpose)
        assert child.parent_commit_hash == t.head
    with Tract.open(tmp_path, tract_id="root/agent-1") as t:
        assert ["dig", "dug"] == shown(t)


def test_a_tract_is_called_what_the_program_calls_the_session(tmp_path):
    named = Conversation("talk", (Branch("main", talk("a")),), title="Tea", id="s-1")
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, named, place="here")
        import_conversation(t.repository, named, place="tract")
    with Tract.open(tmp_path) as t, Tract.open(tmp_path, tract_id="talk") as other:
        assert "Tea (s-1)" == t.config.display_name == other.config.display_name


def test_a_session_without_a_title_is_called_by_its_id(tmp_path):
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, Conversation("talk", (Branch("main", talk("a")),), id="s-1"), place="here")
    with Tract.open(tmp_path) as t:
        assert "s-1" == t.config.display_name


def test_a_file_is_imported_through_an_open_tract(tmp_path):
    file = tmp_path / "chats.jsonl"
    file.write_text(
        '{"messages": [{"role": "user", "content": "a"}]}\n{"messages": [{"role": "user", "content": "b"}]}\n5\n'
    )
    one = tmp_path / "one.json"
    one.write_text('[{"role": "user", "content": "c"}]')
    with Tract.open(tmp_path) as t:
        single, many = t.import_transcript(one), t.import_transcript(file)
        assert ["c"] == shown(t)
        t.user("d")

    assert (["main"], ["chats-1", "chats-2"]) == ([b.name for b in single.branches], [b.name for b in many.branches])
    assert [3] == [refused.line for refused in many.refused]
    (tmp_path / "none.txt").write_text("nothing")
    with Tract.open(tmp_path) as t, pytest.raises(ImportFormatError):
        t.import_transcript(tmp_path / "none.txt")


def test_conversations_that_wait_land_together_and_nobody_sees_them_before():
    repo = memory_repository()
    importer = Importer(repo)

    results = [
        importer.take(conversation(Branch("main", talk(text)), name=text), lands=False) for text in ("a", "b", "a")
    ]

    assert {} == list_branches(repo)
    importer.finish()
    assert ["a", "a-2", "b"] == sorted(list_branches(repo))
    assert [list_branches(repo)[result.branches[0].name] for result in results] == [
        result.branches[0].tip for result in results
    ]
    assert ["import: 3 conversations"] == [one for one in operations(repo) if one.startswith("import")]


def test_a_conversation_that_fails_leaves_nothing_and_the_others_land():
    repo = memory_repository()
    importer = Importer(repo)
    importer.take(conversation(Branch("main", talk("a")), name="a"), lands=False)

    bad = Branch("main", (turn("x"), turn("y", summarises=True, time=datetime(1, 1, 1))))  # a time without a zone
    with pytest.raises(TractError):
        importer.take(conversation(bad, name="bad"), lands=False)
    importer.take(conversation(Branch("main", talk("c")), name="c"), lands=False)
    importer.finish()

    assert ["a", "c"] == sorted(list_branches(repo))


def test_a_branch_that_another_process_made_meanwhile_refuses_what_waits_and_nothing_of_it_is_there(tmp_path):
    create_repository(str(tmp_path / ".tract"), TractConfig())
    with closing(open_repository(str(tmp_path / ".tract"))) as repo, closing(open_repository(repo.path or "")) as other:
        importer = Importer(repo)
        importer.take(conversation(Branch("main", talk("a")), name="a"), lands=False)
        importer.take(conversation(Branch("main", talk("b")), name="b"), lands=False)
        import_conversation(other, conversation(Branch("main", talk("other")), name="b"))

        with pytest.raises(RefMovedError):
            importer.finish()

        assert ["b"] == list(list_branches(other))
        importer.take(conversation(Branch("main", talk("a")), name="a"))
        assert ["a", "b"] == sorted(list_branches(repo))


def test_metadata_that_cannot_be_kept_costs_itself_only():
    repo = memory_repository()
    deep: Any = "x"
    for _ in range(130):
        deep = [deep]

    line = Branch("main", (turn("a"), turn("b", metadata={"deep": deep}), turn("c")))
    result = import_conversation(repo, conversation(line))

    assert ["a", "b", "c"] == texts(repo, "talk")
    assert ["nested deeper" in one.detail and "imported without it" in one.detail for one in result.refused] == [True]


def test_a_value_nested_too_deeply_costs_itself_only():
    repo = memory_repository()
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    one = turn("b")._replace(message={"role": "user", "content": "b", "deep": deep})

    result = import_conversation(repo, conversation(Branch("main", (turn("a"), one, turn("c")))))

    assert ["a", "b", "c"] == texts(repo, "talk")
    assert ["its JSON, as a text, stands in its place" in one.detail for one in result.refused] == [True]


def test_a_message_over_the_limit_costs_itself_only():
    repo = memory_repository(config=TractConfig(max_message_size=1000))

    result = import_conversation(repo, conversation(Branch("main", (*talk("a"), turn("x" * 2000), *talk("c")))))

    assert ["a", "c"] == texts(repo, "talk")
    assert ["over the limit" in one.detail for one in result.refused] == [True]


def test_a_title_is_the_tracts_name_or_in_the_metadata_of_the_branch(tmp_path):
    talked = Conversation("talk", (Branch("main", talk("a")),), {"tools": []}, title="Tea", id="s1")
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, talked, place="here")
        import_conversation(t.repository, talked, place="branch")
    with Tract.open(tmp_path) as t:
        assert "Tea (s1)" == t.config.display_name
        here, there = (t.log(limit=None, start=name)[-1].metadata for name in ("main", "talk"))
        assert {"conversation": {"tools": []}} == here
        assert {"conversation": {"title": "Tea", "id": "s1", "tools": []}} == there
