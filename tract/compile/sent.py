"""Recorded requests: their settings are kept with the answer, and the whole request can be rebuilt.

    refs/notes/request, about an answer:

    {"request": {"model": …, "tools": […], …}, "hidden": [ids],      the settings, and which messages were hidden then
     "provider", "body_hash", "context", "rules"}                     receiver, hash, compiled commit, rules of mending

    {"as": <the note that has "request">, …}                          if the settings are as in an earlier note
    {…, "since": <an earlier note>, "hide": [ids], "show": [ids]}     messages hidden since that note, and shown again

So objects alone tell which messages a model saw, and the bytes it was sent: for ever, and in every copy of the store.
If the settings came with the messages, a key without a value (``"messages": null``) keeps the place of the messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from blake3 import blake3

from tract.compile.compiled import CompiledContext, RenderOptions, compiled, sent_context
from tract.compile.sent_request import SentRequest, hidden_by, sent_request
from tract.compile.tables import ConfigTable, NoteTables
from tract.compile.workspace import Workspace, context_commit
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.notes import CONFIG, REQUEST, NoteTable, note_tip
from tract.history.priority import Priority
from tract.history.walk import is_ancestor
from tract.messages.form import RULES
from tract.objects.id import ObjectId
from tract.objects.note import read_body
from tract.repo import Repository
from tract.revision import Revision, revision_text

MESSAGES = {"openai": "messages", "responses": "input", "anthropic": "messages", "gemini": "contents"}
"""The key of the messages in a request of each format."""

_OURS = ("provider", "body_hash")


class HiddenThen(NoteTable):
    """The priorities of an earlier moment, of which only the hidden messages are known."""

    is_list = False

    def __init__(self, hidden: tuple[ObjectId, ...]) -> None:
        super().__init__()
        self._hidden = frozenset(hidden)
        # In the keys of remembered snapshots this stands for these priorities.
        self.tip = blake3(b"hidden\0" + b"".join(sorted(self._hidden))).digest()

    def get(self, repo: Repository, commit: ObjectId) -> Any:
        return {"priority": Priority.SKIP.value} if commit in self._hidden else None

    def has_any(self, commits: Any) -> bool:
        return not self._hidden.isdisjoint(commits)

    def targets(self) -> tuple[ObjectId, ...]:
        return tuple(self._hidden)

    def __len__(self) -> int:
        return len(self._hidden)


def request_note(space: Workspace, request: Mapping[str, Any]) -> dict[str, Any]:
    """The note about *request*, in which the messages are None. It says that the request was made from the context compiled last, or failing that from the context at HEAD."""
    repo = space.repo
    settings = {key: value for key, value in request.items() if key not in _OURS}
    shown = space.shown
    notes = space.compiler.advance_notes()
    priorities = notes.priorities
    context = repo.head()[1]
    if shown is not None and shown[1] == priorities.tip:
        compiled_at, _, behind = shown
        if _leads_to(repo, behind, context) or (behind != compiled_at and _leads_to(repo, compiled_at, context)):
            space.shown = (compiled_at, priorities.tip, context)  # many answers to one context cost one walk
            context = compiled_at
    hidden = frozenset(commit for commit in priorities.targets() if notes.is_skipped(repo, commit))
    last = _last_note(repo)
    return {
        **_settings_part(repo, last, settings),
        **_hidden_part(repo, last, hidden),
        "provider": request.get("provider"),
        "body_hash": request.get("body_hash"),
        "context": None if context is None else context.hex(),
        "rules": RULES,
    }


def _leads_to(repo: Repository, commit: ObjectId | None, tip: ObjectId | None) -> bool:
    """Whether *tip* descends from *commit*, so that HEAD's branch has not moved elsewhere since that was compiled."""
    return commit is None or (tip is not None and is_ancestor(repo, commit, tip))


def _last_note(repo: Repository) -> tuple[ObjectId, Mapping[str, Any]] | None:
    """The note about the last recorded request, with its id; None if there is none."""
    tip = note_tip(repo, REQUEST)
    blob = None if tip is None else repo.commit(tip).content
    return None if blob is None else (blob, read_body(blob, repo.blob(blob)))


