"""Asking a policy, which may only read; and the requirements of the action it wants."""

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
"""The most bytes of an action's arguments as JSON, and characters of its reason and its name; more can only be a mistake."""

_NO_LOOKS: Mapping[str, ObjectId] = MappingProxyType({})


class Asking:
    """The policy that is asked, and the thread; *changed* says what it tried to change, caught or not."""

    def __init__(self, asked: Sequence[Member] = (), looks: Mapping[str, ObjectId] = _NO_LOOKS) -> None:
        self._asked = asked
        self._looks = looks
        """For each policy: the commit about which it was asked last."""

        self.before: ObjectId | None = None
        """The same for the policy being asked."""

        self.at = 0
        self.thread = 0
        self.changed: str | None = None
        self.is_over = False
        """Set when the caller no longer waits for an answer."""

        self.calms: dict[str, Calm | None] = {}
        """How long the policies that wanted nothing need not be asked again, if they say so."""

    def ask_each(self, tract: Any, watched: Any) -> Action | None:
        """The action of the first policy that wants one; tract's own policies look at *tract*, others at *watched*, which refuses changes."""
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
    """Refuses changes that policies try, in any thread, through the handle they were given."""

    def __init__(self) -> None:
        self.asking = Asking()

    def __call__(self, tx: Transaction) -> None:
        self.asking.refuse(tx)


def only_looking(repo: Repository, state: Asking, ask: Callable[[], Any]) -> Any:
    """The result of *ask*; while it runs, this thread can change nothing in the tract through a handle on *repo*.

    Other threads can: they do not work for the policy, whose own handle refuses every thread.
    Any exception becomes an error with words, and a PolicySkip stays one with words; only Ctrl-C is passed on.
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
    """Whether carrying out *action* asks a model."""
    if action.name in ("compress", "collapse"):
        return action.arguments.get("content") is None
    return action.name == "merge" and action.arguments.get("strategy") == "semantic"


def runs_apart(action: Action, settings: AgentSettings) -> bool:
    """Whether *action* is carried out in a thread of tract's own: always for a gc, and for model calls if that is set."""
    return action.name == "gc" or (settings.background and needs_model(action))


def evaluated(policy: Policy, tract: Any) -> tuple[Action | None, str | None]:
    """The action that *policy* wants for *tract*, or the reason why it failed."""
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
    """Why *value*, returned by a policy, is not an action that can be stored; None if it is one."""
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
    """A policy's result as an action, with a copy of its arguments; PolicyExecutionError if it is not an action."""
    if value is None:
        return None
    wrong = wrong_with(value)
    if wrong is not None:
        raise PolicyExecutionError(wrong)
    action: Action = value
    return replace(action, arguments=parse_json(json.dumps(dict(action.arguments))))


def told(exc: BaseException) -> str:
    """*exc* in words, even if it has none or far too many; errors of tract's, and a PolicySkip, have their own."""
    try:
        text = str(exc) if isinstance(exc, (TractError, PolicySkip)) else f"{type(exc).__name__}: {exc}"
    except (Exception, SystemExit):  # noqa: BLE001  # the user's own code
        return type(exc).__name__
    return text[:_LONGEST_REASON].encode(errors="replace").decode()  # halves of characters cannot be kept
