"""Blobs that somebody else wrote: what is no message of a known kind is read as freeform content, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from tract.compile.cache import message_in
from tract.compile.messages import Messages
from tract.errors import ContentValidationError
from tract.objects.codec import encode


@pytest.mark.parametrize(
    "value",
    [
        {"content_type": "message"},
        {"content_type": "message", "message": [], "format": "openai"},
        {"content_type": "message", "message": {"role": "user"}, "format": []},
        {"content_type": "dialogue", "role": "user"},
        {"content_type": "dialogue", "role": [], "text": 5},
        {"content_type": []},
        {},
    ],
)
def test_a_map_without_what_its_type_needs_is_freeform(value: dict[str, Any]) -> None:
    assert "assistant" == message_in(value).role


@pytest.mark.parametrize("value", [[], 5, "text", None])
def test_what_is_no_map_is_no_message(value: Any) -> None:
    with pytest.raises(ContentValidationError):
        message_in(value)


def test_a_chat_message_that_is_no_map_is_not_sent_as_one() -> None:
    payload = encode({"content_type": "message", "format": "openai", "message": {}})[:-1] + b"\x05"

    (sent,) = Messages(items=[payload]).to_send(1)

    assert not isinstance(sent, int)
