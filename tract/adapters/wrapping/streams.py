"""Streams on their way to the caller: each event is read, and when the stream ends, or is abandoned, the received part is recorded."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from tract.adapters.wrapping.exchange import Exchange
from tract.writing.answers import Gathering

_is_collecting = False


def _note_collection(phase: str, _info: object) -> None:
    global _is_collecting  # the interpreter reports it only to a callback
    _is_collecting = phase == "start"


gc.callbacks.append(_note_collection)


def _let_go(do: Callable[[], object]) -> None:
    """Run *do* when an object is collected: in a thread of its own during a garbage collection, which may happen in the middle of a commit."""
    if sys.is_finalizing():
        return
    if not _is_collecting:
        do()
        return
    threading.Thread(target=do, name="tract: a stream that was left").start()


class Delegate:
    """Every attribute is the target's."""

    def __init__(self, target: Any, exchange: Exchange) -> None:
        self._tract_target = target
        self._tract_exchange = exchange

    @property  # type: ignore[misc]  # programs ask isinstance(client, OpenAI)
    def __class__(self) -> type[Any]:
        return type(self.__dict__["_tract_target"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_tract_target"], name)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_tract_target"])

    def __repr__(self) -> str:
        return repr(self.__dict__["_tract_target"])


class Ending(Delegate):
    """Something that is recorded when it ends, or is collected; at the latest when the program ends."""

    def __init__(self, target: Any, exchange: Exchange) -> None:
        super().__init__(target, exchange)
        self._tract_is_done = False
        self._tract_process = os.getpid()
        _open.add(self)

    def _tract_end(self, error: BaseException | None = None) -> None:
        raise NotImplementedError

    def _tract_is_left(self) -> bool:
        """Whether it has not ended; false in a process forked meanwhile, because it belongs to the parent."""
        here = self.__dict__
        return not here.get("_tract_is_done", True) and here.get("_tract_process") == os.getpid()

    def __del__(self) -> None:
        if self._tract_is_left():
            _let_go(self._tract_end)  # the caller took a part, and abandoned the rest


_open: WeakSet[Ending] = WeakSet()


@atexit.register
def _end_all() -> None:
    for one in [*_open]:
        if one._tract_is_left():
            one._tract_end()


class _AnyStream(Ending):
    def __init__(self, target: Any, exchange: Exchange) -> None:
        super().__init__(target, exchange)
        self._tract_gathering = Gathering()

    def _tract_take(self, event: Any) -> None:
        if not self._tract_is_done:
            self._tract_exchange.guarded(lambda: [*self._tract_gathering.take(event)])

    def _tract_end(self, error: BaseException | None = None, *, whole: bool = False) -> None:
        if self._tract_is_done:
            return
        self._tract_is_done = True
        gathering = self._tract_gathering
        self._tract_exchange.streamed(gathering.so_far, error, is_cut=lambda: not whole or gathering.is_cut)


class _Stream(_AnyStream):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        try:
            event = next(self._tract_target)
        except StopIteration:
            self._tract_end(whole=True)
            raise
        except BaseException as exc:
            self._tract_end(exc)
            raise
        self._tract_take(event)
        return event

    def __enter__(self) -> Any:
        self._tract_target.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        try:
            return self._tract_target.__exit__(kind, error, trace)
        finally:
            self._tract_end(error)

    def close(self) -> Any:
        try:
            return self._tract_target.close()
        finally:
            self._tract_end()


class _AsyncStream(_AnyStream):
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            event = await self._tract_target.__anext__()
        except StopAsyncIteration:
            self._tract_end(whole=True)
            raise
        except BaseException as exc:
            self._tract_end(exc)
            raise
        self._tract_take(event)
        return event

    async def __aenter__(self) -> Any:
        await self._tract_target.__aenter__()
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        try:
            return await self._tract_target.__aexit__(kind, error, trace)
        finally:
            self._tract_end(error)

    async def close(self) -> Any:
        try:
            return await self._tract_target.close()
        finally:
            self._tract_end()


def stream_proxy(stream: Any, exchange: Exchange) -> Any:
    """*stream*, sync or async, whose content is recorded at its end."""
    return _Stream(stream, exchange) if hasattr(stream, "__next__") else _AsyncStream(stream, exchange)
