"""What every blob's content is, as a message and in tokens; worked out once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from tract.errors import ContentValidationError, TokenizerError
from tract.messages import message_from_raw
from tract.messages.message import Message
from tract.objects.id import ObjectId
from tract.objects.message_format import MESSAGE_FORMATS
from tract.objects.model import new_blob
from tract.repo import Repository
from tract.storage.counts import BlobCount, add_counts, counts_path, find_count, load_counts, newest_counts
from tract.tokens.counter import (
    TOKENS_PER_MESSAGE,
    EstimateTokenCounter,
    TokenCounter,
    checked_count,
    content_text,
    count_message,
)

_MESSAGES_KEPT = 131072
_ROLES_KEPT = 64

# So many counts are kept, and as many again that nobody asked for since: some 8 MB.
_COUNTS_KEPT = 16384

# So many of the counts before the newest are searched for one by one, which takes a hundredth of loading all.
_MOST_LOOKUPS = 32

# Counts are written this often, so that another process that looks at a running agent's store finds them.
_MOST_TOKENS = 2**32 - 1  # what a row of the counts' file can hold
_FLUSH_AT = 256
_FLUSH_AFTER_SECONDS = 1.0


class BlobCache:
    """Messages and token counts by blob.

    Counts are kept under the counter's name in the store's ``cache/``, so nothing is counted twice, in any process; ``flush`` writes the new ones.
    At first only the newest are read, for who looks at a few messages; all when more than a few are missing.
    In memory are those of late; the others are read again when one is missing, at most once for each ``_COUNTS_KEPT`` new ones.
    """

    def __init__(self, repo: Repository, counter: TokenCounter) -> None:
        self.counter = counter
        self._repo = repo
        self._path = None if repo.path is None else counts_path(os.path.join(repo.path, "cache"), counter.name)
        self._messages: dict[ObjectId, Message] = {}
        self._counts: dict[ObjectId, BlobCount] | None = None
        self._older: dict[ObjectId, BlobCount] = {}
        self._has_newest = False  # and none that the file has before them
        self._let_go = False  # of counts that the file still has
        self._unsaved: dict[ObjectId, BlobCount] = {}
        self._absent: set[ObjectId] = set()  # blobs that the file does not have
        self._lookups = 0
        self._flushed_at = 0.0
        self._roles: dict[str, int] = {}

    def message(self, repo: Repository, blob: ObjectId) -> Message:
        """The blob's content as a message; shared, not to be changed."""
        message = self._messages.get(blob)
        if message is None:
            if len(self._messages) >= _MESSAGES_KEPT:
                del self._messages[next(iter(self._messages))]
            message = self._messages[blob] = message_in(repo.blob(blob))
        return message

    def count(self, repo: Repository, blob: ObjectId) -> BlobCount:
        """The blob's tokens; counted now when nobody did before."""
        known = self.known(blob)
        return known if known is not None else self._add(blob, repo.blob(blob))

    def count_value(self, value: dict[str, Any]) -> BlobCount:
        """The tokens of what is about to become a blob; kept for when it is one."""
        return self.count_new(new_blob(value).id, value)

    def count_new(self, blob: ObjectId, value: dict[str, Any]) -> BlobCount:
        """The same where the blob's id is known already."""
        known = self.known(blob)
        return known if known is not None else self._add(blob, value)

    def _add(self, blob: ObjectId, value: Any) -> BlobCount:
        count = _count_map(self.counter, value, self._role_tokens)
        self._keep(blob, count)
        if self._path is not None:
            self._unsaved[blob] = count
            if len(self._unsaved) >= _FLUSH_AT or time.monotonic() > self._flushed_at + _FLUSH_AFTER_SECONDS:
                self.flush()
        return count

    def _role_tokens(self, role: str) -> int:
        tokens = self._roles.get(role)
        if tokens is None:
            if len(self._roles) >= _ROLES_KEPT:
                self._roles.clear()
            tokens = self._roles[role] = checked_count(self.counter, role)
        return tokens

    def note_made(self, blobs: Iterable[ObjectId]) -> None:
        """Remember that *blobs* were just made: the file is not read for them, which would take longer with every message of the store."""
        if len(self._absent) > _COUNTS_KEPT:
            self._absent.clear()
        self._absent.update(blobs)

    def _keep(self, blob: ObjectId, count: BlobCount) -> None:
        counts = self._loaded()
        if len(counts) >= _COUNTS_KEPT:
            self._let_go = self._let_go or bool(self._older and self._path)
            self._older, self._counts = counts, {}
            counts = self._counts
        counts[blob] = count

    def known(self, blob: ObjectId) -> BlobCount | None:
        """The blob's tokens, if they were ever counted; never loads the tokenizer."""
        count = (self._counts or self._loaded()).get(blob)
        if count is None and blob in self._absent:
            return self._older.get(blob)
        if count is None and self._has_newest and self._path is not None:
            if self._lookups < _MOST_LOOKUPS:
                return self._look_up(self._path, blob)
            self._has_newest = False
            self._counts = load_counts(self._path)
            count = self._counts.get(blob)
        if count is None:
            count = self._older.get(blob)
            if count is None and self._let_go and self._path is not None:
                self.flush()
                self._let_go = False
                self._older = load_counts(self._path)
                count = self._older.get(blob)
            if count is not None:
                self._loaded()[blob] = count
        return count

    def _look_up(self, path: str, blob: ObjectId) -> BlobCount | None:
        """One count that is not among the newest. Where it is there after all, older messages are looked at, and soon all are loaded."""
        count = find_count(path, blob)
        if count is None:
            self._lookups += 1
            self.note_made([blob])
        else:
            self._lookups += _MOST_LOOKUPS // 2
            self._loaded()[blob] = count
        return count

    def _loaded(self) -> dict[ObjectId, BlobCount]:
        if self._counts is None:
            newest = None if self._path is None else newest_counts(self._path)
            self._has_newest = newest is not None
            self._counts = newest or ({} if self._path is None else load_counts(self._path))
        return self._counts

    @property
    def kept(self) -> str:
        """What changes whenever the file of counts does: its size and time."""
        try:
            status = os.stat(self._path or "")
        except OSError:
            return ""
        return f"{status.st_size}-{status.st_mtime_ns}"

    def flush(self) -> None:
        """Write the new counts; a cache that cannot be written is no error, for it can be made again."""
        self._flushed_at = time.monotonic()
        if self._unsaved and self._path is not None:
            try:
                add_counts(self._path, self._unsaved)
            except OSError:
                if len(self._unsaved) < _COUNTS_KEPT:
                    return
            self._unsaved.clear()


