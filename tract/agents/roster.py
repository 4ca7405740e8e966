"""The roster: the policies of a tract as stored, made from the classes that this process knows.

A file of the cache has the commits that were asked about last, so that the next handle does not see the whole context as new.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import attrgetter

from blake3 import blake3

from tract.agents.policies import TRIGGERS, Calm, Policy, PolicyInfo, build_policy, is_builtin, said_by
from tract.agents.policy_settings import AgentSettings, PolicySetting, SettingsTable, is_foreign
from tract.errors import PolicyConfigError, TractError
from tract.history.notes import POLICIES, note_tip
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.repo import Repository
from tract.storage import files

_LONGEST_LOOKS = 1_000_000


class Member(NamedTuple):
    """A policy under the name that the store has for it, whatever name it gives itself by now.

    *is_own* says that it is one of tract's own, which are trusted to read only and to end; *calm* is its method of that name.
    """

    name: str
    policy: Policy
    is_own: bool
    calm: Callable[[], Calm | None] | None
    priority: int
    trigger: str


class Roster:
    """The policies of one handle, in the order in which they are asked."""

    def __init__(self) -> None:
        self.settings = SettingsTable()
        self.now = AgentSettings()
        """The settings that were loaded last."""

        self._known: dict[str, tuple[PolicySetting, Member]] = {}
        """The policies by name, each with its stored setting; those that were given to this handle are the objects themselves."""

        self.members: tuple[Member, ...] = ()
        self.at: dict[str, tuple[Member, ...]] = dict.fromkeys(TRIGGERS, ())
        """The policies of each trigger."""

        self.may_rest = False
        """Whether any commit policy can say how long it need not be asked."""

        self.problems: dict[str, str] = {}
        """Why a policy does nothing here, by its name."""

        self.tip: ObjectId | None = None
        """The newest settings read."""

        self.is_foreign = False
        self.is_off = True
        self.required: str | None = None
        """Why no commit is allowed: a required policy is missing."""

    def load(self, repo: Repository) -> AgentSettings:
        """Load the stored policies; unchanged policies stay the same objects."""
        settings = self.now = self.settings.read(repo)
        self.tip = note_tip(repo, POLICIES)
        made: list[Member] = []
        self.problems = {}
        known, self._known = self._known, {}
        for one in settings.policies:
            try:
                before, member = known.get(one.name, (None, None))
                if member is None or before != one:
                    member = member_of(one.name, build_policy(one))
            except PolicyConfigError as exc:
                self.problems[one.name] = str(exc)
                continue
            self._known[one.name] = one, member
            made.append(member)
        self.members = tuple(sorted(made, key=attrgetter("priority")))
        self.at = {at: tuple(member for member in self.members if member.trigger == at) for at in TRIGGERS}
        self.may_rest = any(member.calm is not None for member in self.at["commit"])
        self.is_foreign = is_foreign(repo, settings)
        self.is_off = self.is_foreign or settings.is_paused or not self.members
        missing = next(iter(self.problems.values()), None)
        self.required = missing if settings.required and not self.is_foreign else None
        return settings

    def in_order(self, members: tuple[Member, ...]) -> tuple[Member, ...]:
        """*members* in the order in which they are asked."""
        names = {one.name for one in members}
        return tuple(one for one in self.members if one.name in names)

    def described(self, settings: AgentSettings, *, foreign: bool) -> list[PolicyInfo]:
        """The policies of *settings*, in the order in which they are asked, those that work here first; none works if they came from another store, or are paused."""
        made = {one.name: one for one in self.members}
        kept = {one.name: one for one in settings.policies}
        why = "it came from another store, and is not trusted here" if foreign else None
        why = why or ("policies are paused" if settings.is_paused else None)
        return [
            PolicyInfo(
                name=name,
                kind=kept[name].kind,
                priority=None if (member := made.get(name)) is None else member.priority,
                trigger=None if member is None else member.trigger,
                parameters=kept[name].parameters,
                problem=self.problems.get(name) or why,
            )
            for name in [*made, *(name for name in kept if name not in made)]
        ]

    def give(self, setting: PolicySetting, policy: Policy) -> None:
        """Use *policy* for *setting* in this handle."""
        self._known[setting.name] = setting, member_of(setting.name, policy)

    def take_over(self, other: Roster) -> None:
        """Take over the user's policies that were given to *other*; tract's own are not shared, because each remembers a context."""
        self._known = {name: pair for name, pair in other._known.items() if not pair[1].is_own}


def member_of(name: str, policy: Policy) -> Member:
    """*policy* under the stored *name*."""
    calm = said_by(policy, "calm")
    return Member(name, policy, is_builtin(policy), calm if callable(calm) else None, policy.priority, policy.trigger)


def read_looks(repo: Repository) -> dict[str, ObjectId]:
    """The commits about which an earlier handle asked its policies, by their names, if the settings are still the same."""
    path = _look_path(repo)
    if path is None:
        return {}
    with suppress(OSError, ValueError):  # without it, policies see the whole context as new
        settings, *looks = files.read_file(path, _LONGEST_LOOKS).decode().splitlines()
        if settings == (note_tip(repo, POLICIES) or b"").hex():
            found = (one.split(" ", 1) for one in looks)
            return {name: id for commit, name in found if (id := parse_id(commit)) is not None}
    return {}


def save_looks(
    repo: Repository, looks: Mapping[str, ObjectId], read: Mapping[str, ObjectId], settings: ObjectId | None
) -> None:
    """Store the commits about which the policies were asked, for the next handle; *read* is what this handle found there.

    An entry of another handle stays if it is further on; all of them stay if it knows newer settings.
    """
    path = _look_path(repo)
    if path is None or repo.read_only or not looks or settings is None:
        return
    with suppress(OSError, TractError):
        repo.refs.refresh()
        if settings != note_tip(repo, POLICIES):
            return
        kept = read_looks(repo)
        for name, at in looks.items():
            known = kept.get(name)
            if known in (None, read.get(name)) or _is_further(repo, at, known):
                kept[name] = at
        lines = [settings.hex(), *(f"{commit.hex()} {name}" for name, commit in kept.items()), ""]
        files.write_file(path, "\n".join(lines).encode(), sync=False)


def _is_further(repo: Repository, one: ObjectId, other: ObjectId) -> bool:
    """Whether the commit *one* has more commits behind it than *other*."""
    return repo.commit(one).generation > repo.commit(other).generation


def _look_path(repo: Repository) -> str | None:
    if repo.path is None:
        return None
    name = blake3(f"{repo.prefix} {repo.branch or ''}".encode()).hexdigest()[:8]
    return os.path.join(repo.path, "cache", f"policies-{name}")
