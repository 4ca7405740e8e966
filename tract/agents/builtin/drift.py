"""BranchPolicy: if the conversation drifts to another subject, the new part moves to a branch of its own.

main      a ─ b ─ c ─ d ─ e ─ f         d, e and f are about another subject
main      a ─ b ─ c                     as it was before
tangent             └─ d ─ e ─ f        and HEAD is here, until it is merged
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import chain
from typing import Protocol, TypeAlias

from tract.agents.actions import Action
from tract.agents.builtin.wording import LEAST_WORDS, likeness, novelty, words_of
from tract.agents.policies import Calm
from tract.agents.policy_log import PolicyLogEntry, Trigger
from tract.config import TractConfig
from tract.curation.listing import MessageInfo
from tract.errors import PolicyConfigError
from tract.history.context import context_at, count_entries
from tract.history.walk import is_ancestor
from tract.messages.kinds import KINDS
from tract.named_tuple import NamedTuple
from tract.refs.names import HEADS, branch_ref
from tract.repo import Repository

Measure: TypeAlias = Callable[[Sequence[MessageInfo], Sequence[MessageInfo]], float]
"""How far the messages of a window (the second argument) are from the earlier ones: over 0.5 is another subject."""

_NEW = 0.55
_ALIKE = 0.2
_LOOKED_AT = 500
"""The number of last messages read at the first look at a conversation."""

_LEAST_BEFORE = 10
"""The least number of messages before a drift."""


class _Branching(Protocol):
    @property
    def repository(self) -> Repository: ...
    @property
    def config(self) -> TractConfig: ...
    def messages(self, *, start: int = 1) -> list[MessageInfo]: ...
    def new_messages(self) -> list[MessageInfo]: ...
    def policy_log(self, *, limit: int | None = 50) -> list[PolicyLogEntry]: ...


class _Row(NamedTuple):
    """A message, and its words."""

    message: MessageInfo
    words: list[str]


class _Talk:
    """The messages of a conversation that were read; a message's place is counted from the first one read."""

    def __init__(self, branch: str) -> None:
        self.branch = branch
        self.rows: list[_Row] = []
        self.gone = 0
        """The number of dropped messages before *rows*, which are in no window any more."""

        self.waiting: list[MessageInfo] = []
        """Queued messages behind *rows*, whose words were not read yet."""

        self.ids: set[str] = set()
        self.said: set[str] = set()
        self.told: Counter[str] = Counter()
        self.before = 0
        """The number of messages that count as earlier conversation; it does not grow during a streak."""

        self.streak: list[int] = []
        """The last places, without a break, whose windows were about another subject."""

    @property
    def count(self) -> int:
        """The number of messages read."""
        return self.gone + len(self.rows)

    def hear(self, messages: Sequence[MessageInfo]) -> bool:
        """Queue the unknown ones of *messages*; False if they do not directly follow the others."""
        fresh = [one for one in messages if one.commit_hash not in self.ids]
        last = self.waiting[-1] if self.waiting else self.rows[-1].message if self.rows else None
        if fresh and last is not None and fresh[0].number != last.number + 1:
            return False
        self.waiting += fresh
        self.ids.update([one.commit_hash for one in fresh])
        return True

    def read(self) -> None:
        """Read the queued messages."""
        self.rows += [_Row(one, words_of(one.text)) for one in self.waiting]
        self.waiting.clear()

    def row(self, at: int) -> _Row:
        """The message at place *at*."""
        return self.rows[at - self.gone]

    def between(self, start: int, stop: int) -> list[_Row]:
        """The messages from place *start* on, up to *stop*."""
        return self.rows[start - self.gone : stop - self.gone]

    def accept(self) -> None:
        """Count all messages read so far as earlier conversation, and end the streak."""
        for row in self.between(self.before, self.count):
            self.said.update(row.words)
            self.told.update(row.words)
        self.before = self.count
        self.streak.clear()

    def forget(self, stop: int) -> None:
        """Drop the messages before place *stop* that count as earlier conversation."""
        stop = min(stop, self.before)
        if stop > self.gone:
            del self.rows[: stop - self.gone]
            self.gone = stop


