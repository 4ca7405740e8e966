"""Asking a policy, which only looks; and what an action that it wants needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tract.agents.actions import Action
from tract.agents.policies import Policy, PolicySkip
from tract.agents.settings import AgentSettings
from tract.errors import PolicyExecutionError
from tract.repo import Repository
from tract.transaction import Transaction


class Asking:
    """Which policy is asked, and in which thread."""

    def __init__(self) -> None:
        self.at = 0
        self.name = ""
        self.thread = 0

    def __call__(self, tx: Transaction) -> None:
        if threading.get_ident() == self.thread:
            raise PolicyExecutionError(f"policy '{self.name}' tried to change the tract while it looked: {tx.reason}")


@contextmanager
def only_looking(repo: Repository, state: Asking) -> Iterator[None]:
    """Inside, nothing that this thread does changes the tract."""
    state.thread = threading.get_ident()
    repo.riders.append(state)
    try:
        yield
    finally:
        repo.riders.remove(state)


def needs_model(action: Action) -> bool:
    """Whether a model is asked when *action* is carried out."""
    if action.name in ("compress", "collapse"):
        return action.arguments.get("content") is None
    return action.name == "merge" and action.arguments.get("strategy") == "semantic"


def runs_apart(action: Action, settings: AgentSettings) -> bool:
    """Whether *action* is carried out in a thread of tract's own: a gc always, and where that is set what needs a model."""
    return action.name == "gc" or (settings.background and needs_model(action))


def evaluated(policy: Policy, tract: Any) -> tuple[Action | None, str | None]:
    """What *policy* wants of *tract*, or why it cannot tell."""
    state = Asking()
    try:
        with only_looking(tract.repository, state):
            state.name = policy.name
            wanted = policy.evaluate(tract)
    except PolicySkip as exc:
        return None, str(exc)
    except Exception as exc:  # noqa: BLE001  # a policy's error is told
        return None, f"{type(exc).__name__}: {exc}"
    if wanted is not None and not isinstance(wanted, Action):
        return None, f"it gave a {type(wanted).__name__}, not an Action"
    return wanted, None
