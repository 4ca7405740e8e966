"""Streams on their way to the caller: each event is looked at, and when the stream ends, or is left, what came is recorded."""

from __future__ import annotations

from typing import Any

from tract.adapters.wrapping.exchange import Exchange
from tract.writing.answers import Gathering


class _Delegate:
    """All that it is asked for is the target's."""

    def __init__(self, target: Any, exchange: Exchange) -> None:
        self._tract_target = target
        self._tract_exchange = exchange
        self._tract_gathering = Gathering()
        self._tract_is_done = False

    @property  # type: ignore[misc]  # programs ask isinstance(client, OpenAI)
    def __class__(self) -> type[Any]:
        return type(self.__dict__["_tract_target"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_tract_target"], name)

    def _tract_take(self, event: Any) -> None:
        if not self._tract_is_done:
            self._tract_exchange.guarded(lambda: [*self._tract_gathering.take(event)])

    def _tract_end(self, error: BaseException | None = None, *, whole: bool = False) -> None:
        if self._tract_is_done:
            return
        self._tract_is_done = True
        self._tract_exchange.streamed(self._tract_gathering.so_far, error, whole=whole)


class _Stream(_Delegate):
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

    def __del__(self) -> None:
        self._tract_end()  # the caller took what it wanted, and let go of the rest


class _AsyncStream(_Delegate):
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
    """*stream*, sync or async, with what it brings recorded at its end."""
    return _Stream(stream, exchange) if hasattr(stream, "__next__") else _AsyncStream(stream, exchange)


class _Manager(_Delegate):
    """What a ``stream()`` gives: its stream is the real one, which puts its answer together itself."""

    _tract_stream: Any = None

    def __enter__(self) -> Any:
        self._tract_stream = self._tract_begin(self._tract_target.__enter__)
        return self._tract_stream

    def _tract_begin(self, enter: Any) -> Any:
        try:
            return enter()
        except BaseException as exc:
            self._tract_is_done = True
            self._tract_exchange.failed(exc)
            raise

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        self._tract_left(error)
        return self._tract_target.__exit__(kind, error, trace)

    async def __aenter__(self) -> Any:
        try:
            self._tract_stream = await self._tract_target.__aenter__()
        except BaseException as exc:
            self._tract_is_done = True
            self._tract_exchange.failed(exc)
            raise
        return self._tract_stream

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> Any:
        self._tract_left(error)
        return await self._tract_target.__aexit__(kind, error, trace)

    def _tract_left(self, error: BaseException | None) -> None:
        if not self._tract_is_done:
            self._tract_is_done = True
            answer, whole = _snapshot(self._tract_stream)
            self._tract_exchange.streamed(lambda: answer, error, whole=whole)


def manager_proxy(manager: Any, exchange: Exchange) -> Any:
    """*manager*, with what its stream brought recorded when it is left."""
    return _Manager(manager, exchange)


def _snapshot(stream: Any) -> tuple[Any, bool]:
    """What a helper's stream has put together, and whether that is all of it."""
    for name in ("current_message_snapshot", "current_completion_snapshot"):
        try:
            snapshot = getattr(stream, name)
        except (AttributeError, AssertionError):
            continue
        reason = getattr(snapshot, "stop_reason", None)
        choices = getattr(snapshot, "choices", None) or ()
        return snapshot, bool(reason or any(getattr(choice, "finish_reason", None) for choice in choices))
    state = getattr(stream, "_state", None)  # the Responses API's: the whole response at its end, else what there is
    whole = getattr(state, "_completed_response", None)
    if whole is not None:
        return whole, True
    for name, value in vars(state).items() if state is not None else ():
        if name.endswith("current_snapshot") and hasattr(value, "model_dump"):
            return value, False
    return None, False
