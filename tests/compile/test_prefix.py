"""What a context costs a prompt cache that holds another."""

from __future__ import annotations

import pytest

from tests.making import Words
from tract import ContentValidationError, Priority, Tract


def make_tract() -> Tract:
    """Messages of 5, 6, 7 and 8 tokens."""
    t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True)
    t.system("s")
    t.user("a a")
    t.assistant("b b b")
    t.user("c c c c")
    return t


def figures(change) -> tuple[int, int, int, str | None]:
    return change.common_messages, change.common_tokens, change.invalidated_tokens, change.reason


def test_appending_changes_nothing_that_is_cached():
    t = make_tract()
    before = t.compile()
    t.user("d")

    assert (4, 26, 0, None) == figures(t.prefix_change(before))
    assert (4, 26, 0, None) == figures(before.prefix_change(t.compile()))
    assert t.prefix_change("HEAD~1") == t.compile().prefix_change(before)


@pytest.mark.parametrize(("at", "reason", "common"), [(3, "system_changed", 0), (1, "messages_changed", 2)])
def test_an_edit_invalidates_what_follows_and_is_named(at, reason, common):
    t = make_tract()
    before = t.compile()
    target = t.get_commit(f"HEAD~{at}").commit_hash
    edit = t.edit(target, "other words")

    change = t.prefix_change(before)

    tokens = sum(before.token_counts[:common])
    assert (common, tokens, 26 - tokens, reason) == figures(change)
    assert (edit.commit_hash, target, 26) == (
        change.first_changed_commit,
        change.first_changed_message,
        change.previous_tokens,
    )


@pytest.mark.parametrize("steps", [[Priority.SKIP], [Priority.SKIP, Priority.NORMAL]])
def test_an_annotation_that_hides_or_shows_is_named_by_its_note(steps):
    t = make_tract()
    target = t.get_commit("HEAD~2").commit_hash
    for step in steps:
        before = t.compile()
        t.annotate(target, step)

    change = t.prefix_change(before)

    assert (1, 5, before.snapshot.columns.total(before.snapshot.length, t._space) - 5) == figures(change)[:3]
    note = t.get_commit(change.first_changed_commit)
    assert ("note", target, target) == (note.operation, note.response_to, change.first_changed_message)


def test_a_pin_costs_nothing():
    t = make_tract()
    before = t.compile()
    t.annotate("HEAD~2", Priority.PINNED)

    assert (4, 26, 0, None) == figures(t.prefix_change(before))


def test_another_order_breaks_the_prefix_where_it_begins():
    t = make_tract()

    change = t.compile(order=["HEAD~3", "HEAD"]).prefix_change(t.compile())

    assert (1, 5, 21, "messages_changed") == figures(change)


def test_a_revision_means_its_context_as_it_was():
    t = make_tract()
    t.annotate("HEAD~1", Priority.SKIP)

    assert (2, 11, 15, "messages_changed") == figures(t.prefix_change("HEAD"))


def test_a_hidden_half_of_a_tool_pair_is_to_blame():
    t = make_tract()
    tool = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    t.commit({"role": "assistant", "content": "x", "tool_calls": [tool]})
    t.tool_result("1", "r")
    t.user("d")
    before = t.compile()
    t.annotate("HEAD~1", Priority.SKIP)

    change = t.prefix_change(before)

    assert 4 == change.common_messages
    assert t.get_commit("HEAD~1").commit_hash == t.get_commit(change.first_changed_commit).response_to


LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
FIND = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
SENT = {"model": "m", "tools": [LOOK, FIND], "temperature": 0.2}
TOOLS = (
    (7 + 1 + 3 + 3 + 1) + (7 + 1) + 12
)  # what OpenAI publishes, a word being a token: "look:Look", "q:string:", "find:"


def make_answered(**request) -> tuple[Tract, object]:
    """A tract whose last answer came to a recorded request, and the context that was sent."""
    t = make_tract()
    before = t.compile()
    t.assistant("d d d d d", request={**SENT, **request})
    return t, before


@pytest.mark.parametrize(
    ("request_", "reason", "detail"),
    [
        ({"tools": [LOOK]}, "tools_changed", "tools removed: find"),
        ({"tools": None}, "tools_changed", "tools removed: look, find"),
        ({"tools": [LOOK, FIND, {"type": "web_search"}]}, "tools_changed", "tools added: web_search"),
        ({"tools": [FIND, LOOK]}, "tools_changed", "tools in another order"),
        ({"tools": [LOOK, {**FIND, "strict": True}]}, "tools_changed", "tools changed: find"),
        ({"model": "other"}, "model_changed", "model 'm' to 'other'"),
        ({"prompt_cache_key": "k"}, "system_changed", "prompt_cache_key"),
        ({"cache_control": {"type": "ephemeral"}}, "system_changed", "cache_control"),
    ],
)
def test_what_changes_before_all_messages_loses_everything(request_, reason, detail):
    t, before = make_answered()

    for change in (t.prefix_change(before, request={**SENT, **request_}), t.prefix_change("HEAD~1", request={**SENT, **request_})):  # fmt: skip
        assert (0, 0, 26 + TOOLS, reason) == figures(change)
        assert (detail, None, 26 + TOOLS) == (change.detail, change.first_changed_commit, change.previous_tokens)


@pytest.mark.parametrize("name", ["instructions", "system", "system_instruction", "response_format"])
def test_other_instructions_keep_the_tools(name):
    t, before = make_answered(**{name: "be kind"})

    change = t.prefix_change(before, request={**SENT, name: "be brief"})

    assert (0, TOOLS, 26, "system_changed", name) == (*figures(change), change.detail)


def test_the_same_request_loses_what_the_messages_lose():
    t, before = make_answered()

    assert (4, 26 + TOOLS, 0, None) == figures(
        t.prefix_change(before, request={**SENT, "temperature": 1, "messages": []})
    )
    t.edit("HEAD~1", "other")
    assert (3, 18 + TOOLS, 8, "messages_changed") == figures(t.prefix_change(before, request=SENT))


def test_without_a_recorded_request_only_messages_are_compared():
    t = make_tract()

    assert (4, 26, 0, None) == figures(t.prefix_change(t.compile(), request=SENT))


def test_what_was_sent_brings_its_own_request():
    t, _ = make_answered()
    t.user("e")
    t.assistant("f", request={**SENT, "tools": [LOOK]})

    assert "tools_changed" == t.sent("HEAD").prefix_change(t.sent("HEAD~2")).reason


@pytest.mark.parametrize("given", [True, False])
def test_instructions_of_the_messages_are_the_requests(given):
    """Anthropic's ``system`` may be in the request, or be left to the messages."""
    t = make_tract()
    before = t.compile()
    request = {"model": "m", "max_tokens": 9}
    system = {"system": before.to_anthropic()["system"]}
    t.assistant("d", request={**request, **(system if given else {})})

    assert t.prefix_change(before, request={**request, **({} if given else system)}).reason is None
    assert "system_changed" == t.prefix_change(before, request={**request, "system": "other"}).reason


def test_a_request_that_is_none_is_refused():
    with pytest.raises(ContentValidationError, match="request"):
        make_tract().compile().prefix_change("HEAD", request="m")


def test_the_status_knows_the_request_too():
    t, before = make_answered()
    t.user("e")

    found = t.status(request={**SENT, "tools": [LOOK]})

    assert ("tools_changed", 26 + TOOLS) == (found.prefix.reason, found.prefix.invalidated_tokens)
    assert "tools_changed: tools removed: find" in str(found)
    assert t.status(request=SENT).prefix == t.compile().prefix_change(before, request=SENT)
    assert t.status().prefix is None
