"""Recording a list of messages: the context becomes the list, in one operation, with as little as that takes."""

from __future__ import annotations

import json
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract, texts
from tract import (
    ContentValidationError,
    DivergedError,
    ImportFormatError,
    KeyConflictError,
    Priority,
    RefMovedError,
    Tract,
)
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
FORMATS = ("openai", "responses", "anthropic", "gemini")

JSON = dict[str, Any]


def user(text: str) -> JSON:
    return {"role": "user", "content": text}


def answer(text: str) -> JSON:
    return {"role": "assistant", "content": text}


def system(text: str) -> JSON:
    return {"role": "system", "content": text}


def call(*ids: str) -> JSON:
    calls = [{"id": id, "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id: str, text: str = "seen") -> JSON:
    return {"role": "tool", "tool_call_id": id, "content": text}


def use(id: str) -> JSON:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "look", "input": {"at": 1}}]}


def used(id: str) -> JSON:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "seen"}]}


def raws(t: Tract) -> list[JSON]:
    """The messages of the context, as they were committed."""
    return [message.raw for message in t.compile().messages]


def bodies(t: Tract) -> dict[str, Any]:
    context = t.compile()
    return {
        "openai": context.to_openai(),
        "responses": context.to_openai_responses(),
        "anthropic": context.to_anthropic(),
        "gemini": context.to_gemini(),
    }


def operations(t: Tract) -> int:
    return sum(1 for _ in t.repository.refs.history())


TALK = [system("be brief"), user("a"), answer("b"), user("c"), call("1", "2"), result("1"), result("2"), answer("d")]


def test_a_list_that_grows_is_appended_and_the_same_again_is_unchanged():
    t = make_tract()

    first = t.record(TALK[:3])
    second = t.record(TALK)
    third = t.record(TALK)

    assert ("appended", "appended", "unchanged") == (first.kind, second.kind, third.kind)
    assert (3, 5, 0) == (len(first.commits), len(second.commits), len(third.commits))
    assert "main" == first.branch
    assert TALK == raws(t)


def test_what_was_changed_dropped_and_inserted_is_told_and_keeps_the_ids_of_the_rest():
    t = make_tract()
    t.record(TALK)
    ids = list(t.compile().commit_hashes)

    changed = t.record([TALK[0], user("A"), *TALK[3:], user("e")])

    assert "edited" == changed.kind
    assert (ids[1],) == changed.edited
    assert (ids[2],) == changed.dropped
    assert [ids[0], ids[1], *ids[3:]] == list(t.compile().commit_hashes)[:-1]
    assert [TALK[0], user("A"), *TALK[3:], user("e")] == raws(t)


def test_what_stands_elsewhere_moved():
    t = make_tract()
    t.record([user("a"), user("b"), user("c")])
    ids = list(t.compile().commit_hashes)

    moved = t.record([user("c"), user("a"), user("b")])

    assert (ids[2],) == moved.moved
    assert [ids[2], ids[0], ids[1]] == list(t.compile().commit_hashes)
    assert 1 == len(moved.commits)


def test_each_is_one_operation_that_undo_takes_back():
    t = make_tract()
    t.record(TALK)
    before = operations(t)

    t.record([TALK[0], answer("x"), user("a"), *TALK[4:], user("e")])
    after = operations(t)
    t.undo()

    assert 1 == after - before
    assert TALK == raws(t)


def test_what_was_dropped_stays_in_the_history():
    t = make_tract()
    t.record([user("a"), user("b")])
    t.record([user("a")])

    assert [user("a")] == raws(t)
    assert user("b") == t.get_content("HEAD~1").message


def test_an_empty_list_empties_the_context():
    t = make_tract()
    t.record(TALK)

    t.record([])

    assert [] == raws(t)
    assert "unchanged" == t.record([]).kind


def test_a_list_that_diverges_may_be_refused_or_get_a_branch():
    t = make_tract()
    t.record(TALK[:4])

    with pytest.raises(DivergedError, match="message 2"):
        t.record([TALK[0], user("other")], on_divergence="error")
    beside = t.record([TALK[0], user("other"), answer("x")], on_divergence="branch")

    assert ("branched", "main-list") == (beside.kind, beside.branch)
    assert TALK[:4] == raws(t)
    t.switch("main-list")
    assert [TALK[0], user("other"), answer("x")] == raws(t)
    assert t.get_commit("HEAD~2").commit_hash == t.get_commit("main~3").commit_hash


