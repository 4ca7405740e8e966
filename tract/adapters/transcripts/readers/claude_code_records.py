"""The records of a Claude Code transcript as entries: those with a message, each with the entry that it follows.

*If no earlier line has a record's parent*, the message follows the message before it in the file, and that is a reported problem.
At the head of a file, where no message comes before, it is the start of a segment of a longer session, and not a problem.
"""

from __future__ import annotations

from collections.abc import Iterable

from tract.adapters.transcripts.conversations import Found, Report
from tract.adapters.transcripts.formats import among, message_flaw
from tract.adapters.transcripts.readers.claude_code_queue import Queue
from tract.adapters.transcripts.strictjson import Refused, describe_kind
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

KEPT = (
    "uuid", "parentUuid", "sessionId", "session_id", "requestId", "agentId", "isMeta", "isSidechain",
    "isCompactSummary", "isApiErrorMessage", "sourceToolUseID", "parent_tool_use_id", "version", "gitBranch", "cwd",
)  # fmt: skip

REQUESTS = ("api-request", "api-request-shape", "api-request-blob")
"""Records in which 2.1.332 keeps its requests as it sent them: its instructions, reminders and settings; the conversation itself is in the other records."""


class Entry(NamedTuple):
    """A record with a message; *parent* is the index of the entry that it follows."""

    line: int | None
    record: dict[str, JSON]
    parent: int | None
    compaction: JSON = None
    clears: frozenset[str] = frozenset()

    @property
    def message(self) -> dict[str, JSON]:
        message: dict[str, JSON] = self.record["message"]
        return message

    @property
    def sidechain(self) -> bool:
        return self.record.get("isSidechain") is True


def read_entries(found: Found, report: Report) -> list[Entry]:
    """The entries of the found records. A parent always stands above its child."""
    return _Entries(found, report).read()


class _Entries:
    """The records with a message, each with the entry it follows. A parent always stands above its child."""

    def __init__(self, found: Found, report: Report) -> None:
        self._found = found
        self._report = report
        self._entries: list[Entry] = []
        self._above: dict[str, int | None] = {}  # uuid of any record -> the entry at or nearest above it
        self._seen: dict[str, tuple[int | None, JSON]] = {}
        self._compactions: dict[str, JSON] = {}
        self._cleared: frozenset[str] = frozenset()
        self._queue = Queue(found, report)

    def read(self) -> list[Entry]:
        for at in self._order():
            record, line = self._found.values[at], self._found.line(at)
            if not isinstance(record, dict):
                self._report(line, describe_kind(record) if not isinstance(record, Refused) else record.reason)
                continue
            said = self._queue.handed_on(at, record)
            if said is not None:
                self._insert(line, record, said)
                continue
            self._note_told(line, record)
            self._take(line, record)
        self._queue.end()
        return self._entries

    def _order(self) -> Iterable[int]:
        """The numbers of the records: as they stand, but for those before their parents, which come right behind them."""
        records = self._found.values
        places: dict[JSON, int] = {}
        for at, record in enumerate(records):
            if isinstance(record, dict) and isinstance(record.get("uuid"), str):
                places.setdefault(record["uuid"], at)
        parents: dict[int, int] = {}
        for at, record in enumerate(records):
            named = record.get("parentUuid") if isinstance(record, dict) else None
            if isinstance(named, str) and named in places:
                parents[at] = places[named]
        if not any(parent > at for at, parent in parents.items()):
            return range(len(records))
        circles = _circles(parents)
        early = {at for at, parent in parents.items() if parent > at and at not in circles}
        if early:
            self._report.note(self._found.line(min(early)), "a record stands before its parent, and is read behind it")
        behind: dict[int, list[int]] = {}
        for at in sorted(early):
            behind.setdefault(parents[at], []).append(at)
        order: list[int] = []
        stack = [at for at in reversed(range(len(records))) if at not in early]
        while stack:
            at = stack.pop()
            order.append(at)
            stack += reversed(behind.get(at, []))
        return order

    def _note_told(self, line: int | None, record: dict[str, JSON]) -> None:
        """Report a text that the model got otherwise than in messages, and that is not a message here either."""
        if record.get("type") == "content-replacement":
            self._report.note_once(line, "tool results that the program sends shortened are kept in full")  # fmt: skip
        elif record.get("type") == "attachment":
            attachment = record.get("attachment")
            kind = attachment.get("type") if isinstance(attachment, dict) else None
            if isinstance(kind, str) and kind != "queued_command":
                self._report.note_once(line, f"an attachment of type {kind[:40]!a}, which the program sent to the model, is left out")  # fmt: skip

    def _take(self, line: int | None, record: dict[str, JSON]) -> None:
        uuid = record.get("uuid")
        uuid = uuid if isinstance(uuid, str) else None
        if uuid is not None and uuid in self._seen:
            self._report(line, f"the uuid of line {self._seen[uuid][0]} again")
            if self._seen[uuid][1] == record:
                return
        parent = _parent(record, line, self._above, self._entries, self._report)
        if _has_message(record, line, self._report):
            compaction = self._compactions.get(str(record.get("parentUuid"))) if self._compactions else None
            self._entries.append(Entry(line, record, parent, compaction, self._cleared))
            self._cleared = frozenset()
            parent = len(self._entries) - 1
        subtype = record.get("subtype")
        if uuid is not None:
            self._above[uuid] = parent
            self._seen[uuid] = (line, record)
            if subtype == "compact_boundary":
                self._compactions[uuid] = record.get("compactMetadata")
        if subtype == "microcompact_boundary":
            about = record.get("microcompactMetadata")
            ids = about.get("compactedToolIds") if isinstance(about, dict) else None
            self._cleared |= {id for id in ids if isinstance(id, str)} if isinstance(ids, list) else set()

    def _insert(self, line: int | None, record: dict[str, JSON], words: JSON) -> None:
        """Insert text that the user typed in between, behind the last entry; records that follow that entry now follow the text."""
        named = record.get("parentUuid")
        last = self._above.get(named) if isinstance(named, str) else _previous(self._entries, sidechain=False)
        message = {"role": "user", "content": words}
        kept = {key: value for key, value in record.items() if key in (*KEPT, "timestamp")}
        before = {} if last is None else self._entries[last].record
        kept["key"] = f"{before.get('uuid') or before.get('key')}/{record.get('timestamp')}"  # it has no uuid
        self._entries.append(Entry(line, {**kept, "type": "user", "message": message, "queued": True}, last))
        at = len(self._entries) - 1
        uuid = record.get("uuid")
        if isinstance(uuid, str):
            self._above[uuid] = at
            self._seen[uuid] = (line, record)
        else:
            self._above.update({uuid: at for uuid, entry in self._above.items() if entry == last and last is not None})


