"""The messages before a request's own, if the provider keeps the conversation and the request has only the new ones.

    responses    previous_response_id, conversation, prompt
    anthropic    thread: {"type": "continue", "previous_message_id": …}

An answer that can be continued this way has its name in its commit's metadata (``response_id``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tract.named_tuple import NamedTuple

RESPONSE_ID = "response_id"

_KEPT = ("conversation", "prompt")
_FEW = 200
"""The number of commits searched first, before all are."""


class Records(Protocol):
    """The methods of a tract that a wrapped client needs."""

    def record(self, messages: Any, **options: Any) -> Any: ...
    def commit(self, content: Any) -> Any: ...
    def compile(self, **options: Any) -> Any: ...
    def log(self, limit: int | None = ..., **options: Any) -> Any: ...


class Before(NamedTuple):
    """The messages before a request's own, and the warning *told* if they may differ from the provider's."""

    items: list[Any]
    told: str = ""


def can_be_named(body: Mapping[str, Any], format: str) -> bool:
    """Whether a later request may continue the answer to this one by its name."""
    return body.get("thread") is not None if format == "anthropic" else format == "responses"


def before(t: Records, body: Mapping[str, Any], format: str, *, has_list: bool) -> Before:
    """The messages before those of *body*; its instructions replace the earlier ones."""
    thread = body.get("thread")
    name = thread.get("previous_message_id") if isinstance(thread, Mapping) else body.get("previous_response_id")
    if not isinstance(name, str):
        goes_on = format != "anthropic" and (not has_list or any(body.get(kept) for kept in _KEPT))
        return Before(_rendered(t.compile(policies=False), format) if goes_on else [])
    found = _behind(t, name, format)
    if body.get("instructions") and found.items and found.items[0].get("role") == "system":
        return Before(found.items[1:], found.told)
    return found


def _behind(t: Records, name: str, format: str) -> Before:
    """The messages up to the answer named *name*; the whole context if that name is unknown."""
    context = t.compile(policies=False)
    answer, is_last = _find(t, name)
    if answer is None:
        told = f"the response {name!r:.60}, which this call continues, is not recorded: the call was put at the end of the context"
        return Before(_rendered(context, format), told)
    at = next((at for at, commit in enumerate(context.commit_hashes) if commit == answer), None)
    if at is not None and at + 1 < len(context):
        return Before([message.raw for message in context[: at + 1]])
    if at is None and not is_last:
        context = t.compile(at_commit=answer)
    return Before(_rendered(context, format))


def _find(t: Records, name: str) -> tuple[str | None, bool]:
    """The commit of the answer named *name*, and whether it is the last named one of this branch."""
    for options in ({"limit": 1}, {"limit": _FEW}, {"limit": None}, {"limit": None, "all_refs": True}):
        named = [one for one in t.log(**options) if one.metadata and one.metadata.get(RESPONSE_ID)]
        found = next((one for one in named if one.metadata[RESPONSE_ID] == name), None)
        if found is not None:
            return found.commit_hash, found is named[0] and "all_refs" not in options
    return None, False


def _rendered(context: Any, format: str) -> list[Any]:
    items: list[Any] = context.to_anthropic()["messages"] if format == "anthropic" else context.to_openai_responses()
    return items
