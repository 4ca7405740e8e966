"""CompressPolicy: the context is compressed before it is too long for its budget.

    0 ─────────────── target ─────────── threshold ── budget
                        ◀───────────────────┘

The summary is a given text, or the configured model writes one. Without either, rules choose which messages are hidden or summed up, and a note lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

from tract.agents.actions import Action
from tract.agents.builtin.selection import Selection, select
from tract.agents.policies import Calm, PolicySkip
from tract.agents.policy_log import Trigger
from tract.config import TractConfig
from tract.curation.compress.result import CompressResult
from tract.curation.listing import MessageInfo
from tract.errors import CompressionError, PolicyConfigError

_LEAST_SUMMARY = 64
_SHARE_OF_SUMMARY = 0.3
"""The part of the target that a model's summary may have by default."""

_UNDER = 0.95
"""A compression comes down at least to this part of the threshold."""

_NEARLY_ALL = 0.9
"""If the messages have at least this part of the tokens, only they count."""

_GROWN = 1.02
"""If nothing could be done, the context is checked again after it has grown by this."""


class _Compressing(Protocol):
    @property
    def config(self) -> TractConfig: ...
    @property
    def has_model(self) -> bool: ...
    def token_total(self) -> int: ...
    def messages(self) -> list[MessageInfo]: ...
    def compress(self, *, dry_run: bool = False, **options: Any) -> CompressResult: ...


@dataclass
class CompressPolicy:
    """Compresses when the context reaches *threshold* (a share of the token budget), down to the share *target*.

    The newest *keep_recent* messages stay as they are; so do pinned messages, the user's last request, open tool calls and session contents.
    *summary* is the text of the summary. Without it, the configured model writes one of about *target_tokens*; without a model, tool outputs are hidden first, then the oldest exchanges are summed up by rule, and a note says what was removed.
    If the context cannot be brought below the threshold, the policy reports that once and changes nothing.
    """

    threshold: float = 0.8
    _: KW_ONLY
    target: float = field(default=0.5, kw_only=True)
    keep_recent: int | None = field(default=None, kw_only=True)
    summary: str | None = field(default=None, kw_only=True)
    target_tokens: int | None = field(default=None, kw_only=True)
    name: str = field(default="compress", kw_only=True)
    priority: int = field(default=200, kw_only=True)
    trigger: Trigger = field(default="commit", kw_only=True)

    def __post_init__(self) -> None:
        for name in ("threshold", "target"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
                raise PolicyConfigError(f"{name} must be a share of the budget, over 0 and up to 1, not {value!r:.40}")
        if self.target >= self.threshold:
            raise PolicyConfigError(f"target {self.target} must be under the threshold {self.threshold}")
        for name in ("keep_recent", "target_tokens"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise PolicyConfigError(f"{name} must be a whole number from 1 on, not {number!r:.40}")
        if self.summary is not None and not (isinstance(self.summary, str) and self.summary.strip()):
            raise PolicyConfigError(f"the summary must be a text that is not empty, not {self.summary!r:.40}")
        self._stuck_at = 0.0
        self._limit = 0.0

    def evaluate(self, tract: _Compressing) -> Action | None:
        """Compress if the context has reached the threshold."""
        budget = tract.config.budget
        if budget is None:
            raise PolicyConfigError("a threshold needs a token budget, and the tract has none")
        used, limit = tract.token_total(), self.threshold * budget.max_tokens
        self._limit = limit
        if used < limit:
            self._stuck_at = 0.0
            return None
        if used < self._stuck_at * _GROWN:
            return None
        self._stuck_at = 0.0
        reason = f"the context has {used:,} of {budget.max_tokens:,} tokens ({used / budget.max_tokens:.0%})"
        messages = tract.messages()
        goal = self.target * budget.max_tokens
        try:
            if self.summary is None and not tract.has_model:
                return self._by_rule(messages, used, goal, limit, reason)
            return self._by_text(tract, messages, used, goal, limit, reason)
        except PolicySkip:
            self._stuck_at = used
            raise

    def calm(self) -> Calm | None:
        """Rest until the context has reached the threshold."""
        return Calm(tokens=self._limit) if not self._stuck_at else None

    def _by_rule(self, messages: Sequence[MessageInfo], used: int, goal: float, limit: float, reason: str) -> Action:
        found = select(messages, self._excess(messages, used, goal, limit), self.keep_recent)
        left = used - found.tokens + found.note_tokens
        if not found.commits or left >= limit:
            raise PolicySkip(f"{reason}, and at most {max(0, used - left):,} tokens can be removed: {found.why_not}")
        arguments = {"commits": list(found.commits), "content": found.note}
        return Action("compress", arguments, f"{reason}: {_told(found)}", content_by="rule")

    def _excess(self, messages: Sequence[MessageInfo], used: int, goal: float, limit: float) -> float:
        """The number of tokens to remove.

        A provider's count includes tools and the like, which no compression removes: then the messages come down to their share of the target, or as far as brings the whole under the threshold.
        """
        own = sum(one.token_count for one in messages if not one.is_hidden)
        if own >= _NEARLY_ALL * used:
            return used - goal
        return min(used - goal, max(own * (1 - self.target / self.threshold), used - _UNDER * limit))

    def _by_text(
        self, tract: _Compressing, messages: Sequence[MessageInfo], used: int, goal: float, limit: float, reason: str
    ) -> Action:
        arguments: dict[str, Any] = {}
        if self.keep_recent is not None:
            arguments["keep_recent"] = self.keep_recent
        requests = [one.commit_hash for one in messages if one.kind == "user" and not one.is_hidden]
        if requests:
            arguments["preserve"] = requests[-1:]
        if self.summary is not None:
            arguments["content"] = self.summary
        else:
            arguments["target_tokens"] = self.target_tokens or max(_LEAST_SUMMARY, int(goal * _SHARE_OF_SUMMARY))
        try:
            planned = tract.compress(dry_run=True, **arguments)
        except CompressionError as exc:
            raise PolicySkip(f"{reason}, and it cannot be compressed: {exc}") from exc
        after = used - planned.tokens_before + (planned.tokens_after if self.summary else arguments["target_tokens"])
        if after >= limit or after >= used:
            raise PolicySkip(f"{reason}, and a compression would leave about {after:,} tokens")
        return Action("compress", arguments, f"{reason}: {planned.messages} messages are summed up")


def _told(found: Selection) -> str:
    parts = [f"{found.outputs} tool calls with their results"] if found.outputs else []
    parts += [f"{found.others} other messages"] if found.others else []
    return f"{' and '.join(parts)} go"
