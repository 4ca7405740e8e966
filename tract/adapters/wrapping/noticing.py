"""The bytes that a client really sends: its SDK passes each request to a method of its own before sending it, and there it is read.

A request belongs to the call under way in its thread or task; a retry's replaces the one before it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

_PREPARE = "_prepare_request"

_under_way: ContextVar[Callable[[bytes], None] | None] = ContextVar("tract_request_under_way", default=None)


@contextmanager
def noticed(notice: Callable[[bytes], None]) -> Iterator[None]:
    """Inside, call *notice* with the bytes of each request that is sent."""
    token = _under_way.set(notice)
    try:
        yield
    finally:
        with suppress(ValueError):  # an abandoned task is closed in another context
            _under_way.reset(token)


def watch(client: Any) -> None:
    """Have the requests of *client* read; nothing if its SDK has no such method."""
    prepare = getattr(client, _PREPARE, None)
    if not callable(prepare) or getattr(prepare, "is_watched", False):
        return
    watched: Any
    if inspect.iscoroutinefunction(prepare):

        async def watched(request: Any, *args: Any, **options: Any) -> Any:
            made = await prepare(request, *args, **options)
            _notice(request)
            return made
    else:

        def watched(request: Any, *args: Any, **options: Any) -> Any:
            made = prepare(request, *args, **options)
            _notice(request)
            return made

    watched.is_watched = True
    setattr(client, _PREPARE, watched)


def _notice(request: Any) -> None:
    notice = _under_way.get()
    if notice is None:
        return
    try:
        data = request.content
    except Exception:  # noqa: BLE001  # what is sent piece by piece cannot be read before; the SDKs' own errors say so
        return
    if isinstance(data, bytes):
        notice(data)
