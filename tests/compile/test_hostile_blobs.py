"""Blobs that somebody else wrote: what says it is of a kind of tract's own and is not is refused, never shown as something else."""

from __future__ import annotations

from typing import Any

import pytest

from tract.compile.messages import Messages
from tract.errors import ContentValidationError
from tract.messages.message import message_in
from tract.objects.codec import encode


@pytest.mark.parametrize(
    "value",
    [
        {"content_type": "message"},
        {"content_type": "message", "message": [], "format": "openai"},
        {"content_type": "message", "message": {"role": "user"}, "format": []},
        {"content_type": "dialogue", "role": "user"},
        {"content_type": "dialogue", "role": [], "text": 5},
        [],
        5,
        "text",
        None,
    ],
)
def test_what_is_no_message_of_the_type_it_says_is_refused(value: Any) -> None:
    with pytest.raises(ContentValidationError):
        message_in(value)


@pytest.mark.parametrize("value", [{"content_type": "somebody's own", "x": 1}, {"content_type": []}, {}])
def test_a_map_of_an_unknown_type_is_freeform(value: dict[str, Any]) -> None:
    assert "assistant" == message_in(value).role


@pytest.mark.parametrize(
    "value", [{"role": "user"}, {"text": "x"}, {"role": 5, "text": "x"}, {"role": "user", "text": []}]
)
def test_a_turn_without_role_or_text_is_not_sent(value: dict[str, Any]) -> None:
    messages = Messages()
    messages.append(encode({"content_type": "dialogue", **value}))

    with pytest.raises(ContentValidationError):
        list(messages.sent(0, 1))


def test_a_chat_message_that_is_no_map_is_not_sent() -> None:
    payload = encode({"content_type": "message", "format": "openai", "message": {}})[:-1] + b"\x05"

    with pytest.raises(ContentValidationError):
        list(Messages(items=[payload]).sent(0, 1))
