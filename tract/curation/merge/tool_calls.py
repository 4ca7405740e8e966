"""Tool calls that a merge affects: calls answered on both sides, and calls interrupted by the other side's messages.

base     call a
ours     call a   result a: 4     user          two results for one call: a conflict, `both-answered`
theirs   call a   result a: 5

ours     call a   result a        call b        b was open, and the other side's messages come behind it:
theirs   call a   result a   user               it is sent as interrupted, and the merge warns about it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tract.compile.workspace import Workspace
from tract.history.diff import same_content
from tract.history.three_way import ConflictKind, EntryConflict, Merged
from tract.messages.pairing import Pairing, Ref, tools_in
from tract.objects.id import ObjectId
from tract.objects.model import Entry

_Call = tuple[ObjectId | str, int]
"""A call: the commit of its message and its place there; or its id, if the message is not among the merged ones."""


def both_answered(space: Workspace, merged: Merged) -> tuple[EntryConflict, ...]:
    """The calls that each side answered with a result of its own, as conflicts; several in one message are one."""
    known = {commit for commit, _ in (*merged.base, *merged.ours)} & {commit for commit, _ in merged.theirs}
    mine = dict(_answers(space, merged.ours, known))
    found: dict[ObjectId, EntryConflict] = {}
    for call, theirs in _answers(space, merged.theirs, known):
        ours = mine.get(call)
        if ours is not None:
            _add(found, ours, theirs)
    return tuple({conflict.commit: conflict for conflict in found.values()}.values())


def _answers(space: Workspace, side: Sequence[Entry], known: set[ObjectId]) -> Iterator[tuple[_Call, Entry]]:
    """A side's own results, with the calls they answer."""
    pairing = Pairing()
    for row, (commit, blob) in enumerate(side):
        message = space.blobs.message(blob)
        pairing.add(row, message)
        if commit in known:
            continue
        for at, result in enumerate(tools_in(message).results):
            call = pairing.calls.get(Ref(row, at))
            if call is not None:
                yield (side[call.row][0], call.at), (commit, blob)
            elif result.id and Ref(row, at) not in pairing.again:
                yield (result.id, 0), (commit, blob)


def _add(found: dict[ObjectId, EntryConflict], ours: Entry, theirs: Entry) -> None:
    """Make the two entries a conflict, together with the entries that either already conflicts with."""
    before = list({id(one): one for one in (found.get(ours[0]), found.get(theirs[0])) if one is not None}.values())
    mine = dict.fromkeys([*(entry for one in before for entry in one.ours), ours])
    other = dict.fromkeys([*(entry for one in before for entry in one.theirs), theirs])
    conflict = EntryConflict(ConflictKind.BOTH_ANSWERED, next(iter(mine))[0], (), tuple(mine), tuple(other))
    found.update({commit: conflict for commit, _ in (*mine, *other)})


def says_the_same(space: Workspace, conflict: EntryConflict) -> bool:
    """Whether both sides' results are equal, so that it does not matter which one stays."""
    return len(conflict.ours) == len(conflict.theirs) and all(
        same_content(space.repo, ours[1], theirs[1])
        for ours, theirs in zip(conflict.ours, conflict.theirs, strict=True)
    )


def interrupted(space: Workspace, merged: Merged, entries: Iterable[Entry]) -> tuple[tuple[ObjectId, str], ...]:
    """The calls, each by its message and its name, that wait at the end of one side, and no longer wait when merged to *entries*."""
    after = _open(space, tuple(entries))
    lost = {**_open(space, merged.ours), **_open(space, merged.theirs)}.items() - after.items()
    return tuple((call[0], name) for call, name in sorted(lost))


def _open(space: Workspace, side: Sequence[Entry]) -> dict[tuple[ObjectId, int], str]:
    pairing = Pairing()
    for row, (_, blob) in enumerate(side):
        pairing.add(row, space.blobs.message(blob))
    return {(side[ref.row][0], ref.at): tool.name or tool.label for ref, tool in pairing.open.items()}
