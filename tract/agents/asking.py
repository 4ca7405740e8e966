"""Asking a policy, which only looks; and what an action that it wants needs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tract.agents.actions import Action, check_autonomy
from tract.agents.policies import Calm, Policy, PolicySkip, is_builtin, wrong_calm
from tract.agents.policy_settings import AgentSettings
from tract.agents.roster import Member, member_of
from tract.dataclass import replace
from tract.errors import ActionError, PolicyExecutionError, TractError
from tract.objects.id import ObjectId
from tract.objects.json import parse_json
from tract.repo import Repository
from tract.transaction import Transaction

_MOST_ARGUMENTS = 100_000_000
_LONGEST_REASON = 10_000
_LONGEST_NAME = 100
"""The bytes of an action's arguments as JSON, the characters of its reason and name; more is no action but a mistake."""

_NO_LOOKS: Mapping[str, ObjectId] = MappingProxyType({})


class Asking:
    """Which policy is asked, and in which thread; *changed* says what it tried to change, caught or not."""

    def __init__(self, asked: Sequence[Member] = (), looks: Mapping[str, ObjectId] = _NO_LOOKS) -> None:
        self._asked = asked
        self._looks = looks
        """About which commit each was asked last."""

        self.before: ObjectId | None = None
        """The same of the policy that is asked."""

        self.at = 0
        self.thread = 0
        self.changed: str | None = None
        self.is_over = False
        """Nobody waits for an answer any more."""

        self.calms: dict[str, Calm | None] = {}
        """Until when those that wanted nothing need not be asked again, as far as they say so."""

    def ask_each(self, tract: Any, watched: Any) -> Action | None:
        """What the first gives that gives anything; tract's own look at *tract*, others at *watched*, which changes nothing."""
        for at, (name, policy, is_own, calm, _, _) in enumerate(self._asked):
            self.at = at
            self.before = self._looks.get(name)
            wanted = policy.evaluate(tract if is_own else watched)
            if wanted is not None:
                return as_wanted(wanted)
            if self.changed is not None or self.is_over:
                return None
            if calm is not None:
                until = self.calms[name] = calm()
                wrong = None if is_own else wrong_calm(until)
                if wrong is not None:
                    raise PolicyExecutionError(wrong)
        return None

    def __call__(self, tx: Transaction) -> None:
        if threading.get_ident() == self.thread:
            self.refuse(tx)

    def refuse(self, tx: Transaction) -> None:
        """Prevent *tx*, which a policy began."""
        self.changed = f"it tried to change the tract while it looked: {tx.reason}"
        raise PolicyExecutionError(
            f"policy '{self._asked[self.at].name}' may only look, and tried to change the tract: {tx.reason}"
        )


class Watch:
    """Refuses what policies, in whatever thread, try to do through the handle they were given."""

    def __init__(self) -> None:
        self.asking = Asking()

    def __call__(self, tx: Transaction) -> None:
        self.asking.refuse(tx)


def only_looking(repo: Repository, state: Asking, ask: Callable[[], Any]) -> Any:
    """What *ask* gives; meanwhile nothing that this thread does through a handle on *repo* changes the tract.

    Other threads may: they work for others than the policy, which has a handle of its own that refuses all of them.
    Whatever it raises becomes an error with words, and a PolicySkip one that has them; only Ctrl-C does not.
    """
    state.thread = threading.get_ident()
    repo.riders.append(state)
    try:
        return ask()
    except TractError:
        raise
    except PolicySkip as exc:
        raise PolicySkip(told(exc)) from exc
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        what = "it tried to end the program: " if isinstance(exc, SystemExit) else ""
        raise PolicyExecutionError(f"{what}{told(exc)}") from exc
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
    state = Asking([member_of(policy.name, policy)])
    try:
        looking = tract if is_builtin(policy) else tract.only_looking(state.refuse)
        wanted = only_looking(tract.repository, state, lambda: as_wanted(policy.evaluate(looking)))
    except PolicySkip as exc:
        return None, str(exc)
    except Exception as exc:  # noqa: BLE001  # a policy's error is told
        return None, state.changed or told(exc)
    return (wanted, None) if state.changed is None else (None, state.changed)


def wrong_with(value: Any) -> str | None:
    """Why *value*, which a policy gave, is no action that can be kept; None where it is one."""
    if not isinstance(value, Action):
        return f"it gave a {type(value).__name__}, not an Action"
    if not isinstance(value.name, str):
        return f"the name of its action is a {type(value.name).__name__}, not text"
    if len(value.name) > _LONGEST_NAME:
        return f"the name of its action is {len(value.name):,} characters long"
    if not isinstance(value.arguments, Mapping):
        return f"the arguments of its action are a {type(value.arguments).__name__}, not a map"
    if not isinstance(value.reason, str):
        return f"the reason of its action is a {type(value.reason).__name__}, not text"
    if len(value.reason) > _LONGEST_REASON:
        return f"the reason of its action is {len(value.reason):,} characters long"
    try:
        check_autonomy(value.autonomy)
        value.name.encode()
        value.reason.encode()
        size = len(json.dumps(dict(value.arguments), allow_nan=False, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return "its action has half of a character in it, which cannot be kept"
    except (TypeError, ValueError, RecursionError) as exc:
        return f"the arguments of its action are not JSON: {exc}"
    except ActionError as exc:
        return str(exc)
    return None if size <= _MOST_ARGUMENTS else f"the arguments of its action are {size:,} bytes long"


def as_wanted(value: Any) -> Action | None:
    """What a policy gave as evaluate's answer, with arguments that are its no more; PolicyExecutionError where it is no action."""
    if value is None:
        return None
    wrong = wrong_with(value)
    if wrong is not None:
        raise PolicyExecutionError(wrong)
    action: Action = value
    return replace(action, arguments=parse_json(json.dumps(dict(action.arguments))))


def told(exc: BaseException) -> str:
    """*exc* in words, also where it has none, or far too many; an error of tract's, and a PolicySkip, says all itself."""
    try:
        text = str(exc) if isinstance(exc, (TractError, PolicySkip)) else f"{type(exc).__name__}: {exc}"
    except (Exception, SystemExit):  # noqa: BLE001  # the user's own code
        return type(exc).__name__
    return text[:_LONGEST_REASON].encode(errors="replace").decode()  # halves of characters cannot be kept
