"""Dry runs: what a change would cost a provider's prompt cache, without making it."""

from __future__ import annotations

from collections.abc import Callable

from tract.api.tract import Tract
from tract.cli.command import Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT
from tract.compile.prefix import PrefixChange

DRY_RUN = Param(
    "dry_run",
    ("--dry-run", "-n"),
    bool,
    help="Change nothing; print how much of the context a provider's prompt cache would have to read anew.",
)


class _UndoneError(Exception):
    """Ends a batch, so that nothing of it lands."""


def print_dry_run(console: Console, tract: Tract, change: Callable[[], object], *, json: bool) -> None:
    """Make *change* in a batch that is given up, and print what it does to the context's prefix."""
    before = tract.compile()
    try:
        with tract.batch():
            change()
            found = tract.prefix_change(before)
            raise _UndoneError
    except _UndoneError:
        pass
    if json:
        console.print_json(_value(found))
        return
    console.line(
        f"would invalidate {found.invalidated_tokens:,} of {found.previous_tokens:,} tokens",
        f" (from message {found.common_messages}, {found.first_changed_message[:SHORT]})"
        if found.first_changed_message
        else "",
    )


def _value(change: PrefixChange) -> dict[str, object]:
    return {
        "invalidated_tokens": change.invalidated_tokens,
        "previous_tokens": change.previous_tokens,
        "common_tokens": change.common_tokens,
        "common_messages": change.common_messages,
        "first_changed_message": change.first_changed_message,
        "reason": change.reason,
    }
