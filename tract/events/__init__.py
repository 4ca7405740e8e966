"""Events: they tell listeners what tract has done: commits, policy runs, proposals, pushes, gc, retries, waits for a lock.

    since = began()  …  emit("gc", where, since, …) ──▸ the listeners of the store at *where*
                                                  └──▸ the log ``tract.events``, at DEBUG

An event has names, ids and figures, and never a message's words.
It is emitted in the thread in which it happened, after all locks of the store were released; without a listener no event is made.
"""

from __future__ import annotations

import sys
import time
import warnings
from _thread import _local, allocate_lock  # threading's own: it takes 4 of a turn's 200 million instructions
from collections.abc import Callable

from tract.annotations import TYPE_CHECKING, Any, TypeAlias
from tract.errors import TractWarning

if TYPE_CHECKING:
    from tract.events.event import Event, EventKind

Listener: TypeAlias = "Callable[[Event], object]"

_listeners: tuple[tuple[str | None, Listener], ...] = ()
_lock = allocate_lock()
_known_log: Any = None
_DEBUG = 10
"""``logging.DEBUG``."""


class _Telling(_local):
    is_inside = False


_telling = _Telling()


def listen(where: str | None, listener: Listener) -> Callable[[], None]:
    """Call *listener* with the events of the store at *where*, and with those of no store; the returned function ends that."""
    global _listeners
    one = (where, listener)
    with _lock:
        _listeners = (*_listeners, one)

    def end() -> None:
        global _listeners
        with _lock:
            _listeners = tuple(other for other in _listeners if other is not one)

    return end


def began() -> float:
    """The start time of something that will be an event; 0 without listeners. Every commit asks for it."""
    log = _known_log or _logger()
    return time.perf_counter() if _listeners or (log is not None and log.isEnabledFor(_DEBUG)) else 0.0


def emit(kind: EventKind, where: str | None, since: float, *, until: float | None = None, **details: Any) -> None:
    """Emit an event that began at *since*, a result of :func:`began`, and ended at *until*, or now; nothing if there was no listener then.

    A listener that raises causes only a warning; the event's work stands. A listener's own actions emit no events.
    """
    if not since or _telling.is_inside:
        return
    from tract.events.event import Event  # most programs do not listen

    seconds = (time.perf_counter() if until is None else until) - since
    event = Event(kind=kind, seconds=seconds, path=where, details=details)
    _telling.is_inside = True
    try:
        for place, listener in _listeners:
            if where is None or place == where:
                _tell(listener, event)
        _log(event)
    finally:
        _telling.is_inside = False


def _tell(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except Exception as exc:  # noqa: BLE001  # the user's own code
        warnings.warn(TractWarning(f"on_event: {type(exc).__name__} on the event '{event.kind}'"), stacklevel=2)


def _logger() -> Any:
    """The log; None in a program that never loaded logging, and so reads none."""
    global _known_log
    logging = sys.modules.get("logging")
    if logging is not None:
        _known_log = logging.getLogger("tract.events")
    return _known_log


def _log(event: Event) -> None:
    log = _logger()
    if log is not None:
        details = " ".join(f"{name}={value}" for name, value in event.details.items())
        log.debug("%s in %.1f ms %s", event.kind, event.seconds * 1000, details)
