"""The policies of a tract and its autonomy, as stored: a note about the tract itself.

A store runs no code: it has a policy's name, the name of its class and its parameters.
Settings from another store, which came by clone or import, are off until the user trusts them here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tract.agents.actions import AUTONOMIES, Autonomy
from tract.agents.ledger import TRACT, TractNote
from tract.dataclass import dataclass, field, replace
from tract.errors import ObjectCorruptError, PolicyConfigError
from tract.history.notes import POLICIES
from tract.opening import read_format
from tract.repo import Repository
from tract.transaction import transaction

MAX_SECONDS = 60.0
DEFAULT_AUTONOMY: Autonomy = "collaborative"


@dataclass(frozen=True, slots=True)
class PolicySetting:
    """A stored policy: its name, the name of its class, and the class's parameters."""

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """The policies of a tract, in the order in which they were given, and how they act.

    *cooldown_seconds* is how long a policy rests after an action; *max_seconds* how long an ``evaluate``, or a model, may take.
    *required*: nothing is committed while a policy's class is missing. *background*: actions that need a model run in a thread.
    *store* is the repository id of the store where they were set.
    """

    autonomy: Autonomy = DEFAULT_AUTONOMY
    policies: tuple[PolicySetting, ...] = ()
    is_paused: bool = False
    cooldown_seconds: float = 0.0
    background: bool = False
    required: bool = False
    max_seconds: float = MAX_SECONDS
    store: str = ""


class SettingsTable(TractNote[AgentSettings]):
    """The present settings of a tract; the defaults if none are stored."""

    def __init__(self) -> None:
        super().__init__(POLICIES, AgentSettings(), _read)


def write_settings(repo: Repository, settings: AgentSettings) -> None:
    """Store the settings, as made in this store."""
    body = {
        "autonomy": settings.autonomy,
        "policies": [{"name": o.name, "kind": o.kind, "parameters": dict(o.parameters)} for o in settings.policies],
        "paused": settings.is_paused,
        "cooldown_seconds": settings.cooldown_seconds,
        "background": settings.background,
        "required": settings.required,
        "max_seconds": settings.max_seconds,
        "store": store_id(repo),
    }
    with transaction(repo, "configure policies", moves="refs") as tx:
        tx.note(POLICIES, TRACT, body)


def set_autonomy(repo: Repository, autonomy: Autonomy) -> None:
    """Store *autonomy* as the tract's."""
    write_settings(repo, replace(SettingsTable().read(repo), autonomy=check_autonomy(autonomy)))


def checked_changes(
    *,
    autonomy: object = None,
    cooldown_seconds: object = None,
    max_seconds: object = None,
    background: object = None,
    required: object = None,
) -> dict[str, Any]:
    """The settings that are not None, by field name; PolicyConfigError for an invalid value."""
    changes: dict[str, Any] = {}
    if autonomy is not None:
        changes["autonomy"] = check_autonomy(autonomy)
    if cooldown_seconds is not None:
        changes["cooldown_seconds"] = _check_seconds("cooldown_seconds", cooldown_seconds)
    if max_seconds is not None:
        changes["max_seconds"] = _check_seconds("max_seconds", max_seconds, above=0)
    for name, value in (("background", background), ("required", required)):
        if value is not None:
            if not isinstance(value, bool):
                raise PolicyConfigError(f"{name} must be True or False, not {value!r:.40}")
            changes[name] = value
    return changes


def check_autonomy(value: object) -> Autonomy:
    """*value*; PolicyConfigError for an invalid autonomy."""
    if value not in AUTONOMIES:
        raise PolicyConfigError(f"autonomy must be {', '.join(AUTONOMIES[:-1])} or {AUTONOMIES[-1]}, not {value!r:.40}")
    return value


def _check_seconds(name: str, value: object, *, above: float | None = None) -> float:
    """*value* as seconds; PolicyConfigError if it is not a number of seconds, or not above *above*."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (above is not None and value <= above):  # type: ignore[operator]  # it is a number
        raise PolicyConfigError(f"{name} must be a number of seconds, not {value!r:.40}")
    return float(value)  # type: ignore[arg-type]  # likewise


def store_id(repo: Repository) -> str:
    """The repository id of the store; all stores in memory share one, because nothing enters them from elsewhere."""
    return "memory" if repo.path is None else read_format(repo.path)


def is_foreign(repo: Repository, settings: AgentSettings) -> bool:
    """Whether the settings were made in another store, and were not trusted here."""
    return bool(settings.store) and settings.store != store_id(repo)


def _read(body: Mapping[str, Any]) -> AgentSettings:
    try:
        policies = tuple(
            PolicySetting(str(one["name"]), str(one["kind"]), dict(one["parameters"])) for one in body["policies"]
        )
        return AgentSettings(
            autonomy=check_autonomy(body["autonomy"]),
            policies=policies,
            is_paused=bool(body["paused"]),
            cooldown_seconds=float(body["cooldown_seconds"]),
            background=bool(body["background"]),
            required=bool(body["required"]),
            max_seconds=float(body["max_seconds"]),
            store=str(body["store"]),
        )
    except (KeyError, TypeError, ValueError, PolicyConfigError) as exc:
        raise ObjectCorruptError("refs/notes/policies", f"it holds no settings of policies: {exc}") from exc
