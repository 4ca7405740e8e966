"""Previews: the effect of an action, in one line for the person who decides: messages, tokens, and the cost for a provider's prompt cache."""

from __future__ import annotations

from tract.agents.actions import Action
from tract.agents.operation_table import checked
from tract.agents.target import TractLike
from tract.errors import TractError
from tract.report.text import count_of

_MOST_NAMED = 10


def preview(tract: TractLike, action: Action) -> str:
    """The effect of *action* on the present context, or why it is impossible; "" if its name and arguments say everything."""
    try:
        if action.name == "compress":
            return _of_compression(tract, action)
        return _of_messages(tract, concerned(action))
    except TractError as exc:
        return f"it cannot be done now: {exc}"


def _of_compression(tract: TractLike, action: Action) -> str:
    planned = tract.compress(dry_run=True, **action.arguments)
    cost = planned.prefix
    total = cost.common_tokens + cost.invalidated_tokens
    kept = f", {count_of(len(planned.kept), 'message')} of the range stay" if planned.kept else ""
    told = ", ".join(fact.text[:40] for fact in planned.invented[:_MOST_NAMED])
    more = ", …" if len(planned.invented) > _MOST_NAMED else ""
    invented = f"; in no message, {len(planned.invented)}: {told}{more}" if told else ""
    about = "" if "content" in action.arguments else "about "
    return (
        f"{count_of(planned.messages, 'message')}, {planned.tokens_before:,} tokens to {about}{planned.tokens_after:,}{kept}; "
        f"{cost.common_tokens:,} of {total:,} tokens stay in the prompt cache{invented}"
    )


def concerned(action: Action) -> list[str]:
    """The messages that the arguments of *action* name."""
    found: list[str] = []
    for one in checked(action).operation.arguments:
        given = action.arguments.get(one.name)
        if one.type == "messages" and given is not None:
            found += given
        elif one.type == "message" and given is not None:
            found.append(given)
    return found


def _of_messages(tract: TractLike, names: list[str]) -> str:
    if not names:
        return ""
    found = tract.messages(only=names)
    tokens = sum(one.token_count for one in found)
    first = min(one.number for one in found)
    before = sum(one.token_count for one in tract.messages(count=first - 1) if not one.is_hidden) if first > 1 else 0
    return f"{count_of(len(found), 'message')}, {tokens:,} tokens; the first {before:,} tokens stay in the prompt cache"
