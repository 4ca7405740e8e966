"""A context's messages as one provider takes them.

A message that its provider takes back as it is comes out as it was committed, value for value and key for key.
What a provider refuses is mended by the rules of docs/sending.md; what is in another format is converted, and what has no counterpart is left out; both are named in warnings.
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
    """*messages* in *format* or an alias of it; ContentValidationError for others.

    ``gemini`` is written only: no message is kept in it.
    With *extras* ``drop`` only what the provider's request types have is in it; *rules* is the number of the rules of mending.
    With *cache* ``auto`` all but Gemini's contents, which have none, get cache marks.
    The value's messages are copies of their own.
    """
    form = checked_form(target_format(format), extras, rules)
    rendered = rendered_for(form, Sendings().to(form, MessageRows(messages), len(messages)), cache)
    return rendered._replace(value=copy_json(rendered.value))


def target_format(name: str) -> Target:
    """The format that *name* or an alias of it stands for, ``gemini`` being one."""
    return "gemini" if name == "gemini" else message_format(name)


def rendered_for(form: Form, sending: Sending, cache: CacheMode = None) -> Rendered:
    """The request of *sending*, with cache marks where *cache* is ``auto``; its messages are shared."""
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
    """*messages* as a dict of ``messages`` and, when there is one, ``system``.

    System messages go to ``system``, a single one as it is, several as one list of text blocks; Anthropic's own stay where the API takes them inside the conversation.
    Neighbours of one role are joined only where one of them was converted.
    """
    return render(messages, "anthropic")


def render_gemini(messages: Sequence[Message]) -> Rendered:
    """*messages* as a dict of ``contents`` and, when there is one, ``system_instruction``.

    System messages all go to the system instruction, a part for each of their texts, wherever they stand.
    """
    return render(messages, "gemini")


def chat_excerpt(messages: Iterable[Message]) -> list[dict[str, JSON]]:
    """*messages* in chat completions' form for somebody who reads about them: nothing is mended, a call may lack its result."""
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
