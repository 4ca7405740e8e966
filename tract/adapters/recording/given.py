"""The input to record: a list of messages, or a provider's body, as items; and the messages to commit for each.

    openai       [message, …]   {"messages": […]}
    responses    [item, …]      {"input": text or […], "instructions": …}
    anthropic    [message, …]   {"system": …, "messages": […]}
    gemini       [content, …]   {"system_instruction": …, "contents": […]}

Anthropic's and Gemini's instructions are apart from the messages: those of a body, and messages of role ``system`` at the beginning of a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from tract.adapters.transcripts.readers.gemini import Calls, content_messages, is_gemini_content, system_messages
from tract.errors import ContentValidationError
from tract.messages.message import message_from_raw
from tract.messages.parts import Unknown
from tract.messages.turns import turn_of
from tract.objects.json import compact_json
from tract.objects.kept import dumped, with_plain_parts, without_nulls
from tract.objects.message_format import JSON, MessageFormat
from tract.writing.drafts import check_keys

RecordFormat: TypeAlias = Literal["openai", "responses", "anthropic", "gemini"]

_UNCHANGING = frozenset({str, int, float, bool, type(None)})

PLACES = {"openai": "messages", "responses": "input", "anthropic": "messages", "gemini": "contents"}
"""The keys of the messages in the formats' bodies."""


@dataclass(frozen=True)
class Given:
    """The items to record, the first *instructions* of which are apart from the messages.

    If *instructions* is 0 and the format keeps them apart, the list does not mention them. *keys* are None if no item has one.
    The first *beside* items were not in the given list.
    *calls* are Gemini's calls in the first *before* items, if these are known: their messages then need not be made.
    """

    format: RecordFormat
    items: Sequence[JSON]
    keys: Sequence[str | None] | None
    _: KW_ONLY
    instructions: int = 0
    beside: int = 0
    before: int = 0
    calls: Calls | None = None

    @property
    def own_format(self) -> MessageFormat:
        """The format in which the messages are committed."""
        return "openai" if self.format == "gemini" else self.format

    @cached_property
    def _contents(self) -> list[tuple[dict[str, JSON], ...]]:
        """The messages of Gemini's contents; all at once, because a call's id depends on earlier calls."""
        calls = Calls() if self.calls is None else copy(self.calls)
        return [
            tuple(system_messages(item) if item.get("role") == "system" else content_messages(item, calls))
            for item in self.items[0 if self.calls is None else self.before :]
        ]

    def dicts(self, items: Sequence[Any], start: int = 0) -> list[dict[str, JSON]]:
        """The *items*, or copies of them, from *start* on, as dicts: an SDK's own objects and parts in the form its API takes. ContentValidationError for an item that cannot be one."""
        found = [*map(as_dict, items)]
        for number, one in enumerate(found, start + 1 - self.beside):
            if one is None:
                kind = type(self.items[number - 1 + self.beside]).__name__
                raise ContentValidationError(f"message {number} must be a dict, not {kind}")
        return found  # type: ignore[return-value]  # none is None

    def messages(self, at: int) -> tuple[dict[str, JSON], ...]:
        """The messages to commit for item *at*."""
        if self.format != "gemini":
            return (self.items[at],)
        return self._contents[at if self.calls is None else at - self.before]


