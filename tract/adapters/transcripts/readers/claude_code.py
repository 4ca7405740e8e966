"""Claude Code transcripts: a tree of records, one a line, as lines of history.

Every record names its parent (``parentUuid``); those of type user and assistant hold a message.

    user ── assistant(thinking) ── assistant(tool_use a) ── assistant(tool_use b) ── progress
                                          │                        └── user(tool_result b) ── assistant …
                                          └── user(tool_result a)

*Records without a message* (progress, system, snapshots) are passed through: a message's parent is the nearest message above it.
They make no branch.

*A step* is one answer of the API and the results of its tools.
The API's answer is spread over several records with one ``message.id``, one content block each, and every result hangs off its own tool_use, so the tree forks where the conversation does not.
A step takes in every assistant record with its ``message.id`` below it (or beside it), and every result below it that answers one of its tool_uses for the first time.
Its turns are its assistant records and then its results, both in file order; whatever else hangs off any part of it follows the whole.
All other messages are steps of their own.

*Lines* run from a root step to a step that nothing follows.
The main line leads to the last message of the file; every other end, where the user rewound and went on differently, is a branch.

*Compaction* begins a new root, with ``logicalParentUuid`` naming what came before.
The line goes on through it: a session is one history, and the summary is a turn in it whose metadata has ``isCompactSummary``.
(The model saw only what came from there on; who wants that context skips the turns before.)

*Sidechains*, the conversations of sub-agents, see nothing of the main line: each is a branch with a root of its own.

*A parent that no line above has*: the message goes after the message before it in the file, and that is a problem to report.
At the head of a file, where no message comes before, it is the start of a segment of a longer session, and none.

*Usage* is counted once an answer: the last record of a step has it, the others none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tract.adapters.transcripts.formats import message_flaw
from tract.adapters.transcripts.model import Branch, Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.strictjson import Refused, describe_kind, flaw
from tract.objects.message_format import JSON

_KEPT = (
    "uuid", "parentUuid", "sessionId", "session_id", "requestId", "agentId", "isMeta", "isSidechain",
    "isCompactSummary", "isApiErrorMessage", "sourceToolUseID", "parent_tool_use_id", "version", "gitBranch", "cwd",
)  # fmt: skip
_OTHER_TYPES = frozenset({"summary", "file-history-snapshot", "queue-operation", "progress", "system"})
_OTHER_KEYS = ("uuid", "leafUuid", "messageId", "sessionId", "session_id")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record with a message; *parent* is the index of the entry that it follows."""

    line: int | None
    record: dict[str, JSON]
    parent: int | None
    compaction: JSON = None

    @property
    def message(self) -> dict[str, JSON]:
        message: dict[str, JSON] = self.record["message"]
        return message

    @property
    def sidechain(self) -> bool:
        return self.record.get("isSidechain") is True


@dataclass(slots=True)
class _Step:
    """One answer and the results of its tools, or one other message; its members are indices of entries."""

    parent: int | None
    message_id: str | None = None
    answers: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    open_uses: set[str] = field(default_factory=set)

    @property
    def members(self) -> list[int]:
        return self.answers + self.results


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
    """The conversation in the records that were found; nothing if there is no message in them."""
    entries = _entries(((found.line(at), record) for at, record in enumerate(found.values)), report)
    if not entries:
        report(None, "no message in it")
        return
    steps = _steps(entries)
    turns = _turns(entries, steps, report)
    yield Conversation(name, _branches(entries, steps, turns))