class _CountsOnce:
    """A counter that counts no text twice: a content's text is mostly its message's too."""

    def __init__(self, counter: TokenCounter) -> None:
        self.name = counter.name
        self._counter = counter
        self._counts: dict[str, int] = {}

    def count(self, text: str) -> int:
        count = self._counts.get(text)
        if count is None:
            count = self._counts[text] = checked_count(self._counter, text)
        return count


def _count_map(counter: TokenCounter, value: Any, count_role: Callable[[str], int]) -> BlobCount:
    """The tokens of what a blob's map stands for; a message that is a role and a text is counted without making it one."""
    plain = _role_and_text(value)
    if plain is None:
        return count_content(counter, readable_content(value))
    role, text = plain
    tokens = checked_count(counter, text)
    return _checked_total(counter, BlobCount(tokens, TOKENS_PER_MESSAGE + count_role(role) + tokens))


def count_content(counter: TokenCounter, content: Any) -> BlobCount:
    """The tokens of *content*: of its text alone, and of the message it becomes."""
    from tract.messages import message_of  # classes that plain messages are read without (see message_in)

    once = _CountsOnce(counter)
    return _checked_total(
        counter, BlobCount(once.count(content_text(content)), count_message(once, message_of(content)))
    )


def _checked_total(counter: TokenCounter, count: BlobCount) -> BlobCount:
    if max(count) > _MOST_TOKENS:
        raise TokenizerError(f"token counter '{counter.name}' counted {max(count)} tokens in one message")
    return count


def _role_and_text(value: Any) -> tuple[str, str] | None:
    """The role and the text of a message that has nothing else, as most do; None for any other."""
    if type(value) is not dict or len(value) != 3:
        return None
    kind = value.get("content_type")
    if kind == "dialogue":
        role, text = value.get("role"), value.get("text")
    elif kind == "message" and value.get("format") == "openai" and type(value.get("message")) is dict:
        raw = value["message"]
        if len(raw) != 2:
            return None
        role, text = raw.get("role"), raw.get("content")
    else:
        return None
    # A role that no message may have is for the long way to refuse.
    return (role, text) if type(role) is str and type(text) is str and role and role.isprintable() else None


def message_in(value: Any) -> Message:
    """The message that a blob's map is; the two usual kinds without the detour over their classes.

    ContentValidationError for what is no map: the id of a blob proves what was written, not that tract wrote it.
    """
    if type(value) is not dict:
        raise ContentValidationError(f"a message must be a map, not {type(value).__name__}")
    kind = value.get("content_type")
    if kind == "message" and type(value.get("message")) is dict and value.get("format") in MESSAGE_FORMATS:
        return message_from_raw(value["message"], value["format"])
    if kind == "dialogue" and type(value.get("role")) is str and type(value.get("text")) is str and "name" not in value:
        return message_from_raw({"role": value["role"], "content": value["text"]}, "openai")
    from tract.messages import message_of  # most stores have only the two usual kinds, and its classes take 4 ms

    return message_of(readable_content(value))


def readable_content(value: Any) -> Any:
    """The content a blob's map stands for.

    A type that is registered in no process that reads it is still readable: as its map.
    ContentValidationError for what says it is of a type of tract's own, and is not: that is never shown as something else.
    """
    from tract.objects.content import BUILTIN, FreeformContent, from_value  # as above

    try:
        return from_value(value)
    except ContentValidationError:
        kind = value.get("content_type")
        if isinstance(kind, str) and kind in BUILTIN:
            raise
        return FreeformContent({key: item for key, item in value.items() if key != "content_type"})


def estimate(repo: Repository, blob: ObjectId) -> BlobCount:
    """The blob's tokens by an offline estimate, for where loading a tokenizer would take too long."""
    counter = EstimateTokenCounter()
    return _count_map(counter, repo.blob(blob), counter.count)
