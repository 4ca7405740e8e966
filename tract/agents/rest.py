"""Rest: a policy that said how long it wants nothing is not asked before that, so most commits ask no policy.

asked, and none wants an action   Calm(messages=5, tokens=80_000, until=…)
messages 1 to 4                   no policy is asked, as long as they are plain and come one by one
message 5, or anything else       all are asked, about all that came since they were asked last
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tract.agents.policies import Calm
from tract.agents.roster import Member
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation
from tract.repo import Repository

_PLAIN_ROLES = frozenset(("user", "assistant", "tool"))


class Rest:
    """The policies of a handle that need not be asked, by their own last answers."""

    def __init__(self) -> None:
        self._calms: dict[str, Calm] = {}
        """How long each resting policy rests; messages are counted from when the first of them began."""

        self._next = Calm()
        """When the first of them must be asked."""

        self._came = 0
        self._used: int | None = None
        self._branch: str | None = None
        self.tip: ObjectId | None = None
        """The newest commit; None if all must be asked about the next."""

    def end(self) -> None:
        """Have all policies asked about the next commit."""
        self.tip = None

    def begin(
        self, repo: Repository, tip: ObjectId, members: Sequence[Member], calms: Mapping[str, Calm | None]
    ) -> None:
        """Let the policies rest that were asked about the commit *tip* and want nothing, by their *calms*; other *members* stay as before."""
        branch, at = repo.head()
        if at != tip:
            self.tip = None
            return
        if self.tip != tip:
            self._calms, self._came = {}, 0
        for name, calm in calms.items():
            if calm is None:
                self._calms.pop(name, None)
            else:
                self._calms[name] = calm._replace(messages=self._came + calm.messages)
        self._branch, self.tip = branch, tip if self._calms else None
        self._next = Calm(messages=0)
        if self._calms and len(self._calms) == len(members):
            messages, tokens, until = zip(*self._calms.values(), strict=True)
            self._next = Calm(min(messages), min(tokens), min(until))

    def goes_on(self, repo: Repository, content: Mapping[str, Any], used: int | None) -> bool:
        """Whether no policy need be asked about the commit of *content* just made; *used* are the tokens of the context, if known."""
        before = self.tip
        if before is None or not is_plain(content):
            return False
        branch, tip = repo.head()
        if tip is None or branch != self._branch:
            return False
        commit = repo.commit(tip)
        if commit.parents != (before,) or commit.operation is not CommitOperation.APPEND:
            return False
        self._came, self._used, self.tip = self._came + 1, used, tip
        return self._is_before(repo, self._next)

    def wakes(self, repo: Repository, tip: ObjectId, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """The policies of *members* that must be asked about the commit *tip*."""
        if self.tip != tip:
            return members
        calms = [self._calms.get(one.name) for one in members]
        return tuple(
            one for one, calm in zip(members, calms, strict=True) if calm is None or not self._is_before(repo, calm)
        )

    def _is_before(self, repo: Repository, calm: Calm) -> bool:
        messages, tokens, until = calm
        if self._came >= messages or (until != math.inf and repo.clock() >= until):
            return False
        return tokens == math.inf or (self._used is not None and self._used < tokens)


def is_plain(content: Mapping[str, Any]) -> bool:
    """Whether *content* is a message of a user, a model or a tool."""
    kind = content.get("content_type")
    message = content.get("message") if kind == "message" else content if kind == "dialogue" else None
    return isinstance(message, dict) and message.get("role") in _PLAIN_ROLES
