"""What a command that takes several steps has done so far: a merge with conflicts, a rebase, a bisection.

    state/<name>                  of the root tract
    tracts/<tract>/state/<name>   of another

    {"branch": "main", …, "keeps": ["3fa9…"]}     one JSON document, with sorted keys
    # check 5be1f3a2c4d60718                      16 digits of the BLAKE3 of what is before it

A state is written whole or not at all, and moves no ref.
Where nothing is under way, and nothing waits, there is no folder.
The commits it names under ``keeps`` are roots for gc, so that a command can go on whenever its user comes back to it.
A store in memory keeps its states in memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from blake3 import blake3

from tract.errors import DurabilityError, ObjectCorruptError
from tract.objects.id import ObjectId, parse_id
from tract.objects.json import parse_json
from tract.refs.names import TRACTS
from tract.repo import Repository
from tract.storage import files
from tract.transaction import STATES, UNDER_WAY

KEEPS = "keeps"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_CHECK = b"# check "
_LONGEST = 64 * 1024 * 1024
_ATTEMPTS = 8


def is_state(name: str) -> bool:
    """Whether a file of this name beside the others is a state; any other is a text for its user."""
    return _NAME.fullmatch(name) is not None


def read_state(repo: Repository, name: str) -> dict[str, Any] | None:
    """The state *name* of this tract, or None where no such command is under way; ObjectCorruptError when it is damaged."""
    if repo.path is None:
        data = repo.states.get(repo.prefix + name)
        return None if data is None else decode_state(data, name)
    path = _path(repo, name)
    try:
        data = files.read_file(path, _LONGEST)
    except FileNotFoundError:
        return None
    return decode_state(data, path)


def write_state(repo: Repository, name: str, value: Mapping[str, Any]) -> None:
    """Keep *value*, JSON values only, as the state *name*, in place of what was there; on the disk when this returns."""
    data = encode_state(value)
    if repo.path is None:
        repo.states[repo.prefix + name] = data
        return
    _write(repo, _path(repo, name), data)


def clear_state(repo: Repository, name: str) -> None:
    """Forget the state *name*; no error when there is none."""
    repo.states.pop(repo.prefix + name, None)
    if repo.path is not None:
        _remove(_path(repo, name))


def end_state(repo: Repository, name: str) -> None:
    """Forget the command *name* and the text of its conflicts. The state first: without it the text means nothing."""
    clear_state(repo, name)
    if repo.path is not None:
        clear_text(repo, conflicts_name(name))


def conflicts_name(command: str) -> str:
    """What the text with the conflicts of a merge, rebase, cherry-pick or revert is called."""
    return f"{command.upper().replace('-', '_')}_CONFLICTS.md"


def conflicts_path(repo: Repository, command: str) -> str:
    """Where that text lies."""
    return text_path(repo, conflicts_name(command))


def read_conflicts(repo: Repository, command: str) -> str:
    """The text of the conflicts of the *command* under way, as its user left it; its error where that is gone or no UTF-8."""
    try:
        return read_text(repo, conflicts_name(command))
    except FileNotFoundError:
        raise UNDER_WAY[command](f"the file of conflicts '{conflicts_path(repo, command)}' is gone") from None
    except UnicodeDecodeError as exc:
        raise UNDER_WAY[command](f"the file of conflicts is not UTF-8 at byte {exc.start}") from exc


def text_path(repo: Repository, name: str) -> str:
    """Where a text for the user lies, beside the states; its name is none that a state can have."""
    assert repo.path is not None, "a store in memory has no texts"
    assert not is_state(name), name
    return os.path.join(repo.path, repo.prefix, STATES, name)


def write_text(repo: Repository, name: str, text: str) -> None:
    """Put a text where its user edits it."""
    _write(repo, text_path(repo, name), text.encode())


def read_text(repo: Repository, name: str) -> str:
    """What the user made of it; FileNotFoundError where it is gone, UnicodeDecodeError where it is no text."""
    return files.read_file(text_path(repo, name), _LONGEST).decode()


def clear_text(repo: Repository, name: str) -> None:
    """Take the text away; no error when it is gone."""
    _remove(text_path(repo, name))


def states(repo: Repository) -> tuple[str, ...]:
    """The names of this tract's states, in order."""
    if repo.path is None:
        names = [name.removeprefix(repo.prefix) for name in repo.states if name.startswith(repo.prefix)]
    else:
        names = files.list_directory(os.path.join(repo.path, repo.prefix, STATES))
    return tuple(sorted(name for name in names if is_state(name)))


def kept_commits(repo: Repository) -> Iterator[ObjectId]:
    """The commits that the states of all tracts of the store need."""
    if repo.path is None:
        for name, data in repo.states.items():
            yield from _keeps(decode_state(data, name))
        return
    tracts = files.list_directory(os.path.join(repo.path, TRACTS))
    for prefix in ("", *(f"{TRACTS}{tract}/" for tract in tracts)):
        folder = os.path.join(repo.path, prefix, STATES)
        for name in files.list_directory(folder):
            if is_state(name):
                path = os.path.join(folder, name)
                try:
                    data = files.read_file(path, _LONGEST)
                except FileNotFoundError:
                    continue  # the command came to its end just now
                yield from _keeps(decode_state(data, path))


def encode_state(value: Mapping[str, Any]) -> bytes:
    """The bytes of a state file."""
    import json  # status asks whether there are states, and mostly there are none

    body = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"
    return body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n"


def decode_state(data: bytes, path: str) -> dict[str, Any]:
    """The value in the bytes of the state file *path*; ObjectCorruptError when they are not what was written."""
    end = data.rfind(_CHECK)
    body = data[: max(end, 0)]
    if data != body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n":
        raise ObjectCorruptError(path, "it does not match its check line", max(end, 0))
    try:
        value = parse_json(body)
    except ValueError as exc:
        raise ObjectCorruptError(path, "it is no JSON document", 0) from exc
    if not isinstance(value, dict):
        raise ObjectCorruptError(path, "it is no map", 0)
    return value


def _keeps(value: Mapping[str, Any]) -> Iterator[ObjectId]:
    for text in value.get(KEEPS, ()):
        id = parse_id(text) if isinstance(text, str) else None
        if id is not None:
            yield id


def _write(repo: Repository, path: str, data: bytes) -> None:
    """Put *data* at *path*, on the disk, with the folder around it."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            made = _make_folder(repo)
            files.write_file(path, data, sync=True)
            for above in made:
                files.sync_directory(above)
            return
        except (DurabilityError, FileNotFoundError) as exc:
            # Who cleared the last state at the same moment took the folder away.
            if not left or not isinstance(exc.__cause__ or exc, FileNotFoundError):
                raise


def _remove(path: str) -> None:
    """Take the file *path* away, and the folder with the last of them."""
    files.unlink(path)
    files.remove_empty(os.path.dirname(path))


def _make_folder(repo: Repository) -> list[str]:
    """Make the folder of states, and those above it; the folders to be synced once there is something in it, so that nobody finds it empty for long."""
    folder = repo.path or ""
    unsynced = []
    for part in (*repo.prefix.split("/")[:-1], STATES):
        above, folder = folder, os.path.join(folder, part)
        if files.make_directory(folder):
            unsynced.append(above)
    return unsynced


def _path(repo: Repository, name: str) -> str:
    assert repo.path is not None
    assert is_state(name), name
    return os.path.join(repo.path, repo.prefix, STATES, name)
