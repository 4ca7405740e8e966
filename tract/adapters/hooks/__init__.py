"""Hooks: coding agents that call tract when a turn has ended, so that their sessions are recorded as they go.

the program ──event on standard input──▸ tract hooks run ──▸ a process that goes on by itself
                                                                │ reads the transcript, commits what is new
                                                                ▼
                                                          a tract named by the session

settings      the programs' settings: a hook put in, taken out, looked for
sessions      a transcript's messages become commits; what was recorded before is known by its keys
"""

from tract.adapters.hooks.sessions import HookEvent, Recorded, read_event, record_session
from tract.adapters.hooks.settings import PROGRAMS, Change, installed, with_hooks, without_hooks

__all__ = [
    "PROGRAMS",
    "Change",
    "HookEvent",
    "Recorded",
    "installed",
    "read_event",
    "record_session",
    "with_hooks",
    "without_hooks",
]
