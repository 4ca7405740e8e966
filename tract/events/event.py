"""The event that a listener gets; see :mod:`tract.events`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from tract.dataclass import dataclass, field

EventKind: TypeAlias = Literal["commit", "firing", "proposal", "push", "fetch", "gc", "retry", "lock wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An action of tract: *seconds* is how long it took, *details* its names, ids and figures.

    *path* is the folder of the store, None if the event is about no store, such as a retry of a call to a model.
    """

    kind: EventKind
    seconds: float
    path: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
