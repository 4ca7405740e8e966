"""Writing the lines of a conversation: each becomes commits on a branch, in a batch that lands with all of them.

new             the line's turns as commits, from where it leaves an earlier line
known by keys   a branch with the line's first turns, and no other turns of its conversation behind them, gets the rest
compaction      the summary takes the place of the messages it summarises, which the history keeps
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tract.adapters.transcripts.conversations import Branch, Turn
from tract.annotations import TYPE_CHECKING, Any
from tract.dataclass import replace
from tract.errors import ContentValidationError
from tract.history.commit import Draft, check_limits, write_commits
from tract.history.context import context_at, entries
from tract.history.keys import find_key, keys_of, last_said
from tract.history.times import microseconds
from tract.history.walk import first_parents
from tract.named_tuple import NamedTuple
from tract.objects.codec import MAX_DEPTH, encode, is_deeper
from tract.objects.id import ObjectId
from tract.objects.kept import message_value
from tract.objects.model import NewObject, new_blob
from tract.refs.names import HEADS, branch_ref
from tract.repo import Repository
from tract.tokens.usage import read_usage_json, usage_body
from tract.transaction import transaction
from tract.writing.credentials import checked_config

if TYPE_CHECKING:
    from tract.messages.message import Message
    from tract.storage.counts import BlobCount
    from tract.tokens.counts import BlobCache

UNCOUNTED = "none"
"""Stands for a counter's name if there is no count yet."""


class ImportedBranch(NamedTuple):
    """A line of a conversation as a branch.

    *messages* is the number of commits made for it, *shared* the number it shares with an earlier branch, or had already; *tip* is None if every message of it was refused.
    """

    name: str
    tip: str | None
    messages: int
    shared: int


class Refused(NamedTuple):
    """A message that could not be committed, or a part of it; *line* is its line in the file."""

    line: int | None
    detail: str


class _Known(NamedTuple):
    """The part of a line that the store has: the commits after each of its turns so far, and the branch to continue, None for a new one."""

    tips: list[ObjectId | None]
    branch: str | None


