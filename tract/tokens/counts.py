"""Counts: the tokens of every blob, and the totals of contexts, computed once and kept between processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from typing import Any

from blake3 import blake3

from tract.errors import TokenizerError
from tract.messages.message import Message, message_in, readable_content
from tract.objects.id import ObjectId
from tract.objects.model import new_blob
from tract.repo import Repository
from tract.storage.counts import (
    MOST_MEDIA,
    BlobCount,
    CountsReader,
    Totals,
    add_counts,
    add_totals,
    counts_path,
    load_totals,
)
from tract.tokens.counted import TOKENS_PER_MESSAGE, content_text, count_media, count_message
from tract.tokens.counter import EstimateTokenCounter, TokenCounter, checked_count

_MESSAGES_KEPT = 131072
_ROLES_KEPT = 64

# The number of counts in memory; as many older ones are kept beside them: some 8 MB.
_COUNTS_KEPT = 16384

# Counts are written this often, so that another process that looks at a running agent's store finds them.
_FLUSH_AT = 256
_FLUSH_AFTER_SECONDS = 1.0

_MOST_TOKENS = 2**32 - 1  # the largest count that a row of the file can hold


class BlobCache:
    """Messages and token counts by blob.

    Counts are kept under the counter's name in the store's ``cache/``, so that no process counts a blob again; ``flush`` writes the new ones.
    Memory holds the recent counts. The file is read again if an older one is missing, and read whole at most once for each ``_COUNTS_KEPT`` new ones.
    """

    def __init__(self, repo: Repository, counter: TokenCounter) -> None:
        self.counter = counter
        self._repo = repo
        path = None if repo.path is None else counts_path(os.path.join(repo.path, "cache"), counter.name)
        self._path = None if repo.read_only else path  # where new counts go
        self._file = None if path is None else CountsReader(path, read_only=repo.read_only)
        self._messages: dict[ObjectId, Message] = {}
        self._counts: dict[ObjectId, BlobCount] = {}
        self._older: dict[ObjectId, BlobCount] = {}
        self._unsaved: dict[ObjectId, BlobCount] = {}
        self._absent: set[ObjectId] = set()  # from the file
        self._flushed_at = 0.0
        self._roles: dict[str, int] = {}

    def on(self, repo: Repository) -> BlobCache:
        """The cache of *repo*, which has the same blobs and perhaps more; the two share counts and messages."""
        other = copy(self)
        other._repo = repo
        return other

    def message(self, blob: ObjectId, content: dict[str, Any] | None = None) -> Message:
        """The blob's content as a message; it is shared, and the caller must not change it. A caller that has read *content* already passes it."""
        message = self._messages.get(blob)
        if message is None:
            if len(self._messages) >= _MESSAGES_KEPT:
                del self._messages[next(iter(self._messages))]
            message = self._messages[blob] = message_in(self._repo.blob(blob) if content is None else content)
        return message

    def count(self, blob: ObjectId) -> BlobCount:
        """The blob's tokens; counted now if there is no stored count."""
        known = self.known(blob)
        return known if known is not None else self._add(blob, self._repo.blob(blob))

    def count_value(self, value: dict[str, Any]) -> BlobCount:
        """The tokens of a value that is about to become a blob; the count is kept for that blob."""
        return self.count_new(new_blob(value).id, value)

    def count_new(self, blob: ObjectId, value: dict[str, Any]) -> BlobCount:
        """The same for a blob whose id is known already."""
        known = self.known(blob)
        return known if known is not None else self._add(blob, value)

    def known(self, blob: ObjectId) -> BlobCount | None:
        """The blob's tokens, if there is a stored count; never loads the tokenizer."""
        count = self._counts.get(blob)
        if count is None:
            count = self._older.get(blob)
            if count is None and self._file is not None and blob not in self._absent:
                self._older.update(self._file.look_up(blob))
                count = self._older.get(blob)
                if count is None:
                    self.note_made([blob])
        return count

    def note_made(self, blobs: Iterable[ObjectId]) -> None:
        """Remember that the file has no counts of *blobs*, which were just made, so that it is not read for them."""
        if len(self._absent) > _COUNTS_KEPT:
            self._absent.clear()
        self._absent.update(blobs)

    def _add(self, blob: ObjectId, value: Any) -> BlobCount:
        count = self._counts[blob] = _count_map(self.counter, value, self._role_tokens)
        if self._file is not None:
            self._unsaved[blob] = count
            if len(self._unsaved) >= _FLUSH_AT or time.monotonic() > self._flushed_at + _FLUSH_AFTER_SECONDS:
                self.flush()
        if len(self._counts) >= _COUNTS_KEPT:
            self.flush()
            self._older, self._counts = self._counts, {}
            self._absent.clear()
            if self._file is not None:
                self._file.restart()
        return count

    def _role_tokens(self, role: str) -> int:
        tokens = self._roles.get(role)
        if tokens is None:
            if len(self._roles) >= _ROLES_KEPT:
                self._roles.clear()
            tokens = self._roles[role] = checked_count(self.counter, role)
        return tokens

    @property
    def kept(self) -> str:
        """A text that changes whenever the file of counts does: its size and time."""
        try:
            status = os.stat(self._path or "")
        except OSError:
            return ""
        return f"{status.st_size}-{status.st_mtime_ns}"

    def flush(self) -> None:
        """Write the new counts; a failure is ignored, because the cache can be made again."""
        self._flushed_at = time.monotonic()
        if self._unsaved and self._path is not None:
            try:
                add_counts(self._path, self._unsaved)
            except OSError:
                if len(self._unsaved) < _COUNTS_KEPT:
                    return
            self._unsaved.clear()