def _entries(records: Iterable[tuple[int | None, JSON]], report: Report) -> list[_Entry]:
    """The records with a message, each with the entry it follows. A parent always stands above its child."""
    entries: list[_Entry] = []
    above: dict[str, int | None] = {}  # uuid of any record -> the entry at or nearest above it
    seen: dict[str, tuple[int | None, JSON]] = {}
    compactions: dict[str, JSON] = {}
    for line, record in records:
        if not isinstance(record, dict):
            report(line, describe_kind(record) if not isinstance(record, Refused) else record.reason)
            continue
        uuid = record.get("uuid") if isinstance(record.get("uuid"), str) else None
        if uuid is not None and uuid in seen:
            report(line, f"the uuid of line {seen[uuid][0]} again")
            if seen[uuid][1] == record:
                continue
        parent = _parent(record, line, above, entries, report)
        if _has_message(record, line, report):
            entries.append(_Entry(line, record, parent, compactions.get(str(record.get("parentUuid")))))
            parent = len(entries) - 1
        if uuid is not None:
            above[uuid] = parent
            seen[uuid] = (line, record)
            if record.get("subtype") == "compact_boundary":
                compactions[uuid] = record.get("compactMetadata")
    return entries


def _parent(
    record: dict[str, JSON], line: int | None, above: dict[str, int | None], entries: list[_Entry], report: Report
) -> int | None:
    """The entry that *record* follows, None for a root."""
    sidechain = record.get("isSidechain") is True
    if "parentUuid" not in record:
        return _previous(entries, sidechain)
    named = record["parentUuid"] if record["parentUuid"] is not None else record.get("logicalParentUuid")
    if named is None:
        return None
    if not isinstance(named, str) or named not in above:
        previous = _previous(entries, sidechain)
        if previous is not None:
            after = entries[previous].line
            report(line, f"its parent {str(named)[:40]!a} is on no line above; put after line {after}")
        return previous
    parent = above[named]
    if sidechain:
        return parent if parent is not None and entries[parent].sidechain else None
    while parent is not None and entries[parent].sidechain:
        parent = entries[parent].parent
    return parent


def _previous(entries: list[_Entry], sidechain: bool) -> int | None:
    """The last message so far, of the sidechains or of all the rest."""
    return next((i for i in range(len(entries) - 1, -1, -1) if entries[i].sidechain == sidechain), None)


def _has_message(record: dict[str, JSON], line: int | None, report: Report) -> bool:
    """Whether *record* holds a message; one that should and does not is reported."""
    if record.get("type") not in ("user", "assistant"):
        return False
    message = record.get("message")
    problem = message_flaw(message, "anthropic")
    if isinstance(message, dict) and problem is None and message.get("content") is None:
        problem = "'content' must be a text or a list of objects, found null"
    if problem is not None:
        report(line, f"message: {problem}")
    return problem is None


def _steps(entries: list[_Entry]) -> list[_Step]:
    """The steps of the conversation; a step's parent always has a lower index than the step."""
    steps: list[_Step] = []
    step_of: list[int] = []
    begun: dict[tuple[str, int | None], int] = {}  # (message id, parent step) -> step
    for index, entry in enumerate(entries):
        parent = step_of[entry.parent] if entry.parent is not None else None
        home = _home(entry, parent, steps, begun)
        if home is None:
            home = len(steps)
            steps.append(_Step(parent, _message_id(entry)))
            if (message_id := _message_id(entry)) is not None:
                begun[message_id, parent] = home
        step = steps[home]
        if entry.record["type"] == "assistant" or not step.answers:
            step.answers.append(index)
            step.open_uses |= _block_ids(entry, "tool_use", "id")
        else:
            step.results.append(index)
            step.open_uses -= _block_ids(entry, "tool_result", "tool_use_id")
        step_of.append(home)
    return steps


def _home(
    entry: _Entry, parent: int | None, steps: list[_Step], begun: dict[tuple[str, int | None], int]
) -> int | None:
    """The step that *entry* is a part of, or None if it begins one."""
    message_id = _message_id(entry)
    if message_id is not None:
        if parent is not None and steps[parent].message_id == message_id:
            return parent
        return begun.get((message_id, parent))
    answered = _block_ids(entry, "tool_result", "tool_use_id")
    if parent is not None and answered and answered <= steps[parent].open_uses:
        return parent
    return None


def _message_id(entry: _Entry) -> str | None:
    value = entry.message.get("id") if entry.record["type"] == "assistant" else None
    return value if isinstance(value, str) else None


