"""A session under way becomes commits: the new part of its transcript is read, and messages that the session's tract lacks are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tract.adapters.hooks.following import End, Mark, Reading, follow, load_mark, save_mark
from tract.adapters.hooks.transcript_kinds import kind_of
from tract.adapters.importing import Importer, ImportResult, call_tract
from tract.adapters.transcripts.conversations import Conversation
from tract.config import Scan
from tract.errors import ContentValidationError, ImportFormatError, LockTimeoutError, RefMovedError
from tract.history.branch import cleaned_name, switch_branch
from tract.history.keys import commits_said, find_key, keep_index
from tract.history.tracts import in_tract
from tract.named_tuple import NamedTuple
from tract.objects.json import NotJsonError, parse_json
from tract.refs.names import HEAD, HEADS, tract_prefix
from tract.repo import Repository
from tract.storage import files
from tract.storage.locks import FileLock

_MOST_TRIES = 8
_MOST_TOLD = 20
_LONGEST_WAIT = 60.0
"""The seconds that a hook's own process waits for the one before it; no process waits for it."""

_FOLDER = os.path.join("cache", "hooks")
_OVER = "SessionEnd"
_TURN_ENDS = frozenset({"Stop", "AfterAgent", _OVER})


class HookEvent(NamedTuple):
    """A program's event: the session, its transcript's path, and the *folder* it works in, if the event has it."""

    session: str
    transcript: str
    name: str
    folder: str | None = None

    @property
    def end(self) -> End:
        """The state of the transcript's end. An event without a name means that a turn is done, as most do."""
        return End(is_over=self.name == _OVER, waits=bool(self.name) and self.name not in _TURN_ENDS)


class Recorded(NamedTuple):
    """The result of recording a session: its tract, the number of new messages and of problems, the bytes of the transcript that were read, and possible *secrets* in it, if searched for."""

    tract: str
    messages: int
    problems: int
    read: int = 0
    secrets: tuple[str, ...] = ()


def read_event(text: str) -> HookEvent:
    """The event in a program's input to a hook; ContentValidationError if it is not one."""
    try:
        value = parse_json(text)
    except NotJsonError as exc:
        raise ContentValidationError(f"a hook's event is a JSON object: {exc}") from None
    told = value if isinstance(value, dict) else {}
    session, transcript = told.get("session_id"), told.get("transcript_path")
    if not isinstance(session, str) or not session or not isinstance(transcript, str) or not transcript:
        raise ContentValidationError("a hook's event names a session_id and a transcript_path")
    path, name, folder = os.path.expanduser(transcript), str(told.get("hook_event_name") or ""), told.get("cwd")
    return HookEvent(session, os.path.abspath(path), name, folder if isinstance(folder, str) and folder else None)


def record_session(repo: Repository, event: HookEvent, format: str, *, scan: Scan | None = None) -> Recorded:
    """Commit the new part of the event's transcript to the tract named by the session, which is created if it does not exist.

    *scan* is the treatment of possible secrets; None stands for the tract's ``record_scan``. ContentValidationError if they are to be refused.

    One process records a session at a time, and one more waits: a third has nothing to do, because the second reads everything.
    A process whose turn is done does not rely on one whose turn may be under way, which does not read the last step.
    Another process that writes to the same tract goes first; its messages are not written again.
    """
    name = cleaned_name(event.session)
    if repo.path is None:
        return _record(repo, event, format, name, None, scan=scan)
    folder = os.path.join(repo.path, _FOLDER)
    files.make_directory(os.path.dirname(folder))
    files.make_directory(folder)
    with _turn(os.path.join(folder, name), event.end) as is_mine:
        if not is_mine:
            return Recorded(name, 0, 0)
        return _record(repo, event, format, name, os.path.join(folder, f"{name}.json"), scan=scan)


@contextmanager
def _turn(path: str, end: End) -> Iterator[bool]:
    """This process's turn to record; False if another process already waits for its turn and will read as much."""
    now, next_one = FileLock(f"{path}.now"), FileLock(f"{path}.{'soon' if end.waits else 'next'}")
    try:
        try:
            next_one.acquire(timeout=_LONGEST_WAIT if end.is_over else 0)
        except LockTimeoutError:
            if end.is_over:
                raise
            yield False
            return
        try:
            now.acquire(timeout=_LONGEST_WAIT)
        finally:
            next_one.release()
        yield True
    finally:
        now.close()
        next_one.close()


