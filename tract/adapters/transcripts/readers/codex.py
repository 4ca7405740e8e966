"""Rollouts of the Codex command line: ``rollout-<time>-<id>.jsonl``, a record a line.

    {"timestamp", "type", "payload"}
    session_meta       id, cwd, cli_version, instructions; the first line
    turn_context       the model and its settings from here on
    response_item      an item of the Responses API: the conversation
    compacted          {"message": summary, "replacement_history": [item, …]}: these replaced everything before
    inter_agent_communication   a message of another agent: {"author", "recipient", "content"}
    event_msg          text shown to the user; token_count has the usage of the answer before it, thread_rolled_back takes back the last turns of the user, thread_name_updated is the title; the rest repeats items, and is reported if it does not

A ``local_shell_call`` becomes a ``function_call`` of ``local_shell``, with the item itself in the turn's metadata under ``codex``: its result is a ``function_call_output``, which answers no other kind of call.

Turns taken back are a branch; if nothing else is left, the turns taken back last are the main line.

Older rollouts have the items bare, one a line, behind a first line with ``id``, ``timestamp`` and ``instructions``.
The shape was tried against codex-cli 0.171.0, which resumes sessions that tract writes in it; the extent of a rollback was read in its source (``context_manager/history.rs``, ``rollout_reconstruction.rs``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Branch, Conversation, Found, Report, Turn, read_time
from tract.adapters.transcripts.formats import among, is_responses_item, message_flaw
from tract.adapters.transcripts.readers.building import Node, lines_of, model_config, text_under
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import Refused, describe, describe_kind
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_TYPES = frozenset(
    {"session_meta", "response_item", "compacted", "turn_context", "event_msg", "inter_agent_communication"}
)
_OLD_FIRST = frozenset({"id", "timestamp", "instructions", "git"})
_SHOWN = ("user_message", "agent_message", "agent_reasoning", "agent_reasoning_raw_content", "error", "warning")
_PASSED = frozenset({"ghost_snapshot", "world_state"})
_SAYING = frozenset({"role", "content", "message", "messages"})
"""What only a record of another program's has beside a type that is none."""

_CONTEXT = ("<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<skill>", "<user_shell_command>", "<turn_aborted>", "<hook_prompt", "<subagent_notification>", "<permissions instructions>", "<collaboration_mode>", "<model_switch>", "<personality_spec>", "<token_budget>")  # fmt: skip
"""The beginnings of the program's own messages in a user's or developer's name; they begin no turn."""

_SUMMARY = "Another language model started to solve this problem and produced a summary of its thinking process."


def is_codex_record(value: JSON) -> bool:
    """Whether *value* can only be a line of a rollout."""
    if not isinstance(value, dict):
        return False
    if among(value.get("type"), _TYPES):
        return isinstance(value.get("payload"), dict)
    is_first = {"id", "timestamp", "instructions"} <= value.keys() <= _OLD_FIRST
    return is_first and isinstance(value["id"], str) and isinstance(value["timestamp"], str)


