"""The table of operations, and the only way from an action to a call.

Action ──▸ operation_named ──▸ read_arguments ──▸ function ──▸ ActionResult
"""

from __future__ import annotations

from typing import Any

from tract.agents.actions import Action, ActionResult, Risk
from tract.agents.changing import CHANGING
from tract.agents.looking import LOOKING
from tract.agents.moving import MOVING
from tract.agents.operation import PROFILES, Operation, Profile, includes
from tract.agents.reading import READING
from tract.agents.target import TractLike
from tract.dataclass import replace
from tract.errors import ActionError, ClosedError, TractError
from tract.named_tuple import NamedTuple

OPERATIONS: tuple[Operation, ...] = (*LOOKING, *READING, *CHANGING, *MOVING)

_BY_NAME = {one.name: one for one in OPERATIONS}


class Call(NamedTuple):
    """A checked action: its operation, and the arguments of the call."""

    operation: Operation
    arguments: dict[str, Any]


def operations(profile: Profile = "full") -> tuple[Operation, ...]:
    """The operations of *profile*, each with the arguments it has there; ActionError for an unknown profile."""
    check_profile(profile)
    return tuple(one.in_profile(profile) for one in OPERATIONS if includes(profile, one.profile))


def check_profile(profile: str) -> None:
    """ActionError for an unknown profile."""
    if profile not in PROFILES:
        raise ActionError(f"unknown profile {profile!r:.40}; known are {', '.join(PROFILES)}")


def operation_named(name: str, profile: Profile = "full") -> Operation:
    """The operation *name*; ActionError if there is none, or *profile* does not have it."""
    found = _BY_NAME.get(name) if isinstance(name, str) else None
    if found is None:
        names = ", ".join(one.name for one in operations(profile))
        raise ActionError(f"there is no operation {name!r:.40}; there are {names}")
    if not includes(profile, found.profile):
        raise ActionError(f"operation '{name}' is not in profile '{profile}', but in '{found.profile}'")
    return found.in_profile(profile)


def checked(action: Action, profile: Profile = "full") -> Call:
    """The call for *action*; ActionError says what is wrong with it."""
    operation = operation_named(action.name, profile)
    return Call(operation, operation.read_arguments(action.arguments))


def risk_of(tract: TractLike, call: Call, origin: str | None = None) -> Risk:
    """The risk of *call* on the present *tract*, asked for by *origin*; an error of tract's if it names something that does not exist."""
    ask = call.operation.risk_of
    return call.operation.risk if ask is None else ask(tract, call.arguments, origin)


def settled(tract: TractLike, action: Action) -> Action:
    """*action* with the ids of its messages, so that it means the same after others were added or removed; an error of tract's if one does not exist."""
    call = checked(action)
    arguments = dict(call.arguments)
    for one in call.operation.arguments:
        given = arguments.get(one.name)
        if given is None:
            continue
        if one.type == "messages":
            arguments[one.name] = [found.commit_hash for found in tract.messages(only=given)]
        elif one.type == "message":
            arguments[one.name] = tract.messages(only=[given])[0].commit_hash
        elif one.type == "revision" and given.startswith(("HEAD", "@")):
            arguments[one.name] = tract.get_commit(given).commit_hash
    return replace(action, arguments=arguments)


def execute(
    tract: TractLike, action: Action, *, origin: str | None = None, withheld: frozenset[str] = frozenset()
) -> ActionResult:
    """Run *action* on *tract*, whatever its risk; an error is returned in the result.

    *origin* is ``tool`` or a policy's name, None for a person; *withheld* are messages whose texts it must not see. Only a closed handle raises.
    """
    try:
        call = checked(action)
        told: dict[str, Any] = {"origin": origin} if call.operation.tells_origin else {}
        told |= {"withheld": withheld} if call.operation.shows_words else {}
        return call.operation.function(tract, **call.arguments, **told)
    except ClosedError:
        raise
    except TractError as exc:
        return ActionResult(error=f"{action.name}: {exc}" if not isinstance(exc, ActionError) else str(exc))
