"""Writing: messages, edits, notes and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack, cast

from tract.api.handle import Handle, again_after_remote
from tract.arguments import check_keywords, checks_arguments
from tract.compile.totals import follow_records
from tract.dataclass import replace
from tract.errors import BudgetExceededError, ContentValidationError, RefMovedError
from tract.history.commit import Draft, make_commits, message_named
from tract.history.priority import Priority, PriorityAnnotation, PriorityName, annotate, check_own, read_priority
from tract.history.tags import create_tag, delete_tags
from tract.objects.model import CommitOperation, new_blob
from tract.report.info import describe, describe_made
from tract.revision import Revision, resolve_revision
from tract.writing.drafts import CommitOptions, EditOptions, as_tuple, check_key, draft, drafts, tool_message

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.adapters.importing import ImportResult, Place
    from tract.adapters.recording import RecordOptions, RecordResult
    from tract.compile.compiled import CompiledContext
    from tract.compile.workspace import Workspace
    from tract.history.partial import PartialAnswer
    from tract.objects.content import DialogueContent, Role
    from tract.objects.id import ObjectId
    from tract.objects.model import Commit
    from tract.repo import Repository
    from tract.report.info import CommitInfo
    from tract.tokens.usage import TokenUsage
    from tract.writing.stream import MessageStream, StreamOptions


_ABOUT = frozenset(("response_to", "usage", "request"))
"""Options of a commit that refer to existing commits."""

_COUNTED_EVERY = 4096
"""After this many commits, records are counted while the commits are in memory."""


@checks_arguments
class Committing(Handle):
    """The methods of a tract that commit, annotate and tag."""

    def commit(
        self, content: Any, operation: CommitOperation | str = CommitOperation.APPEND, **options: Unpack[CommitOptions]
    ) -> CommitInfo:
        """Record one message, or with operation EDIT the correction of a message.

        *content* is an instance of a content type, or a dict: with ``content_type`` it is that type, with ``role`` it is a provider's message, which is kept verbatim.
        You can also pass an SDK's answer (OpenAI chat and Responses, Anthropic, Gemini, LiteLLM) or an ``LLMResponse``; its usage and its model's settings are recorded too. If the answer has several items, each becomes a commit, and the last one is returned.
        *response_to* is the message that an edit changes, or that a message replies to; *message* is a note on the commit.
        *generation_config* and *usage* are notes on the commit and not part of its hash.
        *timestamp* is a datetime with a time zone; None is now.
        *key* is the name that another program gave the message. If the branch has a commit with this key, nothing is written and that commit is returned (KeyConflictError if its content differs). If only another branch has the key with the same content, that commit is picked.
        """
        self._check_required()
        check_keywords("commit", options, CommitOptions)
        if type(content) is dict:
            is_plain = "content_type" in content or ("role" in content and "stop_reason" not in content)
        else:
            is_plain = isinstance(content, str) or hasattr(content, "content_type")
        answer, value = None, None
        if not is_plain:
            from tract.writing.answers import answer_drafts, given_answer

            answer = given_answer(content, self._space.types)
        if answer is not None:
            with self._writing(looks=True) as space:
                space.seen = self._seen_tip()
                made = self._write(space, answer_drafts(space, answer, operation, options), content)[-1]
        else:
            looks = not _ABOUT.isdisjoint(options)
            with self._writing(looks=looks) as space:
                if looks:
                    space.seen = self._seen_tip()
                one = draft(space, content, operation, **options)
                made, value = self._write(space, [one], content)[0], one.value
        self._fire("commit", value)
        return made

    def extend(
        self, messages: Iterable[Any], *, format: str = "openai", keys: Sequence[str | None] | None = None
    ) -> list[CommitInfo]:
        """Record many messages: all of them, or none.

        *format* is the provider's format of dicts that do not show it themselves (by ``content_type``, or by a shape that only one format has). An SDK's own messages and items (``response.output``) have the format of their SDK.
        *keys* has a key for each message, as for :meth:`commit`; messages whose key the branch has are not written again.
        """
        self._check_required()
        with self._writing() as space:
            given = as_tuple(messages)
            made = self._write(space, drafts(space, given, format, keys), given)
        self._fire("commit")
        return made

    def record(self, messages: Iterable[Any] | Mapping[str, Any], **options: Unpack[RecordOptions]) -> RecordResult:
        """Make the list *messages* the context, in one operation, as ``git add -A; git commit`` does with a working tree.

        A message of the list counts as one of the context if it equals its content, or what ``compile`` renders for it; so ``record(c.to_openai())`` finds everything ``unchanged``.
        *messages* may also be a whole request body; if an Anthropic or Gemini body has no instructions, those of the context stay.
        A message that the list no longer has is removed from the context by a commit; the history keeps it.
        """
        from tract.adapters.recording import RecordOptions, record  # most programs commit message by message

        self._check_required()
        check_keywords("record", options, RecordOptions)
        given = messages if isinstance(messages, Mapping) else as_tuple(messages)
        with self._writing(looks=True) as space:
            try:
                result = record(space, given, expected=self._expected_by_commit, **options)
            except RefMovedError as exc:
                exc.content = given
                raise
            self._look_after(() if result.kind in ("unchanged", "branched") else given)
            space.budget_used = space.made = None
        if result.kind != "unchanged":
            self._fire("commit")
        return result

    def import_transcript(
        self,
        path: str | PathLike[str],
        *,
        format: str | None = None,
        key: str | None = None,
        place: Place | None = None,
        name: str | None = None,
    ) -> ImportResult:
        """Commit the conversations of a file that another program wrote, each in one operation.

        *format* and *key* say what the file itself does not tell. *place* is ``here``, ``branch`` or ``tract``; None is the current branch if it is empty, else a new branch.
        ImportFormatError if the file is not a conversation; parts of it that could not be read are in ``refused`` of the result.
        """
        from tract.adapters.importing import import_file  # few import

        self._check_required()
        with self._writing(looks=True) as space:
            before = space.repo.head()
            result = import_file(space.repo, path, format=format, key=key, place=place, name=name)
            self._look_after(())
            space.budget_used = space.made = None
            is_here = space.repo.head() != before
        if is_here:
            self._fire("commit")
        return result

    def commit_for_key(self, key: str) -> CommitInfo | None:
        """The commit that HEAD's branch has under *key*, or None.

        If gc dropped the message, this is the commit at which the history was cut.
        """
        from tract.history.keys import find_key

        with self._access() as space:
            known = find_key(space.repo, check_key(key), space.repo.head()[1])
            return None if known is None else describe(space, known.best)

    def system(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit an instruction, which counts as pinned unless it is hidden; *options* are those of :meth:`commit`."""
        from tract.objects.content import InstructionContent  # most programs commit messages as they send them

        return self.commit(InstructionContent(text), **options)

    def user(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit a message of the user; *options* are those of :meth:`commit`."""
        return self.commit(_turn("user", text), **options)

    def assistant(self, text: str, **options: Unpack[CommitOptions]) -> CommitInfo:
        """Commit an answer of the model; *options* are those of :meth:`commit`."""
        return self.commit(_turn("assistant", text), **options)

    def tool_result(
        self, call_id: str, content: Any, *, is_error: bool = False, **options: Unpack[CommitOptions]
    ) -> CommitInfo:
        """Commit the result of the tool call *call_id*: a text, a list of parts, or any JSON value, which is turned into text.

        *is_error* says that the tool failed; it is sent to providers that have a field for that. *options* are those of :meth:`commit`.
        """
        return self.commit(tool_message(call_id, content, is_error=is_error), **options)

    def edit(self, target: Revision, content: Any, **options: Unpack[EditOptions]) -> CommitInfo:
        """Replace the message *target* in the context; the original stays in the history.

        *content* is as for :meth:`commit`, or a text, which replaces only the text of the message. *options* are those of :meth:`commit`.
        """
        return self.commit(content, CommitOperation.EDIT, response_to=target, **options)

    def restore(self, target: Revision, version: int | Revision, *, message: str | None = None) -> CommitInfo:
        """Edit the message *target* back to an earlier *version*: a number in its ``edit_history``, or a commit.

        HistoryCutError if gc cut the history between, so that a number from the start cannot be counted; 0, negative numbers and commits work as before.
        """
        from tract.objects.content import from_value
        from tract.report.forensics import restoring_draft

        with self._writing(looks=True) as space:
            one = restoring_draft(space, target, version, message)
            made = self._write(space, [one], from_value(one.value, space.types))[0]
        self._fire("commit")
        return made

    def stream(self, role: Role = "assistant", **options: Unpack[StreamOptions]) -> MessageStream:
        """A message that arrives in pieces: ``with t.stream() as s: s.write(chunk)``; afterwards ``s.committed`` is its commit.

        Set ``s.usage`` before the block ends to record it with the commit.
        If an exception leaves the block, the text so far is committed with ``{"partial": true}`` in its metadata; a retry may edit it.
        If the answer is more than text, for example has tool calls, set ``s.content`` to the whole message, in a provider's format for instance.
        """
        from tract.writing.stream import open_stream

        with self._access() as space:
            return open_stream(space, self.commit, role, **options)

    def partial_answers(self) -> tuple[PartialAnswer, ...]:
        """Streamed messages that were never committed, because the process died or the commit was refused, oldest first, with the text that had arrived.

        They are in no context until you commit them (:meth:`commit_partial`); :meth:`drop_partial` discards them.
        """
        from tract.history.partial import partial_answers

        with self._looking() as space:
            return partial_answers(space.repo)

    def commit_partial(self, answer: PartialAnswer) -> CommitInfo:
        """Commit the text that had arrived of a streamed message, with ``{"partial": true}`` in its metadata, as the stream does when an exception ends it.

        RefMovedError if the branch has new messages since, unless the handle was opened with ``on_moved="append"``; ContentValidationError on another branch: there it would answer messages that the model never saw.
        """
        from tract.history.partial import check_partial, drop_partial
        from tract.writing.stream import PARTIAL

        with self._access() as space:
            check_partial(space.repo, answer, may_have_moved=self._on_moved == "append")
        info = self.commit(
            _turn(cast("Role", answer.role), answer.text),
            message=answer.message,
            response_to=answer.response_to,
            metadata={**(answer.metadata or {}), PARTIAL: True},
            generation_config=None if answer.generation_config is None else dict(answer.generation_config),
        )
        with self._access() as space:
            drop_partial(space.repo, answer.id)
        return info

    def drop_partial(self, answer: PartialAnswer) -> None:
        """Discard the text that had arrived of a streamed message; no error if it was discarded before."""
        from tract.history.partial import drop_partial, id_of

        with self._access() as space:
            drop_partial(space.repo, id_of(answer))

    def annotate(
        self,
        target: Revision,
        priority: Priority | PriorityName,
        *,
        reason: str | None = None,
        origin: str | None = None,
    ) -> PriorityAnnotation:
        """Set a message's priority: SKIP hides it from the model, PINNED keeps it out of compressions. No branch moves.

        *origin* says what asked for it if that was not a person, such as ``tool``. CommitNotFoundError for a message of another tract.
        """
        with self._access() as space:
            message = message_named(space.repo, target)
            check_own(space.repo, message)
            made = annotate(space.repo, message, read_priority(priority), reason, space.compiler.priorities, origin)
            self._sight.look_at_own_note(space.repo)
            return made

    def tag(self, name: str, target: Revision = "HEAD") -> str:
        """Give a commit a name that does not move, and return its id; TagExistsError if the tag names another commit."""
        with self._access() as space:
            id = resolve_revision(space.repo, target)
            create_tag(space.repo, name, id)
            return id.hex()

    def delete_tag(self, name: str) -> str:
        """Delete a tag, and return the id of its commit."""
        with self._access() as space:
            return delete_tags(space.repo, [name])[name].hex()

    def put_blob(self, data: bytes) -> str:
        """Store the bytes *data* and return their id, for a record's *refs*. If no record names them, gc drops them after the retention period."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ContentValidationError(f"a blob is bytes, not {type(data).__name__}")
        with self._access() as space:
            made = new_blob(bytes(data))
            space.repo.objects.write_many([made])
            return made.id.hex()

    def record_usage(
        self, usage: Mapping[str, Any] | TokenUsage, *, head_hash: Revision | None = None
    ) -> CompiledContext:
        """Record the tokens that a provider counted for the context at *head_hash* (None: HEAD). From then on they replace estimates."""
        from tract.writing.budget import record_usage

        with self._access() as space:
            return record_usage(space, usage, head_hash)

    def register_content_type(self, name: str, cls: type[Any]) -> None:
        """Let ``commit`` accept instances of *cls*, a dataclass or pydantic model whose ``content_type`` is *name*."""
        from tract.objects.content import check_content_type

        with self._access() as space:
            space.types[check_content_type(name, cls)] = cls

    def _write(self, space: Workspace, drafts: list[Draft], given: Any) -> list[CommitInfo]:
        """Commit *drafts*; RefMovedError returns *given*, the user's content."""
        try:
            if space.repo.config.token_budget is not None:
                from tract.writing.budget import check_budget  # most tracts have none

                check_budget(space, self._unknown(space, drafts))
            made = self._make(space, drafts)
        except (BudgetExceededError, RefMovedError) as exc:
            known = self._known(space, drafts)
            if drafts and len(known) == len(drafts):
                return known  # nothing is added: these are here, or another process has committed them meanwhile
            if isinstance(exc, RefMovedError):
                exc.content = given
            raise
        space.made = made[-1][1].generation if made else None
        if made and not made[-1][1].generation % _COUNTED_EVERY:
            follow_records(space, made[-1][0])
        seen = self._look_after(given, made[-1][0] if made and drafts[-1].key is None else None)
        infos = describe_made(space, made, [one.value for one in drafts])
        if (
            made
            and isinstance(seen, bytes)
            and made[0][1].parents != (seen,)
            and _landed_elsewhere(space.repo, made, seen)
        ):
            infos = [replace(info, landed_on=infos[0].parent_hash) for info in infos]
        return infos

    def _make(self, space: Workspace, drafts: list[Draft]) -> list[tuple[ObjectId, Commit]]:
        """Make the commits of *drafts*, here or, if the store lives in a remote and others commit there, together with theirs."""
        if self._sync is None and not space.repo.gates:
            return make_commits(space.repo, drafts, expected=self._expected_by_commit)
        return self._make_with_others(space, drafts)

    def _make_with_others(self, space: Workspace, drafts: list[Draft]) -> list[tuple[ObjectId, Commit]]:
        """The same if the store lives in a remote, or a gate must let the commits through."""

        def attempt() -> list[tuple[ObjectId, Commit]]:
            return make_commits(space.repo, drafts, expected=self._expected_by_commit)

        sync, repo = self._sync, space.repo
        is_alone = sync is None or self._on_moved != "append" or self._open_batch() is not None
        if sync is None or is_alone or not sync.takes(repo, drafts):
            return again_after_remote(attempt)
        self._expected_by_commit(*repo.head())
        made = sync.append(repo, drafts)
        self._check_open()  # another thread may have closed the handle meanwhile; what was committed is there
        return made

    def _seen_tip(self) -> ObjectId | None:
        """The branch tip that this handle saw last."""
        sight = self._sight
        tip = sight.tips.get(sight.place) if isinstance(sight.place, str) else None
        return tip if isinstance(tip, bytes) else None

    def _unknown(self, space: Workspace, drafts: list[Draft]) -> list[Draft]:
        """The *drafts* that need room in the budget: the branch has no commit under their keys."""
        if all(one.key is None for one in drafts):
            return drafts
        from tract.history.keys import known_commits  # most programs use no keys

        return [one for one, known in zip(drafts, known_commits(space.repo, drafts), strict=True) if known is None]

    def _known(self, space: Workspace, drafts: list[Draft]) -> list[CommitInfo]:
        """The commits that the branch has under the drafts' keys, if it has all of them; else none."""
        if not drafts or any(one.key is None for one in drafts):
            return []
        from tract.history.keys import known_commits  # most programs use no keys

        found = known_commits(space.repo, drafts)
        return [describe(space, id) for id in found if id is not None] if None not in found else []


def _turn(role: Role, text: str) -> DialogueContent:
    from tract.objects.content import DialogueContent  # as above

    return DialogueContent(role, text)


def _landed_elsewhere(repo: Repository, made: Sequence[tuple[ObjectId, Commit]], seen: ObjectId) -> bool:
    """Whether the first new commit was not made on the commit *seen*."""
    generation = repo.commit(seen).generation
    new = next((commit for _, commit in made if commit.generation > generation), None)
    return new is not None and new.parents != (seen,)
