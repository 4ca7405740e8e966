"""Cache marks: they tell a provider which prefixes of a prompt are worth keeping.

    system ▌ user  assistant  user ▌ assistant  user ▌
           └ end of the instructions  └ the turn before, where the last request ended   └ the latest turn

A context only grows at its end, so the end of one request is a prefix of the next. The mark under the latest turn writes the cache, the mark under the turn before reads what the last request wrote, and the mark under the instructions serves other conversations that begin with them.
A turn is everything said to the model between two of its answers, tool results included.

Anthropic takes 4 marks a request, and looks about 20 blocks back from each; OpenAI writes 3 beside its own implicit one, and matches exactly at a mark.
tract sets at most three, which leaves Anthropic's fourth for the end of the tools, which are not rendered here.
Marks that messages came with stay, and count; if they leave too little room, the latest turn comes first, then the instructions.
A message that gets a mark is replaced by a copy that has it; no message is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Literal, TypeAlias

from tract.errors import ContentValidationError
from tract.messages.message import item_role
from tract.messages.parts import SYSTEM_ROLES, Notes
from tract.messages.values import copy_json, items_of, str_or_none
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

CacheMode: TypeAlias = Literal["auto"] | None

_ANTHROPIC_MOST = 4
_OPENAI_MOST = 3
_TURNS = 2
_OPENAI_ROLES = frozenset({"user", "tool", "function"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


class _Style(NamedTuple):
    """How a provider marks: *mark* stands under *key* of a block of one of the *kinds*; a plain text that gets a mark becomes a block of type *text*."""

    kinds: frozenset[str]
    key: str
    mark: dict[str, JSON]
    text: str = "text"


_ANTHROPIC = _Style(
    frozenset({"text", "image", "document", "search_result", "tool_result"}), "cache_control", {"type": "ephemeral"}
)
_CHAT = _Style(frozenset({"text", "image_url", "input_audio", "file"}), "prompt_cache_breakpoint", {"mode": "explicit"})
_ITEMS = _CHAT._replace(kinds=frozenset({"input_text", "input_image", "input_file"}), text="input_text")


def check_cache(cache: object) -> None:
    """Raise ContentValidationError if *cache* is not a cache mode."""
    if cache not in (None, "auto"):
        raise ContentValidationError(f"cache must be 'auto' or None, not {cache!r:.40}")


def mark_anthropic(request: dict[str, JSON], marked: Sequence[int]) -> None:
    """Put ``cache_control`` on blocks of a rendered request, so that it has at most 4; never on thinking or empty text.

    *marked* are the numbers of the messages that already have marks.
    """
    messages = request["messages"]
    turns = _ends_of_turns(messages, frozenset({"user"}), _ANTHROPIC)
    system = [{"role": "system", "content": request["system"]}] if "system" in request else []
    room = _ANTHROPIC_MOST - len(_anthropic_marks(request, marked))
    ours: list[dict[str, JSON]] = []
    ours_at: list[int] = []
    ends = [(messages, at) for at in turns]
    if system and _last_markable(system[0], _ANTHROPIC) is not None:
        ends.insert(1, (system, 0))
    for among, at in ends:
        if room > len(ours):
            ours += _mark(among, at, _ANTHROPIC)
            ours_at += [at] if among is messages else []
    if system:
        request["system"] = system[0]["content"]
    _order_lifetimes(_anthropic_marks(request, sorted({*marked, *ours_at})), ours)


def has_mark(message: JSON) -> bool:
    """Whether an Anthropic message has a cache mark."""
    content = message["content"]
    return not isinstance(content, str) and next(_marks_in(content), None) is not None


def fit_anthropic_marks(request: dict[str, JSON], notes: Notes, marked: Sequence[int]) -> dict[str, JSON]:
    """*request* with at most the latest 4 of its marks, and no mark for an hour behind one for five minutes.

    *marked* are the numbers of the messages with marks.
    """
    marks = _anthropic_marks(request, marked)
    extra = len(marks) - _ANTHROPIC_MOST
    lasting = [mark.get("ttl") == "1h" for mark in marks[max(0, extra) :]]
    if extra <= 0 and lasting == sorted(lasting, reverse=True):
        return request
    messages = list(request["messages"])
    for at in marked:
        messages[at] = copy_json(messages[at])
    fit = {**request, "messages": messages}
    if "system" in fit:
        fit["system"] = copy_json(fit["system"])
    blocks = [block for content in _contents(fit, marked) for block in _marked_blocks(content)]
    if extra > 0:
        notes.add(0, "cache_marks_left_out", f"{len(marks)}, of which the latest {_ANTHROPIC_MOST} are sent")
    for block in blocks[: max(0, extra)]:
        del block["cache_control"]
    shorter = False
    for block in blocks[max(0, extra) :]:
        mark = block["cache_control"]
        if shorter and mark.get("ttl") == "1h":
            block["cache_control"] = {key: value for key, value in mark.items() if key != "ttl"}
            notes.add(0, "cache_marks_left_out", "an hour behind five minutes is five minutes too")
        shorter = shorter or mark.get("ttl") != "1h"
    return fit


def _contents(request: Mapping[str, JSON], marked: Sequence[int]) -> list[JSON]:
    return [request.get("system"), *(request["messages"][at].get("content") for at in marked)]


def _marked_blocks(content: JSON) -> Iterator[dict[str, JSON]]:
    for block in items_of(content):
        if isinstance(block, dict):
            yield from _marked_blocks(block.get("content"))
            if isinstance(block.get("cache_control"), dict):
                yield block


def mark_openai(messages: list[dict[str, JSON]], marked: Sequence[int]) -> None:
    """Put ``prompt_cache_breakpoint`` on parts of rendered chat completions messages, so that they have at most 3."""
    _mark_openai(messages, marked, _CHAT)


def mark_responses(items: list[dict[str, JSON]], marked: Sequence[int]) -> None:
    """Put the same on parts of rendered Responses items, including outputs of functions and custom tools."""
    _mark_openai(items, marked, _ITEMS)


def has_breakpoint(message: Mapping[str, JSON]) -> bool:
    """Whether a chat completions message or a Responses item has a cache breakpoint."""
    return any(_CHAT.key in part for part in items_of(message.get(_words(message))) if isinstance(part, Mapping))


def _mark_openai(messages: list[dict[str, JSON]], marked: Sequence[int], style: _Style) -> None:
    turns = _ends_of_turns(messages, _OPENAI_ROLES, style)
    instructions = list(takewhile(lambda message: _role(message) in SYSTEM_ROLES, messages))
    system = _ends_of_turns(instructions, frozenset(SYSTEM_ROLES), style)
    contents = (items_of(messages[at].get(_words(messages[at]))) for at in marked)
    parts = (part for content in contents for part in content if isinstance(part, Mapping))
    room = _OPENAI_MOST - sum(style.key in part for part in parts)
    for at in [*turns[:1], *system, *turns[1:]]:
        if room > 0:
            room -= len(_mark(messages, at, style))


def _role(message: Mapping[str, JSON]) -> str | None:
    """The role of a message, or the role that an item plays."""
    return str_or_none(message.get("role")) or (item_role(message) if "type" in message else None)


def _words(message: Mapping[str, JSON]) -> str:
    """The key under which a message, or an item that is a tool's result, has its text."""
    return "output" if str_or_none(message.get("type")) in _OUTPUTS else "content"


