"""Events: a program is told what tract does."""

from __future__ import annotations

from collections.abc import Callable

from tract.api.handle import Handle
from tract.errors import ContentValidationError
from tract.events import Listener, listen


class Observing(Handle):
    """The methods of a tract that report what it does."""

    _endings: tuple[Callable[[], None], ...] = ()

    def on_event(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with an :class:`Event` for everything that this process does with the store from now on: commits, policy runs, proposals and decisions, pushes and fetches, gc, waiting for a lock, and retried calls to models and remotes.

        It is called in the thread that did the work, after the work is done and while no lock of the store is held. An event has durations, names, ids and numbers, but no text of a message.
        An exception in *listener* becomes a warning, and what it does with tract itself is not reported. Call the returned function to end this; :meth:`close` ends it too.
        The log ``tract.events`` gets the same at level DEBUG.
        """
        if not callable(listener):
            raise ContentValidationError(f"on_event takes a function of an event, not a {type(listener).__name__}")
        with self._access() as space:
            end = listen(space.repo.place, listener)
        self._endings = (*self._endings, end)
        return end

    def close(self) -> None:
        """Close the handle; afterwards every call but another ``close`` raises ClosedError. No listener is called any more."""
        super().close()
        for end in self._endings:
            end()