class _CountsOnce:
    """A counter that counts no text twice: a content's text is usually its message's text too."""

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
    """The tokens of the content in a blob's map; a message with only a role and a text is counted without building it."""
    plain = _role_and_text(value)
    if plain is None:
        return count_content(counter, readable_content(value))
    role, text = plain
    tokens = checked_count(counter, text)
    return _checked_total(counter, BlobCount(tokens, TOKENS_PER_MESSAGE + count_role(role) + tokens))


def count_content(counter: TokenCounter, content: Any) -> BlobCount:
    """The tokens of *content*: of its text alone, and of the message it becomes."""
    # Plain messages need none of it (see message_in).
    from tract.messages import message_of
    from tract.tokens.unsent import depends_on_others

    once = _CountsOnce(counter)
    message = message_of(content)
    media = min(count_media(message), MOST_MEDIA)
    text, tokens = once.count(content_text(content)), count_message(once, message)
    return _checked_total(counter, BlobCount(text, tokens, media, depends_on_others(message)))


def _checked_total(counter: TokenCounter, count: BlobCount) -> BlobCount:
    if max(count) > _MOST_TOKENS:
        raise TokenizerError(f"token counter '{counter.name}' counted {max(count)} tokens in one message")
    return count


def _role_and_text(value: Any) -> tuple[str, str] | None:
    """The role and the text of a message that has nothing else, as most do; None for any other message."""
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
    # The long way refuses a role that no message may have, and counts a role that answers a call.
    if type(role) is not str or type(text) is not str or role in ("", "tool", "function"):
        return None
    return (role, text) if role.isprintable() else None


def estimate(repo: Repository, blob: ObjectId) -> BlobCount:
    """The blob's tokens by an offline estimate, for callers that cannot wait for a tokenizer to load."""
    counter = EstimateTokenCounter()
    return _count_map(counter, repo.blob(blob), counter.count)


# ``status`` shows these without reading the context: a key names everything that totals depend on, so they cannot be stale.

_ESTIMATED = ("\0estimated\0", "\0estimates\0")
"""Suffixes of the counter's name for totals with estimates, and for the number of estimates."""