def _ends_of_turns(messages: Sequence[Mapping[str, JSON]], roles: frozenset[str], style: _Style) -> list[int]:
    """The last message of each turn of *roles* that can be marked, the latest turn first."""
    ends: list[int] = []
    places = range(len(messages) - 1, -1, -1)
    for of_roles, run in groupby(places, lambda at: _role(messages[at]) in roles):
        if of_roles:
            ends += [at for at in run if _last_markable(messages[at], style) is not None][:1]
        if len(ends) == _TURNS:
            break
    return ends


def _last_markable(message: Mapping[str, JSON], style: _Style) -> int | None:
    """The place of the last block of the style's kinds that is not empty, or None; a plain text counts as one block."""
    content = message.get(_words(message))
    if isinstance(content, str):
        return 0 if content.strip() else None
    blocks = items_of(content)
    for at in range(len(blocks) - 1, -1, -1):
        block = blocks[at]
        kind = str_or_none(block.get("type")) if isinstance(block, Mapping) else None
        if kind in style.kinds and (kind != style.text or str(block.get("text", "")).strip()):
            return at
    return None


def _mark(messages: list[dict[str, JSON]], place: int, style: _Style) -> list[dict[str, JSON]]:
    """Mark the last block of a message that can have a mark; return the mark in a list, which is empty if the block already had one."""
    at = _last_markable(messages[place], style)
    if at is None:
        return []
    message = copy_json(messages[place])
    words = _words(message)
    if isinstance(message[words], str):
        message[words] = [{"type": style.text, "text": message[words]}]
    block = message[words][at]
    if block.get(style.key) is not None:
        return []
    block[style.key] = dict(style.mark)
    messages[place] = message
    return [block[style.key]]


def _anthropic_marks(request: Mapping[str, JSON], marked: Sequence[int]) -> list[dict[str, JSON]]:
    """The marks of a request, in the prompt's order; *marked* are the numbers of the messages with marks."""
    return [mark for content in _contents(request, marked) for mark in _marks_in(content)]


def _marks_in(content: JSON) -> Iterator[dict[str, JSON]]:
    for block in items_of(content):
        if isinstance(block, Mapping):
            yield from _marks_in(block.get("content"))
            if isinstance(block.get("cache_control"), dict):
                yield block["cache_control"]


def _order_lifetimes(marks: Sequence[dict[str, JSON]], ours: Sequence[dict[str, JSON]]) -> None:
    """Make each of *ours* last an hour if it stands before a mark that does: Anthropic refuses a longer lifetime after a shorter one."""
    longer = False
    for mark in reversed(marks):
        if longer and any(mark is own for own in ours):
            mark["ttl"] = "1h"
        longer = longer or mark.get("ttl") == "1h"
