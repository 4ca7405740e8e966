"""Streamed answers while they arrive, kept on the disk, so that the text so far survives the death of the process.

    state/ANSWER-<16 hexadecimal digits>.jsonl      of the root tract; tracts/<tract>/state/… of another

    {"branch", "head", "role", "started", "message", "response_to", "metadata", "generation_config"}
    "a piece of the text"
    "the next one"

One line for each piece, written when it comes and synced within a second; a torn last line is ignored.
The streaming process holds a flock on the file, and removes the file when the message is committed.
A file without a flock belongs to a process that died; its text is in no context until someone commits it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tract.dataclass import dataclass
from tract.errors import ContentValidationError, DurabilityError, ObjectCorruptError, RefMovedError, TractError
from tract.history.moves import adds_no_word
from tract.objects.id import parse_id
from tract.objects.json import parse_json
from tract.refs.names import HEADS, STATES
from tract.repo import Repository
from tract.storage import files
from tract.storage.locks import FileLock, is_locked

_BEGINNING, _END = "ANSWER-", ".jsonl"
_SYNC_AFTER_SECONDS = 0.8
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAnswer:
    """The text that had arrived of a streamed message, when its process died or its commit was refused.

    It was meant for *branch*, after the commit *head_hash*; the other fields are those that the stream was opened with.
    """

    id: str
    role: str
    text: str
    branch: str | None
    head_hash: str | None
    started_at: datetime
    message: str | None = None
    response_to: str | None = None
    metadata: Mapping[str, Any] | None = None
    generation_config: Mapping[str, Any] | None = None


class PartialFile:
    """The file of a running stream; nothing is written before the first piece comes.

    A full disk costs only the safety: the stream goes on, and *failed* has the error.
    """

    def __init__(self, repo: Repository, header: Mapping[str, Any]) -> None:
        self._repo = repo
        self._header = header
        self._lock: FileLock | None = None
        self._fd = -1
        self._timer: threading.Timer | None = None
        self.failed: Exception | None = None

    def write(self, piece: str) -> None:
        """Add a piece."""
        if self.failed is not None or self._repo.path is None or self._repo.read_only:
            return
        try:
            if self._fd < 0:
                self._create()
            files.append(self._fd, json.dumps(piece).encode() + b"\n")
        except (OSError, TractError) as exc:
            self.failed = exc
            self._close()
            return
        if self._timer is None:
            self._timer = threading.Timer(_SYNC_AFTER_SECONDS, self._sync)
            self._timer.daemon = True
            self._timer.start()

    def _create(self) -> None:
        branch, head = self._repo.head()
        started = datetime.now(UTC).isoformat()
        header = {
            "branch": branch,
            "head": None if head is None else head.hex(),
            "started": started,
            **self._header,
        }
        path = os.path.join(_folder(self._repo), f"{_BEGINNING}{os.urandom(8).hex()}{_END}")
        for left in reversed(range(_ATTEMPTS)):
            try:
                files.make_directory(_folder(self._repo))
                # Locked before it has a line: readers ignore a file without lines.
                files.close(files.create_exclusive(path))
                break
            except FileNotFoundError:  # the process that removed the last file removed the folder too
                if not left:
                    raise
        self._lock = FileLock(path)
        self._lock.acquire(timeout=1)
        self._fd = files.open_append(path)
        files.append(self._fd, json.dumps(header).encode() + b"\n")

    def _sync(self) -> None:
        self._timer = None  # from now on a new piece starts the next timer
        fd, lock = self._fd, self._lock
        if fd < 0 or lock is None:
            return
        with suppress(DurabilityError, OSError):  # only the commit at the end must be durable, and raises if it is not
            files.sync_data(fd, "a partial answer", visible=True)
            files.sync_directory(os.path.dirname(lock.path))

    def remove(self) -> None:
        """Remove the file: the message is committed."""
        lock = self._lock
        if lock is not None:
            with suppress(OSError):
                files.unlink(lock.path)
        self._close()
        if lock is not None:
            files.remove_empty(os.path.dirname(lock.path))

    def leave(self) -> None:
        """Leave the file: ``partial_answers`` lists text that was not committed."""
        self._close()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            files.close(fd)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def partial_answers(repo: Repository) -> tuple[PartialAnswer, ...]:
    """The streamed messages of this tract that no process writes any more and that were not committed, oldest first."""
    if repo.path is None:
        return ()
    names = (name for name in files.list_directory(_folder(repo)) if name.startswith(_BEGINNING))
    found = [one for name in names if (one := _read(repo, name)) is not None]
    return tuple(sorted(found, key=lambda one: (one.started_at, one.id)))


def _read(repo: Repository, name: str) -> PartialAnswer | None:
    """The content of a file; None if its process is alive, or died before it wrote anything."""
    path = os.path.join(_folder(repo), name)
    try:
        if is_locked(path):
            return None
        lines = files.read_file(path).split(b"\n")[:-1]
    except FileNotFoundError:
        return None  # the message was committed just now
    if not lines:
        return None
    try:
        header = parse_json(lines[0])
        return PartialAnswer(
            id=name.removeprefix(_BEGINNING).removesuffix(_END),
            role=str(header["role"]),
            text=_text(lines[1:]),
            branch=None if header["branch"] is None else str(header["branch"]).removeprefix(HEADS),
            head_hash=header["head"],
            started_at=datetime.fromisoformat(header["started"]),
            message=header["message"],
            response_to=header["response_to"],
            metadata=header["metadata"],
            generation_config=header["generation_config"],
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ObjectCorruptError(path, "it does not begin as a streamed answer does", 0) from exc


def _text(lines: Sequence[bytes]) -> str:
    """The pieces, up to the first damaged line."""
    pieces: list[str] = []
    with suppress(ValueError, TypeError):
        for line in lines:
            pieces.append("" + parse_json(line))
    return "".join(pieces)


def id_of(answer: PartialAnswer) -> str:
    """The id of a PartialAnswer; ContentValidationError for anything else."""
    if not isinstance(answer, PartialAnswer):
        raise ContentValidationError(f"a partial answer is a PartialAnswer, not {answer!r:.40}")
    return answer.id


def check_partial(repo: Repository, answer: PartialAnswer, *, may_have_moved: bool) -> None:
    """Refuse to commit *answer* as a reply to messages it never saw: on another branch, or after new messages unless *may_have_moved*."""
    id_of(answer)
    ref, tip = repo.head()
    branch = None if ref is None else ref.removeprefix(HEADS)
    if branch != answer.branch:
        raise ContentValidationError(f"the partial answer is of branch '{answer.branch}', and this is '{branch}'")
    now = None if tip is None else tip.hex()
    if now == answer.head_hash or may_have_moved:
        return
    was = None if answer.head_hash is None else parse_id(answer.head_hash)
    if not (was is not None and tip is not None and repo.objects.contains(was) and adds_no_word(repo, was, tip)):
        raise RefMovedError(ref or "HEAD", answer.head_hash, now)


def drop_partial(repo: Repository, id: str) -> None:
    """Forget a partial answer; no error if it is gone."""
    if repo.path is None:
        return
    files.unlink(os.path.join(_folder(repo), f"{_BEGINNING}{id}{_END}"))
    files.remove_empty(_folder(repo))


def _folder(repo: Repository) -> str:
    return os.path.join(repo.folder, STATES)