def _block_ids(entry: _Entry, kind: str, key: str) -> set[str]:
    content = entry.message["content"]
    blocks = content if isinstance(content, list) else []
    return {block[key] for block in blocks if block.get("type") == kind and isinstance(block.get(key), str)}


def _turns(entries: list[_Entry], steps: list[_Step], report: Report) -> list[Turn]:
    with_usage = {step.answers[-1] for step in steps}
    return [_turn(entry, index in with_usage, report) for index, entry in enumerate(entries)]


def _turn(entry: _Entry, with_usage: bool, report: Report) -> Turn:
    record, message = entry.record, entry.message
    usage = message.get("usage")
    about = {
        key: value
        for key, value in message.items()
        if key not in ("role", "content", "usage", "type") and value is not None
    }
    metadata = {key: record[key] for key in _KEPT if record.get(key)}
    metadata |= {key: value for key, value in (("message", about), ("compactMetadata", entry.compaction)) if value}
    if (problem := flaw(metadata)) is not None:
        report(entry.line, f"beside the message: {problem}")
        metadata = {}
    return Turn(
        {"role": message["role"], "content": message["content"]},
        "anthropic",
        time=read_time(record.get("timestamp")),
        usage=usage if with_usage and isinstance(usage, dict) and _is_counted(usage) else None,
        config=_config(message),
        metadata=metadata,
        line=entry.line,
    )


def _config(message: dict[str, JSON]) -> dict[str, JSON] | None:
    """The model that answered; an answer that the program made itself has none."""
    model = message.get("model")
    return {"model": model} if isinstance(model, str) and model and not model.startswith("<") else None


def _is_counted(usage: dict[str, JSON]) -> bool:
    """Whether anything was counted: an answer that the program made itself has a usage of zeros."""
    return any(isinstance(count, int) and count > 0 for name, count in usage.items() if name.endswith("_tokens"))


def _branches(entries: list[_Entry], steps: list[_Step], turns: list[Turn]) -> tuple[Branch, ...]:
    """One branch for every end of a line, the main one first, the others in file order."""
    first = _main_end(entries, steps)
    parents = {step.parent for step in steps}
    ends = [first, *(end for end in range(len(steps)) if end not in parents and end != first)]
    owner: dict[int, int] = {}  # step -> the branch that had it first
    branches: list[Branch] = []
    count = {"main": 0, "sidechain": 0}
    for end in ends:
        kind = "sidechain" if end != first and entries[steps[end].answers[0]].sidechain else "main"
        count[kind] += 1
        name = "main" if end == first else f"{kind}-{count[kind]}"
        branches.append(_branch(name, end, steps, turns, owner, len(branches)))
    return tuple(branches)


def _branch(name: str, end: int, steps: list[_Step], turns: list[Turn], owner: dict[int, int], number: int) -> Branch:
    line: list[Turn] = []
    shared, parent = 0, None
    for step in _path(end, steps):
        line.extend(turns[member] for member in steps[step].members)
        if step in owner:
            shared, parent = len(line), owner[step]
        else:
            owner[step] = number
    return Branch(name, tuple(line), shared, parent)


def _path(end: int, steps: list[_Step]) -> list[int]:
    path = []
    step: int | None = end
    while step is not None:
        path.append(step)
        step = steps[step].parent
    return path[::-1]


def _main_end(entries: list[_Entry], steps: list[_Step]) -> int:
    """The end of the line that has the last message of the file; of a sidechain only if there is nothing else."""
    children: dict[int | None, list[int]] = {}
    for index, step in enumerate(steps):
        children.setdefault(step.parent, []).append(index)
    latest = [max(step.members) for step in steps]
    for index in range(len(steps) - 1, -1, -1):
        parent = steps[index].parent
        if parent is not None:
            latest[parent] = max(latest[parent], latest[index])
    roots = children[None]
    at = max([r for r in roots if not entries[steps[r].answers[0]].sidechain] or roots, key=lambda r: latest[r])
    while at in children:
        at = max(children[at], key=lambda child: latest[child])
    return at
