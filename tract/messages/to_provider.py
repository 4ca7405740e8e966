"""A context's messages in one provider's format.

A message that its provider takes back unchanged comes out as it was committed, value for value and key for key.
A message that a provider would refuse is mended by the rules of docs/sending.md; a message in another format is converted, and its parts without a counterpart are left out. Warnings name both.
The same messages always give the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from tract.messages.caching import CacheMode, check_cache, mark_anthropic, mark_openai, mark_responses
from tract.messages.form import RULES, Extras, Form, checked_form
from tract.messages.message import Message
from tract.messages.openai import write_openai
from tract.messages.parts import Notes, Rendered
from tract.messages.sent_history import MessageRows, Sending, Sendings
from tract.messages.tool_names import Target
from tract.messages.turns import turn_of
from tract.messages.values import copy_json
from tract.objects.message_format import JSON, message_format


def render(
    messages: Sequence[Message],
    format: str,
    cache: CacheMode = None,
    *,
    extras: Extras = "keep",
    rules: int = RULES,
) -> Rendered:
    """*messages* in *format* or an alias of it; ContentValidationError for an unknown format.

    ``gemini`` can only be written: no message is kept in it.
    With *extras* ``drop``, messages have only the keys of the provider's request types; *rules* is the number of the mending rules.
    With *cache* ``auto``, the request gets cache marks, except in Gemini's format, which has none.
    The messages in the value are copies.
    """
    form = checked_form(target_format(format), extras, rules)
    rendered = rendered_for(form, Sendings().to(form, MessageRows(messages), len(messages)), cache)
    return rendered._replace(value=copy_json(rendered.value))


def target_format(name: str) -> Target:
    """The format that *name* or an alias of it stands for; ``gemini`` is allowed."""
    return "gemini" if name == "gemini" else message_format(name)


def rendered_for(form: Form, sending: Sending, cache: CacheMode = None) -> Rendered:
    """The request of *sending*, with cache marks if *cache* is ``auto``; its messages are shared."""
    check_cache(cache)
    rendered = sending.request()
    marker = _MARKERS.get(form.target)
    if cache is not None and marker is not None:
        marker(rendered.value, sending.marked)
    return rendered


def render_openai(messages: Sequence[Message]) -> Rendered:
    """*messages* as a list of chat completions messages."""
    return render(messages, "openai")


def render_responses(messages: Sequence[Message]) -> Rendered:
    """*messages* as a list of input items of OpenAI's Responses API."""
    return render(messages, "responses")


def render_anthropic(messages: Sequence[Message]) -> Rendered:
    """*messages* as a dict of ``messages`` and, if there are instructions, ``system``.

    System messages go to ``system``, a single one as it is, several as one list of text blocks; Anthropic's own stay where the API takes them inside the conversation.
    Neighbours of one role are joined only if one of them was converted.
    """
    return render(messages, "anthropic")


def render_gemini(messages: Sequence[Message]) -> Rendered:
    """*messages* as a dict of ``contents`` and, if there are instructions, ``system_instruction``.

    All system messages go to the system instruction, wherever they stand, one part for each of their texts.
    """
    return render(messages, "gemini")


def chat_excerpt(messages: Iterable[Message]) -> list[dict[str, JSON]]:
    """*messages* in chat completions' form, for a reader and not for sending: nothing is mended, and a call may lack its result."""
    notes = Notes()
    found: list[dict[str, JSON]] = []
    for is_chat, run in groupby(messages, lambda message: message.format == "openai"):
        of_run = list(run)
        if is_chat:
            found += [copy_json(one.raw) for one in of_run]
        else:
            found += write_openai([turn_of(one) for one in of_run], notes)
    return found


_MARKERS: dict[str, Callable[[JSON, Sequence[int]], None]] = {
    "openai": mark_openai,
    "responses": mark_responses,
    "anthropic": mark_anthropic,
}
