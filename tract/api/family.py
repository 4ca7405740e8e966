"""Child tracts: made from a tract's context; their work is brought back as one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, cast

from tract.api.committing import Committing
from tract.arguments import checks_arguments
from tract.dataclass import replace
from tract.errors import LLMConfigError, SessionError, SpawnError, TractError
from tract.repo import Repository

# Most programs run without these, and to load them takes longer than many a command.
if TYPE_CHECKING:
    from tract.compile.workspace import Workspace
    from tract.curation.collapse import CollapseOptions, CollapseResult, Plan, Said
    from tract.curation.compress.summariser import Summariser
    from tract.curation.spawn import SpawnInfo, SpawnOptions
    from tract.curation.waiting_collapses import PendingCollapse

Autonomy = Literal["manual", "collaborative", "autonomous"]


@checks_arguments
class Family(Committing):
    """The methods of a tract that make child tracts, and bring their work back."""

    _autonomy: Autonomy | None = None

    def spawn(self, purpose: str, *, name: str | None = None, **options: Unpack[SpawnOptions]) -> Self:
        """Make a tract for *purpose* that begins with the context of this one, and open it. It shares this handle's store, and is closed with it.

        *inheritance* ``head_snapshot`` (the default): it begins with the same messages, under their ids, with no history behind them; ``full_clone``: with this tract's history too; ``selective``: with the messages that *select* chooses, which is a function of a message, a list of revisions, or a priority.
        *max_tokens*: it begins with the instructions and the newest messages that fit. If tool calls at the end still wait for their results, it begins before them.
        *message* is the user's first message to it. It inherits settings, skips and pins; nothing is copied, and this tract gets no message.
        SpawnError if there is nothing to begin with, and inside a batch; SessionError if a tract of that name exists.
        """
        from tract.curation.spawn import spawn

        with self._outside_batch("spawn", SpawnError) as space:
            made = spawn(space, purpose, name=name, **options)
        return self._in_tract(made)

    def parent(self) -> SpawnInfo | None:
        """The tract from which this one was spawned, and where; None if it was not spawned."""
        from tract.curation.spawn import info_of
        from tract.history.spawn import parent_of

        with self._access() as space:
            link = parent_of(space.repo)
            return None if link is None else info_of(link, space.config.display_name)

    def children(self) -> list[SpawnInfo]:
        """The tracts spawned from this one, oldest first, and what became of them."""
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

    def collapse(self, child: Self | str, *, force: bool = False, **options: Unpack[CollapseOptions]) -> CollapseResult:
        """Make one message of the work of *child*, a tract spawned from this one: *content*, or a summary by *summariser* or the configured model.

        If the child was spawned for a tool call (or *call_id* names one), the message is the result of that call. Otherwise it is a user message, or of *role*, and names the child and its purpose.
        A second collapse edits the message of the first; if that is no longer here, or was edited otherwise, a new message is made, with a warning. :meth:`expand` replaces the message by the child's own messages.
        *content* is committed at once, unless *auto_commit* is False. A model's summary waits for :meth:`approve_collapse`, unless *auto_commit* is true or the tract's autonomy allows it.
        A model's summary always waits, with a warning, if it shares nothing with the work, or if most of its numbers, paths and ids do not occur there.
        SessionError if *child* is not a child of this tract (unless *force*), if it did nothing, or if another process collapsed it meanwhile.
        """
        from tract.curation import collapse as steps
        from tract.curation.compress.land import forget_pieces

        steps.check_options(options)
        content, auto_commit = options.get("content"), options.get("auto_commit")
        call_id, role = options.get("call_id"), options.get("role")
        name, branch = self._named(child)
        with self._outside_batch("collapse") as space:
            link = steps.find_link(space.repo, name, force=force)
        with self._in_tract(link.child, branch)._access() as other:
            plan = steps.plan_collapse(other, link)
        if content is not None:
            said = steps.Said(content, call_id, role)
        else:
            summariser = self._summariser(options.get("summariser"))
            target, instructions = options.get("target_tokens"), options.get("instructions")
            summary = steps.ask_for_summary(other, plan, summariser, target, instructions)
            said = steps.said_by_model(summary, call_id, role)
        doubt = steps.doubt_of(other, plan, said.text) if content is None else None
        lands = (content is not None or self._is_autonomous()) if auto_commit is None else auto_commit
        if lands and doubt is None:
            result = self._land_collapse(plan, said)
        else:
            result = self._keep_collapse(plan, said, force=force, warnings=() if doubt is None else (doubt,))
        if content is None:
            forget_pieces(other.repo)  # else the next collapse would reuse the same summary
        return result

    def pending_collapses(self) -> list[PendingCollapse]:
        """The collapses into this tract that wait for approval, oldest first."""
        from tract.curation.waiting_collapses import kept_collapses

        with self._looking() as space:
            return kept_collapses(space.repo)

    def approve_collapse(
        self, pending: PendingCollapse | str | None = None, *, content: str | None = None
    ) -> CollapseResult:
        """Commit a collapse that was reviewed: the given one, the one with this id, or the only pending one; *content* replaces its text.

        It stands for what the child had done when it was asked for. SessionError if it is no longer pending, or if the child was collapsed since.
        """
        from tract.curation.collapse import Said, check_options, plan_collapse
        from tract.curation.waiting_collapses import forget_collapse, kept_collapse, link_of_pending

        check_options({"content": content})
        with self._outside_batch("collapse") as space:
            one = kept_collapse(space.repo, pending)
            link = link_of_pending(space.repo, one)
        with self._in_tract(link.child)._access() as other:
            plan = plan_collapse(other, link, up_to=bytes.fromhex(one.head))
        said = Said(one.text, one.call_id, one.role, one.generation_config, one.summarised_by)
        if content is not None:
            said = Said(content, one.call_id, one.role)
        result = self._land_collapse(plan, said)
        with self._access() as space:
            forget_collapse(space.repo, one)
        return result

    def reject_collapse(self, pending: PendingCollapse | str | None = None) -> PendingCollapse:
        """Discard a pending collapse, and return it; it has changed nothing."""
        from tract.curation.waiting_collapses import forget_collapse, kept_collapse

        with self._access() as space:
            one = kept_collapse(space.repo, pending)
            forget_collapse(space.repo, one)
            return one

    def _land_collapse(self, plan: Plan, said: Said) -> CollapseResult:
        from tract.curation.collapse import land_collapse

        self._check_required()
        with self._outside_batch("collapse") as space:
            result, content = land_collapse(space, plan, said, expected=self._expected_by_commit)
            self._look_after(content)
            space.made = None
        self._fire("commit")
        return result

    def _keep_collapse(self, plan: Plan, said: Said, *, force: bool, warnings: tuple[str, ...]) -> CollapseResult:
        from tract.curation.waiting_collapses import keep_collapse

        with self._access() as space:
            return keep_collapse(space, plan, said, force=force, warnings=warnings)

    def _summariser(self, given: Summariser | None) -> Summariser:
        from tract.curation.compress.summariser import choose_summariser

        if given is None and self._client is None:
            raise LLMConfigError(
                "a collapse without content needs a model: give a summariser, or configure a client with configure_llm"
            )
        return choose_summariser(given, self._client, prompts=self._prompts)

    @contextmanager
    def _outside_batch(self, what: str, error: type[TractError] = SessionError) -> Iterator[Workspace]:
        """The workspace; *error* inside a batch, because another process may come before its end."""
        with self._access() as space:
            if self._open_batch() is not None:
                raise error(f"cannot {what} inside a batch")
            yield space

    def _in_tract(self, name: str, branch: str | None = None) -> Self:
        """A handle on another tract of the store, on *branch* if that is given, which shares this one's store, lock and model."""
        from tract.history.tracts import in_tract, settings_in, with_settings

        with self._access():
            repo = in_tract(self._repo, name)
            repo = replace(with_settings(repo, settings_in(repo)), branch=branch)
        other = self._beside(repo)
        other._autonomy = self._autonomy
        return other

    def _is_autonomous(self) -> bool:
        """Whether a model's text lands without approval."""
        return bool(cast("Any", self).autonomy_in_force() == "autonomous")

    def _named(self, child: Self | str) -> tuple[str, str | None]:
        """The name of a child, and the ref of the branch given with it; SessionError for a child of another store."""
        if isinstance(child, str):
            return child, None
        repo = getattr(child, "repository", None)
        if not isinstance(repo, Repository):
            raise SessionError(f"a child is a tract or its name, not {type(child).__name__}")
        if repo.path != self._repo.path or (repo.path is None and repo.refs is not self._repo.refs):
            raise SessionError(f"tract '{repo.tract}' is of another store")
        return repo.tract, repo.branch
