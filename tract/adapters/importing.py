"""Importing: conversations that were read from a file become commits.

    conversation   its main line, and lines that share its beginning
    place          a branch for each line; a line's ref goes where it leaves the one it shares with, and grows from there

A conversation lands in one operation, or not at all.
Nothing that is there is touched: what would have the name of another branch or tract gets a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from tract.adapters.transcripts import Branch, Conversation, Turn
from tract.errors import ContentValidationError
from tract.history.batch import Batch
from tract.history.branch import cleaned_name, free_branch_name, taken_branch_names
from tract.history.commit import Draft, write_commits
from tract.history.context import context_at, entries
from tract.history.times import microseconds
from tract.objects.codec import encode
from tract.objects.content import MessageContent, to_value
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, new_blob
from tract.refs.names import HEAD, HEADS, branch_ref, tract_prefix
from tract.repo import Repository
from tract.tokens.counted import REPLY_PRIMING
from tract.tokens.counter import counter_named
from tract.tokens.counts import BlobCache
from tract.tokens.usage import read_usage, usage_body
from tract.transaction import transaction
from tract.writing.drafts import checked_config

Place: TypeAlias = Literal["here", "branch", "tract"]
"""Where a conversation's main line goes: on the current branch, a new branch, or into a new tract of the store."""


@dataclass(frozen=True, slots=True)
class ImportedBranch:
    """A line of a conversation as a branch.

    *messages* is how many commits were made for it, *shared* how many it has in common with a branch before it; *tip* is None where every message of it was refused.
    """

    name: str
    tip: str | None
    messages: int
    shared: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that could not be committed, or a part of it; *line* is its line in the file."""

    line: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a conversation.

    *wanted* is the name that was asked for; the first branch's or the tract's differs from it where that was taken.
    """

    wanted: str
    tract: str
    branches: tuple[ImportedBranch, ...]
    refused: tuple[Refused, ...]

    @property
    def messages(self) -> int:
        """How many messages were committed."""
        return sum(branch.messages for branch in self.branches)


def import_conversation(
    repo: Repository, conversation: Conversation, *, place: Place = "branch", name: str | None = None
) -> ImportResult:
    """Commit every line of *conversation*, as an :class:`Importer` does."""
    importer = Importer(repo)
    result = importer.take(conversation, place=place, name=name)
    importer.finish()
    return result


class Importer:
    """Takes in conversations one after the other; what it counted it does not look up again.

    With *count*, tokens are counted on the way, so that what only looks at the store later has exact figures; ``finish`` writes down the last of them.
    Without, they are for whoever asks, but for what goes with recorded usage.
    """

    def __init__(self, repo: Repository, *, count: bool = True) -> None:
        self._repo = repo
        self._count = count
        self._blobs = BlobCache(repo, counter_named(repo.config.tokenizer_encoding))
        self._taken: set[str] = set()
        self._last: ObjectId | None = None

    def take(self, conversation: Conversation, *, place: Place = "branch", name: str | None = None) -> ImportResult:
        """Commit every line of *conversation*, all in one operation.

        The main line's branch or tract is called *name*, the conversation's own name where None; the other lines are branches named after it.
        HEAD stays where it is, so with *place* ``here`` it is the current branch that grows.
        A message that cannot be kept is left out and listed in ``refused``.
        """
        repo = self._repo
        repo.refs.refresh()
        if repo.refs.last != self._last:  # at first, when somebody else wrote, or where not every name was used
            self._taken = taken_branch_names(repo)
        self._last = None
        wanted = name if name is not None else conversation.name
        if place == "tract":
            repo = _in_new_tract(repo, wanted)
        taken = self._taken if place != "tract" else {repo.config.default_branch.casefold()}
        batch = Batch(repo)
        if place == "tract":
            with transaction(batch.repo, "import", moves="refs") as tx:
                tx.move(HEAD, branch_ref(repo.config.default_branch), None)
        head = batch.repo.ref(HEAD)
        writer = _Writer(batch.repo, conversation, self._blobs.on(batch.repo), count=self._count)
        for number, line in enumerate(conversation.branches):
            if number == 0 and place != "branch" and isinstance(head, str):
                writer.write_line(line, head.removeprefix(HEADS))
            else:
                writer.write_line(line, free_branch_name(_line_name(wanted, number, line), taken))
        batch.land(reason=f"import: {conversation.name[:72]}")
        if all(line.tip is not None for line in writer.done):
            self._last = repo.refs.last
        return ImportResult(wanted, repo.tract, tuple(writer.done), tuple(writer.refused))

    def finish(self) -> None:
        """Write down the counts that are not on the disk yet."""
        self._blobs.flush()


def _line_name(wanted: str, number: int, line: Branch) -> str:
    return wanted if number == 0 else f"{wanted}-{line.name.removeprefix('main-')}"


