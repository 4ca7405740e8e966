"""A context as a file of another format, and the writing of that file: always a new one, readable only by its owner."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

from tract.adapters.exporting.claude_code import write_claude_code
from tract.adapters.exporting.codex import write_codex
from tract.adapters.exporting.gemini_cli import write_gemini_cli
from tract.adapters.exporting.plain import write_body, write_jsonl, write_markdown, write_sharegpt
from tract.adapters.exporting.session import Session
from tract.compile.compiled import CompiledContext
from tract.dataclass import dataclass, replace
from tract.errors import ContentValidationError, ExportError
from tract.named_tuple import NamedTuple
from tract.storage import files

ExportFormat: TypeAlias = Literal[
    "openai", "responses", "anthropic", "gemini", "claude-code", "codex", "gemini-cli", "markdown", "jsonl", "sharegpt"
]
EXPORT_FORMATS: tuple[str, ...] = get_args(ExportFormat)


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A context as a file: its *text*, and the *path* it was written to, None if it was not written.

    *session_id* is the new session's, if the format is a program's. *losses* are the parts that the format cannot carry, or has in another form.
    """

    format: str
    text: str
    messages: int
    losses: tuple[str, ...]
    session_id: str | None = None
    path: str | None = None

    def __repr__(self) -> str:
        at = "" if self.path is None else f" at {self.path!r}"
        return f"ExportResult({self.messages} messages as {self.format}{at}, {len(self.losses)} losses)"


class _Writer(NamedTuple):
    """The way to write a format: *target* is the provider's rendering it begins with; *is_session* if it is a program's session."""

    target: str
    write: Callable[[CompiledContext, Session], str]
    is_session: bool = False


_WRITERS: dict[str, _Writer] = {
    "openai": _Writer("openai", write_body("openai")),
    "responses": _Writer("responses", write_body("responses")),
    "anthropic": _Writer("anthropic", write_body("anthropic")),
    "gemini": _Writer("gemini", write_body("gemini")),
    "claude-code": _Writer("anthropic", write_claude_code, is_session=True),
    "codex": _Writer("responses", write_codex, is_session=True),
    "gemini-cli": _Writer("openai", write_gemini_cli, is_session=True),
    "markdown": _Writer("openai", write_markdown),
    "jsonl": _Writer("openai", write_jsonl),
    "sharegpt": _Writer("openai", write_sharegpt),
}


def export_context(context: CompiledContext, format: str, *, folder: str = "") -> ExportResult:
    """*context* as a file of *format*; a session's working folder is *folder*.

    ContentValidationError for an unknown format, and for a context in which nothing can be sent.
    """
    if not isinstance(format, str) or format not in _WRITERS:
        raise ContentValidationError(f"unknown format {format!r:.40}; known are {', '.join(EXPORT_FORMATS)}")
    writer = _WRITERS[format]
    session = Session(str(uuid.uuid4()), folder, datetime.now(UTC))
    text = writer.write(context, session)
    told = [str(warning) for warning in context.warnings_for(writer.target)]
    losses = tuple(dict.fromkeys((*told, *session.losses)))
    return ExportResult(format, text, len(context), losses, session.id if writer.is_session else None)


def write_export(exported: ExportResult, path: str) -> ExportResult:
    """Write the file, which must not exist; ExportError if it does, or cannot be written."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        files.make_directories(folder)
        is_new = files.create_file(os.path.abspath(path), exported.text.encode("utf-8"))
    except OSError as exc:
        raise ExportError(f"cannot write '{path}': {(exc.strerror or str(exc)).lower()}") from exc
    if not is_new:
        raise ExportError(f"'{path}' exists already, and is never overwritten")
    return replace(exported, path=path)