def read_codex(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The conversation in the found records; nothing if there is no message in them."""
    reading = _Reading(found, report)
    for at, record in enumerate(found.values):
        reading.take(at, record)
    reading.end()
    branches = reading.lines()
    if not branches:
        if not report.problems:
            report(None, "no message in it")
        return
    meta = reading.meta
    id = meta.get("id") if isinstance(meta.get("id"), str) else None
    about = {key: value for key, value in meta.items() if value}
    yield Conversation(name, branches, about, title=reading.title, id=id)


class _Reading:
    def __init__(self, found: Found, report: Report) -> None:
        self.turns: list[Turn] = []
        self.meta: dict[str, JSON] = {}
        self.title: str | None = None
        self._taken_back: list[tuple[int, list[Turn]]] = []
        """Turns taken back, each time with the number of turns before them then."""

        self._found = found
        self._report = report
        self._config: dict[str, JSON] | None = None
        self._shown: list[tuple[int | None, str]] = []
        """Texts that the program showed, by its events, each with its line."""

    def take(self, at: int, record: JSON) -> None:
        line = self._found.line(at)
        if not isinstance(record, dict):
            self._report(line, record.reason if isinstance(record, Refused) else describe_kind(record))
            return
        kind, payload = record.get("type"), record.get("payload")
        number = self._found.first + at
        if not among(kind, _TYPES):  # an older rollout
            if is_responses_item(record):
                self._item(record, line, None, f"{number}")
            elif kind is None and not self.turns and isinstance(record.get("id"), str):
                self._session(record, record.get("timestamp"), line)
            elif not _SAYING.isdisjoint(record):
                self._report(line, f"no record of a rollout: {describe(record)}")
            elif kind is not None or "record_type" not in record:
                self._report.note_once(
                    line, f"a record of type {str(kind)[:40]!a}, which tract does not know, is left out"
                )
            return
        if not isinstance(payload, dict):
            self._report(line, f"'payload' must be an object, found {describe_kind(payload)}")
            return
        key = f"{self.meta.get('id')}:{number}"
        match kind:
            case "session_meta":
                self._session(payload, record.get("timestamp"), line)
            case "turn_context":
                self._config = model_config(payload.get("model"), reasoning_effort=payload.get("effort"))
            case "response_item":
                self._item(payload, line, record.get("timestamp"), key)
            case "compacted":
                self._compaction(payload, line, record.get("timestamp"), key)
            case "inter_agent_communication":
                said = {
                    "type": "agent_message",
                    **payload,
                    "content": [{"type": "input_text", "text": payload.get("content") or ""}],
                }
                self._item(said, line, record.get("timestamp"), key)
            case "event_msg":
                self._event(payload, line)

    def _session(self, payload: dict[str, JSON], time: JSON, line: int | None) -> None:
        if not self.meta:
            about = {key: value for key, value in payload.items() if key != "instructions"}
            self.meta = keep_beside(about, "session_meta", line, self._report)
        instructions = payload.get("instructions")
        if isinstance(instructions, str) and instructions and not self.turns:
            said = {"role": "system", "content": instructions}
            self.turns.append(Turn(said, "responses", time=read_time(time), metadata={"beside": "instructions"}))

    def _item(self, item: dict[str, JSON], line: int | None, time: JSON, key: str) -> None:
        if among(item.get("type"), _PASSED):
            return
        if (problem := message_flaw(item, "responses")) is not None:
            self._report(line, f"payload: {problem}")
            return
        is_answer = item.get("role") == "assistant" or str(item.get("type")).endswith("_call")
        config = self._config if is_answer else None
        said, metadata = _as_called(item)
        if metadata:
            self._report.note_once(line, "a local_shell_call is a call of the function local_shell")
        self.turns.append(
            Turn(said, "responses", time=read_time(time), config=config, metadata=metadata, key=key, line=line)
        )

    def _compaction(self, payload: dict[str, JSON], line: int | None, time: JSON, key: str) -> None:
        history = payload.get("replacement_history")
        items = [item for item in history if isinstance(item, dict)] if isinstance(history, list) else []
        if isinstance(history, list) and len(items) < len(history):
            self._report(line, f"payload.replacement_history: {len(history) - len(items)} of it are no objects")
        text = text_under(payload, "message")
        if items and text is not None and not any(text.strip() in said for item in items for said in _texts(item)):
            self._report.note(line, f"the summary is in no item of the replacement, and is left out: {text[:80]!a}")
        if not items:
            items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text or _SUMMARY}]}]
        for nth, item in enumerate(items):
            if (problem := message_flaw(item, "responses")) is not None:
                self._report(line, f"payload.replacement_history[{nth}]: {problem}")
                continue
            said, metadata = _as_called(item)
            self.turns.append(Turn(said, "responses", time=read_time(time), metadata=metadata, key=f"{key}/{nth}", line=line, summarises=nth == 0))  # fmt: skip

    def _roll_back(self, count: JSON, line: int | None) -> None:
        """Take back the last *count* turns of the user, and the program's own messages just before them."""
        begin = next((at for at in range(len(self.turns) - 1, -1, -1) if self.turns[at].summarises), 0)
        asked = [at for at in range(begin, len(self.turns)) if _begins_turn(self.turns[at].message)]
        if not asked or not isinstance(count, int) or count <= 0:
            self._report.note(line, f"{count!a} turns were taken back, but none of them is in the file")
            return
        cut = asked[max(0, len(asked) - count)]
        while cut > asked[0] and _is_context(self.turns[cut - 1].message):
            cut -= 1
        self._taken_back.append((cut, self.turns[cut:]))
        del self.turns[cut:]

    def lines(self) -> tuple[Branch, ...]:
        """The line of the present turns, and those taken back."""
        if not self._taken_back:
            return (Branch("main", tuple(self.turns)),) if self.turns else ()
        now, nodes = [f"now {at}" for at in range(len(self.turns))], list[Node]()
        nodes += [Node(id, now[at - 1] if at else None, (self.turns[at],)) for at, id in enumerate(now)]
        for number, (cut, turns) in reversed(list(enumerate(self._taken_back))):
            ids = [*now[:cut], *(f"{number} {at}" for at in range(len(turns)))]
            nodes += [Node(ids[at], ids[at - 1] if at else None, (turns[at - cut],)) for at in range(cut, len(ids))]
            now = ids  # turns taken back earlier stood behind those
        if not self.turns:
            self._report.note(None, "everything was taken back; the main line is what was taken back last")
        last = (
            f"now {len(self.turns) - 1}"
            if self.turns
            else f"{len(self._taken_back) - 1} {len(self._taken_back[-1][1]) - 1}"
        )
        return lines_of(nodes, last)

    def end(self) -> None:
        """Report shown text that is in no item."""
        turns = [*self.turns, *(turn for _, taken in self._taken_back for turn in taken)]
        said = {text for turn in turns for text in _texts(turn.message)} if self._shown else set()
        for line, text in self._shown:
            if text.strip() not in said:
                self._report.note(
                    line, f"a text that the program showed, but that is in no item, is left out: {text[:80]!a}"
                )

    def _event(self, payload: dict[str, JSON], line: int | None) -> None:
        kind = payload.get("type")
        if kind == "thread_rolled_back":
            self._roll_back(payload.get("num_turns"), line)
        elif kind == "thread_name_updated":
            self.title = text_under(payload, "thread_name") or self.title
        shown = text_under(payload, "message", "text") if kind in _SHOWN or not isinstance(kind, str) else None
        if shown is not None:
            self._shown.append((line, shown))
        info = payload.get("info") if payload.get("type") == "token_count" else None
        usage = info.get("last_token_usage") if isinstance(info, dict) else None
        if isinstance(usage, dict) and self.turns and self.turns[-1].usage is None and any(usage.values()):
            details = {"cached_tokens": usage.get("cached_input_tokens") or 0}
            told = {key: value for key, value in usage.items() if key in ("input_tokens", "output_tokens")}
            answers = [at for at, turn in enumerate(self.turns) if turn.config is not None or turn.message.get("role") == "assistant"]  # fmt: skip
            at = answers[-1] if answers else len(self.turns) - 1
            self.turns[at] = self.turns[at]._replace(usage={**told, "input_tokens_details": details})


def _as_called(item: dict[str, JSON]) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The item to commit, and the metadata about it: a call of the local shell becomes the kind of call that its result answers."""
    if item.get("type") != "local_shell_call" or not isinstance(item.get("call_id"), str):
        return item, {}
    arguments = compact_json(item.get("action") or {})
    call = {"type": "function_call", "name": "local_shell", "arguments": arguments, "call_id": item["call_id"]}
    return call, {"codex": item}


def _is_context(item: dict[str, JSON]) -> bool:
    """Whether a user's or developer's message is the program's own."""
    return item.get("role") in ("user", "developer") and any(text.startswith(_CONTEXT) for text in _texts(item))


def _begins_turn(item: dict[str, JSON]) -> bool:
    return item.get("type") == "agent_message" or (item.get("role") == "user" and not _is_context(item))


def _texts(item: dict[str, JSON]) -> Iterator[str]:
    """An item's texts: its text, or those of its parts and its summary."""
    for key in ("content", "summary"):
        value = item.get(key)
        for part in value if isinstance(value, list) else [value]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text.strip()
