"""Policies look at a tract after a commit or before a compile, and say what should be done.

A policy is any object with a name, a priority, a trigger and ``evaluate``. It only looks; tract carries out the action it asks for.
The store keeps its name, the name of its class, and its parameters. The class is one of tract's own, one that this process registered, or an installed package's entry point ``tract.policies``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from tract.agents.actions import Action
from tract.agents.policy_settings import PolicySetting
from tract.dataclass import dataclass, fields, is_dataclass
from tract.errors import PolicyConfigError
from tract.history.documents import to_document
from tract.named_tuple import NamedTuple
from tract.report.text import Shown

TRIGGERS = ("commit", "compile")
ENTRY_POINTS = "tract.policies"
_BUILTIN = {
    "CompressPolicy": "tract.agents.builtin.compress",
    "PinPolicy": "tract.agents.builtin.pin",
    "BranchPolicy": "tract.agents.builtin.drift",
    "ArchivePolicy": "tract.agents.builtin.archive",
    "GCPolicy": "tract.agents.builtin.collect",
}
_LONGEST_NAME = 100


@runtime_checkable
class Policy(Protocol):
    """What a class needs to be a policy.

    *name* identifies it, policies of a lower *priority* come first, and *trigger* is ``commit`` or ``compile``.
    ``evaluate`` looks at the tract and returns the action it wants, or None; after an action was carried out it is called again.
    """

    @property
    def name(self) -> str:
        """The name that identifies it."""
        ...

    @property
    def priority(self) -> int:
        """Policies of a lower priority come first."""
        ...

    @property
    def trigger(self) -> str:
        """``commit`` or ``compile``."""
        ...

    def evaluate(self, tract: Any) -> Action | None:
        """The action that the policy wants for *tract* as it is now; None if nothing is to be done."""
        ...


class Calm(NamedTuple):
    """How long a policy need not be asked: returned by its method ``calm()``, if it has one, which is called right after ``evaluate`` returned None.

    It is asked again at the *messages*-th message from now, when the context has *tokens* tokens, or at *until* (microseconds since 1970), whichever comes first.
    It is also asked after every commit that is not one plain message at the end of the branch: an instruction, an edit, a merge, several messages at once, or another process's commit.
    """

    messages: float = math.inf
    tokens: float = math.inf
    until: float = math.inf


class PolicySkip(Exception):  # noqa: N818  # no error: a policy says why it does nothing
    """Raised by ``evaluate`` if the policy wants to act and cannot; its reason is logged once as ``skipped``."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PolicyInfo(Shown):
    """A policy of a tract; *problem* says why it does nothing here, or is None."""

    name: str
    kind: str
    priority: int | None
    trigger: str | None
    parameters: Mapping[str, Any]
    problem: str | None = None

    def __repr__(self) -> str:
        return f"PolicyInfo({self})"

    def __str__(self) -> str:
        when = "" if self.trigger is None else f" after each {self.trigger}"
        when = when.replace("after each compile", "before each compile")
        return f"{self.name} ({self.kind}){when}" + (f": {self.problem}" if self.problem else "")


_registered: dict[str, Callable[..., Policy]] = {}


def register_policy_class(name: str, cls: Callable[..., Policy]) -> None:
    """Let this process make policies of class *cls* for stores that name them *name*."""
    if not isinstance(name, str) or not name.strip():
        raise PolicyConfigError(f"a policy class is registered under a name, not {name!r:.40}")
    if not callable(cls):
        raise PolicyConfigError(f"'{name}' cannot be registered: {type(cls).__name__} is not a class")
    if name in _BUILTIN:
        raise PolicyConfigError(f"'{name}' is one of tract's own policies")
    _registered[name] = cls


