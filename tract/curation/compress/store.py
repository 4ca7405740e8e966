"""Compressions that wait for their review: kept in the store, so that any process can read, edit, approve or reject them.

state/compress-<id>     one each; docs/format.md lists the keys
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from tract.compile.workspace import Workspace
from tract.curation.compress.land import UNFIT, land_compression, recounted
from tract.curation.compress.pieces import forget_pieces
from tract.curation.compress.prefix_cost import CachePrices, PrefixCost
from tract.curation.compress.result import CompressedPart, CompressResult, PendingCompression
from tract.curation.compress.summarise import MustKeep
from tract.errors import CompressionError, ObjectCorruptError
from tract.history.state import KEEPS, clear_state, read_state, states, write_state
from tract.messages.message import CompileWarning
from tract.objects.content import plain_json
from tract.objects.model import Entry
from tract.refs.store import ANY, Expected
from tract.repo import Repository

_PREFIX = "compress-"
_ID = re.compile(r"[0-9a-f]{10}")


def keep_compression(space: Workspace, pending: PendingCompression, *, again: bool = False) -> PendingCompression:
    """Write the compression down, and give it back with its tokens counted; *again* is for one that waits already."""
    pending = recounted(space, pending, force=True)
    if again:
        _checked(space.repo, pending)
    write_state(space.repo, _PREFIX + pending.id, _value(pending))
    if not again and pending.by_model and not pending.refused:
        forget_pieces(space.repo)
    return pending


def finish_compression(
    space: Workspace, pending: PendingCompression, *, auto_commit: bool, force: bool
) -> CompressResult | PendingCompression:
    """Commit a compression, wherever the branch is by now, for all is checked again; or keep it for its review.

    A refused one is kept as well, so that nobody has to ask a model again, and takes the place of refused ones of the same messages: CompressionError with its id. Other errors are those of ``land_compression``.
    """
    if pending.refused:
        kept = keep_compression(space, pending)
        _forget_refused(space.repo, pending)
        faults = "; ".join(one.detail.removeprefix(UNFIT) for one in pending.warnings if one.detail.startswith(UNFIT))
        raise CompressionError(f"the summary is refused: {faults}; it waits as compression '{kept.id}'", kept.id)
    if not auto_commit:
        return keep_compression(space, pending)
    result = land_compression(space, pending, force=force)
    _forget_refused(space.repo, pending)
    return result


def _forget_refused(repo: Repository, pending: PendingCompression) -> None:
    """Forget the refused compressions of messages that *pending* is about as well."""
    about = {commit for part in pending.parts for commit, _ in part.sources}
    for one in kept_compressions(repo):
        is_other = one.refused and one.id != pending.id and one.branch == pending.branch
        if is_other and any(commit in about for part in one.parts for commit, _ in part.sources):
            clear_state(repo, _PREFIX + one.id)


def kept_compressions(repo: Repository) -> list[PendingCompression]:
    """The compressions that wait, in order of their ids; one that cannot be read is left out."""
    found = []
    for name in states(repo):
        if _ID.fullmatch(name.removeprefix(_PREFIX)) and name.startswith(_PREFIX):
            with suppress(ObjectCorruptError):
                value = read_state(repo, name)
                if value is not None:
                    found.append(_read(value, name))
    return found


def _read(value: dict[str, Any], name: str) -> PendingCompression:
    """The compression in a state; ObjectCorruptError when it is none."""
    try:
        return _pending(value)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, re.error) as exc:
        raise ObjectCorruptError(f"state '{name}'", "it is no compression") from exc


def kept_compression(repo: Repository, id: str) -> PendingCompression:
    """The waiting compression that *id*, or a beginning of it, names; CompressionError when there is none, or several."""
    found = [one for one in kept_compressions(repo) if id and one.id.startswith(id)]
    if len(found) != 1:
        raise CompressionError(
            f"'{id}' {'names several' if found else 'is no'} compression{'s' if found else ''} that waits for approval"
        )
    return found[0]


def is_kept(repo: Repository, id: str) -> bool:
    """Whether the compression still waits; a damaged one does."""
    return _ID.fullmatch(id) is not None and _PREFIX + id in states(repo)


def approve(
    space: Workspace, pending: PendingCompression | str, *, expected: Expected = ANY, force: bool = False
) -> CompressResult:
    """Commit a compression as it was reviewed, or as it is kept under the id *pending*; errors are those of ``land_compression``."""
    one = kept_compression(space.repo, pending) if isinstance(pending, str) else _checked(space.repo, pending)
    result = land_compression(space, one, expected=expected, force=force)
    _forget_refused(space.repo, one)
    # The branch first: a process that dies in between leaves a compression that cannot be approved again, for its messages are gone.
    clear_state(space.repo, _PREFIX + one.id)
    return result


def reject(space: Workspace, pending: PendingCompression | str) -> None:
    """Forget a compression, whose messages stay, also one that is damaged; CompressionError when it waits no longer."""
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


def _value(pending: PendingCompression) -> dict[str, Any]:
    return {
        "id": pending.id,
        "branch": pending.branch,
        "head": pending.head,
        "parts": [_part_value(part) for part in pending.parts],
        "kept": list(pending.kept),
        "skipped_left": pending.skipped_left,
        "warnings": [asdict(one) for one in pending.warnings],
        "prefix": asdict(pending.prefix),
        "prices": asdict(pending.prices),
        "target_tokens": pending.target_tokens,
        "must_keep": [_must_keep_value(one) for one in pending.must_keep],
        "message": pending.message,
        "by_model": pending.by_model,
        "dropped": _entries_value(pending.dropped),
        "refused": pending.refused,
        KEEPS: [pending.head],
    }


def _part_value(part: CompressedPart) -> dict[str, Any]:
    return {
        "text": part.text,
        "tokens_before": part.tokens_before,
        "tokens_after": part.tokens_after,
        "generation_config": plain_json("the summariser's config", dict(part.generation_config)),
        "usage": plain_json("the summariser's usage", dict(part.usage)),
        "prompt": part.prompt,
        "value": dict(part.value),
        "sources": _entries_value(part.sources),
        "hidden": part.hidden,
    }


def _pending(value: dict[str, Any]) -> PendingCompression:
    return PendingCompression(
        value["id"],
        value["branch"],
        value["head"],
        tuple(_part(one) for one in value["parts"]),
        tuple(value["kept"]),
        value["skipped_left"],
        tuple(CompileWarning(**one) for one in value["warnings"]),
        PrefixCost(**value["prefix"]),
        value["target_tokens"],
        tuple(_must_keep(one) for one in value["must_keep"]),
        value["message"],
        value["by_model"],
        _entries(value["dropped"]),
        CachePrices(**value["prices"]),
        value.get("refused", False),
    )


def _part(value: dict[str, Any]) -> CompressedPart:
    sources = _entries(value["sources"])
    return CompressedPart(
        value["text"],
        len(sources),
        sources[0][0].hex(),
        sources[-1][0].hex(),
        value["tokens_before"],
        value["tokens_after"],
        None,
        value["generation_config"],
        value["usage"],
        value["prompt"],
        value["value"],
        sources,
        value.get("hidden", 0),
    )


def _entries_value(entries: tuple[Entry, ...]) -> list[list[str]]:
    return [[commit.hex(), blob.hex()] for commit, blob in entries]


def _entries(value: list[list[str]]) -> tuple[Entry, ...]:
    return tuple((bytes.fromhex(commit), bytes.fromhex(blob)) for commit, blob in value)


def _must_keep_value(one: MustKeep) -> str | dict[str, Any]:
    return one if isinstance(one, str) else {"pattern": one.pattern, "flags": one.flags}


def _must_keep(value: str | dict[str, Any]) -> MustKeep:
    return value if isinstance(value, str) else re.compile(value["pattern"], value["flags"])
