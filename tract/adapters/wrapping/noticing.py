"""What a client really sends: its SDK shows each request to a method of its own before it goes out, and there it is looked at.

A request belongs to the call that is under way in its thread or task; a retry's takes the place of the one before it.
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
    """Have *notice* called with the bytes of each request that is sent meanwhile."""
    token = _under_way.set(notice)
    try:
        yield
    finally:
        with suppress(ValueError):  # whoever closes a task that nobody waits for does so in a context of its own
            _under_way.reset(token)


def watch(client: Any) -> None:
    """Have the requests of *client* looked at; nothing where its SDK shows none."""
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