def _in_new_tract(repo: Repository, wanted: str) -> Repository:
    """The store seen from a tract that is not there yet: ``x``, else ``x-2`` and so on."""
    base = cleaned_name(wanted)
    number, name = 1, base
    while repo.refs.read(tract_prefix(name) + HEAD) is not None:
        number += 1
        name = f"{base}-{number}"
    return replace(repo, tract=name, prefix=tract_prefix(name))


class _Writer:
    """The lines of one conversation on their way into a batch."""

    def __init__(self, repo: Repository, conversation: Conversation, blobs: BlobCache, *, count: bool) -> None:
        self.repo = repo
        self.blobs = blobs
        self._count = count
        self._beside = conversation.metadata
        self.done: list[ImportedBranch] = []
        self.refused: list[Refused] = []
        self._tips: list[list[ObjectId | None]] = []
        """For each line that was written, the commit it was at after each of its turns."""

    def write_line(self, line: Branch, name: str) -> None:
        """Make the commits of *line* that no line before it has, on the branch *name*."""
        known = [] if line.parent is None else self._tips[line.parent][: line.shared]
        start = known[-1] if known else None
        repo = self._on_branch(branch_ref(name), start)
        start = repo.head()[1]
        turns = line.turns[len(known) :]
        drafts = self._drafts(repo, turns)
        made = [pair for pair in drafts if pair is not None]
        ids = iter(write_commits(repo, [draft for draft, _ in made], blobs=[blob for _, blob in made]))
        tips = list(known)
        for draft in drafts:
            tips.append(next(ids) if draft is not None else tips[-1] if tips else start)
        self._tips.append(tips)
        tip = repo.head()[1]
        self.done.append(ImportedBranch(name, None if tip is None else tip.hex(), len(made), len(known)))

    def _on_branch(self, ref: str, start: ObjectId | None) -> Repository:
        """The batch's repository on the branch *ref*, which is new where *start* is given, and begins there."""
        if start is not None:
            with transaction(self.repo, "import", moves="refs") as tx:
                tx.move(ref, start, None)
        return replace(self.repo, branch=ref)

    def _drafts(self, repo: Repository, turns: Sequence[Turn]) -> list[tuple[Draft, NewObject] | None]:
        """A draft for each turn and its blob, None for one that was refused; each is checked, so that the rest can be written."""
        drafts: list[tuple[Draft, NewObject] | None] = []
        is_counted = self._count or any(turn.usage is not None for turn in turns)
        running = _RunningTotal(repo, self.blobs) if is_counted else None
        time: int | None = None
        for turn in turns:
            time = time if turn.time is None else microseconds(turn.time, "time")
            try:
                draft = Draft(
                    to_value(MessageContent(turn.message, turn.format)),
                    metadata=self._metadata(turn),
                    config=checked_config(turn.config),
                    time=time,
                )
                blob = new_blob(draft.value)
                if draft.metadata is not None:
                    encode(draft.metadata)
            except ContentValidationError as exc:
                self.refused.append(Refused(turn.line, str(exc)))
                drafts.append(None)
                continue
            self._beside = {}
            if running is not None:
                draft = self._with_usage(draft, turn, running.add(blob.id, draft.value))
            drafts.append((draft, blob))
        return drafts

    def _metadata(self, turn: Turn) -> dict[str, Any] | None:
        """What the file says of the turn; the conversation's first commit has what it says of the conversation as well."""
        metadata = dict(turn.metadata)
        if self._beside:
            metadata["conversation"] = self._beside
        return metadata or None

    def _with_usage(self, draft: Draft, turn: Turn, tokens: int) -> Draft:
        """*draft* with the usage note of *turn*; usage of an unknown shape is kept in the metadata."""
        if turn.usage is None:
            return draft
        try:
            encode(turn.usage)
        except ContentValidationError as exc:
            self.refused.append(Refused(turn.line, f"usage: {exc}"))
            return draft
        try:
            usage = read_usage(turn.usage)
        except ContentValidationError as exc:
            self.refused.append(Refused(turn.line, f"{exc}; it was kept in the message's metadata"))
            return draft._replace(metadata={**(draft.metadata or {}), "usage": turn.usage})
        return draft._replace(usage=usage_body(usage, answer=True, counter=self.blobs.counter.name, estimate=tokens))


class _RunningTotal:
    """The tokens of the context as it grows, as a usage note needs them; what is counted here is known from then on."""

    def __init__(self, repo: Repository, blobs: BlobCache) -> None:
        self._blobs = blobs
        before = entries(repo, context_at(repo, repo.head()[1]))
        self._total = REPLY_PRIMING + sum(blobs.count(blob).message for _, blob in before)

    def add(self, blob: ObjectId, value: dict[str, Any]) -> int:
        """The tokens of the context with one more message."""
        self._total += self._blobs.count_new(blob, value).message
        return self._total