@dataclass
class BranchPolicy:
    """Moves a tangent to a branch of its own, ``tangent/…``, from the message where the conversation turned to another subject.

    It compares the words of the last *window* messages with those before. It acts after more than *switches* windows in a row that are about something else.
    Messages of the kinds in *ignore* do not count. *measure* is a function that replaces the comparison of words (it is not kept in the store).
    There is only one tangent at a time; once it is merged, HEAD returns to the branch it came from.
    """

    window: int = 5
    switches: int = 4
    _: KW_ONLY
    ignore: Sequence[str] = ("instruction", "tool_result", "reasoning", "summary")
    prefix: str = "tangent/"
    measure: Measure | None = field(default=None, metadata={"kept": False})
    name: str = field(default="branch", kw_only=True)
    priority: int = field(default=300, kw_only=True)
    trigger: Trigger = field(default="commit", kw_only=True)

    def __post_init__(self) -> None:
        for name, least in (("window", 2), ("switches", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise PolicyConfigError(f"{name} must be a whole number from {least} on, not {value!r:.40}")
        for one in self.ignore if isinstance(self.ignore, (list, tuple)) else [self.ignore]:
            if one not in KINDS:
                raise PolicyConfigError(f"unknown kind of message {one!r:.40}; known are {', '.join(KINDS)}")
        if self.measure is not None and not callable(self.measure):
            raise PolicyConfigError(f"measure must be callable, not {type(self.measure).__name__}")
        if not isinstance(self.prefix, str) or not self.prefix.endswith("/"):
            raise PolicyConfigError(f"prefix must be a text that ends in a slash, not {self.prefix!r:.40}")
        try:
            branch_ref(f"{self.prefix}x")
        except Exception as exc:
            raise PolicyConfigError(f"prefix {self.prefix!r:.40} cannot begin the name of a branch: {exc}") from exc
        self._talk: _Talk | None = None
        self._origin_of: tuple[str, str] | None = None

    def evaluate(self, tract: _Branching) -> Action | None:
        """Divert messages about another subject; or go back if a tangent was merged."""
        ref = tract.repository.head()[0]
        if ref is None or tract.repository.branch is not None:  # a handle on a branch by its name stays there
            return None
        branch = ref.removeprefix(HEADS)
        if branch.startswith(self.prefix):
            self._talk = None
            return self._back(tract, branch)
        talk = self._hear(tract, branch)
        if len(talk.streak) + len(talk.waiting) <= self.switches:
            return None  # too few messages for a drift: their words are read once there are enough
        tangents = tract.repository.local_refs(HEADS + self.prefix)
        if any(not self._is_merged(tract, name, branch) for name, _ in tangents):
            return None  # one at a time
        self._read(talk)
        if len(talk.streak) <= self.switches:
            return None
        start = self._start(talk)
        if start is None or talk.row(start).message.number < 2:
            return None
        commit = talk.row(start).message.commit_hash
        if any(
            is_ancestor(tract.repository, bytes.fromhex(commit), tip) for _, tip in tangents if isinstance(tip, bytes)
        ):
            talk.accept()  # it was merged, so this branch talks about it
            return None
        count = talk.count - start
        return Action(
            "divert",
            {"name": f"{self.prefix}{commit[:10]}", "start": commit},
            f"the last {count} messages are about something else than those before",
        )

    def calm(self) -> Calm | None:
        """Rest until there are enough new messages for a drift; None on a tangent, which may be merged at any time."""
        talk = self._talk
        return None if talk is None else Calm(messages=self.switches + 1 - len(talk.streak) - len(talk.waiting))

    # Reading

    def _hear(self, tract: _Branching, branch: str) -> _Talk:
        """The conversation on *branch*, with its new messages queued."""
        talk = self._talk
        if talk is None or talk.branch != branch or not talk.hear(tract.new_messages()):
            count = count_entries(tract.repository, context_at(tract.repository, tract.repository.head()[1]))
            talk = self._talk = _Talk(branch)
            talk.hear(tract.messages(start=max(1, count - _LOOKED_AT)))
        return talk

    def _read(self, talk: _Talk) -> None:
        """Read the words of queued messages, and find the windows about another subject."""
        first = talk.count
        talk.read()
        self._let_go(talk, first)
        last = talk.count - 1
        # Few new words against part of the earlier conversation are few against all of it: then the last window alone shows that no streak is left.
        if self.measure is None and self._is_judged(last) and self._is_known(talk, last):
            talk.streak.clear()
        else:
            for at in range(first, last + 1):
                self._judge(talk, at)
        if self.measure is None:
            talk.forget(talk.count - self.window)

    def _judge(self, talk: _Talk, at: int) -> None:
        """Compare the window that ends with message *at* with the earlier conversation."""
        self._let_go(talk, at)
        if not self._is_judged(at):
            return
        is_other = self._is_other(talk, at)
        if is_other:
            talk.streak.append(at)
        elif is_other is not None:
            talk.streak.clear()

    def _is_judged(self, at: int) -> bool:
        return at >= max(_LEAST_BEFORE, self.window)

    def _let_go(self, talk: _Talk, at: int) -> None:
        """Count the messages before the window that ends with message *at* as earlier conversation."""
        stop = at - self.window + 1
        if talk.streak or stop <= talk.before:
            return
        rows = talk.between(talk.before, stop)
        talk.said.update(*[row.words for row in rows])
        talk.told.update(chain.from_iterable([row.words for row in rows if row.message.kind not in self.ignore]))
        talk.before = stop

    def _words_at(self, talk: _Talk, at: int) -> Counter[str]:
        """The words of the window that ends with message *at*, without messages of ignored kinds."""
        rows = talk.between(at - self.window + 1, at + 1)
        return Counter(chain.from_iterable([row.words for row in rows if row.message.kind not in self.ignore]))

    def _is_known(self, talk: _Talk, at: int) -> bool:
        """Whether the window that ends with message *at* has enough words, and few new ones."""
        words = self._words_at(talk, at)
        return len(words) >= LEAST_WORDS and novelty(words, talk.said) <= _NEW

    def _is_other(self, talk: _Talk, at: int) -> bool | None:
        """Whether the window that ends with message *at* is about another subject; None if it has too few words."""
        if self.measure is not None:
            messages = [row.message for row in talk.between(0, at + 1)]
            first = at - self.window + 1
            return self.measure(messages[:first], messages[first:]) > 0.5
        words = self._words_at(talk, at)
        if len(words) < LEAST_WORDS:
            return None
        return novelty(words, talk.said) > _NEW and likeness(words, talk.told) < _ALIKE

    def _start(self, talk: _Talk) -> int | None:
        """The place where the other subject begins: the user's first message about it in the first window of the streak."""
        first = talk.streak[0]
        places = range(first - self.window + 1, first + 1)
        said = [at for at in places if talk.row(at).message.kind not in self.ignore]
        new = [at for at in said if novelty(Counter(talk.row(at).words), talk.said) > _NEW]
        asked = [at for at in said if talk.row(at).message.kind == "user"]
        return next(iter([at for at in new if at in asked] or asked or new or said), None)

    # Going back

    def _back(self, tract: _Branching, branch: str) -> Action | None:
        origin = self._origin(tract, branch)
        if not self._is_merged(tract, HEADS + branch, origin):
            return None
        return Action("switch", {"name": origin}, f"'{branch}' was merged into '{origin}'")

    def _origin(self, tract: _Branching, branch: str) -> str:
        """The branch that a tangent left; the default branch if that is unknown."""
        if self._origin_of is None or self._origin_of[0] != branch:
            diverts = (one for one in tract.policy_log(limit=None) if one.action and one.action.name == "divert")
            found = (one.branch for one in diverts if one.action and one.action.arguments.get("name") == branch)
            self._origin_of = branch, next(found, None) or tract.config.default_branch
        return self._origin_of[1]

    def _is_merged(self, tract: _Branching, tangent: str, into: str) -> bool:
        repo = tract.repository
        tip, there = repo.ref(tangent), repo.ref(HEADS + into)
        return isinstance(tip, bytes) and isinstance(there, bytes) and is_ancestor(repo, tip, there)
