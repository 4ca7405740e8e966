"""A message that arrives piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, TypedDict, Unpack

from tract.arguments import check_keywords
from tract.compile.workspace import Workspace
from tract.errors import ClosedError, ContentValidationError, TractError, TractWarning
from tract.history.partial import PartialFile
from tract.objects.content import DialogueContent, Role
from tract.objects.json import whole_pairs
from tract.objects.model import CommitOperation
from tract.report.info import CommitInfo
from tract.revision import Revision, revision_text
from tract.tokens.usage import TokenUsage, read_usage
from tract.writing.answers import Answer, answer_drafts, given_answer, read_async_stream, read_stream
from tract.writing.credentials import checked_config
from tract.writing.drafts import draft

PARTIAL = "partial"
"""The key in a commit's metadata that is true if the message was cut short."""

Finish = Callable[[Any, TokenUsage | None, Mapping[str, Any] | None, bool], CommitInfo]
"""Commits a content, with its usage and its generation config; the last argument says whether it is only a part of the message."""

Check = Callable[[Any], object]
"""Raises the error that committing a content would."""


class StreamOptions(TypedDict, total=False):
    """The options of ``Tract.stream``: those options of ``Tract.commit`` that can be known before the message exists."""

    message: str | None
    response_to: Revision | None
    metadata: Mapping[str, Any] | None
    generation_config: Mapping[str, Any] | None
    timestamp: datetime | str | None
    key: str | None
    request: Mapping[str, Any] | None


def open_stream(
    space: Workspace,
    commit: Callable[..., CommitInfo],
    role: Role,
    **options: Unpack[StreamOptions],
) -> MessageStream:
    """A stream whose message *commit* commits at its end.

    Options that would be refused then are refused now, before there is a text to lose.
    """
    check_keywords("stream", options, StreamOptions)
    example = DialogueContent(role, "-")
    checked = draft(space, example, **options)

    def finish(content: Any, usage: TokenUsage | None, config: Mapping[str, Any] | None, partial: bool) -> CommitInfo:
        said = {**(checked.metadata or {}), PARTIAL: True} if partial else checked.metadata
        whole = DialogueContent(role, content) if isinstance(content, str) else content
        return commit(whole, **{**options, "metadata": said, "generation_config": config}, usage=usage)

    def check(content: Any) -> None:
        answer = given_answer(content, space.types)
        if answer is None:
            draft(space, content)
        else:
            answer_drafts(space, answer, CommitOperation.APPEND, {})

    about = options.get("response_to")
    header = {
        "role": role,
        "message": checked.message,
        "response_to": None if about is None else revision_text(about),
        "metadata": checked.metadata,
        "generation_config": checked.config,
    }
    return MessageStream(finish, check, checked.config, PartialFile(space.repo, header), space.warn)


