"""The progress of a command that takes several steps: a merge with conflicts, a rebase, a bisection.

    state/<name>                  of the root tract
    tracts/<tract>/state/<name>   of another

    {"branch": "main", …, "keeps": ["3fa9…"]}     one JSON document
    # check 5be1f3a2c4d60718                      16 digits of the BLAKE3 of what is before it

A state is written whole or not at all, and moves no ref.
The folder exists only while a command is under way or something waits.
The commits under ``keeps`` are roots for gc, so that a command can go on whenever its user comes back to it.
A store in memory keeps its states in memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from blake3 import blake3

from tract.annotations import Any, TypeVar
from tract.errors import DurabilityError, ObjectCorruptError, ReadOnlyError, TractError
from tract.objects.id import ObjectId, parse_id
from tract.objects.json import parse_json
from tract.refs.names import STATES, TRACTS, ref_path
from tract.repo import Repository
from tract.storage import files

KEEPS = "keeps"
_NAME = r"[a-z][a-z0-9-]{0,40}"
_CHECK = b"# check "
_LONGEST = 64 * 1024 * 1024
_ATTEMPTS = 8
_T = TypeVar("_T")


def is_state(name: str) -> bool:
    """True if a file of this name is a state; any other file beside it is a text for the user."""
    return re.fullmatch(_NAME, name) is not None


def read_state(repo: Repository, name: str) -> dict[str, Any] | None:
    """The state *name* of this tract, or None if no such command is under way; ObjectCorruptError if it is damaged."""
    if repo.path is None:
        data = repo.states.get(repo.prefix + name)
        return None if data is None else decode_state(data, name)
    path = _path(repo, name)
    try:
        data = files.read_file(path, _LONGEST)
    except FileNotFoundError:
        return None
    return decode_state(data, path)


def read_state_as(repo: Repository, name: str, kind: type[_T]) -> _T | None:
    """The state *name* as the dataclass from which it was written, or None; ObjectCorruptError, which names the file, if it does not fit."""
    document = read_state(repo, name)
    if document is None:
        return None
    document.pop(KEEPS, None)
    from tract.history.documents import from_document  # loads typing: who asks whether there are states needs neither

    try:
        found: _T = from_document(kind, document)
    except (ValueError, TypeError, TractError) as exc:
        where = name if repo.path is None else _path(repo, name)
        raise ObjectCorruptError(where, f"it holds no {kind.__name__}: {exc}") from exc
    return found


def write_state(repo: Repository, name: str, value: Any, keeps: Sequence[ObjectId] = ()) -> None:
    """Write *value*, a dataclass or a map, as the state *name*, in place of an older one; it is on the disk when this returns.

    gc keeps the commits *keeps* as long as the state exists.
    """
    from tract.history.documents import to_document  # as above

    plain = to_document(value)
    data = encode_state({**plain, KEEPS: [id.hex() for id in keeps]} if keeps else plain)
    if repo.path is None:
        repo.states[repo.prefix + name] = data
        return
    _write(repo, _path(repo, name), data)


def clear_state(repo: Repository, name: str) -> None:
    """Remove the state *name*; no error if there is none."""
    repo.states.pop(repo.prefix + name, None)
    if repo.path is not None:
        _remove(repo, _path(repo, name))


def end_state(repo: Repository, name: str) -> None:
    """Remove the state of command *name* and the text of its conflicts. The state goes first: without it the text means nothing."""
    clear_state(repo, name)
    clear_text(repo, conflicts_name(name))


def conflicts_name(command: str) -> str:
    """The file name of the text with the conflicts of a merge, rebase, cherry-pick or revert."""
    return f"{command.upper().replace('-', '_')}_CONFLICTS.md"


def conflicts_path(repo: Repository, command: str) -> str:
    """The path of that text."""
    return text_path(repo, conflicts_name(command))


def read_conflicts(repo: Repository, command: str) -> str:
    """The text of the conflicts of the *command* under way, as its user left it; that command's error if the file is gone or not UTF-8."""
    try:
        return read_text(repo, conflicts_name(command))
    except FileNotFoundError:
        raise _error_of(command)(f"the file of conflicts '{conflicts_path(repo, command)}' is gone") from None
    except UnicodeDecodeError as exc:
        raise _error_of(command)(f"the file of conflicts is not UTF-8 at byte {exc.start}") from exc


