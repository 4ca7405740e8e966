"""A session under way becomes commits: its transcript is read, and what the session's tract has not yet is written."""

from __future__ import annotations

import os
from typing import NamedTuple

from tract.adapters.importing import Importer, ImportResult
from tract.adapters.scanning import without_secrets
from tract.adapters.transcripts import read_transcript
from tract.errors import ContentValidationError, RefMovedError
from tract.history.branch import cleaned_name, switch_branch
from tract.history.tracts import in_tract
from tract.objects.json import NotJsonError, parse_json
from tract.refs.names import HEAD, HEADS, tract_prefix
from tract.repo import Repository

_MOST_TRIES = 8


class HookEvent(NamedTuple):
    """What a program says when it calls: which session, and where its transcript is."""

    session: str
    transcript: str
    name: str


class Recorded(NamedTuple):
    """What was recorded of a session: its tract, and how many messages are new; what could not be read."""

    tract: str
    messages: int
    problems: int


def read_event(text: str) -> HookEvent:
    """The event in what a program writes to a hook; ContentValidationError for what is none."""
    try:
        value = parse_json(text)
    except NotJsonError as exc:
        raise ContentValidationError(f"a hook's event is a JSON object: {exc}") from None
    session, transcript = (value.get(key) if isinstance(value, dict) else None for key in ("session_id", "transcript_path"))  # fmt: skip
    if not isinstance(session, str) or not session or not isinstance(transcript, str) or not transcript:
        raise ContentValidationError("a hook's event names a session_id and a transcript_path")
    return HookEvent(session, os.path.expanduser(transcript), str(value.get("hook_event_name") or ""))


def record_session(repo: Repository, event: HookEvent, format: str, *, scan: bool = False) -> Recorded:
    """Commit what is new in the event's transcript to the tract named by the session, which is made where it is not there.

    With *scan* a mark takes the place of what looks like a secret.

    Another process that records the same session at the same time is let go first; what it wrote is not written again.
    """
    reading = read_transcript(event.transcript, format=format)
    name = cleaned_name(event.session)
    messages = 0
    for read in reading.conversations:
        conversation = without_secrets(read) if scan else read
        for left in range(_MOST_TRIES - 1, -1, -1):
            try:
                is_there = repo.refs.read(tract_prefix(name) + HEAD) is not None
                at = in_tract(repo, name) if is_there else repo
                importer = Importer(at, count=False)
                result: ImportResult = importer.take(conversation, place="here" if is_there else "tract", name=name)
                importer.finish()
                messages += result.messages
                _follow(repo, name, result)
                break
            except RefMovedError:
                if not left:
                    raise
                repo.refs.refresh()
    return Recorded(name, messages, len(reading.problems))


def _follow(repo: Repository, name: str, result: ImportResult) -> None:
    """Put HEAD of the session's tract on the line that the program is on: a rewound turn begins a new one."""
    tract = in_tract(repo, name)
    branch = result.branches[0]
    if branch.tip is not None and tract.head()[0] != HEADS + branch.name:
        switch_branch(tract, branch.name)