def test_a_list_with_nothing_in_common_gets_a_branch_with_a_root_of_its_own():
    t = make_tract()
    t.record(TALK[:2])

    beside = t.record([user("other")], on_divergence="branch")

    assert [] == list(t.get_commit(beside.branch).parent_hashes)


def test_hidden_messages_are_not_in_the_list_and_stay():
    t = make_tract()
    t.record(TALK[:4])
    t.annotate("HEAD:2", Priority.SKIP)

    assert "unchanged" == t.record(t.compile().to_openai()).kind
    t.record([TALK[0], TALK[3]])
    t.annotate("HEAD:2", Priority.NORMAL)

    assert [TALK[0], TALK[1], TALK[3]] == raws(t)


def test_a_null_is_as_good_as_nothing_and_the_order_of_keys_means_nothing():
    t = make_tract()
    t.record([user("a"), {"role": "assistant", "content": "b", "refusal": None}])

    assert "unchanged" == t.record([{"content": "a", "role": "user", "name": None}, answer("b")]).kind


def test_a_message_that_was_changed_in_place_is_seen():
    t = make_tract()
    messages = [user("a"), answer("b")]
    t.record(messages)
    t.record(t.compile().to_openai())

    messages[0]["content"] = "A"

    assert 1 == len(t.record(messages).edited)
    assert "A" == t.compile().messages[0].content


def test_usage_config_and_request_go_with_the_last_answer():
    t = make_tract()
    usage = {"prompt_tokens": 10, "completion_tokens": 2}

    t.record(
        [user("a"), answer("b"), user("c")],
        usage=usage,
        generation_config={"model": "m"},
        request={"model": "m", "temperature": 1},
    )

    assert {"model": "m"} == t.get_commit("HEAD~1").generation_config
    assert 10 == t.get_commit("HEAD~1").usage.input_tokens
    assert {"model": "m", "temperature": 1, "messages": [user("a")]} == t.sent("HEAD~1").request("openai")
    assert None is t.get_commit("HEAD").generation_config


def test_a_key_is_committed_once():
    t = make_tract()
    t.record([user("a"), answer("b")], keys=["k1", "k2"])

    assert "unchanged" == t.record([user("a"), answer("b")], keys=["k1", "k2"]).kind
    assert t.commit_for_key("k2").commit_hash == t.head
    with pytest.raises(KeyConflictError):
        t.record([user("a"), answer("b"), user("c")], keys=[None, None, "k2"])


@pytest.mark.parametrize(
    ("messages", "format", "says"),
    [
        ("a", "openai", "messages must be a list, not str"),
        ([1], "openai", "message 1 must be a dict, not int"),
        ([user("a")], "word", "unknown format 'word'"),
        ({"input": []}, "openai", "has its messages under 'messages'"),
        ([user("a")], "gemini", "message 1 is not a content of Gemini's"),
        ([{"role": "user"}], "openai", "needs content"),
        ([user("a"), {"role": "user", "content": [{1}]}], "anthropic", r"\[1\].content\[0\]: an object of type set"),
    ],
)
def test_what_is_no_list_of_messages_is_refused(messages, format, says):
    with pytest.raises(ContentValidationError, match=says):
        make_tract().record(messages, format=format)


def test_what_no_payload_can_keep_costs_itself_only_and_is_known_again():
    t = make_tract()
    messages = [user("cut \ud83d here"), {**answer("b"), "seed": 2**70, "p": float("nan")}]

    first, again = t.record(messages), t.record(messages)

    assert ("appended", "unchanged") == (first.kind, again.kind)
    assert "cut \ufffd here" == t.compile().messages[0].content
    assert [
        "message [0].content: half a surrogate pair in a text; U+FFFD replaces it",
        f"message [1].seed: a number that cannot be kept; the text '{2**70}' replaces it",
        "message [1].p: a number that cannot be kept; the text 'nan' replaces it",
    ] == [*first.warnings]


