"""The roster: the policies of a tract as its store says, made from what this process knows.

What was asked last is kept in a file of the cache, so that the next handle does not see the whole context as new.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from blake3 import blake3

from tract.agents.policies import TRIGGERS, Policy, build_policy, is_builtin
from tract.agents.settings import AgentSettings, PolicySetting, SettingsTable, is_foreign
from tract.errors import PolicyConfigError, TractError
from tract.history.notes import POLICIES, note_tip
from tract.objects.id import ObjectId, parse_id
from tract.repo import Repository
from tract.storage import files

_LONGEST_LOOKS = 1_000_000


class Roster:
    """The policies of one handle, in the order in which they are asked."""

    def __init__(self) -> None:
        self.settings = SettingsTable()
        self.now = AgentSettings()
        """The settings that were loaded last."""

        self._known: dict[str, tuple[PolicySetting, Policy]] = {}
        """The policies by name, each with what the store says of it; those that were given to this handle are the objects themselves."""

        self.policies: tuple[Policy, ...] = ()
        self.at: dict[str, tuple[Policy, ...]] = dict.fromkeys(TRIGGERS, ())
        """Those of each trigger."""

        self.builtin: frozenset[str] = frozenset()
        """The names of those that are tract's own, which are trusted to look only and to come to an end."""

        self.problems: dict[str, str] = {}
        """Why a policy does nothing here, by its name."""

        self.tip: ObjectId | None = None
        """The newest of the settings that were read."""

        self.is_foreign = False
        self.is_off = True
        self.required: str | None = None
        """Why nothing may be committed: a required policy is missing."""

    def load(self, repo: Repository) -> AgentSettings:
        """Be as the store says now; policies that did not change stay the objects that they are."""
        settings = self.now = self.settings.read(repo)
        self.tip = note_tip(repo, POLICIES)
        made: list[Policy] = []
        self.problems = {}
        known, self._known = self._known, {}
        for one in settings.policies:
            try:
                policy = known[one.name][1] if one.name in known and known[one.name][0] == one else build_policy(one)
            except PolicyConfigError as exc:
                self.problems[one.name] = str(exc)
                continue
            self._known[one.name] = one, policy
            made.append(policy)
        order = {one.name: at for at, one in enumerate(settings.policies)}
        self.policies = tuple(sorted(made, key=lambda policy: (policy.priority, order[policy.name])))
        self.at = {one: tuple(policy for policy in self.policies if policy.trigger == one) for one in TRIGGERS}
        self.builtin = frozenset(policy.name for policy in made if is_builtin(policy))
        self.is_foreign = is_foreign(repo, settings)
        self.is_off = self.is_foreign or settings.is_paused or not self.policies
        missing = next(iter(self.problems.values()), None)
        self.required = missing if settings.required and not self.is_foreign else None
        return settings

    def are_all_own(self, policies: Sequence[Policy]) -> bool:
        """Whether all of *policies* are tract's own."""
        if len(self.builtin) in (0, len(self.policies)):
            return bool(self.builtin) or not policies
        return self.builtin.issuperset([policy.name for policy in policies])

    def in_order(self, policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
        """*policies* in the order in which they are asked."""
        names = {one.name for one in policies}
        return tuple(one for one in self.policies if one.name in names)

    def give(self, setting: PolicySetting, policy: Policy) -> None:
        """Let *policy* be what *setting* means in this handle."""
        self._known[setting.name] = setting, policy

    def take_over(self, other: Roster) -> None:
        """Know the policies of a user's that were given to *other*; tract's own remember a context each."""
        self._known = {name: pair for name, pair in other._known.items() if not is_builtin(pair[1])}


def read_looks(repo: Repository) -> dict[str, ObjectId]:
    """About which commits a handle before this one asked its policies, by their names, as long as the settings are those of then."""
    path = _look_path(repo)
    if path is None:
        return {}
    with suppress(OSError, ValueError):  # without it, policies see the whole context as new
        settings, *looks = files.read_file(path, _LONGEST_LOOKS).decode().splitlines()
        if settings == (note_tip(repo, POLICIES) or b"").hex():
            found = (one.split(" ", 1) for one in looks)
            return {name: id for commit, name in found if (id := parse_id(commit)) is not None}
    return {}


def save_looks(repo: Repository, looks: Mapping[str, ObjectId], settings: ObjectId | None) -> None:
    """Keep about which commits the policies were asked, for the next handle."""
    path = _look_path(repo)
    if path is None or repo.read_only or not looks or settings is None:
        return
    lines = [settings.hex(), *(f"{commit.hex()} {name}" for name, commit in looks.items()), ""]
    with suppress(OSError, TractError):
        files.write_file(path, "\n".join(lines).encode(), sync=False)


def _look_path(repo: Repository) -> str | None:
    if repo.path is None:
        return None
    name = blake3(f"{repo.prefix} {repo.branch or ''}".encode()).hexdigest()[:8]
    return os.path.join(repo.path, "cache", f"policies-{name}")
