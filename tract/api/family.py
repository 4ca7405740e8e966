"""Children of a tract: made from its context, and their work brought back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from tract.api.committing import Committing
from tract.errors import CompressionError, SessionError, SpawnError

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.config import TractConfig
    from tract.curation.compress.summariser import Summariser
    from tract.curation.spawn import CollapseResult, Inheritance, Select, SpawnInfo
    from tract.history.spawn import Link


class Family(Committing):
    """The methods of a tract that make children, and bring back what they did."""

    def spawn(
        self,
        purpose: str,
        *,
        name: str | None = None,
        inheritance: Inheritance = "head_snapshot",
        select: Select | None = None,
        max_tokens: int | None = None,
        message: str | None = None,
        display_name: str | None = None,
        config: TractConfig | None = None,
    ) -> Self:
        """Make a tract for *purpose* that begins with the context of this one, and open it; it shares this handle's store, and is closed with it.

        ``head_snapshot``: the same messages, under their ids, with no history behind them; ``full_clone``: with this tract's history too; ``selective``: with those that *select* chooses, a function of a message, a list of revisions or a priority.
        With *max_tokens* it begins with the newest messages that fit, beside the instructions. Where tool calls of the last messages wait for their results, it begins before them.
        *message* is the user's first message to it. Settings, skips and pins are inherited; nothing is copied, and this tract gets no message.
        SpawnError where there is nothing to begin with, and inside a batch; SessionError where there is a tract of that name.
        """
        from tract.curation.spawn import spawn
        from tract.history.tracts import own_settings

        with self._access() as space:
            if self._open_batch() is not None:
                raise SpawnError("cannot spawn inside a batch")
            if config is None:
                config = own_settings(space.repo, space.repo.prefix)
            if display_name is not None:
                config = replace(config or space.config, display_name=display_name)
            made = spawn(
                space,
                purpose=purpose,
                name=name,
                inheritance=inheritance,
                select=select,
                max_tokens=max_tokens,
                config=config,
            )
        child = self._in_tract(made)
        if message is not None:
            child.user(message)
        return child

    def parent(self) -> SpawnInfo | None:
        """Where this tract was spawned from; None where it was not."""
        from tract.curation.spawn import info_of
        from tract.history.spawn import parent_of

        with self._access() as space:
            link = parent_of(space.repo)
            return None if link is None else info_of(link, space.config.display_name)

    def children(self) -> list[SpawnInfo]:
        """The tracts that were spawned from this one, the oldest first, and what became of them."""
        from tract.curation.spawn import info_of
        from tract.history.spawn import children_of
        from tract.history.tracts import own_settings
        from tract.refs.names import tract_prefix

        with self._access() as space:
            links = children_of(space.repo)
            settings = [own_settings(space.repo, tract_prefix(link.child)) for link in links]
        return [
            info_of(link, None if one is None else one.display_name) for link, one in zip(links, settings, strict=True)
        ]

    def collapse(
        self,
        child: Self | str,
        *,
        content: str | None = None,
        call_id: str | None = None,
        target_tokens: int | None = None,
        instructions: str | None = None,
        summariser: Summariser | None = None,
        role: Literal["user", "assistant", "system"] | None = None,
    ) -> CollapseResult:
        """Make one message of what *child*, a tract spawned from this one, did since: *content*, or what *summariser* or the configured model says of it.

        The message is the result of the call under which the child was spawned, where there was one, or of *call_id*; else the user's, or that of *role*, and names child and purpose.
        Again, it edits the message it made before. SessionError for a tract that is no child of this one, or did nothing.
        """
        from tract.curation.compress.summariser import choose_summariser
        from tract.curation.spawn import CollapseResult, message_of, summary_of, work_of

        link = self._link(child if isinstance(child, str) else child.tract_id)
        other = self._in_tract(link.child)
        with other._access() as space:
            work = work_of(space, link)
        text = content
        if text is None:
            asked = choose_summariser(summariser, self._client, prompts=self._prompts)
            text = summary_of(other._own, work, asked, target_tokens, instructions)
        if not isinstance(text, str) or not text.strip():
            raise CompressionError("the summary of a collapse is empty")
        message = message_of(work, text, call_id or link.call, role)
        made = self._commit_collapse(link, message, head=work.head.hex())
        with self._access() as space:
            tokens = space.blobs.counter.count(text)
        return CollapseResult(
            parent_commit_hash=made,
            proposal_id=None,
            child_tract_id=link.child,
            child_head_hash=work.head.hex(),
            summary_text=text,
            summary_tokens=tokens,
            source_tokens=work.tokens,
            purpose=link.purpose,
        )

    def _commit_collapse(self, link: Link, message: Any, *, head: str) -> str:
        """Commit the message, or edit the one that is there, and say of the child what it became, in one operation."""
        from tract.history.spawn import note_collapse

        metadata = {"collapse": {"child": link.child, "spawn": link.spawn.hex(), "head": head}}
        with self.batch():
            if link.collapse is not None and self._is_here(link.collapse):
                made = self.edit(link.collapse, message, metadata=metadata).commit_hash
                first = link.collapse
            else:
                made = first = self.commit(message, metadata=metadata).commit_hash
            with self._access() as space:
                note_collapse(space.repo, link, first)
        return made

    def _link(self, name: str) -> Link:
        from tract.history.spawn import child_named

        with self._access() as space:
            link = child_named(space.repo, name)
        if link is None:
            raise SessionError(f"tract '{name}' is no child of tract '{self.tract_id}'")
        return link

    def _is_here(self, message: str) -> bool:
        """Whether the message is in the context at HEAD."""
        from tract.history.context import context_at, entries

        with self._access() as space:
            now = dict(entries(space.repo, context_at(space.repo, space.repo.head()[1])))
            return bytes.fromhex(message) in now

    def _in_tract(self, name: str) -> Self:
        """A handle on another tract of the store, which shares this one's store, lock and model."""
        from tract.history.tracts import in_tract, settings_in

        with self._access() as space:
            repo = replace(in_tract(self._repo, name), branch=None)
            repo = replace(repo, config=settings_in(repo))
            counter = space.blobs.counter
        other = type(self)(repo, tokenizer=counter, on_moved=self._on_moved, lock=self._lock)
        other._client, other._prompts = self._client, self._prompts
        return other
