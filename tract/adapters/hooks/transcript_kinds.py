"""The transcripts of programs with hooks, for reading from the middle."""

from __future__ import annotations

from collections.abc import Sequence

from tract.adapters.hooks.following import End, Kind, Records, Stamps
from tract.adapters.transcripts.conversations import Conversation, Found, Report
from tract.objects.message_format import JSON


def kind_of(format: str) -> Kind:
    """The support for transcripts of *format*; each is loaded on demand."""
    if format == "claude-code":
        from tract.adapters.hooks.claude_code import ClaudeCode

        return ClaudeCode()
    return _Codex() if format == "codex" else _GeminiCli()


class _Lines:
    """Transcripts with one statement a line, the newest last."""

    has_head = True

    def ready(self, values: Sequence[JSON], *, is_over: bool) -> int:
        return len(values)

    def with_agents(
        self, conversation: Conversation, path: str, values: Sequence[JSON], report: Report, known: Stamps, end: End
    ) -> tuple[Conversation, Stamps]:
        return conversation, known

    def restart(self, conversation: Conversation, records: Records) -> int:
        return records.place(conversation.branches[0].turns[-1].line)


class _Codex(_Lines):
    """A rollout: records in sequence, named by their numbers in the file. A record that takes turns back needs all of them."""

    def leans_back(self, values: Sequence[JSON]) -> bool:
        payloads = (one.get("payload") for one in values if isinstance(one, dict) and one.get("type") == "event_msg")
        return any(isinstance(one, dict) and one.get("type") == "thread_rolled_back" for one in payloads)

    def read(self, name: str, found: Found, report: Report, *, waits: bool) -> Conversation | None:
        from tract.adapters.transcripts.readers.codex import read_codex

        return next(read_codex(name, found, report), None)

    def context(self, values: Sequence[JSON]) -> list[JSON]:
        """The model of the turn under way."""
        turns = [one for one in values if isinstance(one, dict) and one.get("type") == "turn_context"]
        if not turns or not isinstance(payload := turns[-1].get("payload"), dict):
            return turns[-1:]
        return [{"type": "turn_context", "payload": {key: payload.get(key) for key in ("model", "effort")}}]


class _GeminiCli(_Lines):
    """A session's lines; a line that changes or takes back earlier messages needs all of them."""

    def leans_back(self, values: Sequence[JSON]) -> bool:
        for one in values:
            patch = one.get("$set") if isinstance(one, dict) else None
            if isinstance(one, dict) and ("$rewindTo" in one or (isinstance(patch, dict) and "messages" in patch)):
                return True
        return False

    def read(self, name: str, found: Found, report: Report, *, waits: bool) -> Conversation | None:
        from tract.adapters.transcripts.readers.gemini_cli import read_gemini_cli

        return next(read_gemini_cli(name, found, report), None)

    def context(self, values: Sequence[JSON]) -> list[JSON]:
        return []
