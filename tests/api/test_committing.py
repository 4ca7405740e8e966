"""Committing through the public API: what goes in, what comes back, and what a refusal leaves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Literal

import pytest

from tests.making import call, make_tract, texts
from tract import (
    AmbiguousPrefixError,
    ArtifactContent,
    CommitNotFoundError,
    CommitOperation,
    ContentValidationError,
    DialogueContent,
    EditTargetError,
    FreeformContent,
    InstructionContent,
    MessageContent,
    Priority,
    RoleWarning,
    SessionContent,
    TagExistsError,
    TimeArgumentError,
    ToolIOContent,
    Tract,
    TractError,
    validate_content,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
OPENAI = [
    {"role": "system", "content": "Be brief.", "name": "boss"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Look", "x": 1}, {"type": "image_url", "image_url": {"url": "data:,"}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{ }"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "0.10", "extra": {"kept": [1, 2.5, None, True]}},
]
RESPONSES = [
    {"role": "user", "content": "What is it?"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc="},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "3"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "3", "annotations": []}]},
]
ANTHROPIC = [
    {"role": "user", "content": [{"type": "text", "text": "Go", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "…", "signature": "s"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
]


def test_a_commit_gives_back_what_it_recorded():
    t = make_tract("a")

    info = t.commit(
        DialogueContent("assistant", "b c"),
        message="an answer",
        response_to="HEAD",
        metadata={"k": [1]},
        generation_config={"model": "m"},
        usage={"prompt_tokens": 7, "completion_tokens": 2},
        timestamp=NOON,
    )

    first = t.get_commit("HEAD~1")
    assert info == t.get_commit("HEAD")
    assert (first.commit_hash,) == info.parent_hashes
    assert first.commit_hash == info.parent_hash == info.response_to
    assert ("dialogue", CommitOperation.APPEND, "an answer") == (info.content_type, info.operation, info.message)
    assert ({"k": [1]}, {"model": "m"}, NOON) == (info.metadata, info.generation_config, info.created_at)
    assert (7, 2) == (info.usage.input_tokens, info.usage.output_tokens)
    assert (2, Priority.NORMAL, "tester", "root") == (info.token_count, info.priority, info.author, info.tract_id)
    assert t.head == info.commit_hash


def test_the_shorthands_commit_their_roles():
    t = make_tract()

    t.system("s")
    t.user("u")
    t.assistant("a", usage={"input_tokens": 3, "output_tokens": 1})
    t.tool_result("c1", "r")

    assert ["system", "user", "assistant", "tool"] == [message.role for message in t.compile().messages]
    assert {"role": "tool", "tool_call_id": "c1", "content": "r"} == t.compile().messages[-1].raw
    assert [t.get_commit("HEAD~3")] == t.pinned()


@pytest.mark.parametrize(
    ("format", "messages", "render"),
    [
        ("openai", OPENAI, "to_openai"),
        ("responses", RESPONSES, "to_openai_responses"),
        ("anthropic", ANTHROPIC, "to_anthropic"),
    ],
)
def test_messages_come_back_value_for_value_in_their_own_format(format, messages, render):
    t = make_tract()

    infos = t.extend(messages, format=format)

    rendered = getattr(t.compile(), render)()
    assert messages == (rendered["messages"] if format == "anthropic" else rendered)
    assert [MessageContent(m, format) for m in messages] == [t.get_content(i.commit_hash) for i in infos]


@pytest.mark.parametrize(("format", "messages"), [("responses", RESPONSES), ("anthropic", ANTHROPIC)])
def test_the_shape_of_another_format_is_seen_without_being_told(format, messages):
    told, untold = make_tract(), make_tract()

    told.extend(messages, format=format)
    untold.extend(messages)

    assert told.compile().to_openai() == untold.compile().to_openai()
    assert told.compile().to_anthropic() == untold.compile().to_anthropic()


@pytest.mark.parametrize(
    ("keys", "problem"), [(5, "not int"), ("ab", "not str"), ({"a": 1}, "not dict"), (["a"], "1 for 2")]
)
def test_keys_are_a_list_of_as_many(keys, problem):
    with pytest.raises(ContentValidationError, match=problem):
        make_tract().extend([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], keys=keys)


def test_what_is_returned_can_be_changed_without_changing_the_record():
    t = make_tract()
    message = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    metadata, config, usage = {"k": {"x": 1}}, {"m": {"y": 1}}, {"prompt_tokens": 1, "more": {"z": 1}}
    info = t.commit(message, metadata=metadata, generation_config=config, usage=usage)

    def spoil(value):
        value.clear()

    for given in (message["content"][0], metadata["k"], config["m"], usage["more"]):
        spoil(given)
    spoil(info.metadata["k"])
    spoil(info.generation_config["m"])
    spoil(info.usage.original["more"])
    spoil(t.get_content("HEAD").message["content"][0])
    spoil(t.compile().to_openai(copy=True)[0]["content"][0])
    spoil(t.compile().messages[0].raw["content"][0])
    spoil(t.compile().generation_configs[0]["m"])
    spoil(t.compile().to_dicts()[0]["content"][0])

    again = t.get_commit("HEAD")
    assert [{"role": "user", "content": [{"type": "text", "text": "a"}]}] == t.compile().to_openai()
    assert ({"k": {"x": 1}}, {"m": {"y": 1}}) == (again.metadata, again.generation_config)
    assert {"prompt_tokens": 1, "more": {"z": 1}} == again.usage.original


def test_neither_config_nor_usage_is_in_a_hash():
    hashes = set()
    for config, usage in [(None, None), ({"model": "m"}, None), ({"model": "n"}, {"input_tokens": 4})]:
        info = make_tract().commit(DialogueContent("user", "a"), timestamp=NOON, generation_config=config, usage=usage)
        hashes.add((info.content_hash, info.commit_hash))

    assert 1 == len(hashes)


def test_message_and_metadata_are_in_the_commit_hash_and_not_in_the_content_hash():
    plain, worded, marked = (
        make_tract().commit(DialogueContent("user", "a"), timestamp=NOON, **options)
        for options in ({}, {"message": "m"}, {"metadata": {"k": 1}})
    )

    assert plain.content_hash == worded.content_hash == marked.content_hash
    assert 3 == len({plain.commit_hash, worded.commit_hash, marked.commit_hash})


def test_a_timestamp_in_another_zone_is_the_same_moment():
    t = make_tract()

    info = t.commit(DialogueContent("user", "a"), timestamp=NOON.astimezone(timezone(timedelta(hours=-7))))

    assert NOON == info.created_at
    assert UTC == info.created_at.tzinfo


@pytest.mark.parametrize("when", [datetime(2026, 1, 2), "soon", 5])
def test_a_time_that_is_no_moment_is_refused(when):
    t = make_tract("a")

    with pytest.raises(TimeArgumentError):
        t.commit(DialogueContent("user", "b"), timestamp=when)
    with pytest.raises(TimeArgumentError):
        t.compile(at_time=when)

    assert ["a"] == texts(t)


def test_an_edit_replaces_the_message_and_keeps_the_original_in_the_history():
    t = make_tract("a", "b")

    info = t.edit("HEAD~1", DialogueContent("assistant", "A"))

    assert [("assistant", "A"), ("user", "b")] == [(m.role, m.content) for m in t.compile().messages]
    assert (CommitOperation.EDIT, t.get_commit("HEAD~2").commit_hash) == (info.operation, info.response_to)
    assert DialogueContent("user", "a") == t.get_content("HEAD~2")
    assert t.compile().commit_hashes[0] == info.response_to


def test_an_edit_of_an_edit_edits_the_original():
    t = make_tract("a")
    first = t.edit("HEAD", "b")

    second = t.edit(first.commit_hash, "c")

    assert ["c"] == texts(t)
    assert first.response_to == second.response_to


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def blocks(*content: dict[str, Any]) -> MessageContent:
    return MessageContent({"role": "assistant", "content": list(content)}, "anthropic")


def answered(content: Any) -> MessageContent:
    result = {"type": "tool_result", "tool_use_id": "a", "content": content}
    return MessageContent({"role": "user", "content": [result]}, "anthropic")


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (InstructionContent("x"), InstructionContent("new")),
        (DialogueContent("assistant", "x", "n"), DialogueContent("assistant", "new", "n")),
        ({"role": "user", "content": "x", "k": 1}, MessageContent({"role": "user", "content": "new", "k": 1})),
        (
            blocks(THOUGHT, {"type": "text", "text": "x", "citations": []}),
            blocks(THOUGHT, {"type": "text", "text": "new", "citations": []}),
        ),
        (blocks({"type": "text", "text": "x"}, CALL), blocks({"type": "text", "text": "new"}, CALL)),
        (answered("x"), answered("new")),
        (answered([{"type": "text", "text": "x"}]), answered([{"type": "text", "text": "new"}])),
        (ToolIOContent("f", "result", "x", call_id="a"), ToolIOContent("f", "result", "new", call_id="a")),
    ],
)
def test_an_edit_by_text_changes_the_words_alone(content, after):
    t = make_tract()
    t.commit(content)

    t.edit("HEAD", "new")

    assert after == t.get_content("HEAD")


def test_an_edit_by_text_of_what_has_no_text_is_refused():
    t = make_tract()
    t.commit(call("a"))

    with pytest.raises(ContentValidationError, match="content is not text"):
        t.edit("HEAD", "new")
    for content in (blocks(CALL), blocks({"type": "text", "text": "a"}, {"type": "text", "text": "b"})):
        t.commit(content)
        with pytest.raises(ContentValidationError, match=r"content has [02] blocks of text; give the whole message"):
            t.edit("HEAD", "new")


def test_text_alone_is_content_only_for_an_edit():
    t = make_tract("a")

    with pytest.raises(ContentValidationError, match="str"):
        t.commit("b", response_to="HEAD")

    assert ["a"] == texts(t)


@pytest.mark.parametrize("content", ["b", DialogueContent("user", "b")])
def test_an_edit_without_a_target_is_refused(content):
    t = make_tract("a")

    with pytest.raises(EditTargetError, match="response_to"):
        t.commit(content, CommitOperation.EDIT)

    assert ["a"] == texts(t)


def test_an_edit_of_a_commit_that_does_not_exist_names_it():
    t = make_tract("a")

    with pytest.raises(CommitNotFoundError, match="no commit named 'beef1234'"):
        t.edit("beef1234", "b")


def test_an_edit_of_a_message_of_another_history_is_refused(tmp_path):
    with Tract.open(tmp_path) as root, Tract.open(tmp_path, tract_id="other") as other:
        root.user("a")
        foreign = other.user("b").commit_hash

        with pytest.raises(EditTargetError, match=foreign[:16]):
            root.edit(foreign, "c")

        assert (["a"], ["b"]) == (texts(root), texts(other))


def test_an_ambiguous_prefix_lists_its_candidates():
    t = make_tract()
    ids = sorted(info.commit_hash for info in t.extend({"role": "user", "content": str(n)} for n in range(1500)))
    prefix = next(a[:4] for a, b in pairwise(ids) if a[:4] == b[:4])

    with pytest.raises(AmbiguousPrefixError) as caught:
        t.get_commit(prefix)

    assert tuple(id for id in ids if id.startswith(prefix)) == caught.value.candidates
    assert t.get_commit(ids[0][:12]).commit_hash == ids[0]


@pytest.mark.parametrize("revision", ["", "abc", "nope", "HEAD~9", "main@{9}", "0" * 64, "HEAD^2", "../x", "\ud800"])
@pytest.mark.parametrize("method", ["get_commit", "get_content", "show", "tag"])
def test_a_revision_that_names_nothing_is_an_error(revision, method):
    t = make_tract("a")
    arguments = ("v1", revision) if method == "tag" else (revision,)

    with pytest.raises(CommitNotFoundError):
        getattr(t, method)(*arguments)

    assert {} == t.tags()


DEEP: list[object] = []
for _ in range(10_000):
    DEEP = [DEEP]
LOOP: dict[str, object] = {}
LOOP["a"] = LOOP["b"] = LOOP
BAD_VALUES = [
    (float("nan"), "nan"),
    (float("inf"), "inf"),
    (2**64, "64 bits"),
    (-(2**63) - 1, "64 bits"),
    (DEEP, "deeper than 128"),
    (LOOP, "deeper than 128"),
    ("\ud800", r"U\+D800"),
    (b"\xff", "bytes"),
    ({1: 2}, "key"),
    (object(), "object"),
]


@pytest.mark.parametrize(("value", "problem"), BAD_VALUES, ids=[problem for _, problem in BAD_VALUES])
@pytest.mark.parametrize(
    ("subject", "commit"),
    [
        ("message.content", lambda t, v: t.commit({"role": "user", "content": v})),
        ("message.content", lambda t, v: t.extend([{"role": "user", "content": "b"}, {"role": "user", "content": v}])),
        ("payload", lambda t, v: t.commit({"content_type": "freeform", "payload": {"k": v}})),
        ("metadata", lambda t, v: t.commit(DialogueContent("user", "b"), metadata={"k": v})),
        ("generation_config", lambda t, v: t.commit(DialogueContent("user", "b"), generation_config={"k": v})),
        ("usage", lambda t, v: t.commit(DialogueContent("user", "b"), usage={"input_tokens": 1, "k": v})),
        ("usage", lambda t, v: t.record_usage({"input_tokens": 1, "k": v})),
    ],
)
def test_a_value_that_is_no_json_is_refused_with_its_place(value, problem, subject, commit):
    t = make_tract("a")
    head = t.head

    with pytest.raises(ContentValidationError, match=problem) as caught:
        commit(t, value)

    assert subject in str(caught.value)
    assert len(str(caught.value)) < 400
    assert (head, ["a"], None) == (t.head, texts(t), t.get_commit("HEAD").usage)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "NoneType"),
        (5, "int"),
        ([], "list"),
        ({}, "neither 'content_type' nor 'role'"),
        ({"text": "x"}, "neither 'content_type' nor 'role'"),
        ({"role": 5, "content": "x"}, "role must be text"),
        ({"content_type": "unheard_of"}, "'unheard_of' is not registered"),
        ({"content_type": "instruction"}, "text"),
        ({"content_type": "instruction", "text": 5}, "text must be text, not int"),
        ({"content_type": "instruction", "text": "x", "more": 1}, "more"),
        ({"content_type": "tool_io", "tool_name": "f", "direction": "up", "payload": 1}, "direction"),
        ({"content_type": "session", "session_type": "s", "summary": "x", "decisions": "abc"}, "decisions"),
        (InstructionContent(b"x"), "text must be text, not bytes"),  # type: ignore[arg-type]
        (DialogueContent("user", "x", name=5), "name must be text"),  # type: ignore[arg-type]
        (InstructionContent, "type"),
        (MessageContent({"foo": 1}), "needs a role"),
        (MessageContent({}), "empty"),
        (MessageContent({"foo": 1}, format="responses"), "needs a role"),
    ],
)
def test_content_of_no_known_kind_is_refused(content, problem):
    t = make_tract("a")

    with pytest.raises(ContentValidationError, match=problem):
        t.commit(content)

    assert ["a"] == texts(t)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"operation": "merge"}, "append or edit"),
        ({"operation": None}, "append or edit"),
        ({"message": 5}, "message must be text"),
        ({"message": "\ud800"}, "message: "),
        ({"metadata": []}, "metadata must be a dict"),
        ({"generation_config": "m"}, "generation_config must be a dict"),
        ({"generation_config": {"api_key": "k"}}, "'api_key' looks like a secret"),
        ({"generation_config": {"OPENAI_API_KEY": "k"}}, "'OPENAI_API_KEY' looks like a secret"),
        (
            {"generation_config": {"extra": [{"headers": {"Authorization": "k"}}]}},
            "'Authorization' looks like a secret",
        ),
        ({"metadata": {"request": {"x-api-key": "k"}}}, "metadata: 'x-api-key' looks like a secret"),
        ({"usage": {"tokens": 5}}, "unknown shape.*tokens"),
        ({"usage": {}}, "unknown shape.*none"),
        ({"usage": 5}, "not int"),
        ({"usage": {"prompt_tokens": -1}}, "prompt_tokens"),
        ({"usage": {"prompt_tokens": True}}, "prompt_tokens"),
        ({"usage": {"prompt_tokens": 10**30}}, "prompt_tokens"),
        ({"usage": {"prompt_tokens": 5, "prompt_tokens_details": 3}}, "prompt_tokens_details"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options, problem):
    t = make_tract("a")

    with pytest.raises(ContentValidationError, match=problem):
        t.commit(DialogueContent("user", "b"), **options)

    assert ["a"] == texts(t)
    t.user("c")
    assert ["a", "c"] == texts(t)


def test_max_tokens_is_no_secret():
    t = make_tract()

    info = t.commit(DialogueContent("user", "a"), generation_config={"max_tokens": 5, "stop_token": "x"})

    assert {"max_tokens": 5, "stop_token": "x"} == info.generation_config


def test_extend_is_all_or_nothing():
    t = make_tract("a")

    with pytest.raises(ContentValidationError, match="needs a role"):
        t.extend([{"role": "user", "content": "b"}, {"foo": "c"}])
    with pytest.raises(ZeroDivisionError):
        t.extend({"role": "user", "content": str(1 // n)} for n in (1, 0))

    assert ["a"] == texts(t)
    assert [] == t.extend([])


def test_extend_takes_contents_beside_messages_and_refuses_an_unknown_format():
    t = make_tract()

    t.extend(
        [InstructionContent("s"), {"content_type": "dialogue", "role": "user", "text": "u"}, ANTHROPIC[1]],
        format="anthropic",
    )

    assert ["instruction", "dialogue", "message"] == [info.content_type for info in reversed(t.log())]
    with pytest.raises(ContentValidationError, match="'yaml'"):
        t.extend([{"role": "user", "content": "b"}], format="yaml")


def test_a_tag_names_one_commit_for_good():
    t = make_tract("a", "b")

    t.tag("v1", "HEAD~1")
    t.tag("v1", "HEAD~1")

    assert {"v1": t.get_commit("HEAD~1").commit_hash} == t.tags()
    assert DialogueContent("user", "a") == t.get_content("v1")
    with pytest.raises(TagExistsError, match="'v1'"):
        t.tag("v1")


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "HEAD", "a\n", "x.lock", "\ud800", 5])
def test_a_bad_tag_name_is_refused(name):
    t = make_tract("a")

    with pytest.raises(TractError):
        t.tag(name)

    assert {} == t.tags()


def test_annotations_are_kept_and_the_newest_counts():
    t = make_tract("a", "b")
    target = t.get_commit("HEAD~1").commit_hash

    t.annotate(target, Priority.SKIP, reason="noise")
    hidden = texts(t)
    t.annotate(target, "pinned")

    assert (["b"], ["a", "b"]) == (hidden, texts(t))
    assert [("skip", "noise"), ("pinned", None)] == [(a.priority, a.reason) for a in t.get_annotations(target)]
    assert [target] == [info.commit_hash for info in t.pinned()]
    assert [] == t.skipped()


def test_an_annotation_of_an_edit_is_about_the_message():
    t = make_tract("a")
    t.edit("HEAD", "b")

    note = t.annotate("HEAD", Priority.SKIP)

    assert t.get_commit("HEAD~1").commit_hash == note.target
    assert [] == texts(t)


def test_an_annotation_moves_no_branch():
    t = make_tract("a")
    head = t.head

    t.annotate("HEAD", Priority.SKIP)

    assert (head, 1) == (t.head, len(t.log()))


@pytest.mark.parametrize("look", ["log", "status", "pinned", "skipped"])
def test_looking_between_an_annotation_and_a_compile_hides_nothing_from_it(look):
    t = make_tract("a", "b")
    t.compile()
    t.annotate("HEAD", Priority.SKIP)

    getattr(t, look)()

    assert ["a"] == texts(t)


@pytest.mark.parametrize(
    ("target", "priority", "reason", "error"),
    [
        ("HEAD", "loud", None, "unknown priority 'loud'"),
        ("HEAD", None, None, "unknown priority None"),
        ("nope", "skip", None, "'nope'"),
        ("HEAD", "skip", 5, "reason must be text"),
        ("HEAD", "skip", "\ud800", "U\\+D800"),
    ],
)
def test_a_bad_annotation_is_refused(target, priority, reason, error):
    t = make_tract("a")

    with pytest.raises(TractError, match=error):
        t.annotate(target, priority, reason=reason)

    assert [] == t.get_annotations("HEAD")


def with_configs(*configs: dict[str, object] | None) -> Tract:
    t = make_tract()
    for config in configs:
        t.commit(DialogueContent("user", "a"), generation_config=config)
    return t


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("t", "=", 0.5, [1]),
        ("t", "!=", 0.5, [0, 2]),
        ("t", ">", 0.1, [1, 2]),
        ("t", ">=", 0.5, [1, 2]),
        ("t", "<", 0.5, [0]),
        ("t", "<=", 0.5, [0, 1]),
        ("t", "in", [0.1, 0.9], [0, 2]),
        ("t", "between", (0.1, 0.5), [0, 1]),
        ("t", ">", "text", []),
        ("a.b", "=", 1, [3]),
        ("missing", "=", 1, []),
    ],
)
def test_commits_are_found_by_their_generation_config(field, operator, value, found):
    t = with_configs({"t": 0.1}, {"t": 0.5}, {"t": 0.9}, {"a": {"b": 1}}, None)
    hashes = [info.commit_hash for info in reversed(t.log())]

    assert [hashes[at] for at in found] == [info.commit_hash for info in t.query_by_config(field, operator, value)]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([("t", ">", 0.1), ("model", "=", "a")], [1]),
        ([("t", ">", 0.1), ("t", "<", 0.9), ("model", "in", ["a", "b"])], [1]),
        ([("model", "=", "a")], [0, 1]),
        ([("model", "=", "a"), ("a.b", "=", 1)], []),
    ],
)
def test_several_conditions_must_all_hold(conditions, found):
    t = with_configs(
        {"t": 0.1, "model": "a"}, {"t": 0.5, "model": "a"}, {"t": 0.9, "model": "b"}, {"a": {"b": 1}}, None
    )
    hashes = [info.commit_hash for info in reversed(t.log())]

    assert [hashes[at] for at in found] == [info.commit_hash for info in t.query_by_config(conditions)]


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("t", "~", 1),
        ("t", "between", 5),
        ("t", "in", 5),
        (5, "=", 1),
        ([], "=", 1),
        ([("t", "=")], "=", 1),
        ([(5, "=", 1)], "=", 1),
        ([("t", "=", 1), ("t", "~", 1)], "=", 1),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(field, operator, value):
    with pytest.raises(ContentValidationError):
        with_configs({"t": 1}).query_by_config(field, operator, value)


def test_commits_are_found_by_fields_as_keywords():
    t = with_configs({"model": "a", "t": 1}, {"model": "b", "t": 1}, {"model": "a"})

    assert [t.log()[2].commit_hash, t.log()[0].commit_hash] == [
        info.commit_hash for info in t.query_by_config(model="a")
    ]
    assert [t.log()[2].commit_hash] == [info.commit_hash for info in t.query_by_config("t", ">", 0, model="a")]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user"},
        {"role": "user", "text": "hello"},
        {"role": "system", "content": None},
        {"role": "assistant", "contents": "a slip"},
        {"role": "tool", "tool_call_id": "c"},
    ],
)
def test_a_message_in_which_there_is_nothing_to_send_is_refused(message):
    t = make_tract()

    with pytest.raises(ContentValidationError, match=f"a message of role '{message['role']}' needs content"):
        t.commit(message)
    with pytest.raises(ContentValidationError, match="message 2: a message of role"):
        t.extend([{"role": "user", "content": "a"}, message])
    assert t.head is None


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None},
        {"role": "assistant", "refusal": "no"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "user", "content": ""},
        {"role": "user", "content": []},
    ],
)  # fmt: skip
def test_a_message_may_be_empty_or_have_something_else_in_the_place_of_content(message):
    t = make_tract()

    t.commit(message)

    assert message == t.get_content("HEAD").message


def test_a_commit_info_can_be_taken_apart():
    info = make_tract("a").log()[0]

    assert info.commit_hash == asdict(info)["commit_hash"]


@pytest.mark.parametrize(
    "content",
    [
        InstructionContent("be brief"),
        DialogueContent("user", "hello", "ann"),
        DialogueContent("user", "hello"),
        ToolIOContent("f", "result", {"a": [1]}, "error", "c"),
        ArtifactContent("code", "x = 1", "python"),
        SessionContent("handoff", "done", ["a"], [], ["b"]),
        MessageContent({"role": "user", "content": "hi"}, "openai"),
        FreeformContent({"a": None}),
    ],
    ids=lambda content: content.content_type,
)
def test_a_content_goes_to_a_dict_and_back(content):
    value = content.to_dict()

    assert content == validate_content(json.loads(json.dumps(value)))
    t = make_tract()
    t.commit(value)
    assert content == t.get_content("HEAD")


@pytest.mark.parametrize(
    "value",
    [
        {"role": "user"},
        {"role": "assistant"},
        {"role": "user", "content": None},
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": 5, "content": "a"},
        {"role": "", "content": "a"},
        {"role": "user", "content": b"a"},
        {"role": "user", "content": float("nan")},
        {"role": "user", "content": "\ud800"},
        {"role": "user", "content": "a", "more": {1}},
        {"content_type": "message", "message": {"role": "user"}},
        {"content_type": "record", "kind": "k", "payload": {1: 2}},
    ],
    ids=repr,
)
def test_a_dict_is_no_content_where_commit_refuses_it(value):
    with pytest.raises(ContentValidationError) as refused:
        make_tract().commit(value)

    with pytest.raises(ContentValidationError) as caught:
        validate_content(value)

    assert str(caught.value).split(" at ")[0] == str(refused.value).split(" at ")[0]


def test_a_pydantic_model_says_which_field_it_refuses():
    pydantic = pytest.importorskip("pydantic")

    class Note(pydantic.BaseModel):
        many: int

    t = make_tract()
    t.register_content_type("note", Note)

    with pytest.raises(ContentValidationError, match="content of type 'note': many: Input should be a valid integer"):
        t.commit({"content_type": "note", "many": "some"})


def test_a_pydantic_model_is_a_content_type_with_or_without_saying_so():
    pydantic = pytest.importorskip("pydantic")

    class Note(pydantic.BaseModel):
        content_type: Literal["note"] = "note"
        text: str

    class Plain(pydantic.BaseModel):
        text: str
        tags: tuple[str, ...] = ()

    t = make_tract()
    t.register_content_type("note", Note)
    t.register_content_type("plain", Plain)

    for content in (Note(text="buy milk"), Plain(text="x", tags=("a",))):
        t.commit(content)
        assert content == t.get_content("HEAD")
    with pytest.raises(ContentValidationError, match="says that its content_type is 'note', not 'other'"):
        t.register_content_type("other", Note)


def test_a_dataclass_needs_not_say_its_content_type():
    @dataclass(frozen=True)
    class Remark:
        text: str

    t = make_tract()
    t.register_content_type("remark", Remark)

    t.commit(Remark("hm"))

    assert Remark("hm") == t.get_content("HEAD")
    assert "remark" == t.log()[0].content_type


def test_a_role_that_no_provider_knows_is_warned_of_when_it_is_committed_and_in_what_is_compiled():
    t = make_tract()
    with pytest.warns(RoleWarning, match="no provider knows the role 'ipython': the message is sent as 'user'"):
        t.commit({"role": "ipython", "content": "4"})
    with pytest.warns(RoleWarning, match="'model': the message is sent as 'assistant'"):
        t.extend([{"role": "model", "content": "4"}])

    assert ["unknown_role", "unknown_role"] == [warning.kind for warning in t.compile().warnings]
    t.commit({"role": "function", "name": "f", "content": "4"})


@pytest.mark.parametrize(
    ("message", "nearest"),
    [
        ({"role": "user", "parts": [{"text": "hi"}]}, "nearest is gemini, which has 'parts'"),
        ({"role": "user", "text": "hi"}, "nearest is openai, which has 'content'"),
        ({"role": "tool", "call_id": "c", "output": "4"}, "nearest is responses"),
    ],
)
def test_a_message_with_its_text_under_another_key_is_told_the_nearest_format(message, nearest):
    with pytest.raises(ContentValidationError, match=nearest):
        make_tract().commit(message)
