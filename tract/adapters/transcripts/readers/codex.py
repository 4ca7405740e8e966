"""Rollouts of the Codex command line: ``rollout-<time>-<id>.jsonl``, a record a line.

    {"timestamp", "type", "payload"}
    session_meta       id, cwd, cli_version, instructions; the first line
    turn_context       the model and its settings from here on
    response_item      an item of the Responses API: the conversation
    compacted          {"message": summary, "replacement_history": [item, …]}: these took the place of all before
    event_msg          what was shown; token_count has the usage of the answer before it, the rest repeats, and where it does not is told

Older rollouts have the items bare, one a line, behind a first line with ``id``, ``timestamp`` and ``instructions``.
The shape was tried against codex-cli 0.171.0, which resumes what tract writes in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear, read_time
from tract.adapters.transcripts.formats import among, is_responses_item, message_flaw
from tract.adapters.transcripts.readers.building import model_config, text_under
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import Refused, describe_kind
from tract.objects.message_format import JSON

_TYPES = frozenset({"session_meta", "response_item", "compacted", "turn_context", "event_msg"})
_SHOWN = ("user_message", "agent_message", "agent_reasoning")
_PASSED = frozenset({"ghost_snapshot", "world_state"})
_SUMMARY = "Another language model started to solve this problem and produced a summary of its thinking process."


def is_codex_record(value: JSON) -> bool:
    """Whether *value* can only be a line of a rollout."""
    return isinstance(value, dict) and among(value.get("type"), _TYPES) and isinstance(value.get("payload"), dict)


def read_codex(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The conversation in the records that were found; nothing if there is no message in them."""
    reading = _Reading(found, report)
    for at, record in enumerate(found.values):
        reading.take(at, record)
    reading.end()
    if not reading.turns:
        report(None, "no message in it")
        return
    meta = reading.meta
    id = meta.get("id") if isinstance(meta.get("id"), str) else None
    yield linear(name, reading.turns, {key: value for key, value in meta.items() if value}, id=id)


class _Reading:
    def __init__(self, found: Found, report: Report) -> None:
        self.turns: list[Turn] = []
        self.meta: dict[str, JSON] = {}
        self._found = found
        self._report = report
        self._config: dict[str, JSON] | None = None
        self._shown: list[tuple[int | None, str]] = []
        """What events say that the program showed, each with its line."""

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
        self.turns.append(Turn(item, "responses", time=read_time(time), config=config, key=key, line=line))

    def _compaction(self, payload: dict[str, JSON], line: int | None, time: JSON, key: str) -> None:
        history = payload.get("replacement_history")
        items = [item for item in history if isinstance(item, dict)] if isinstance(history, list) else []
        if not items:
            text = payload.get("message")
            items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text or _SUMMARY}]}]
        for nth, item in enumerate(items):
            if (problem := message_flaw(item, "responses")) is not None:
                self._report(line, f"payload.replacement_history[{nth}]: {problem}")
                continue
            self.turns.append(Turn(item, "responses", time=read_time(time), key=f"{key}/{nth}", line=line, summarises=nth == 0))  # fmt: skip

    def end(self) -> None:
        """Tell what was shown and is in no item."""
        said = {text for turn in self.turns for text in _texts(turn.message)} if self._shown else set()
        for line, text in self._shown:
            if text.strip() not in said:
                self._report.note(line, f"what the program showed and no item says is left out: {text[:80]!a}")

    def _event(self, payload: dict[str, JSON], line: int | None) -> None:
        kind = payload.get("type")
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


def _texts(item: dict[str, JSON]) -> Iterator[str]:
    """What an item says: its text, or that of its parts and its summary."""
    for key in ("content", "summary"):
        value = item.get(key)
        for part in value if isinstance(value, list) else [value]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text.strip()
