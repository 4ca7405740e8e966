"""Asking a policy, which only looks; and what an action that it wants needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tract.agents.actions import Action, check_autonomy
from tract.agents.policies import Policy, PolicySkip, is_builtin
from tract.agents.settings import AgentSettings
from tract.errors import ActionError, PolicyExecutionError, TractError
from tract.repo import Repository
from tract.transaction import Transaction


class Asking:
    """Which policy is asked, and in which thread; *changed* says what it tried to change, caught or not."""

    def __init__(self, policies: Sequence[Policy] = ()) -> None:
        self._policies = policies
        self.at = 0
        self.thread = 0
        self.changed: str | None = None
        self.is_over = False
        """Nobody waits for an answer any more."""

    def __call__(self, tx: Transaction) -> None:
        if threading.get_ident() == self.thread:
            self.refuse(tx)

    def refuse(self, tx: Transaction) -> None:
        """Prevent *tx*, which a policy began."""
        self.changed = f"it tried to change the tract while it looked: {tx.reason}"
        name = self._policies[self.at].name
        raise PolicyExecutionError(f"policy '{name}' may only look, and tried to change the tract: {tx.reason}")


def only_looking(repo: Repository, state: Asking, ask: Callable[[], Any]) -> Any:
    """What *ask* gives; meanwhile nothing that this thread does through a handle on *repo* changes the tract.

    Other threads may: they work for others than the policy, which has a handle of its own that refuses all of them.
    """
    state.thread = threading.get_ident()
    repo.riders.append(state)
    try:
        return ask()
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
    state = Asking([policy])
    try:
        looking = tract if is_builtin(policy) else tract.only_looking(state.refuse)
        wanted = only_looking(tract.repository, state, lambda: ask_one(policy, looking))
    except PolicySkip as exc:
        return None, str(exc)
    except Exception as exc:  # noqa: BLE001  # a policy's error is told
        return None, state.changed or told(exc)
    if state.changed is not None:
        return None, state.changed
    wrong = None if wanted is None else wrong_with(wanted)
    return (wanted, None) if wrong is None else (None, wrong)


def ask_one(policy: Policy, tract: Any) -> Any:
    """What *policy* gives; that it ends the program, or what else is no plain exception, is an error of its own. Only Ctrl-C is not."""
    try:
        return policy.evaluate(tract)
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as exc:
        raise PolicyExecutionError(f"it tried to end the program: SystemExit({exc.code!r:.40})") from exc
    except BaseException as exc:  # a task that was cancelled inside, for instance
        raise PolicyExecutionError(f"{type(exc).__name__}: {exc}") from exc


def wrong_with(value: Any) -> str | None:
    """Why *value*, which a policy gave, is no action that can be kept; None where it is one."""
    if not isinstance(value, Action):
        return f"it gave a {type(value).__name__}, not an Action"
    if not isinstance(value.arguments, Mapping):
        return f"the arguments of its action are a {type(value.arguments).__name__}, not a map"
    if not isinstance(value.reason, str):
        return f"the reason of its action is a {type(value.reason).__name__}, not text"
    try:
        check_autonomy(value.autonomy)
        json.dumps(dict(value.arguments), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        return f"the arguments of its action are not JSON: {exc}"
    except ActionError as exc:
        return str(exc)
    return None


def told(exc: BaseException) -> str:
    """*exc* in words, also where it has none; an error of tract's says all itself."""
    try:
        return str(exc) if isinstance(exc, TractError) else f"{type(exc).__name__}: {exc}"
    except Exception:  # noqa: BLE001  # the user's own code
        return type(exc).__name__
