"""BranchPolicy: where the conversation drifts to another subject, that goes to a branch of its own.

main      a ─ b ─ c ─ d ─ e ─ f         d, e and f are about something else
main      a ─ b ─ c                     as it was before
tangent             └─ d ─ e ─ f        and HEAD is here, until it is merged
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol, TypeAlias

from tract.agents.actions import Action
from tract.agents.builtin.wording import LEAST_WORDS, likeness, novelty, words_of
from tract.agents.policy_log import PolicyLogEntry, Trigger
from tract.config import TractConfig
from tract.curation.listing import MessageInfo
from tract.errors import PolicyConfigError
from tract.history.context import context_at, count_entries
from tract.history.walk import is_ancestor
from tract.messages.kinds import KINDS
from tract.refs.names import HEADS, branch_ref
from tract.repo import Repository

Measure: TypeAlias = Callable[[Sequence[MessageInfo], Sequence[MessageInfo]], float]
"""How far the messages of a window, the second, are from those before: over 0.5 is another subject."""

_NEW = 0.55
_ALIKE = 0.2
_LOOKED_AT = 500
"""So many of the last messages are read where nothing is known of a conversation."""

_LEAST_BEFORE = 10
"""So many messages come before anything can be a drift."""


class _Branching(Protocol):
    @property
    def repository(self) -> Repository: ...
    @property
    def config(self) -> TractConfig: ...
    def messages(self, *, start: int = 1) -> list[MessageInfo]: ...
    def new_messages(self) -> list[MessageInfo]: ...
    def policy_log(self, *, limit: int | None = 50) -> list[PolicyLogEntry]: ...


class _Talk:
    """The words of a conversation, message by message, as far as they were read."""

    def __init__(self, branch: str) -> None:
        self.branch = branch
        self.messages: list[MessageInfo] = []
        self.ids: set[str] = set()
        self.words: list[list[str]] = []
        self.said: set[str] = set()
        self.told: Counter[str] = Counter()
        self.before = 0
        """So many messages are what was said before; while a streak lasts they get no more."""

        self.streak: list[int] = []
        """The places at whose end the window was about something else, without a break."""

    def accept(self) -> None:
        """Take all that is there for what was said before."""
        for words in self.words[self.before :]:
            self.said.update(words)
            self.told.update(words)
        self.before = len(self.messages)
        self.streak.clear()


@dataclass
class BranchPolicy:
    """Puts a tangent on a branch of its own: ``tangent/…``, from where the conversation turned to another subject.

    The words of the last *window* messages are held against those before; after more than *switches* windows on end that are about something else it acts.
    Kinds of messages in *ignore* do not count; *measure* takes the place of the words (it is not kept in the store).
    There is one tangent at a time; when it was merged, HEAD goes back to the branch it came from.
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
        """Divert what is about something else; or go back where a tangent was merged."""
        ref = tract.repository.head()[0]
        if ref is None or tract.repository.branch is not None:  # a handle on a branch by its name stays there
            return None
        branch = ref.removeprefix(HEADS)
        if branch.startswith(self.prefix):
            self._talk = None
            return self._back(tract, branch)
        tangents = tract.repository.local_refs(HEADS + self.prefix)
        if any(not self._is_merged(tract, name, branch) for name, _ in tangents):
            return None  # one at a time
        talk = self._read(tract, branch)
        if len(talk.streak) <= self.switches:
            return None
        start = self._start(talk)
        if start is None or talk.messages[start].number < 2:
            return None
        commit = talk.messages[start].commit_hash
        if any(
            is_ancestor(tract.repository, bytes.fromhex(commit), tip) for _, tip in tangents if isinstance(tip, bytes)
        ):
            talk.accept()  # it was merged, and is what is talked about here
            return None
        count = len(talk.messages) - start
        return Action(
            "divert",
            {"name": f"{self.prefix}{commit[:10]}", "start": commit},
            f"the last {count} messages are about something else than those before",
        )

    # Reading

    def _read(self, tract: _Branching, branch: str) -> _Talk:
        talk = self._talk
        new = [] if talk is None else tract.new_messages()
        fresh = [] if talk is None else [one for one in new if one.commit_hash not in talk.ids]
        if talk is None or talk.branch != branch or (fresh and fresh[0].number != talk.messages[-1].number + 1):
            count = count_entries(tract.repository, context_at(tract.repository, tract.repository.head()[1]))
            talk, fresh = _Talk(branch), tract.messages(start=max(1, count - _LOOKED_AT))
        self._talk = talk
        for one in fresh:
            self._add(talk, one)
        return talk

    def _add(self, talk: _Talk, one: MessageInfo) -> None:
        at = len(talk.messages)
        talk.messages.append(one)
        talk.ids.add(one.commit_hash)
        talk.words.append(words_of(one.text))
        while talk.before <= at - self.window and not talk.streak:  # what leaves the window is what was said before
            talk.said.update(talk.words[talk.before])
            if talk.messages[talk.before].kind not in self.ignore:
                talk.told.update(talk.words[talk.before])
            talk.before += 1
        if at < _LEAST_BEFORE:
            return
        is_other = self._is_other(talk)
        if is_other:
            talk.streak.append(at)
        elif is_other is not None:
            talk.streak.clear()

    def _is_other(self, talk: _Talk) -> bool | None:
        """Whether the window is about something else; None where too little is said in it."""
        first = len(talk.messages) - self.window
        if self.measure is not None:
            return self.measure(talk.messages[:first], talk.messages[first:]) > 0.5
        counted = [at for at in range(first, len(talk.messages)) if talk.messages[at].kind not in self.ignore]
        words = Counter([word for at in counted for word in talk.words[at]])
        if len(words) < LEAST_WORDS:
            return None
        return novelty(words, talk.said) > _NEW and likeness(words, talk.told) < _ALIKE

    def _start(self, talk: _Talk) -> int | None:
        """The place where the other subject begins: what the user said first in the window that was the first about it."""
        first = talk.streak[0]
        places = range(max(1, first - self.window + 1), first + 1)
        before = set().union(*talk.words[: places[0]]) if places else set()
        said = [at for at in places if talk.messages[at].kind not in self.ignore]
        new = [at for at in said if novelty(Counter(talk.words[at]), before) > _NEW]
        asked = [at for at in said if talk.messages[at].kind == "user"]
        return next(iter([at for at in new if at in asked] or asked or new or said), None)

    # Going back

    def _back(self, tract: _Branching, branch: str) -> Action | None:
        origin = self._origin(tract, branch)
        if not self._is_merged(tract, HEADS + branch, origin):
            return None
        return Action("switch", {"name": origin}, f"'{branch}' was merged into '{origin}'")

    def _origin(self, tract: _Branching, branch: str) -> str:
        """The branch that a tangent left; the default one where nobody knows."""
        if self._origin_of is None or self._origin_of[0] != branch:
            diverts = (one for one in tract.policy_log(limit=None) if one.action and one.action.name == "divert")
            found = (one.branch for one in diverts if one.action and one.action.arguments.get("name") == branch)
            self._origin_of = branch, next(found, None) or tract.config.default_branch
        return self._origin_of[1]

    def _is_merged(self, tract: _Branching, tangent: str, into: str) -> bool:
        repo = tract.repository
        tip, there = repo.ref(tangent), repo.ref(HEADS + into)
        return isinstance(tip, bytes) and isinstance(there, bytes) and is_ancestor(repo, tip, there)
