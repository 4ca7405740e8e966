"""Observing: being told what tract does."""

from __future__ import annotations

from collections.abc import Callable

from tract.api.handle import Handle
from tract.errors import ContentValidationError
from tract.events import Listener, listen


class Observing(Handle):
    """The methods of a tract that tell what it does."""

    _endings: tuple[Callable[[], None], ...] = ()

    def on_event(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with an :class:`Event` of everything that this process does with the store, from now on: commits, firings, proposals and decisions, pushes and fetches, gc, waits for a lock, and retries of calls to models and remotes.

        It is called in the thread in which it happened, when that is done and no lock of the store's is held. An event has durations, names, ids and figures, and none of a message's words.
        What it raises is a warning, and what it does itself is not told. The function that is given back ends it; so does :meth:`close`.
        The log ``tract.events`` has the same at DEBUG.
        """
        if not callable(listener):
            raise ContentValidationError(f"on_event takes a function of an event, not a {type(listener).__name__}")
        with self._access() as space:
            end = listen(space.repo.place, listener)
        self._endings = (*self._endings, end)
        return end

    def close(self) -> None:
        """Let go of the store; anything but another ``close`` is an error from then on. No listener is told of events any more."""
        super().close()
        for end in self._endings:
            end()