@pytest.mark.parametrize("levels", [130, 190, 5000])
def test_what_is_nested_too_deeply_costs_itself_only_and_is_known_again(levels):
    deep = "x"
    for _ in range(levels):
        deep = [deep]
    t = make_tract()
    messages = [user("a"), {"role": "user", "content": [{"type": "text", "text": "b", "deep": deep}]}, user("c")]

    first, again = t.record(messages), t.record(messages)

    assert ("appended", "unchanged") == (first.kind, again.kind)
    assert 3 == len(t.compile())
    assert ["nested too deeply" in one for one in first.warnings] == [True]
    kept = t.get_content("HEAD~1").message["content"][0]["deep"]
    while isinstance(kept, list):
        kept, levels = kept[0], levels - 1
    assert kept == ("" if levels > 1000 else "[" * levels + '"x"' + "]" * levels)


@pytest.mark.parametrize("request_", [5, "x", [1]])
def test_a_request_is_a_dict(request_):
    with pytest.raises(ContentValidationError, match="request must be a dict, not"):
        make_tract().record([user("a")], request=request_)


def test_keys_are_as_many_as_messages():
    with pytest.raises(ContentValidationError, match="keys must be a list with a key for each message, not int"):
        make_tract().record([user("a")], keys=5)
    with pytest.raises(ContentValidationError, match="keys must be as many as messages: 1 for 2"):
        make_tract().record([user("a"), user("b")], keys=["k"])


def test_who_did_not_see_what_came_is_told(tmp_path):
    with Tract.open(tmp_path) as one, Tract.open(tmp_path) as other:
        one.record([user("a")])
        other.compile()
        other.head  # noqa: B018  # it looked
        one.record([user("a"), answer("b")])

        with pytest.raises(RefMovedError) as caught:
            other.record([user("a"), user("c")])

    assert (user("a"), user("c")) == caught.value.content


# Instructions of Anthropic's and Gemini's


@pytest.mark.parametrize("format", ["anthropic", "gemini"])
def test_a_list_that_says_nothing_of_instructions_leaves_those_of_the_context(format):
    t = make_tract()
    t.record(TALK)
    body = bodies(t)[format]

    listed = body["messages"] if format == "anthropic" else body["contents"]

    assert "unchanged" == t.record(listed, format=format).kind
    assert "be brief" == t.compile().messages[0].content


def test_instructions_of_a_body_stand_for_those_of_the_context():
    t = make_tract()
    t.record(TALK)
    body = t.compile().to_anthropic()

    edited = t.record({**body, "system": "be long"}, format="anthropic")

    assert (1, 0, 0) == (len(edited.edited), len(edited.dropped), len(edited.moved))
    assert "be long" == t.compile().to_anthropic()["system"]
    assert body["messages"] == t.compile().to_anthropic()["messages"]


def test_instructions_come_into_a_context_without():
    t = make_tract()
    t.record([user("a"), answer("b")])

    t.record({"system": "be brief", "messages": [user("a"), answer("b")]}, format="anthropic")

    assert ["system", "user", "assistant"] == [message.role for message in t.compile().messages]


def test_bodies_of_gemini_become_chat_messages_and_are_known_again():
    t = make_tract()
    contents = [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "s"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": "x"}}}, {"text": "b"}]},
    ]

    first = t.record({"systemInstruction": {"parts": [{"text": "be"}]}, "contents": contents}, format="gemini")
    again = t.record({"systemInstruction": {"parts": [{"text": "be"}]}, "contents": contents}, format="gemini")
    more = t.record([*contents, {"role": "model", "parts": [{"text": "c"}]}], format="gemini")

    assert ("appended", "unchanged", "appended") == (first.kind, again.kind, more.kind)
    assert ["system", "user", "assistant", "tool", "user", "assistant"] == [m.role for m in t.compile().messages]
    assert 1 == len(more.commits)


# Every format, every context