class LineWriter:
    """Writes the lines of one conversation into the batch *repo*; tokens are counted if there are *blobs* to remember them."""

    def __init__(self, repo: Repository, beside: dict[str, Any], blobs: BlobCache | None) -> None:
        self.repo = repo
        self.done: list[ImportedBranch] = []
        self.refused: list[Refused] = []
        self._blobs = blobs
        self._beside = beside
        self._configs: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None)
        self._tips: list[list[ObjectId | None]] = []
        """For each line written, its commit after each of its turns."""
        self.calls: dict[str, ObjectId] = {}
        """The commits of the calls that were written, by their ids."""

    def write(self, line: Branch, name: str, other: Callable[[], str] | None = None) -> None:
        """Make the missing commits of *line*, on the branch *name*, or on the branch that has its beginning.

        A line that leaves the branch *name* before its end gets a branch with the name that *other* returns.
        """
        known = self._known(line)
        start = known.tips[-1] if known.tips else None
        if known.branch is not None:
            name = known.branch
        elif start is not None and other is not None and self.repo.ref(branch_ref(name)) is not None:
            name = other()
        repo = self._on_branch(branch_ref(name), None if known.branch is not None else start)
        tips = list(known.tips)
        for turn, commit in zip(line.turns, tips, strict=False):
            self._note_calls(turn, commit)
        if tips:
            self._beside = {}  # the first commit of the conversation has it
        before = repo.head()[1]
        made = self._write_turns(repo, line.turns[len(tips) :], tips, before)
        self._tips.append(tips)
        tip = repo.head()[1]
        self.done.append(ImportedBranch(name, None if tip is None else tip.hex(), made, len(known.tips)))

    def _on_branch(self, ref: str, start: ObjectId | None) -> Repository:
        """The batch's repository on the branch *ref*; if *start* is given, the branch is new and begins there."""
        if start is not None:
            with transaction(self.repo, "import", moves="refs") as tx:
                tx.move(ref, start, None)
        return replace(self.repo, branch=ref)

    # Existing commits

    def _known(self, line: Branch) -> _Known:
        shared = [] if line.parent is None else self._tips[line.parent][: line.shared]
        keys = [turn.key for turn in line.turns]
        last = last_said(self.repo, keys)
        if last is None and (found := self._exported(keys)) is not None:
            at, ref, tip = found
            return _Known([tip] * (at + 1), ref.removeprefix(HEADS))
        if last is None or last < len(shared) - 1:
            return _Known(shared, None)
        own = {key for key in keys if key is not None}
        start: ObjectId | None = None
        for ref, tip in self._branches():
            known = find_key(self.repo, keys[last] or "", tip)
            if known is None:
                continue
            start = known.commit
            if not self._has_others(tip, known.commit, own):
                return _Known(self._tips_up_to(keys, last, tip), ref.removeprefix(HEADS))
        return _Known(shared, None) if start is None else _Known([*[start] * last, start], None)

    def _exported(self, keys: Sequence[str | None]) -> tuple[int, str, ObjectId] | None:
        """The turn that was the end of an export of a branch of this tract, with that branch; None if there is none."""
        if not any(key is not None and key[14:15] == "5" for key in keys):  # a uuid made of a value
            return None
        from tract.adapters.exported_ids import id_of_commit  # hardly any session is one of tract's own

        for ref, tip in self._branches():
            own = {id_of_commit(commit.hex()) for commit, _ in entries(self.repo, context_at(self.repo, tip))}
            for at in range(len(keys) - 1, -1, -1):
                if keys[at] in own:
                    return at, ref, tip
        return None

    def _branches(self) -> list[tuple[str, ObjectId]]:
        """The branches, HEAD's first."""
        here = self.repo.head()[0]
        found = [(ref, tip) for ref, tip in self.repo.local_refs(HEADS) if isinstance(tip, bytes)]
        return sorted(found, key=lambda one: one[0] != here)

    def _has_others(self, tip: ObjectId, commit: ObjectId, own: set[str]) -> bool:
        """Whether the branch at *tip* continues after *commit* with turns whose keys are not the line's."""
        between = []
        for id, _ in first_parents(self.repo, tip):
            if id == commit:
                break
            between.append(id)
        return any(key not in own for keys in keys_of(self.repo, between).values() for key in keys)

    def _tips_up_to(self, keys: Sequence[str | None], last: int, tip: ObjectId) -> list[ObjectId | None]:
        """The commit after each turn up to *last*, as far as the branch has them by their keys."""
        tips: list[ObjectId | None] = []
        for key in keys[: last + 1]:
            found = None if key is None else find_key(self.repo, key, tip)
            tips.append(found.commit if found is not None else tips[-1] if tips else None)
        return tips

    # Turns

    def _write_turns(
        self, repo: Repository, turns: Sequence[Turn], tips: list[ObjectId | None], start: ObjectId | None
    ) -> int:
        """Commit *turns*, and add the branch's commit after each to *tips*; return the number of commits."""
        made = 0
        run: list[Turn] = []
        for turn in turns:
            if turn.clears or turn.summarises:
                made += self._write_run(repo, run, tips, start)
                run = []
                if turn.clears:
                    from tract.adapters.compacting import clear_results  # as below

                    clear_results(repo, turn)
            if not turn.summarises or not self._summarise(repo, turn):
                run.append(turn)
                continue
            made += 1
            tips.append(repo.head()[1])
        return made + self._write_run(repo, run, tips, start)

    def _write_run(
        self, repo: Repository, turns: Sequence[Turn], tips: list[ObjectId | None], start: ObjectId | None
    ) -> int:
        drafts = self._drafts(repo, turns)
        try:
            ids = iter(self._commit(repo, drafts))
        except ContentValidationError:  # hardly ever: what is beside a message is looked at when it is written
            drafts = [self._fit(repo, turn, draft) for turn, draft in zip(turns, drafts, strict=True)]
            ids = iter(self._commit(repo, drafts))
        for turn, draft in zip(turns, drafts, strict=True):
            tips.append(next(ids) if draft is not None else tips[-1] if tips else start)
            if draft is not None:
                self._note_calls(turn, tips[-1])
        return sum(draft is not None for draft in drafts)

    def _commit(self, repo: Repository, drafts: Sequence[tuple[Draft, NewObject] | None]) -> list[ObjectId]:
        made = [pair for pair in drafts if pair is not None]
        return write_commits(repo, [draft for draft, _ in made], blobs=[blob for _, blob in made])

    def _fit(
        self, repo: Repository, turn: Turn, made: tuple[Draft, NewObject] | None
    ) -> tuple[Draft, NewObject] | None:
        """*made*, without usage or metadata that cannot be stored, which is reported; None if the message itself cannot."""
        if made is None:
            return None
        draft, blob = made
        try:
            check_limits(repo, (draft,), (blob,))
        except ContentValidationError as exc:
            self.refused.append(Refused(turn.line, str(exc)))
            return None
        why = _refusal(draft.metadata) or _refusal(draft.usage)
        if why is not None:
            self.refused.append(Refused(turn.line, f"beside the message: {why}; the message was imported without it"))
            draft = draft._replace(
                metadata=None if _refusal(draft.metadata) else draft.metadata,
                usage=None if _refusal(draft.usage) else draft.usage,
            )
        return draft, blob

    def _note_calls(self, turn: Turn, commit: ObjectId | None) -> None:
        content = turn.message.get("content")
        for block in content if isinstance(content, list) and commit is not None else ():
            if isinstance(block, dict) and block.get("type") == "tool_use" and isinstance(block.get("id"), str):
                self.calls[block["id"]] = commit  # type: ignore[assignment]  # it is one where there are blocks

    def _drafts(self, repo: Repository, turns: Sequence[Turn]) -> list[tuple[Draft, NewObject] | None]:
        """A draft for each turn and its blob, None for a refused one; each is checked, so that the rest can be written."""
        drafts: list[tuple[Draft, NewObject] | None] = []
        running = _RunningTotal(repo, self._blobs) if turns and self._blobs is not None else None
        time: int | None = None
        for turn in turns:
            time = time if turn.time is None else microseconds(turn.time, "time")
            try:
                value, blob = self._blob_of(turn)
                config = None if turn.config is None else self._config(turn.config)
                draft = Draft(value, metadata=self._metadata(turn), config=config, time=time, key=turn.key)
            except ContentValidationError as exc:
                self.refused.append(Refused(turn.line, str(exc)))
                drafts.append(None)
                continue
            self._beside = {}
            tokens = None if running is None else running.add(blob.id, value)
            drafts.append((draft if turn.usage is None else self._with_usage(draft, turn, turn.usage, tokens), blob))
        return drafts

    def _blob_of(self, turn: Turn) -> tuple[dict[str, Any], NewObject]:
        """The blob's value for the turn's message, and the blob; values nested too deeply become text in it, which is reported."""
        value = message_value(turn.message, turn.format)
        try:
            return value, new_blob(value, "message")
        except ContentValidationError:
            if not is_deeper(turn.message, MAX_DEPTH - 1):
                raise
            from tract.adapters.transcripts.strictjson import mended  # hardly ever

            told: list[tuple[str, str]] = []
            value["message"] = mended(turn.message, lambda *what: told.append(what), levels=MAX_DEPTH - 1)
            self.refused += [Refused(turn.line, f"{place}: {why}") for place, why in told]
            return value, new_blob(value, "message")

    def _config(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """A turn's generation config, checked; usually the same as the turn's before."""
        if config != self._configs[0]:
            self._configs = config, checked_config(config)
        return self._configs[1]

    def _metadata(self, turn: Turn) -> dict[str, Any] | None:
        """The file's metadata about the turn; the conversation's first commit also has the metadata about the conversation."""
        if self._beside:
            return {**turn.metadata, "conversation": self._beside}
        return turn.metadata or None

    def _with_usage(self, draft: Draft, turn: Turn, said: dict[str, Any], tokens: int | None) -> Draft:
        """*draft* with a note of the usage *said* in *turn*; usage of an unknown shape is stored in the metadata.

        If the context's *tokens* are unknown, the note has no counter's figure: a reader counts the context as it was then.
        """
        try:
            usage = read_usage_json(said)
        except ContentValidationError as exc:
            self.refused.append(Refused(turn.line, f"{exc}; it was kept in the message's metadata"))
            return draft._replace(metadata={**(draft.metadata or {}), "usage": said})
        counter = UNCOUNTED if tokens is None or self._blobs is None else self._blobs.counter.name
        return draft._replace(usage=usage_body(usage, answer=True, counter=counter, estimate=tokens or 0))

    def _summarise(self, repo: Repository, turn: Turn) -> bool:
        """Put *turn* in the place of the messages it summarises; False if there are none, or it cannot be stored."""
        from tract.adapters.compacting import summarise  # few sessions are compacted

        return all(_refusal(value) is None for value in (turn.message, turn.metadata)) and summarise(repo, turn)


def _refusal(value: Any) -> str | None:
    """Why *value* cannot be stored, or None if it can."""
    try:
        encode(value)
    except ContentValidationError as exc:
        return str(exc)
    return None


class _RunningTotal:
    """The tokens sent for the context as it grows, for usage notes; counts made here are remembered."""

    def __init__(self, repo: Repository, blobs: BlobCache) -> None:
        # Without counting, no counter is loaded.
        from tract.messages.message import message_in
        from tract.tokens.counted import REPLY_PRIMING, count_message
        from tract.tokens.unsent import Rows, Unsent

        self._blobs = blobs
        self._message_in = message_in
        self._unsent = Unsent(partial(count_message, blobs.counter))
        self._odd: list[int] = []
        self._counts: list[int] = []
        self._total = REPLY_PRIMING
        self._rows = Rows(self._message, self._counts.__getitem__, lambda row, before: row == before + 1)
        for _, blob in entries(repo, context_at(repo, repo.head()[1])):
            self._take(blobs.count(blob), partial(blobs.message, blob))

    def add(self, blob: ObjectId, value: dict[str, Any]) -> int:
        """The tokens of the context with one more message."""
        self._take(self._blobs.count_new(blob, value), partial(self._message_in, value))
        return self._total + self._unsent.change(len(self._counts))

    def _take(self, count: BlobCount, message: Callable[[], Message]) -> None:
        if count.depends:
            self._odd.append(len(self._counts))
        self._counts.append(count.message)
        self._total += count.message
        self._newest = message
        self._unsent.advance(self._rows, self._odd, len(self._counts))

    def _message(self, row: int) -> Message:
        """The newest message; no other is asked for."""
        assert row == len(self._counts) - 1
        return self._newest()
