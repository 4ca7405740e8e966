"""``extras="drop"`` renders what the providers' request types have, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given, settings

from tests.making import make_tract
from tests.messages.test_formats_sdk import accepted
from tests.messages.test_sending import CALM, HISTORIES, is_nothing
from tract import ContentValidationError
from tract.messages import message_from_raw, render, request_types
from tract.messages.message import Message

te = pytest.importorskip("typing_extensions")
anthropic = pytest.importorskip("anthropic.types")
beta = pytest.importorskip("anthropic.types.beta")
openai_chat = pytest.importorskip("openai.types.chat")
openai_responses = pytest.importorskip("openai.types.responses")


def bare(kind: Any) -> Any:
    while get_origin(kind) in (Annotated, te.Annotated, te.Required, te.NotRequired):
        kind = get_args(kind)[0]
    return kind


def members(kind: Any) -> list[Any]:
    """The typed dicts of a union, however deep."""
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__"):
        return [kind]
    return [member for one in get_args(kind) for member in members(one)]


def hints(kind: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = te.get_type_hints(kind, include_extras=True)
    return found


def names_of(kind: Any) -> list[str]:
    """The values of a typed dict's ``type``."""
    found = bare(hints(kind).get("type", type(None)))
    options = [found, *map(bare, get_args(found))]
    names = [name for one in options for name in get_args(one) if isinstance(name, str)]
    return names or [name for name in get_args(found) if isinstance(name, str)]


def keys_by_type(kinds: Any) -> dict[str, set[str]]:
    """The keys of each type among the members of a union."""
    found: dict[str, set[str]] = {}
    for kind in members(kinds):
        for name in names_of(kind):
            found.setdefault(name, set()).update(hints(kind))
    return found


def all_in(kinds: Any, keys: tuple[str, ...]) -> Iterator[Any]:
    """The unions under *keys* of the members, and of what is under those."""
    for kind in members(kinds):
        for key, value in hints(kind).items():
            if key in keys:
                yield value
                yield from all_in(value, keys)


def test_the_roles_of_chat_completions_have_the_sdks_keys():
    for kind in members(openai_chat.ChatCompletionMessageParam):
        role = get_args(bare(hints(kind)["role"]))[0]

        assert set(hints(kind)) == set(request_types._CHAT_ROLES[role].split()), role


TABLES = {
    "parts of chat": (openai_chat.ChatCompletionMessageParam, ("content", "tool_calls"), request_types._CHAT_KINDS),
    "items": (openai_responses.ResponseInputItemParam, (), request_types._ITEMS),
    "parts of items": (
        openai_responses.ResponseInputItemParam,
        ("content", "summary", "annotations"),
        request_types._PARTS,
    ),
    "blocks": (beta.BetaContentBlockParam, (), request_types._BLOCKS),
    "sources": (beta.BetaContentBlockParam, ("source",), request_types._SOURCES),
    "citations": (beta.BetaTextBlockParam, ("citations",), request_types._CITATIONS),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_have_the_sdks_keys(name: str):
    kinds, keys, table = TABLES[name]
    found: dict[str, set[str]] = {}
    for union in all_in(kinds, keys) if keys else [kinds]:
        for kind, names in keys_by_type(union).items():
            found.setdefault(kind, set()).update(names)

    assert found.items() <= {kind: set(names) for kind, names in table.items()}.items()


TYPES = {
    "openai": list[openai_chat.ChatCompletionMessageParam],
    "responses": list[openai_responses.ResponseInputItemParam],
    "anthropic": list[beta.BetaMessageParam],
}


@pytest.mark.parametrize("target", TYPES)
@settings(CALM, max_examples=60)
@given(HISTORIES)
def test_the_sdks_types_take_it_and_find_no_key_that_they_have_not(target: str, messages: list[Message]) -> None:
    value = render(messages, target, extras="drop").value

    if not is_nothing(value):
        sent = value["messages"] if isinstance(value, dict) else value
        assert sent == accepted(TYPES[target], sent)


@settings(CALM, max_examples=60)
@given(HISTORIES)
def test_googles_own_types_take_it_and_find_no_key_that_they_have_not(messages: list[Message]) -> None:
    google = pytest.importorskip("google.genai.types")
    value = render(messages, "gemini").value

    for content in [*value["contents"], *([value["system_instruction"]] if "system_instruction" in value else [])]:
        google.Content.model_validate(content)  # which forbids what it does not know


OWN = {
    "openai": (
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "hi", "odd": 1}, {"type": "thought", "text": "hm"}, {"type": "blob"}],
            "reasoning_content": "hm",
        },
        {"role": "assistant", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "hm"}]},
    ),
    "responses": (
        {"role": "user", "content": [{"type": "input_text", "text": "hi", "odd": 1}], "odd": 1, "id": "msg_1"},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    ),
    "anthropic": (
        {"role": "user", "content": [{"type": "document", "odd": 1, "source": {"type": "url", "url": "u", "odd": 1}}]},
        {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "u"}}]},
    ),
}


@pytest.mark.parametrize("target", OWN)
def test_keys_that_no_rule_names_are_sent_unless_they_are_dropped(target):
    raw, expected = OWN[target]
    t = make_tract()
    t.extend([raw], format=target)
    context = t.compile()
    name = {"openai": "to_openai", "responses": "to_openai_responses", "anthropic": "to_anthropic"}[target]

    def rendered(**options: Any) -> Any:
        value = getattr(context, name)(**options)
        return value["messages"] if isinstance(value, dict) else value

    assert [expected] == rendered(extras="drop")
    assert [raw] == rendered() == rendered(extras="keep")
    assert () == context.warnings_for(target)
    kinds = {warning.kind for warning in context.warnings_for(target, extras="drop")}
    assert "keys_left_out" in kinds
    assert raw == t.get_content("HEAD").message


def test_an_item_that_no_request_has_is_left_out_and_said():
    messages = [message_from_raw({"role": "user", "content": "hi"}, "responses"),
                message_from_raw({"type": "odd_call", "id": "x"}, "responses")]  # fmt: skip

    rendered = render(messages, "responses", extras="drop")

    assert [{"role": "user", "content": "hi"}] == rendered.value
    assert ["message_left_out"] == [warning.kind for warning in rendered.warnings]


@pytest.mark.parametrize("options", [{"extras": "all"}, {"rules": 0}, {"rules": 99}, {"rules": True}])
def test_what_is_no_choice_is_refused(options):
    t = make_tract("hi")
    with pytest.raises(ContentValidationError, match=next(iter(options))):
        t.compile().to_openai(**options)