def _record(
    repo: Repository, event: HookEvent, format: str, name: str, state: str | None, *, scan: Scan | None
) -> Recorded:
    mark = load_mark(state) if state is not None else None
    told: list[str] = []
    for left in range(_MOST_TRIES - 1, -1, -1):
        repo.refs.refresh()
        at = in_tract(repo, name) if repo.refs.read(tract_prefix(name) + HEAD) is not None else None
        reading = _new_in(at, event, format, mark)
        try:
            conversation = reading.conversation
            wanted = scan if scan is not None else (at or repo).config.record_scan
            if conversation is not None and wanted is not None:
                conversation, told = _scanned(conversation, wanted)
            messages = _land(repo, at, conversation, name)
            break
        except RefMovedError:
            if not left:
                raise
    if state is not None and reading.mark != mark:
        save_mark(state, reading.mark)
    if messages:
        keep_index(at or in_tract(repo, name))
    return Recorded(name, messages, reading.problems, reading.read, tuple(told) if messages else ())


def _new_in(at: Repository | None, event: HookEvent, format: str, mark: Mark | None) -> Reading:
    """The part to record: behind *mark* if the tract *at* has the messages before it; else the whole transcript."""
    if files.is_special(event.transcript):
        raise ImportFormatError(f"cannot read '{event.transcript}': it is not a regular file")
    kind = kind_of(format)
    if at is not None and mark is not None:
        reading = _followed(at, event, format, mark)
        if reading is not None:
            return reading
    try:
        whole = follow(event.transcript, format, kind, None, event.end)
    except OSError as exc:
        raise ImportFormatError(f"cannot read '{event.transcript}': {(exc.strerror or str(exc)).lower()}") from None
    if whole is not None:
        return whole
    try:
        return _document(event.transcript, format)
    except ImportFormatError:
        if event.end.is_over or not _is_half_a_line(event.transcript):
            raise
        return Reading(None, None, 0)


def _is_half_a_line(path: str) -> bool:
    """Whether the file has only the beginning of its first line."""
    with open(path, "rb") as file:
        line = file.readline()
    return line.startswith(b"{") and not line.endswith(b"\n")


def _followed(at: Repository, event: HookEvent, format: str, mark: Mark) -> Reading | None:
    try:
        reading = follow(event.transcript, format, kind_of(format), mark, event.end)
    except (OSError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None  # reading it whole reports the fault
    if reading is None or (reading.conversation is not None and not _goes_on(at, reading.conversation)):
        return None
    return reading


def _goes_on(at: Repository, conversation: Conversation) -> bool:
    """Whether the tract has the beginning of every line of *conversation*, and nothing of the rest."""
    if any(branch.parent is None or not branch.shared for branch in conversation.branches[1:]):
        return False
    if any(child.call_id is None and not _has_child(at, child.conversation.name) for child in conversation.children):
        return False  # its call is before this part
    keys = [turn.key for turn in conversation.branches[0].turns if turn.key is not None]
    known = [key for key in keys if commits_said(at, key)]
    return bool(known) and known == keys[: len(known)] and _is_on_a_branch(at, known[-1])


def _is_on_a_branch(at: Repository, key: str) -> bool:
    """Whether a branch has the message of *key*: after a reset none has, and new messages have no place to continue from."""
    return any(find_key(at, key, tip) for _, tip in at.local_refs(HEADS) if isinstance(tip, bytes))


def _has_child(at: Repository, name: str) -> bool:
    return at.refs.read(tract_prefix(f"{at.tract}/{name}") + HEAD) is not None


def _document(path: str, format: str) -> Reading:
    """The content of a transcript that is one document, or has lines that its reader cannot process."""
    from tract.adapters.transcripts.reader import read_transcript  # most programs write lines

    found = read_transcript(path, format=format)
    conversation = found.conversations[0] if found.conversations else None
    return Reading(conversation, None, len(found.problems), os.path.getsize(path))


def _land(repo: Repository, at: Repository | None, conversation: Conversation | None, name: str) -> int:
    """Commit the turns that the tract *at* lacks, in a new tract if it is None; return the number of new messages."""
    if conversation is None:
        return 0
    importer = Importer(at or repo, count=False)
    result = importer.take(conversation, place="tract" if at is None else "branch", name=name)
    importer.finish()
    if at is not None and conversation.title is not None:
        call_tract(at, conversation)
    _follow(in_tract(repo, name), result)
    return result.messages


def _scanned(conversation: Conversation, scan: Scan) -> tuple[Conversation, list[str]]:
    """*conversation* after *scan*, and the findings in it; ContentValidationError if they are refused."""
    from tract.adapters.scanning import find_in_conversation, without_secrets  # few ask for it

    found = [f"line {one.line}, {one.detail}" for one in find_in_conversation(conversation)]
    if found and scan == "refuse":
        raise ContentValidationError(f"not recorded: {'; '.join(found[:_MOST_TOLD])}")
    return (without_secrets(conversation) if found and scan == "replace" else conversation), found


def _follow(tract: Repository, result: ImportResult) -> None:
    """Move HEAD of the session's tract to the program's line: a rewound turn begins a new one."""
    branch = result.branches[0]
    if branch.tip is not None and tract.head()[0] != HEADS + branch.name:
        switch_branch(tract, branch.name)
