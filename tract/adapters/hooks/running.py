"""The work of a hook after the calling program was let go: the store is opened, the session recorded, and a failure remembered for ``tract hooks status``."""

from __future__ import annotations

import os
import time
from _signal import SIG_DFL, SIGTERM, signal  # type: ignore[import-not-found]  # those of signal, which makes enumerations of all
from collections.abc import Mapping
from contextlib import suppress

from tract.adapters.hooks.programs import PROGRAMS
from tract.adapters.hooks.sessions import HookEvent, Recorded, read_event, record_session
from tract.errors import TractError
from tract.opening import find_repository, open_repository, store_path
from tract.storage import files

_LOG = os.path.join("cache", "hooks.log")
_MOST_LOGGED = 64 << 10


def run_hook(arguments: list[str], text: str, environment: Mapping[str, str]) -> None:
    """Carry out ``tract [-C folder] hooks run [program] [--scan]`` for the event *text*; whatever happens, nothing is raised or printed.

    With TRACT_READ_ONLY it does nothing: a later turn records the session.
    """
    signal(SIGTERM, SIG_DFL)  # the shell started this process with the signal ignored
    if environment.get("TRACT_READ_ONLY", "") not in ("", "0"):
        return
    folder = os.getcwd()
    while arguments[0] == "-C":
        _, given, *arguments = arguments
        folder = os.path.join(folder, given)
    words = arguments[2:]
    named = environment.get("TRACT_DIR")
    store = store_path(os.path.join(folder, named)) if named else find_repository(folder)
    program = next((word for word in words if word in PROGRAMS), "claude-code")
    if store is not None:
        record_event(store, program, text, environment, scan="--scan" in words)


def record_event(
    store: str,
    program: str,
    text: str,
    environment: Mapping[str, str],
    *,
    author: str | None = None,
    scan: bool = False,
) -> Recorded | None:
    """Record the session of the event *text* of *program* in *store*. None if that failed, which is remembered, and if the session is not of the store's folder."""
    try:
        event = read_event(text)
        if PROGRAMS[program].is_users and not environment.get("TRACT_DIR") and _is_elsewhere(event, store):
            return None
        repo = open_repository(
            store,
            author=author or environment.get("TRACT_AUTHOR_NAME"),
            safe_directories=tuple(environment.get("TRACT_SAFE_DIRECTORIES", "").split(os.pathsep)),
            create_tract=False,
        )
        try:
            done = record_session(repo, event, PROGRAMS[program].format, scan="replace" if scan else None)
            told = [*done.secrets]
            if done.messages and done.problems:
                told.append(
                    f"{done.problems} lines of the transcript could not be read completely: 'tract import' lists them"
                )
            for one in told:
                _remember(store, f"{done.tract}: {one}")
            return done
        finally:
            repo.close()
    except (TractError, OSError) as exc:
        _remember(store, str(exc))
    except Exception as exc:  # noqa: BLE001  # it is not shown otherwise
        _remember(store, f"{type(exc).__name__}: {exc}")
    return None


def _is_elsewhere(event: HookEvent, store: str) -> bool:
    """Whether the session's folder is outside that of *store*: the user's hooks are called for all sessions, and each folder has its own."""
    folder = os.path.realpath(os.path.dirname(store))
    return event.folder is not None and not f"{os.path.realpath(event.folder)}/".startswith(f"{folder.rstrip('/')}/")


def _remember(store: str, text: str) -> None:
    """Note a failure or a finding for ``tract hooks status``, because a hook's output is not shown."""
    with suppress(OSError, TractError):  # there is no place to report it
        files.make_directory(os.path.join(store, os.path.dirname(_LOG)))  # its content may be deleted
        log = files.open_append(os.path.join(store, _LOG))
        try:
            if files.size_of(log) > _MOST_LOGGED:
                files.truncate(log, 0)
            line = f"{time.strftime('%Y-%m-%d %H:%M')}: {text}".replace("\n", " ")[:500]
            files.append(log, f"{line}\n".encode("utf-8", "replace"))
        finally:
            files.close(log)


def last_failure(store: str) -> str | None:
    """The last failure to record, or finding of a possible secret; None if there is none."""
    try:
        with open(os.path.join(store, _LOG), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    return lines[-1] if lines else None
