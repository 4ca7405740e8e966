"""Compressions that wait for their review: kept in the store, so that any process can read, edit, approve or reject them.

state/compress-<id>     a PendingCompression, field by field
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from tract.arguments import check_keywords
from tract.compile.workspace import Moving, Workspace
from tract.curation.compress.land import forget_pieces, land_compression, recounted
from tract.curation.compress.pending import dry_run_of, with_content
from tract.curation.compress.plan import CompressionOptions, CompressionRequest, plan_compression
from tract.curation.compress.result import UNFIT, CompressResult, PendingCompression
from tract.errors import CompressionError, ObjectCorruptError, TractError
from tract.history.state import clear_state, read_state_as, states, write_state
from tract.objects.id import ObjectId
from tract.refs.store import ANY, Expected
from tract.repo import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from tract.llm.types import LLMClient

_PREFIX = "compress-"
_ID = re.compile(r"[0-9a-f]{10}")
_T = TypeVar("_T")


def compress(
    moving: Moving,
    client: LLMClient | None,
    prompts: str | Path | None,
    *,
    auto_commit: bool,
    dry_run: bool,
    **options: Unpack[CompressionOptions],
) -> CompressResult | PendingCompression:
    """Compress by *options*, or keep the compression for its review; *client* is the configured model."""
    check_keywords("compress", options, CompressionOptions)
    request = CompressionRequest(auto_commit=auto_commit, dry_run=dry_run, **options)
    is_asked = request.content is None and not request.dry_run
    if is_asked:
        # Half of the modules of a compression, and a given text needs none of them.
        from tract.curation.compress.ask import ask_for_summaries
        from tract.curation.compress.summariser import choose_summariser

        summariser = choose_summariser(request.summariser, client, model=request.model, prompts=prompts)
    with moving("compress") as (space, expected):
        plan = plan_compression(space, request, expected=expected)
        if request.dry_run:
            return dry_run_of(space, plan)
    # With nothing locked: a model takes its time.
    pending = ask_for_summaries(space, plan, summariser) if is_asked else with_content(space, plan)
    with moving("compress") as (space, _):
        return finish_compression(space, pending, auto_commit=request.auto_commit, force=request.force)


def keep_compression(space: Workspace, pending: PendingCompression, *, again: bool = False) -> PendingCompression:
    """Store the compression, and return it with its tokens counted; *again* if it is stored already."""
    if not isinstance(pending, PendingCompression):
        raise CompressionError(f"a compression to keep is a PendingCompression, not {pending!r:.40}")
    pending = recounted(space, pending, force=True)
    if again:
        _checked(space.repo, pending)
    write_state(space.repo, _PREFIX + pending.id, pending, (ObjectId.fromhex(pending.head),))
    if not again and pending.by_model and not pending.refused:
        forget_pieces(space.repo)
    return pending


def finish_compression(
    space: Workspace, pending: PendingCompression, *, auto_commit: bool, force: bool
) -> CompressResult | PendingCompression:
    """Commit a compression, even if the branch has moved, because everything is checked again; or keep it for its review.

    A refused one is also kept, so that the model need not be asked again, and replaces the refused ones of the same messages: CompressionError with its id. Other errors are those of ``land_compression``.
    """
    if pending.refused:
        kept = keep_compression(space, pending)
        _forget_refused(space.repo, pending)
        errors = "; ".join(one.detail.removeprefix(UNFIT) for one in pending.warnings if one.detail.startswith(UNFIT))
        raise CompressionError(f"the summary is refused: {errors}; it waits as compression '{kept.id}'", kept.id)
    if not auto_commit:
        return keep_compression(space, pending)
    result = land_compression(space, pending, force=force)
    _forget_refused(space.repo, pending)
    return result


def _forget_refused(repo: Repository, pending: PendingCompression) -> None:
    """Delete the refused compressions that share messages with *pending*."""
    about = {commit for part in pending.parts for commit, _ in part.sources}
    for one in kept_compressions(repo):
        is_other = one.refused and one.id != pending.id and one.branch == pending.branch
        if is_other and any(commit in about for part in one.parts for commit, _ in part.sources):
            clear_state(repo, _PREFIX + one.id)


def kept_compressions(repo: Repository) -> list[PendingCompression]:
    """The waiting compressions in order of their ids; a damaged one is left out."""
    return read_waiting(repo, _PREFIX, PendingCompression)


def kept_compression(repo: Repository, id: str | None) -> PendingCompression:
    """The waiting compression with this *id* or a prefix of it; None means the only one. CompressionError if there is none, or several."""
    return choose_waiting(kept_compressions(repo), id, "compression", CompressionError)


def read_waiting(repo: Repository, prefix: str, kind: type[_T]) -> list[_T]:
    """The values that wait for a review under *prefix*, in order of their ids; a damaged one is left out."""
    found = []
    for name in states(repo):
        if name.startswith(prefix) and _ID.fullmatch(name.removeprefix(prefix)):
            with suppress(ObjectCorruptError):
                one = read_state_as(repo, name, kind)
                found += [] if one is None else [one]
    return found


def choose_waiting(waiting: Sequence[_T], named: str | None, what: str, error: type[TractError]) -> _T:
    """The waiting value with the id *named* or a prefix of it; None means the only one. *error* if there is none, or several."""
    ids = [str(cast("Any", one).id) for one in waiting]
    found = [one for one, id in zip(waiting, ids, strict=True) if named is None or (named and id.startswith(named))]
    if len(found) == 1:
        return found[0]
    if named is None:
        told = f"{len(ids)} {what}s wait: {', '.join(ids)}" if ids else "none waits"
        raise error(f"no {what} was named, and {told}")
    told = f"names several {what}s that wait" if found else f"is not a {what} that waits"
    raise error(f"'{named}' {told} for approval")


def is_kept(repo: Repository, id: str) -> bool:
    """Whether the compression still waits; true for a damaged one."""
    return _ID.fullmatch(id) is not None and _PREFIX + id in states(repo)


def approve(
    space: Workspace, pending: PendingCompression | str | None, *, expected: Expected = ANY, force: bool = False
) -> CompressResult:
    """Commit a compression as it was reviewed, or the stored one with the id *pending*; None means the only one. Errors are those of ``land_compression``."""
    if pending is None or isinstance(pending, str):
        one = kept_compression(space.repo, pending)
    else:
        one = _checked(space.repo, pending)
    result = land_compression(space, one, expected=expected, force=force)
    _forget_refused(space.repo, one)
    # The branch first: a process that dies in between leaves a compression that cannot be approved again, for its messages are gone.
    clear_state(space.repo, _PREFIX + one.id)
    return result


def reject(space: Workspace, pending: PendingCompression | str) -> None:
    """Delete a waiting compression, even a damaged one; its messages stay. CompressionError if it no longer waits."""
    if isinstance(pending, str) and is_kept(space.repo, pending):
        clear_state(space.repo, _PREFIX + pending)
        return
    one = kept_compression(space.repo, pending) if isinstance(pending, str) else _checked(space.repo, pending)
    clear_state(space.repo, _PREFIX + one.id)


def _checked(repo: Repository, pending: PendingCompression) -> PendingCompression:
    if not isinstance(pending, PendingCompression):
        raise CompressionError(f"a compression to approve is a PendingCompression, not {type(pending).__name__}")
    if not is_kept(repo, pending.id):
        raise CompressionError(f"compression '{pending.id}' waits no longer: it was approved or rejected")
    return pending
