"""Claude Code transcripts: a tree of records, one a line, as lines of history.

Every record names its parent (``parentUuid``); those of type user and assistant hold a message.

    user ── assistant(thinking) ── assistant(tool_use a) ── assistant(tool_use b) ── progress
                                          │                        └── user(tool_result b) ── assistant …
                                          └── user(tool_result a)

*Records without a message* (progress, system, snapshots) are passed through: a message's parent is the nearest message above it.
They make no branch.

*Lines* run from a root step to a step that nothing follows.
The main line leads to the last message of the file; every other end, where the user rewound and continued differently, is a branch.

*Compaction* begins a new root, whose ``logicalParentUuid`` names the record before it; if that is in another file, it follows the records before it in this one.
The line continues through it: the summary is a turn that replaces everything before it, except the messages in ``preservedSegment``.
A microcompaction (``microcompact_boundary``) empties the results of some calls.

*Text that the user typed while the model worked* is in ``queue-operation`` records, or in an attachment. If it was handed to the model and no user record repeats it, it is a message there.
Text that no record hands on is reported.

*Sidechains*, the conversations of sub-agents, see nothing of the main line: each is a child, linked to the call that began it (readers/claude_code_agents.py).

    claude_code_records   the records as entries: which hold a message, and which entry each follows
    claude_code_lines     the entries as steps, turns and lines
    claude_code_queue     text typed while the model worked
    claude_code_agents    the sub-agents

Written from transcripts of the program, versions 2.0.76 to 2.1.37, and tried against the resume of 2.1.197.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.claude_code_agents import agent_calls, agent_files, agents_beside, inline_child
from tract.adapters.transcripts.readers.claude_code_lines import lines_of_session
from tract.adapters.transcripts.readers.claude_code_records import REQUESTS, read_entries
from tract.objects.message_format import JSON

_OTHER_TYPES = frozenset({"summary", "file-history-snapshot", "queue-operation", "progress", "system", "attachment"})
_TITLES = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}
"""The records with a session's title, each with its key; the first kind present counts."""

_BOOKKEEPING = (
    "last-prompt", "permission-mode", "mode", "agent-name", "agent-color", "agent-setting", "tag", "pr-link", "worktree-state",
    "file-history-delta", "attribution-snapshot", "cost-state", "memory-mode", "repl-mode",
)  # fmt: skip
"""Records that 2.1.332 writes for itself, without messages."""

_KNOWN = _OTHER_TYPES.union(_TITLES, _BOOKKEEPING, ("user", "assistant", "content-replacement"))

_OTHER_KEYS = ("uuid", "leafUuid", "messageId", "sessionId", "session_id")


def is_claude_code_record(value: JSON) -> bool:
    """Whether *value* can only be a record of a Claude Code transcript."""
    if not isinstance(value, dict):
        return False
    if "parentUuid" in value:
        return True
    kind = value.get("type")
    if kind in ("user", "assistant"):
        return isinstance(value.get("message"), dict) and "role" not in value
    return isinstance(kind, str) and kind in _OTHER_TYPES and any(key in value for key in _OTHER_KEYS)


def read_claude_code(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The conversation in the found records; nothing if there is no message in them."""
    entries = read_entries(found, report)
    if not entries:
        report(None, "no message in it")
        return
    _note_unknown(found, report)
    branches = lines_of_session(entries, report)
    main, sidechains = (
        [branch for branch, is_side in branches if not is_side], [branch for branch, is_side in branches if is_side]
    )  # fmt: skip
    if not main:
        main, sidechains = sidechains, []
    files = agent_files(found.path) if found.path is not None else []
    calls = agent_calls(found.values if sidechains or files else [])
    children = [inline_child(branch, calls) for branch in sidechains]
    records = [record for record in found.values if isinstance(record, dict)]
    session = next((record["sessionId"] for record in records if isinstance(record.get("sessionId"), str)), None)
    if found.path is not None and files and not all(record.get("isSidechain") is True for record in records if "message" in record):  # fmt: skip
        children += agents_beside(found.path, session, calls, report, read_claude_code)
    yield Conversation(name, tuple(main), title=_title(records), id=session, children=tuple(children))


def _note_unknown(found: Found, report: Report) -> None:
    """Note the kinds of records that tract leaves out; one of an unknown kind that has a message is reported where it is read."""
    unknown: dict[str, list[int | None]] = {}
    for at, record in enumerate(found.values):
        if not isinstance(record, dict):
            continue
        kind = record.get("type")
        if not isinstance(kind, str) or kind in _KNOWN:
            continue
        message = record.get("message")
        if kind in REQUESTS or not (isinstance(message, dict) and "content" in message):
            unknown.setdefault(kind[:40], []).append(found.line(at))
    for kind, lines in unknown.items():
        records = "1 record" if len(lines) == 1 else f"{len(lines)} records"
        what = f"type {kind!a}, of a request as it was sent," if kind in REQUESTS else f"unknown type {kind!a}"
        report.note(lines[0], f"{records} of {what} left out")


def _title(records: list[dict[str, JSON]]) -> str | None:
    """The title of the session: the user's, else the program's; a summary only if it is of this file."""
    titles = [record for record in records if among(record.get("type"), _TITLES)]
    for kind, key in _TITLES.items():
        found = [record for record in titles if record["type"] == kind and isinstance(record.get(key), str) and record[key]]  # fmt: skip
        if kind == "summary" and found:
            here = {str(record.get("uuid")) for record in records}
            found = [record for record in found if str(record.get("leafUuid")) in here]
        if found:
            return str(found[-1][key])
    return None