def _circles(parents: dict[int, int]) -> set[int]:
    """The numbers of which each is above itself."""
    found: set[int] = set()
    seen: set[int] = set()
    for start in parents:
        path: dict[int, int] = {}
        at = start
        while at in parents and at not in seen:
            seen.add(at)
            path[at] = len(path)
            at = parents[at]
        if at in path:
            found.update(list(path)[path[at] :])
    return found


def _parent(
    record: dict[str, JSON], line: int | None, above: dict[str, int | None], entries: list[Entry], report: Report
) -> int | None:
    """The entry that *record* follows, None for a root."""
    sidechain = record.get("isSidechain") is True
    if "parentUuid" not in record:
        return _previous(entries, sidechain)
    named = record["parentUuid"] if record["parentUuid"] is not None else record.get("logicalParentUuid")
    if named is None:
        return _previous(entries, sidechain) if record.get("subtype") == "compact_boundary" else None
    if not isinstance(named, str) or named not in above:
        previous = _previous(entries, sidechain)
        if previous is not None:
            after = entries[previous].line
            told = report.note if record.get("parentUuid") is None else report  # a session that was continued elsewhere
            told(line, f"its parent {str(named)[:40]!a} is not on a line above; the message was put after line {after}")
        return previous
    parent = above[named]
    if sidechain:
        return parent if parent is not None and entries[parent].sidechain else None
    while parent is not None and entries[parent].sidechain:
        parent = entries[parent].parent
    return parent


def _previous(entries: list[Entry], sidechain: bool) -> int | None:
    """The last message so far, of the sidechains or of all others."""
    return next((i for i in range(len(entries) - 1, -1, -1) if entries[i].sidechain == sidechain), None)


def _has_message(record: dict[str, JSON], line: int | None, report: Report) -> bool:
    """Whether *record* holds a message; one that should and does not is reported."""
    message = record.get("message")
    if not among(record.get("type"), ("user", "assistant")):
        if among(record.get("type"), REQUESTS):
            return False
        if (isinstance(message, dict) and "content" in message) or not isinstance(record.get("type"), str):
            report(
                line,
                f"a record of type {str(record.get('type'))[:40]!a}, which has no message that tract knows",
            )
        return False
    problem = message_flaw(message, "anthropic")
    if isinstance(message, dict) and problem is None and message.get("content") is None:
        problem = "'content' must be a text or a list of objects, found null"
    if problem is not None:
        report(line, f"message: {problem}")
    return problem is None