class MessageStream:
    """A message that is being received; at the end of its ``with`` block it is committed, once.

    If an exception leaves the block, Ctrl-C included, the text so far is committed and marked as partial, and the exception is raised on.
    The text is written to disk as it arrives, and survives the death of the process: ``Tract.partial_answers()`` then has it.
    If nothing was written, nothing is committed. ``write`` takes only text; set ``content`` if the answer is more than that.
    Nothing is locked meanwhile. If the commit is refused at the end, because the branch has moved for example, ``text`` still has all of it.
    """

    def __init__(
        self,
        finish: Finish,
        check: Check,
        config: Mapping[str, Any] | None = None,
        partial: PartialFile | None = None,
        warn: Callable[[TractWarning], None] | None = None,
    ) -> None:
        self._partial = partial
        self._warn = warn
        self._finish = finish
        self._check = check
        self._content: Any = None
        self._chunks: list[str] = []
        self._usage: TokenUsage | None = None
        self._config = config
        self._ended = False
        self.commit: CommitInfo | None = None
        """The commit; None until the end, and if nothing was written."""

    def write(self, chunk: str) -> None:
        """Add a piece of text that arrived."""
        self._check_open("written to")
        if not isinstance(chunk, str):
            raise ContentValidationError(f"a stream takes text, not {type(chunk).__name__}")
        self._chunks.append(chunk)
        if self._partial is not None:
            self._partial.write(chunk)

    def read(self, events: Iterable[Any]) -> Iterator[str]:
        """Read an SDK's stream, and yield its texts as they come: ``for text in s.read(stream): print(text)``.

        *events* are those of OpenAI (chat or Responses), Anthropic, Gemini or LiteLLM, a stream of tract's own clients, or texts.
        At its end the whole answer is committed, with tool calls, its usage and its model.
        """
        for text in read_stream(events, self._take):
            self.write(text)
            yield text

    async def aread(self, events: AsyncIterable[Any]) -> AsyncIterator[str]:
        """The same for an asyncio stream: ``async for text in s.aread(stream)``."""
        async for text in read_async_stream(events, self._take):
            self.write(text)
            yield text

    def _take(self, answer: Answer) -> None:
        self._check(answer)
        self._content = answer

    @property
    def text(self) -> str:
        """The text that has arrived."""
        return "".join(self._chunks)

    @property
    def usage(self) -> TokenUsage | None:
        """The usage that the provider counted; set it before the end, as any dict that ``commit`` takes."""
        return self._usage

    @usage.setter
    def usage(self, usage: Mapping[str, Any] | TokenUsage | None) -> None:
        self._check_open("given usage")
        self._usage = None if usage is None else read_usage(usage)

    @property
    def generation_config(self) -> Mapping[str, Any] | None:
        """The settings of the answer, if only the answer tells them; set it before the end."""
        return self._config

    @generation_config.setter
    def generation_config(self, config: Mapping[str, Any] | None) -> None:
        self._check_open("given a generation config")
        self._config = checked_config(config)

    @property
    def content(self) -> Any:
        """The whole answer, if it is more than its text, for example has tool calls; else None.

        Set it before the end, to anything that ``commit`` takes: it is committed in the text's place.
        """
        return self._content

    @content.setter
    def content(self, content: Any) -> None:
        self._check_open("given content")
        if isinstance(content, str):
            raise ContentValidationError("a stream's content is a whole message; text is written")
        if content is not None:
            self._check(content)
        self._content = content

    @property
    def committed(self) -> CommitInfo:
        """The commit of the message; ContentValidationError before the end, and if nothing was written."""
        if self.commit is None:
            raise ContentValidationError("the stream committed nothing" if self._ended else "the stream has not ended")
        return self.commit

    def close(self) -> None:
        """End the message and commit it, as the end of the block does."""
        self._end(partial=False)

    def __enter__(self) -> MessageStream:
        self._check_open("entered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            return
        if error is None:
            self._end(partial=False)
            return
        try:
            self._end(partial=True)
        except TractError as exc:
            # The caller must get the exception that interrupted the stream; the loss of the rest is attached to it.
            error.add_note(f"tract: the partial message was not committed: {exc}")

    def _end(self, *, partial: bool) -> None:
        self._check_open("closed")
        self._ended = True
        content = whole_pairs(self.text, alone="replace") if self._content is None else self._content
        try:
            if content != "":
                self.commit = self._finish(content, self._usage, self._config, partial)
        except BaseException:
            self._end_file(keep=True)
            raise
        self._end_file(keep=False)

    def _end_file(self, *, keep: bool) -> None:
        """Close the file of the received text; with *keep*, because the message was not committed, the file stays."""
        file = self._partial
        if file is None:
            return
        if keep:
            file.leave()
        else:
            file.remove()
        if file.failed is not None and self._warn is not None:
            self._warn(TractWarning(f"the answer was not on the disk while it arrived: {file.failed}"))

    def _check_open(self, what: str) -> None:
        if self._ended:
            raise ClosedError(f"a stream that has ended cannot be {what}")

    def __repr__(self) -> str:
        state = "open" if not self._ended else "ended" if self.commit is None else self.commit.commit_hash[:16]
        return f"MessageStream({sum(map(len, self._chunks))} characters, {state})"