_WAY = "\0 3"
"""The version of the counting rules: pictures and files count by their sizes (2), and parts that are not sent do not count (3). Totals of other versions are not found."""


class TotalsCache:
    """Totals by commit and state of the priorities, under one counter's name; ``flush`` writes the new ones."""

    def __init__(self, repo: Repository, counter: str) -> None:
        self._path = None if repo.path is None or repo.read_only else os.path.join(repo.path, "cache", "totals")
        self._counter = counter
        self._known: dict[bytes, Totals] | None = None
        self._unsaved: dict[bytes, Totals] = {}
        self._records: tuple[ObjectId, int] | None = None
        self._flushed_at = 0.0

    def get(self, commit: ObjectId, priorities: ObjectId | None) -> Totals | None:
        """The totals, if any process has computed them."""
        return self._loaded().get(self._key(commit, priorities))

    def _loaded(self) -> dict[bytes, Totals]:
        if self._known is None:
            self._known = {} if self._path is None else load_totals(self._path)
        return self._known

    def get_estimated(self, commit: ObjectId, priorities: ObjectId | None, kept: str) -> tuple[Totals, int] | None:
        """Totals with estimates, and the number of estimated messages, if they were computed with the counts that *kept* identifies."""
        keys = [self._key(commit, priorities, name + kept) for name in _ESTIMATED]
        known = self._loaded()
        return (known[keys[0]], known[keys[1]].messages) if keys[0] in known and keys[1] in known else None

    def put_estimated(
        self, commit: ObjectId, priorities: ObjectId | None, kept: str, totals: Totals, estimated: int
    ) -> None:
        """Remember totals with *estimated* estimated messages, as two rows: the totals, and a row with only that number."""
        if self._path is None or self.get_estimated(commit, priorities, kept) is not None or max(totals) >= 2**32:
            return
        first, second = (self._key(commit, priorities, name + kept) for name in _ESTIMATED)
        rows = {first: totals, second: Totals(estimated, 0, 0, 0, tools=False)}
        self._loaded().update(rows)
        with suppress(OSError):  # it can be made again
            add_totals(self._path, rows)

    def put(self, commit: ObjectId, priorities: ObjectId | None, totals: Totals) -> None:
        """Remember the totals; the file is written at most once a second."""
        if self._path is None or self.get(commit, priorities) is not None or max(totals) >= 2**32:
            return
        known = self._loaded()
        key = self._key(commit, priorities)
        if len(known) > 1024:
            known.clear()
        known[key] = self._unsaved[key] = totals
        if self.is_due:
            self.flush()

    def get_records(self, commit: ObjectId) -> int | None:
        """The number of records in the history of *commit* by first parents, if any process has counted them."""
        if self._records is not None and self._records[0] == commit:
            return self._records[1]
        found = self._loaded().get(commit)
        return None if found is None else found.messages

    def put_records(self, commit: ObjectId, count: int) -> None:
        """Remember the number of records; ``flush`` writes it."""
        self._records = (commit, count)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the file again, for other processes to read."""
        return time.monotonic() - self._flushed_at >= _FLUSH_AFTER_SECONDS

    def flush(self) -> None:
        """Write the newest totals; a failure is ignored, because the cache can be made again."""
        self._flushed_at = time.monotonic()
        rows = dict([self._unsaved.popitem()]) if self._unsaved else {}
        self._unsaved.clear()
        if self._records is not None:
            commit, count = self._records
            if commit not in self._loaded() and count < 2**32:
                rows[commit] = self._loaded()[commit] = Totals(count, 0, 0, 0, tools=False)
        if rows and self._path is not None:
            with suppress(OSError):
                add_totals(self._path, rows)

    def _key(self, commit: ObjectId, priorities: ObjectId | None, how: str = "") -> bytes:
        name = f"{self._counter}{how}{_WAY}".encode()
        return blake3(b"%s%s%s" % (commit, priorities or bytes(len(commit)), name)).digest()