def _error_of(command: str) -> type[TractError]:
    from tract.transaction import UNDER_WAY  # who asks what is under way changes nothing

    return UNDER_WAY[command]


def text_path(repo: Repository, name: str) -> str:
    """The path of a text for the user, beside the states; its name is never that of a state."""
    assert not is_state(name), name
    return os.path.join(repo.path or "", ref_path(repo.prefix), STATES, name)


def write_text(repo: Repository, name: str, text: str) -> None:
    """Write a text for the user to edit; a store in memory keeps it with the states."""
    if repo.path is None:
        repo.states[repo.prefix + name] = text.encode()
        return
    _write(repo, text_path(repo, name), text.encode())


def read_text(repo: Repository, name: str) -> str:
    """The text as the user left it; FileNotFoundError if it is gone, UnicodeDecodeError if it is not text."""
    if repo.path is None:
        return repo.states[repo.prefix + name].decode()
    return files.read_file(text_path(repo, name), _LONGEST).decode()


def clear_text(repo: Repository, name: str) -> None:
    """Remove the text; no error if it is gone."""
    repo.states.pop(repo.prefix + name, None)
    if repo.path is not None:
        _remove(repo, text_path(repo, name))


def states(repo: Repository) -> tuple[str, ...]:
    """The names of this tract's states, in order."""
    if repo.path is None:
        names = [name.removeprefix(repo.prefix) for name in repo.states if name.startswith(repo.prefix)]
    else:
        names = files.list_directory(os.path.join(repo.folder, STATES))
    return tuple(sorted(name for name in names if is_state(name)))


def kept_commits(repo: Repository) -> Iterator[ObjectId]:
    """Yield the commits that the states of all tracts of the store need."""
    if repo.path is None:
        for name, data in repo.states.items():
            if is_state(name.rpartition("/")[2]):
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
                    continue  # the command ended just now
                yield from _keeps(decode_state(data, path))


def encode_state(value: Mapping[str, Any]) -> bytes:
    """The bytes of a state file."""
    import json  # status asks whether there are states, and mostly there are none

    body = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
    return body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n"


def decode_state(data: bytes, path: str) -> dict[str, Any]:
    """Return the value in the bytes of the state file *path*; ObjectCorruptError if they are not what was written."""
    end = data.rfind(_CHECK)
    body = data[: max(end, 0)]
    if data != body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n":
        raise ObjectCorruptError(path, "it does not match its check line", max(end, 0))
    try:
        value = parse_json(body)
    except ValueError as exc:
        raise ObjectCorruptError(path, "it is not a JSON document", 0) from exc
    if not isinstance(value, dict):
        raise ObjectCorruptError(path, "it is not a map", 0)
    return value


def _keeps(value: Mapping[str, Any]) -> Iterator[ObjectId]:
    for text in value.get(KEEPS, ()):
        id = parse_id(text) if isinstance(text, str) else None
        if id is not None:
            yield id


def _write(repo: Repository, path: str, data: bytes) -> None:
    """Write *data* to *path*, with its folder, and sync both."""
    if repo.read_only:
        raise ReadOnlyError(repo.path or "")
    for left in reversed(range(_ATTEMPTS)):
        try:
            made = _make_folder(repo)
            files.write_file(path, data, sync=True)
            for above in made:
                files.sync_directory(above)
            return
        except (DurabilityError, FileNotFoundError) as exc:
            # A process that removed the last state at the same moment removed the folder.
            if not left or not isinstance(exc.__cause__ or exc, FileNotFoundError):
                raise


def _remove(repo: Repository, path: str) -> None:
    """Remove the file *path*, and the folder if it was the last."""
    if repo.read_only:
        if not files.exists(path):
            return
        raise ReadOnlyError(repo.path or "")
    files.unlink(path)
    files.remove_empty(os.path.dirname(path))


def _make_folder(repo: Repository) -> list[str]:
    """Make the folder of states and those above it. Return the folders to sync once it has a file, so that it is not empty for long."""
    folder = repo.path or ""
    unsynced = []
    for part in (*ref_path(repo.prefix).split("/")[:-1], STATES):
        above, folder = folder, os.path.join(folder, part)
        if files.make_directory(folder):
            unsynced.append(above)
    return unsynced


def _path(repo: Repository, name: str) -> str:
    assert repo.path is not None
    assert is_state(name), name
    return os.path.join(repo.folder, STATES, name)