MIXED = [
    [("openai", one) for one in TALK],
    [("anthropic", one) for one in (user("a"), use("1"), used("1"), answer("b"))],
    [("openai", user("a")), ("anthropic", use("1")), ("openai", result("1")), ("openai", user("b")), ("anthropic", user("c"))],
    [("openai", call("1", "2")), ("openai", result("2")), ("openai", user("late")), ("openai", result("1")), ("openai", user("x"))],
    [("openai", system("one")), ("openai", user("a")), ("openai", system("two")), ("openai", answer("b")), ("openai", user(""))],
    [("openai", system("alone"))],
    [("openai", call("1"))],
    [("anthropic", use("1")), ("openai", system("behind a call"))],
    [("anthropic", use("1")), ("openai", user(" "))],
    [("responses", {"type": "reasoning", "id": "r", "summary": []}), ("responses", {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"}), ("responses", {"type": "function_call_output", "call_id": "1", "output": "x"})],
    [("openai", answer("b")), ("openai", answer("c")), ("openai", result("nobody")), ("openai", user(" "))],
]  # fmt: skip


@pytest.mark.parametrize("messages", MIXED)
@pytest.mark.parametrize("format", FORMATS)
def test_what_a_context_is_rendered_as_is_the_context(messages, format):
    t = make_tract()
    for own, message in messages:
        t.extend([message], format=own)
    before = t.head

    assert "unchanged" == t.record(bodies(t)[format], format=format).kind
    assert before == t.head


@pytest.mark.parametrize("messages", MIXED)
@pytest.mark.parametrize("format", FORMATS)
def test_what_comes_behind_a_rendering_is_all_that_is_new(messages, format):
    t = make_tract()
    for own, message in messages:
        t.extend([message], format=own)
    before = list(t.compile().commit_hashes)
    body = bodies(t)[format]
    listed = body if isinstance(body, list) else body.get("messages", body.get("contents"))
    more = {"role": "model", "parts": [{"text": "so"}]} if format == "gemini" else answer("so")

    grown = t.record([*listed, more], format=format)

    assert ("appended", 1) == (grown.kind, len(grown.commits))
    assert before == list(t.compile().commit_hashes)[:-1]


# Random edits


def random_message(rng: random.Random, number: int) -> list[JSON]:
    kind = rng.randrange(6)
    if kind < 3:
        return [rng.choice((user, answer))(f"text {rng.randrange(8)}")]
    if kind == 3:
        return [system(f"rule {number}")]
    ids = [f"c{number}{nth}" for nth in range(rng.randrange(1, 3))]
    return [call(*ids), *(result(id, f"r{rng.randrange(4)}") for id in ids)]


def edited(rng: random.Random, messages: list[JSON], number: int) -> list[JSON]:
    """*messages* after one random change."""
    messages = [json.loads(json.dumps(one)) for one in messages]
    at = rng.randrange(len(messages) + 1)
    match rng.randrange(7):
        case 0 | 1:
            return messages + random_message(rng, number)
        case 2 if messages:
            messages[at % len(messages)]["content"] = f"changed {rng.randrange(5)}"
        case 3:
            del messages[at : at + rng.randrange(1, 3)]
        case 4:
            messages[at:at] = random_message(rng, number)
        case 5:
            del messages[at:]
        case _:
            other = rng.randrange(len(messages) + 1)
            messages[at:at], messages[other : other + 1] = messages[other : other + 1], []
    return messages


def check_is(t: Tract, messages: list[JSON]) -> None:
    """The context is what a context of these messages alone is; of results without a call, say, nobody is shown anything."""
    fresh = make_tract()
    fresh.extend(messages)
    with suppress(ContentValidationError):  # results without a call alone: nothing can be sent
        assert fresh.compile().to_openai() == t.compile().to_openai()


def check_random_edits(seed: int, count: int) -> None:
    rng = random.Random(seed)
    t = make_tract()
    messages: list[JSON] = []
    before = operations(t)
    for number in range(count):
        messages = edited(rng, messages[:40], number)
        made = t.record(messages)
        after = operations(t)
        check_is(t, messages)
        assert after - before == (made.kind != "unchanged"), (seed, number)
        if (
            t.record(messages).kind != "unchanged"
        ):  # of an open call in the middle, it dropped a result that nobody is shown
            check_is(t, messages)
            assert "unchanged" == t.record(messages).kind, (seed, number)
        before = operations(t)
        with suppress(ContentValidationError):  # as above
            for format, body in bodies(t).items() if number % 10 == 0 else ():
                assert "unchanged" == t.record(body, format=format).kind, (seed, number, format)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_edit_of_a_list_the_context_is_the_list(seed):
    check_random_edits(seed, 40)


@pytest.mark.slow
def test_after_ten_thousand_edits_of_lists_the_context_is_the_list():
    for seed in range(100, 200):
        check_random_edits(seed, 100)


@pytest.mark.parametrize("turns", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_two_branches_recorded_in_turn_never_change_each_other(tmp_path, turns):
    rng = random.Random(7)
    lists: dict[str, list[JSON]] = {"one": [], "two": []}
    with Tract.open(tmp_path, durability="process") as t:
        t.user("seed")
        for name in lists:
            t.branch(name)
    handles = {name: Tract.open(tmp_path, branch=name, durability="process") for name in lists}
    for number in range(turns):
        name = rng.choice(list(lists))
        lists[name] = edited(rng, lists[name][:20], number)
        handles[name].record(lists[name])
        for each, handle in handles.items():
            if lists[each]:
                check_is(handle, lists[each])
    for handle in handles.values():
        handle.close()


def corpus_files() -> list[Path]:
    return [*sorted(CORPUS.glob("SWE-agent*/**/*.traj")), SAMPLES / "support.json", SAMPLES / "claude-code.jsonl"]


@pytest.mark.parametrize("path", corpus_files(), ids=lambda path: path.name)
def test_a_real_context_is_unchanged_in_every_format(path, tmp_path):
    with Tract.open(tmp_path) as t:
        import_conversation(t.repository, read_transcript(path).conversations[0], place="here")
    with Tract.open(tmp_path) as t:
        for format, body in bodies(t).items():
            assert "unchanged" == t.record(body, format=format).kind


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(one for one in CORPUS.rglob("*") if one.is_file() and one.suffix in (".jsonl", ".json", ".traj")), ids=lambda path: f"{path.parts[-3]}-{path.name}")  # fmt: skip
def test_every_context_of_the_corpus_is_unchanged_in_every_format(path):
    try:
        conversations = read_transcript(path).conversations
    except ImportFormatError:
        pytest.skip("no conversation")
    for conversation in conversations:
        t = make_tract()
        import_conversation(t.repository, conversation, place="here")
        t.compile()
        with suppress(ContentValidationError):  # a message alone that cannot be sent
            for format, body in bodies(t).items():
                assert "unchanged" == t.record(body, format=format).kind, (conversation.name, format)


def test_what_stands_behind_a_change_is_looked_at_once():
    def asked(at: int) -> list[JSON]:
        result = {"name": "look", "response": {"output": f"seen {at}"}}
        return [
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": at}}}]},
            {"role": "user", "parts": [{"functionResponse": result}]},
        ]

    t = make_tract()
    contents: list[JSON] = [
        {"role": "user", "parts": [{"text": "look"}]},
        *(one for at in range(200) for one in asked(at)),
    ]
    t.record(contents, format="gemini")
    contents[202] = asked(5000)[1]
    rows = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal rows
        rows += event == "call" and frame.f_code.co_varnames == ("_cls", "at", "piece")

    sys.setprofile(count)
    changed = t.record(contents, format="gemini")
    sys.setprofile(None)

    assert 1 == len(changed.edited) == len(changed.commits)
    assert 0 < rows < 4 * len(contents)


def talk_in(format: str, at: int) -> list[JSON]:
    """A call and its result, and a word behind them."""
    if format == "openai":
        return [call(f"{at}"), result(f"{at}", f"seen {at}"), answer(f"found {at}")]
    if format == "responses":
        made = {"type": "function_call", "call_id": f"{at}", "name": "look", "arguments": "{}"}
        return [
            made,
            {"type": "function_call_output", "call_id": f"{at}", "output": f"seen {at}"},
            answer(f"found {at}"),
        ]
    if format == "anthropic":
        return [use(f"{at}"), used(f"{at}"), answer(f"found {at}")]
    response = {"name": "look", "response": {"output": f"seen {at}"}}
    return [
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": at}}}]},
        {"role": "user", "parts": [{"functionResponse": response}]},
        {"role": "model", "parts": [{"text": f"found {at}"}]},
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_list_that_is_known_is_neither_rendered_nor_read_message_by_message(format):
    t = make_tract()
    first: JSON = {"role": "user", "parts": [{"text": "look"}]} if format == "gemini" else user("look")
    messages = [first, *(one for at in range(100) for one in talk_in(format, at))]
    t.record(messages, format=format)
    assert "unchanged" == t.record(messages, format=format).kind

    calls = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name in ("alike", "_single_units", "_copy", "_write_step")

    sys.setprofile(count)
    for at in range(100, 105):
        messages += talk_in(format, at)
        assert 3 == len(t.record(messages, format=format).commits)
    sys.setprofile(None)

    assert calls < 2000  # it takes some 15,000 to look at each of 300, five times
    assert "unchanged" == t.record(messages, format=format).kind


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Where in *value* something stands that can be changed in place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, item in items for one in ([(value, key)] if isinstance(item, str) else places_in(item))]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_changed_in_place_is_seen_wherever_it_stands(format, tmp_path):
    t = Tract.open(tmp_path, durability="process")
    first: JSON = {"role": "user", "parts": [{"text": "look"}]} if format == "gemini" else user("look")
    messages = [first, *(one for at in range(4) for one in talk_in(format, at))]
    t.record(messages, format=format)
    assert "unchanged" == t.record(messages, format=format).kind

    for holder, key in places_in(messages):
        if key in ("content", "text", "output"):
            holder[key] += "!"
            assert "edited" == t.record(messages, format=format).kind, (holder, key)
            assert "unchanged" == t.record(messages, format=format).kind, (holder, key)
            with Tract.open(tmp_path) as other:  # which knows nothing of the list
                assert "unchanged" == other.record(messages, format=format).kind, (holder, key)
    t.close()


def test_true_in_place_of_one_is_seen():
    t = make_tract()
    messages = [user("a"), {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {"at": 1}}]}, used("1")]  # fmt: skip
    t.record(messages, format="anthropic")
    assert "unchanged" == t.record(messages, format="anthropic").kind

    messages[1]["content"][0]["input"]["at"] = True
    changed = t.record(messages, format="anthropic").kind
    messages[1]["content"][0]["input"]["at"] = 1.0
    back = t.record(messages, format="anthropic").kind

    assert ("edited", "edited") == (changed, back)


@pytest.mark.parametrize("format", ["openai", "responses"])
@pytest.mark.parametrize(("was", "now"), [(1, True), (False, 0), ({"at": [1.0]}, {"at": [True]})])
def test_true_in_place_of_one_is_seen_where_a_rendering_is_compared_too(format, was, now):
    t = make_tract()
    t.record([{**user("a"), "more": was}, user("b")], format=format)

    assert "edited" == t.record([{**user("a"), "more": now}, user("b")], format=format).kind

    assert json.dumps([now, None]) == json.dumps([one.get("more") for one in raws(t)])


def test_a_result_that_a_rendering_made_up_is_no_message():
    t = make_tract()
    messages = [user("a"), call("1")]
    t.record(messages)
    assert "unchanged" == t.record(messages).kind

    assert "unchanged" == t.record(t.compile().to_openai()).kind


def test_a_rendering_of_as_many_items_as_messages_is_not_taken_for_their_contents():
    t = make_tract()
    t.record([call("1"), call("2"), result("2"), user("a")])
    rendered = t.compile().to_openai()  # one answer with both calls, and a result that is made up
    assert 4 == len(rendered)
    assert "unchanged" == t.record(rendered).kind

    messages = [call("1"), rendered[1], result("2"), user("a")]
    t.record(messages)

    check_is(t, messages)


def sdk_turns(provider: str, start: int, stop: int) -> list[Any]:
    """Turns as a program appends them: of each answer the SDK's own object, or its parts."""
    sdk: Any = pytest.importorskip("openai.types.chat" if provider == "openai" else "anthropic.types")
    found: list[Any] = []
    for at in range(start, stop):
        if provider == "openai":
            found += [sdk.ChatCompletionMessage.model_validate(call(f"{at}")), result(f"{at}")]
            continue
        uses = sdk.ToolUseBlock(type="tool_use", id=f"{at}", name="look", input={"at": 1})
        said = {"role": "assistant", "content": [sdk.TextBlock(type="text", text=f"look {at}"), uses]}
        found += [said, used(f"{at}")]
    return found


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_sdks_own_objects_are_known_again_without_a_look_at_what_they_say(provider):
    t = make_tract()
    messages: list[Any] = [user("look"), *sdk_turns(provider, 0, 100)]
    t.record(messages, format=provider)
    assert "unchanged" == t.record(messages, format=provider).kind

    dumps = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal dumps
        dumps += event == "call" and frame.f_code.co_name == "model_dump"

    sys.setprofile(count)
    for at in range(100, 105):
        messages += sdk_turns(provider, at, at + 1)
        assert 2 == len(t.record(messages, format=provider).commits)
    sys.setprofile(None)

    assert 0 < dumps < 50  # 500 and more, if all say again what they are


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_what_is_changed_in_an_sdks_own_object_is_seen(provider):
    t = make_tract()
    messages: list[Any] = [user("look"), *sdk_turns(provider, 0, 3)]
    t.record(messages, format=provider)
    assert "unchanged" == t.record(messages, format=provider).kind

    if provider == "openai":
        messages[3].tool_calls[0].function.arguments = '{"at": 2}'
    else:
        messages[3]["content"][1].input["at"] = True
    changed = t.record(messages, format=provider)
    again = t.record(messages, format=provider)

    assert ("edited", "unchanged") == (changed.kind, again.kind)
    where = raws(t)[3]["tool_calls"][0]["function"]["arguments"] if provider == "openai" else raws(t)[3]["content"][1]["input"]  # fmt: skip
    assert where == ('{"at": 2}' if provider == "openai" else {"at": True})
    assert "unchanged" == t.record(json.loads(json.dumps(raws(t))), format=provider).kind


def test_an_object_that_cannot_be_copied_is_recorded_by_what_it_says():
    pydantic: Any = pytest.importorskip("pydantic")

    class Answer(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        role: str = "assistant"
        content: str
        _lock: Any = pydantic.PrivateAttr(default_factory=threading.Lock)

    t = make_tract()
    messages = [user("a"), Answer(content="b")]
    for _ in range(2):
        t.record(messages)
    messages += [user("c"), Answer(content="d")]
    t.record(messages)
    messages[1].content = "B"

    assert ("edited", "unchanged") == (t.record(messages).kind, t.record(messages).kind)
    assert ["a", "B", "c", "d"] == [one["content"] for one in raws(t)]


def test_what_is_no_message_behind_a_list_that_is_known_is_named():
    t = make_tract()
    t.record({"system": "be brief", "messages": [user("a"), answer("b")]}, format="anthropic")

    for _ in range(2):
        with pytest.raises(ContentValidationError, match="message 3 must be a dict, not int"):
            t.record({"system": "be brief", "messages": [user("a"), answer("b"), 7]}, format="anthropic")
        assert "unchanged" == t.record({"system": "be brief", "messages": [user("a"), answer("b")]}, format="anthropic").kind  # fmt: skip


@pytest.mark.parametrize("was", ["parts", "text"])
def test_an_answer_that_is_sent_back_as_a_text_is_an_edit_and_nothing_is_rendered_for_it(was):
    def said(at: int, form: str) -> JSON:
        return {"role": "assistant", "content": f"b{at}" if form == "text" else [{"type": "text", "text": f"b{at}"}]}

    now = "text" if was == "parts" else "parts"
    t = make_tract()
    messages = [one for at in range(100) for one in (user(f"a{at}"), said(at, now))]
    t.record(messages, format="anthropic")
    t.record(messages, format="anthropic")
    rendered = 0

    def count(frame: Any, event: str, _: object) -> None:
        nonlocal rendered
        rendered += event == "call" and frame.f_code.co_name in ("_single_units", "_write_step")

    for at in range(100, 103):
        t.record([*messages, user(f"a{at}"), said(at, was)], format="anthropic")
        messages += [user(f"a{at}"), said(at, now)]
        sys.setprofile(count)
        changed = t.record([*messages, user("next")], format="anthropic")
        sys.setprofile(None)
        assert (1, 2) == (len(changed.edited), len(changed.commits))
        assert messages == raws(t)[:-1]
        t.record(messages, format="anthropic")

    assert rendered < 20


# Lists with keys


def numbered(*numbers):
    return [user(f"m{n}") if n % 2 else answer(f"m{n}") for n in numbers]


def record_numbered(t, *numbers, **options):
    return t.record(numbered(*numbers), keys=[f"k{n}" for n in numbers], **options)


def test_a_message_with_a_key_that_left_the_context_comes_back():
    t = make_tract()
    record_numbered(t, 1, 2, 3, 4)
    record_numbered(t, 1, 4)

    back, again = record_numbered(t, 1, 2, 3, 4), record_numbered(t, 1, 2, 3, 4)

    assert ("edited", "unchanged") == (back.kind, again.kind)
    assert ["m1", "m2", "m3", "m4"] == texts(t)


@pytest.mark.parametrize("collects", [False, True])
def test_messages_with_keys_that_a_summary_stands_for_come_back(tmp_path, collects):
    t = make_tract(path=tmp_path)
    record_numbered(t, 1, 2, 3, 4, 5)
    t.compress(content="short", keep_recent=1, force=True)
    if collects:
        t.gc(orphan_retention_days=0, archive_retention_days=0)

    record_numbered(t, 1, 2, 3, 4, 5)

    assert ["m1", "m2", "m3", "m4", "m5"] == texts(t)
    assert "unchanged" == record_numbered(t, 1, 2, 3, 4, 5).kind


def test_a_key_for_another_content_is_a_conflict_in_a_list_too():
    t = make_tract()
    record_numbered(t, 1, 2, 3)
    record_numbered(t, 1, 3)

    with pytest.raises(KeyConflictError):
        t.record(numbered(1, 2, 3), keys=["k1", "k3", "k3"])

    assert ["m1", "m3"] == texts(t)


@pytest.mark.parametrize("seed", range(24))
def test_the_context_is_the_list_whatever_its_keys_were_given_before(seed):
    chance, t = random.Random(seed), make_tract()
    listed, highest = [1, 2, 3], 3
    for _ in range(8):
        if chance.random() < 0.4:
            listed = [n for n in listed if chance.random() < 0.7]
        gone = [n for n in range(1, highest + 1) if n not in listed]
        if gone and chance.random() < 0.5:
            listed = sorted([*listed, chance.choice(gone)])
        if chance.random() < 0.2:
            chance.shuffle(listed)
        if chance.random() < 0.3 and t.messages():
            target = chance.choice(t.messages()).commit_hash
            if chance.random() < 0.5:
                t.annotate(target, "skip")
            else:
                t.edit(target, "edited")
        new = list(range(highest + 1, highest + 1 + chance.randint(0, 2)))
        listed, highest = listed + new, highest + len(new)
        about = {"request": {"model": "m"}, "generation_config": {"model": "m"}} if chance.random() < 0.3 else {}

        result = record_numbered(t, *listed, on_divergence=chance.choice(["edit", "branch"]), **about)
        if result.kind == "branched":
            t.switch(result.branch)

        assert [f"m{n}" for n in listed] == texts(t)
        assert "unchanged" == record_numbered(t, *listed).kind


def test_a_message_that_is_hidden_on_another_branch_comes_back_with_its_key():
    t = make_tract()
    t.record([user("a")])
    t.switch("aside", create=True)
    t.record([user("a"), answer("b")], keys=[None, "k"])
    t.annotate("HEAD", Priority.SKIP)
    t.switch("main")

    (made,) = t.record([user("a"), answer("b")], keys=[None, "k"]).commits
    again = t.commit(answer("b"), key="k")

    assert [made, made] == [again.commit_hash, t.commit_for_key("k").commit_hash]
    assert ["a", "b"] == texts(t)
    assert ("unchanged", 2) == (t.record([user("a"), answer("b")], keys=[None, "k"]).kind, t.status().commit_count)
    t.switch("aside")
    assert ["a"] == texts(t)
    t.merge("main")
    assert ["a", "b"] == texts(t)
