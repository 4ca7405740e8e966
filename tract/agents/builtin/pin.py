"""PinPolicy: pins messages that must survive every compression, when they are committed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tract.agents.actions import Action
from tract.agents.policies import Calm
from tract.agents.policy_log import Trigger
from tract.curation.listing import MessageInfo
from tract.errors import PolicyConfigError
from tract.history.priority import Priority, PriorityAnnotation
from tract.messages.kinds import KINDS
from tract.report.info import CommitInfo

_NEVER_PLAIN = frozenset(("instruction", "session", "artifact"))
"""Kinds of messages that their content's type or role alone determines."""

_KEYS = ("role", "tool", "text", "metadata")


class _Pinning(Protocol):
    def new_messages(self) -> list[MessageInfo]: ...
    def get_annotations(self, target: str) -> list[PriorityAnnotation]: ...
    def get_commit(self, revision: str) -> CommitInfo: ...


@dataclass(frozen=True)
class PinPolicy:
    """Pins messages of the kinds *types*, and messages that match all parts of one of *patterns*.

    A pattern is a map with some of ``role``, ``tool`` (the name of a tool that the message calls), ``text`` (a regular expression) and ``metadata`` (keys and values that the commit's metadata has).
    A message whose priority was set before is left as it is.
    """

    types: Sequence[str] = ("instruction", "session")
    patterns: Sequence[Mapping[str, Any]] = ()
    name: str = field(default="pin", kw_only=True)
    priority: int = field(default=100, kw_only=True)
    trigger: Trigger = field(default="commit", kw_only=True)

    def __post_init__(self) -> None:
        for one in self.types if isinstance(self.types, (list, tuple)) else [self.types]:
            if one not in KINDS:
                raise PolicyConfigError(f"unknown kind of message {one!r:.40}; known are {', '.join(KINDS)}")
        for pattern in self.patterns if isinstance(self.patterns, (list, tuple)) else [self.patterns]:
            _check(pattern)
        if isinstance(self.patterns, Mapping):
            raise PolicyConfigError(f"patterns must be a list of them, not {self.patterns!r:.60}")

    def evaluate(self, tract: _Pinning) -> Action | None:
        """Pin messages that came since the last look and match."""
        found = [one for one in tract.new_messages() if self._is_meant(tract, one)]
        found = [one for one in found if not tract.get_annotations(one.commit_hash)]
        if not found:
            return None
        what = ", ".join(dict.fromkeys(one.kind for one in found))
        return Action(
            "annotate", {"target": [one.commit_hash for one in found], "priority": "pinned"}, f"kept for good: {what}"
        )

    def calm(self) -> Calm | None:
        """Rest for good, if it pins no plain messages."""
        return Calm() if not self.patterns and _NEVER_PLAIN.issuperset(self.types) else None

    def _is_meant(self, tract: _Pinning, one: MessageInfo) -> bool:
        if one.priority is Priority.PINNED:
            return False
        return one.kind in self.types or any(_has_all(tract, one, pattern) for pattern in self.patterns)


def _check(pattern: object) -> None:
    """PolicyConfigError for an invalid pattern."""
    if not isinstance(pattern, Mapping) or not pattern:
        raise PolicyConfigError(f"a pattern is a map of some of {', '.join(_KEYS)}, not {pattern!r:.60}")
    for key, value in pattern.items():
        if key not in _KEYS:
            raise PolicyConfigError(f"a pattern has no {key!r:.40}; it has {', '.join(_KEYS)}")
        if not isinstance(value, Mapping if key == "metadata" else str):
            raise PolicyConfigError(f"a pattern's {key} cannot be {value!r:.60}")
    try:
        re.compile(str(pattern.get("text", "")))
    except re.error as exc:
        raise PolicyConfigError(f"a pattern's text {pattern['text']!r:.60} is not a regular expression: {exc}") from exc


def _has_all(tract: _Pinning, one: MessageInfo, pattern: Mapping[str, Any]) -> bool:
    return all(_has(tract, one, key, value) for key, value in pattern.items())


def _has(tract: _Pinning, one: MessageInfo, key: str, value: Any) -> bool:
    match key:
        case "role":
            return bool(one.role == value)
        case "tool":
            return value in one.tools
        case "text":
            return re.search(value, one.text) is not None
    known = tract.get_commit(one.commit_hash).metadata or {}
    return all(name in known and bool(known[name] == wanted) for name, wanted in value.items())