def given_items(
    messages: Iterable[Any] | Mapping[str, Any], format: str, keys: Sequence[str | None] | None = None
) -> Given:
    """The items to record; ContentValidationError for input that is not of *format*, and for *keys* of another length."""
    if not isinstance(format, str) or format not in PLACES:
        raise ContentValidationError(f"unknown format {format!r:.40}; known are {', '.join(PLACES)}")
    system: list[JSON] = []
    if isinstance(messages, Mapping):
        system = _instructions(messages, format)
        messages = messages[PLACES[format]] if PLACES[format] in messages else _missing(format)
    if isinstance(messages, str) and format == "responses":
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, (str, bytes)) or not isinstance(messages, Iterable):
        raise ContentValidationError(f"messages must be a list, not {type(messages).__name__}")
    body = messages if type(messages) is tuple else tuple(messages)
    if keys is not None:
        check_keys(keys, len(body))
    if format == "gemini":
        body = tuple([one if type(one) is dict else as_dict(one) for one in body])
        for number, one in enumerate(body, 1):
            if not is_gemini_content(one):
                raise ContentValidationError(
                    f"message {number} is not a content of Gemini's, which has a role and parts"
                )
    leading = 0
    if format in ("anthropic", "gemini") and not system:
        leading = next((at for at, one in enumerate(body) if role_of(one) != "system"), len(body))
    instructions = len(system) + leading if format in ("anthropic", "gemini") else 0
    if system:
        body = (*system, *body)
        keys = None if keys is None else [*[None] * len(system), *keys]
    return Given(format, body, keys, instructions=instructions, beside=len(system))  # type: ignore[arg-type]  # it is one of them


def _missing(format: str) -> JSON:
    raise ContentValidationError(f"a body of format '{format}' has its messages under '{PLACES[format]}'")


def _instructions(body: Mapping[str, Any], format: str) -> list[JSON]:
    if format == "responses":
        text = body.get("instructions")
        return [{"role": "system", "content": text}] if text else []
    if format == "anthropic":
        text = body.get("system")
        return [{"role": "system", "content": text}] if text else []
    if format == "gemini":
        found = body.get("system_instruction") or body.get("systemInstruction")
        if isinstance(found, str):
            return [{"role": "system", "parts": [{"text": found}]}]
        return [{"role": "system", "parts": found["parts"]}] if isinstance(found, Mapping) else []
    return []


def role_of(item: Any) -> Any:
    """The role of an item, a dict or an SDK's own object; None if it has none."""
    return item.get("role") if isinstance(item, Mapping) else getattr(item, "role", None)


def copied(value: Any) -> Any:
    """A copy of *value* whose dicts, lists and SDK objects are its own."""
    kind = type(value)
    if kind is dict:
        return {key: one if type(one) is str else copied(one) for key, one in value.items()}
    if kind is list:
        return [copied(one) for one in value]
    if kind in _UNCHANGING:
        return value
    if isinstance(value, Mapping):
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(one) for one in value]
    if not hasattr(value, "model_copy"):
        return value
    try:
        return value.model_copy(deep=True)
    except Exception:  # noqa: BLE001  # it holds something that cannot be copied, such as a lock; its API's form can still be read
        return without_nulls(dumped(value))


def as_dict(item: Any) -> dict[str, JSON] | None:
    """An item in the form its API takes; None if it cannot be a dict."""
    if isinstance(item, Mapping):
        return with_plain_parts(item)
    return without_nulls(dumped(item)) if hasattr(item, "model_dump") else None


def alike(one: JSON, other: JSON) -> bool:
    """Whether two values are equal as JSON: the order of keys does not matter, absent and null are alike, and true is not a number."""
    if isinstance(one, str):
        return bool(one == other)
    if isinstance(one, (dict, Mapping)):  # dict first, for to ask an abstract class takes three times as long
        if not isinstance(other, (dict, Mapping)):
            return False
        return all(alike(value, other.get(key)) for key, value in one.items()) and all(
            value is None or key in one for key, value in other.items()
        )
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def word_of(value: JSON) -> str:
    """A text that only alike values share."""
    return compact_json(_ordered(value))


def _ordered(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value) if value[key] is not None}
    return [_ordered(item) for item in value] if isinstance(value, (list, tuple)) else value


def sense_of(raw: Mapping[str, JSON], format: MessageFormat) -> str | None:
    """A text that messages of two formats share if they have the same content; None if a part of it has no counterpart."""
    turn = turn_of(message_from_raw(raw, format))
    if turn.losses or not turn.parts or any(isinstance(part, Unknown) for part in turn.parts):
        return None
    return repr((turn.role, turn.parts))
