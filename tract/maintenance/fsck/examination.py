"""The findings of a check: the objects that can be read, in whichever file, and the problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from tract.dataclass import KW_ONLY, dataclass, field
from tract.errors import BlobNotFoundError
from tract.maintenance.fsck.journal import JournalScan
from tract.maintenance.fsck.layout import Layout
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.refs import RefRecord
from tract.maintenance.fsck.report import FsckReport, Problem, Severity, in_order
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Object, RefValue
from tract.storage.counts import BlobCount
from tract.storage.shallow import Cut

# Text in UTF-8 among the bytes of a payload, and the strings that payloads have beside the words of a message.
# Compiled only when something is damaged.
_TEXT = rb"(?:[\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+"
_KEYS = frozenset(
    (
        "content_type",
        "message",
        "format",
        "openai",
        "anthropic",
        "role",
        "user",
        "assistant",
        "system",
        "content",
        "dialogue",
        "text",
        "append",
    )
)
_SHORTEST_TEXT = 2
_WORDS_SHOWN = 60


class FoundObject(NamedTuple):
    """The place of an object that its id proves, and a function that reads it."""

    kind: Kind
    path: str
    offset: int | None
    load: Callable[[], Object]


class FoundObjects:
    """Every object that could be read, from the first file that has it."""

    def __init__(self) -> None:
        self._found: dict[ObjectId, FoundObject] = {}

    def add(self, id: ObjectId, found: FoundObject) -> None:
        self._found.setdefault(id, found)

    def get(self, id: ObjectId) -> FoundObject | None:
        return self._found.get(id)

    def __contains__(self, id: ObjectId) -> bool:
        return id in self._found

    def __len__(self) -> int:
        return len(self._found)

    def items(self) -> Iterator[tuple[ObjectId, FoundObject]]:
        yield from self._found.items()

    def read(self, id: ObjectId) -> Object:
        """Return the object; BlobNotFoundError if no file has it readable."""
        found = self._found.get(id)
        if found is None:
            raise BlobNotFoundError(id.hex())
        return found.load()


@dataclass(slots=True)
class Examination:
    """Everything that could be read of a store, and all its problems.

    *evidence* is what writers set aside from a damaged journal, and the *tail* of the journal behind a hole: reads ignore both until a repair.
    *mendable* are objects that a repair can read.
    *ref_files* are the values in ref files, and whether each was synced.
    """

    path: str
    layout: Layout
    _: KW_ONLY
    problems: list[Problem] = field(default_factory=list)
    found: FoundObjects = field(default_factory=FoundObjects)
    journal: JournalScan | None = None
    tail: JournalScan | None = None
    evidence: list[JournalScan] = field(default_factory=list)
    packs: list[PackScan] = field(default_factory=list)
    mendable: set[ObjectId] = field(default_factory=set)
    record: RefRecord = field(default_factory=RefRecord)
    ref_files: dict[str, tuple[RefValue, bool]] = field(default_factory=dict)
    counts: dict[str, dict[ObjectId, BlobCount]] = field(default_factory=dict)
    cuts: dict[ObjectId, Cut] = field(default_factory=dict)
    cut_off: tuple[ObjectId, ...] = ()
    history: AbstractSet[ObjectId] = frozenset()
    reached: set[ObjectId] = field(default_factory=set)
    commits: int = 0

    @property
    def report(self) -> FsckReport:
        problems = in_order((*self.layout.problems, *self.problems))
        return FsckReport(self.path, problems, len(self.found), len(self.reached), self.commits, len(self.record.refs))

    def add(
        self, kind: str, severity: Severity, subject: str, path: str, offset: int | None, detail: str, lost: str = ""
    ) -> None:
        self.problems.append(Problem(kind, severity, subject, path=path, offset=offset, detail=detail, lost=lost))

    def words_of(self, id: ObjectId) -> str:
        """The first words of an object that cannot be read, or of a commit's message; empty if they cannot be told."""
        place = self.found.get(id)
        data = place.load().payload if place is not None else self._remains_of(id)
        if place is None or place.kind == "commit":
            # In a commit's bytes its own content comes before its context.
            named = min(
                (at, blob) for blob in (b"", *self._blobs()) if (at := data.find(blob) if blob else len(data)) >= 0
            )
            data = self.found.read(named[1]).payload if named[1] else data
        return first_words(data)

    def _remains_of(self, id: ObjectId) -> bytes:
        scans = [*([self.journal] if self.journal is not None else []), *self.evidence]
        remains = (scan.remains.get(id, b"") for scan in scans)
        return next((body for body in (*remains, *(pack.unreadable.get(id, b"") for pack in self.packs)) if body), b"")

    def _blobs(self) -> Iterator[ObjectId]:
        return (id for id, place in self.found.items() if place.kind == "blob")

    def close(self) -> None:
        for pack in self.packs:
            pack.close()


def first_words(data: bytes) -> str:
    """The longest text in the bytes of a payload, cut short: people know a message by it."""
    texts = [found.decode("utf-8", "replace").strip() for found in re.findall(_TEXT, data)]
    longest = max((text for text in texts if text not in _KEYS), key=len, default="")
    return longest[:_WORDS_SHOWN] if len(longest) >= _SHORTEST_TEXT else ""
