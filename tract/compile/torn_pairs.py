"""The rows of a snapshot after hidden messages tore tool pairs: the other halves are left out too; see :mod:`tract.messages.torn_pairs`."""

from __future__ import annotations

from collections.abc import Iterable

from tract.compile.snapshot import Columns, Snapshot
from tract.messages import Pairing
from tract.messages.message import CompileWarning, Message
from tract.messages.torn_pairs import Lost, Pair, left_out_warnings, lost_halves, without_tools
from tract.objects.id import ObjectId


class Repair:
    """The tool pairs of a context with hidden tool messages, and the parts of them that are shown.

    It grows with the context: ``extend`` costs only the messages that were added.
    """

    def __init__(self) -> None:
        self._pairing = Pairing()
        self._hidden = 0
        self.columns = Columns()
        self.length = 0
        self.rows = 0  # rows of the snapshot taken in so far
        self.dropped: dict[ObjectId, ObjectId] = {}
        self.gone: set[int] = set()  # the rows that dropped messages had
        self.warnings: tuple[CompileWarning, ...] = ()

    def take_hidden(self, message: Message) -> list[Pair]:
        """Take in the next message of the context, a hidden one."""
        self._hidden += 1
        return self._take(-self._hidden, message)

    def take_shown(self, row: int, message: Message) -> list[Pair]:
        """Take in the next message of the context, which is in row *row*."""
        return self._take(row, message)

    def _take(self, place: int, message: Message) -> list[Pair]:
        return [Pair(call, result) for call, result in self._pairing.add(place, message)]


def repair(snapshot: Snapshot, hidden: Iterable[Message | None]) -> Repair:
    """The repaired rows of *snapshot*; *hidden* has, for each entry of its context, the message if it is hidden."""
    made = Repair()
    pairs: list[Pair] = []
    columns = snapshot.columns
    row = 0
    for left_out in hidden:
        if left_out is not None:
            pairs += made.take_hidden(left_out)
        else:
            pairs += made.take_shown(row, columns.messages[row])
            row += 1
    lost = lost_halves(columns.messages, pairs)
    kept: list[int] = []
    changed: list[tuple[int, Message]] = []
    warnings: list[CompileWarning] = []
    for at in range(snapshot.length):
        halves = lost.get(at)
        if halves is None:
            kept.append(at)
            continue
        message = without_tools(columns.messages[at], halves)
        index = None if message is None else len(kept)
        warnings += left_out_warnings(columns.messages[at], halves, index, columns.commits[at].hex())
        if message is None:
            made.dropped[columns.commits[at]] = columns.blobs[at]
            made.gone.add(at)
        else:
            changed.append((len(kept), message))
            kept.append(at)
    made.columns = columns.select(kept)
    for at, message in changed:
        made.columns.replace(at, made.columns.blobs[at], message, made=True)
    made.rows, made.length, made.warnings = snapshot.length, len(kept), tuple(warnings)
    return made


def extend_repair(made: Repair, snapshot: Snapshot) -> bool:
    """Take in the rows that were added to *snapshot*; False if the repair must be made anew, and *made* is then useless."""
    columns = snapshot.columns
    for row in range(made.rows, snapshot.length):
        message = columns.messages[row]
        pairs = made.take_shown(row, message)
        lost = Lost(set(), {pair.result.at for pair in pairs if pair.call.row < 0 or pair.call.row in made.gone})
        commit, blob, config = columns.commits[row], columns.blobs[row], columns.configs[row]
        shown = without_tools(message, lost) if lost.results else message
        if shown is None and not lost.is_all_of(message):
            made.rows = -1
            return False  # it drops another call's result, and thereby that call
        if lost.results:
            index = None if shown is None else made.length
            made.warnings = (*made.warnings, *left_out_warnings(message, lost, index, commit.hex()))
        if shown is None:
            made.dropped[commit] = blob
            made.gone.add(row)
        else:
            made.columns.add(commit, blob, shown, config, made=bool(lost.results))
            made.length += 1
        made.rows = row + 1
    return True