def _settings_part(
    repo: Repository, last: tuple[ObjectId, Mapping[str, Any]] | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The note's part about the settings: a reference to a note with the same settings in the same order, or all of them."""
    if last is not None:
        id, body = last
        if "as" in body:
            id = bytes.fromhex(body["as"])
            body = read_body(id, repo.blob(id))
        if json.dumps(body["request"]) == json.dumps(settings):
            return {"as": id.hex()}
    return {"request": settings}


def _hidden_part(
    repo: Repository, last: tuple[ObjectId, Mapping[str, Any]] | None, hidden: frozenset[ObjectId]
) -> dict[str, Any]:
    """The note's part about the *hidden* messages: the changes since an earlier note, or the full list if that is no longer than the changes.

    So the size of all notes is in proportion to the changes, and so is the reading for one of them.
    """
    if last is not None:
        id, body = last
        if "hide" not in body and "since" in body:  # that note only refers to another
            id = bytes.fromhex(body["since"])
            body = read_body(id, repo.blob(id))
        before, said = hidden_by(repo, body)
        hide, show = _hex(hidden - before), _hex(before - hidden)
        if not hide and not show:
            return {"since": id.hex()} if before else {"hidden": []}
        if said + len(hide) + len(show) <= len(hidden):
            return {"since": id.hex(), "hide": hide, "show": show}
    return {"hidden": _hex(hidden)}


def _hex(commits: Iterable[ObjectId]) -> list[str]:
    return [commit.hex() for commit in sorted(commits)]


def sent(space: Workspace, revision: Revision) -> CompiledContext:
    """The context that the model saw when it produced the commit: that of the parent, with the notes of the time when the commit was made.

    If its request was recorded, exactly that request: the context it was compiled from, and its settings.
    """
    commit = context_commit(space.repo, revision)
    request = sent_request(space, commit)
    if request is None:
        return sent_context(space, revision)
    if request.context is not None:
        failed = f"the context that the model received for '{revision_text(revision)}' is not kept"
        space.repo.check_whole(request.context, failed)
        if not space.repo.objects.contains(request.context):
            space.repo.check_history(commit, failed)
            raise CommitNotFoundError(request.context.hex(), f"{failed}: gc removed the context it was compiled from")
    tables = NoteTables(HiddenThen(request.hidden), ConfigTable())
    tables.configs.advance(space.repo, note_tip(space.repo, CONFIG))
    return compiled(space, space.compiler.compile(request.context, tables), request=request)


_WAYS: tuple[RenderOptions, ...] = (
    {},
    {"cache": "auto"},
    {"extras": "drop"},
    {"cache": "auto", "extras": "drop"},
)
"""The options with which messages may have been rendered, the likeliest first."""

_NULLS: tuple[tuple[str, ...], ...] = ((), ("content",), ("content", "refusal"))
"""Keys that OpenAI's SDK sends as null if a program sends its answer objects back; tract does not keep them."""


def rebuilt(context: CompiledContext, request: SentRequest, format: str) -> dict[str, Any]:
    """The body of a request in *format*: its settings with the messages in their place, which is behind the model if it is not known.

    Messages may have been rendered in several ways; the result is the body with the recorded hash, or the plainest if none has it.
    """
    bodies = _bodies(context, request, format)
    first = next(bodies)
    if request.body_hash is None or _has_hash(first, request):
        return first
    return next((body for body in bodies if _has_hash(body, request)), first)


def _has_hash(body: Mapping[str, Any], request: SentRequest) -> bool:
    return any(blake3(data).hexdigest() == request.body_hash for data in _written(body))


def _bodies(context: CompiledContext, request: SentRequest, format: str) -> Iterator[dict[str, Any]]:
    """The body with the messages rendered in every way, and at every place where they may have stood, the likeliest first."""
    if format not in MESSAGES:
        raise ContentValidationError(f"format must be one of {', '.join(MESSAGES)}, not {format!r}")
    settings = dict(request.settings)
    for parts in _renderings(context, format):
        if MESSAGES[format] in settings:
            missing = {key: value for key, value in parts.items() if key not in settings}
            filled = {
                key: parts.get(key) if value is None and key in parts else value for key, value in settings.items()
            }
            yield {**filled, **missing}
            continue
        items = list(settings.items())
        new = [(key, value) for key, value in parts.items() if key not in settings]
        places = sorted(range(len(items) + 1), key=lambda at: (at != 1, at))
        for at in places if items else [0]:
            yield dict([*items[:at], *new, *items[at:]])


def _renderings(context: CompiledContext, format: str) -> Iterator[dict[str, Any]]:
    for way in _WAYS:
        parts = _rendered(context, format, way)
        for nulls in _NULLS if format == "openai" else _NULLS[:1]:
            yield {**parts, "messages": [_with_nulls(one, nulls) for one in parts["messages"]]} if nulls else parts


def _with_nulls(message: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """An answer with nulls for those of *names* that it lacks, as the SDK writes them."""
    return {**{name: message.get(name) for name in names}, **message} if message.get("role") == "assistant" else message


def _rendered(context: CompiledContext, format: str, way: RenderOptions) -> dict[str, Any]:
    """The messages by their keys in a request, and the instructions if the format keeps them apart."""
    match format:
        case "openai":
            return {"messages": context.to_openai(**way)}
        case "responses":
            return {"input": context.to_openai_responses(**way)}
        case "anthropic":
            return dict(context.to_anthropic(**way))
        case _:
            return dict(context.to_gemini(**way))


def verify_sent(space: Workspace, revision: Revision) -> bool:
    """Whether the request rebuilt for the answer *revision* has the BLAKE3 that was recorded when it was sent.

    Every place where the messages may have stood, every rendering option and every way in which clients write JSON is tried.
    ContentValidationError if no request, or no hash, was recorded.
    """
    context = sent(space, revision)
    request = context.sent_request
    if request is None or request.body_hash is None:
        what = "request" if request is None else "hash of the request's bytes"
        raise ContentValidationError(f"no {what} was recorded with the answer {revision_text(revision)!r}")
    return any(
        _has_hash(body, request) for format in _formats_of(request) for body in _bodies(context, request, format)
    )


def _formats_of(request: SentRequest) -> list[str]:
    """The formats that the request may have had, the provider's own first."""
    named = (request.provider or "").lower()
    first = [name for name in ("anthropic", "gemini") if name in named or (name == "gemini" and "google" in named)]
    return sorted(MESSAGES, key=lambda format: (format not in first, list(MESSAGES).index(format)))


def _written(body: Mapping[str, Any]) -> Iterator[bytes]:
    """The bytes of a body as httpx and the SDKs write it, and as Python's ``json`` does."""
    for ascii_only in (False, True):
        for separators in ((",", ":"), None):
            yield json.dumps(body, ensure_ascii=ascii_only, separators=separators, allow_nan=False).encode(
                "utf-8", "surrogatepass"
            )