def check_policy(policy: Any) -> Policy:
    """*policy*; PolicyConfigError says what it lacks to be one."""
    what = type(policy).__name__
    if isinstance(policy, type):
        raise PolicyConfigError(f"a policy is an object of its class: {policy.__name__}(), not {policy.__name__}")
    name = said_by(policy, "name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise PolicyConfigError(f"a policy needs a name: that of {what} is {name!r:.40}")
    priority = said_by(policy, "priority")
    if type(priority) is not int:
        raise PolicyConfigError(f"policy '{name}': its priority must be a whole number, not {priority!r:.40}")
    given = said_by(policy, "trigger")
    if not isinstance(given, str) or given not in TRIGGERS:
        raise PolicyConfigError(f"policy '{name}': its trigger must be commit or compile, not {given!r:.40}")
    if not callable(said_by(policy, "evaluate")):
        raise PolicyConfigError(f"policy '{name}' has no evaluate")
    found: Policy = policy
    return found


def said_by(policy: Any, attribute: str) -> Any:
    """The *attribute* of a policy, None if it has none; PolicyConfigError if reading it raises."""
    try:
        return getattr(policy, attribute, None)
    except Exception as exc:
        raise PolicyConfigError(f"the {attribute} of a {type(policy).__name__} cannot be read: {exc}") from exc


def check_names(policies: list[Policy]) -> None:
    """PolicyConfigError if two policies have one name."""
    names = [policy.name for policy in policies]
    for name in names:
        if names.count(name) > 1:
            raise PolicyConfigError(f"two policies are named '{name}'")


def setting_of(policy: Policy) -> PolicySetting:
    """The stored form of *policy*; PolicyConfigError for a parameter that JSON cannot hold, and for a class whose name another class has."""
    cls = type(policy)
    kind = _kind_of(cls)
    return PolicySetting(policy.name, kind, _parameters_of(policy))


def _kind_of(cls: type[Any]) -> str:
    home = _BUILTIN.get(cls.__name__)
    if home == cls.__module__:
        return cls.__name__
    for name, known in _registered.items():
        if known is cls:
            return name
    other = _registered.get(cls.__name__)
    if home is not None or (other is not None and not _is_same(other, cls)):
        raise PolicyConfigError(
            f"another policy class is named '{cls.__name__}': register this under a name of its own"
        )
    _registered[cls.__name__] = cls  # the newest definition of the class
    return cls.__name__


def _is_same(one: Any, other: type[Any]) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _parameters_of(policy: Policy) -> dict[str, Any]:
    given = getattr(policy, "parameters", None)
    if isinstance(given, Mapping):
        found = dict(given)
    elif is_dataclass(policy):
        kept = [one.name for one in fields(policy) if one.init and one.metadata.get("kept", True)]
        found = {name: to_document(getattr(policy, name)) for name in kept}
    else:
        return {}
    for name, value in found.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as exc:
            raise PolicyConfigError(f"policy '{policy.name}': parameter '{name}' cannot be kept: {exc}") from exc
    return found


def build_policy(setting: PolicySetting) -> Policy:
    """The policy of a stored setting; PolicyConfigError if its class is unknown here, or does not take the parameters."""
    cls = _class_named(setting)
    try:
        made = cls(**setting.parameters)
    except Exception as exc:
        raise PolicyConfigError(f"policy '{setting.name}' cannot be made: {exc}") from exc
    policy = check_policy(made)
    if policy.name != setting.name:
        raise PolicyConfigError(f"policy '{setting.name}' is named '{policy.name}' when it is made again")
    return policy


def make_policy(kind: str, parameters: Mapping[str, Any]) -> Policy:
    """A new policy of the class *kind*; PolicyConfigError if that is unknown here, or does not take the parameters."""
    cls = _class_named(PolicySetting(kind, kind))
    try:
        return check_policy(cls(**parameters))
    except PolicyConfigError:
        raise
    except Exception as exc:
        raise PolicyConfigError(f"a {kind} cannot be made: {exc}") from exc


def _class_named(setting: PolicySetting) -> Callable[..., Policy]:
    if setting.kind in _registered:
        return _registered[setting.kind]
    if setting.kind in _BUILTIN:
        found: Callable[..., Policy] = getattr(import_module(_BUILTIN[setting.kind]), setting.kind)
        return found
    from importlib.metadata import entry_points  # takes long, and most stores name no other

    for one in entry_points(group=ENTRY_POINTS, name=setting.kind):
        loaded: Callable[..., Policy] = one.load()
        return loaded
    raise PolicyConfigError(f"policy '{setting.name}': its class '{setting.kind}' is not registered here")


def wrong_calm(value: Any) -> str | None:
    """Why *value*, returned by a policy's ``calm``, is invalid; None if it is valid."""
    if value is None:
        return None
    if not isinstance(value, Calm):
        return f"its calm() gave a {type(value).__name__}, not a Calm"
    if not all(isinstance(one, (int, float)) and not math.isnan(one) for one in value):
        return f"its calm() gave {value!r:.80}, not numbers"
    return None


def is_builtin(policy: Policy) -> bool:
    """Whether the policy is one of tract's own, which are trusted to end."""
    return type(policy).__module__.startswith("tract.agents.builtin.")
