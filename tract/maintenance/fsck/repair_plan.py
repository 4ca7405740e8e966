"""The plan of a repair, as a value to read: what can be restored of a damaged store, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Literal, TypeAlias

from tract.dataclass import dataclass
from tract.maintenance.fsck.check import examine
from tract.maintenance.fsck.contents import JOURNAL
from tract.maintenance.fsck.evidence import best_refs, lost_things
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.note_lists import mended_lists, with_mended
from tract.maintenance.fsck.report import FsckReport
from tract.objects.model import RefValue, shown
from tract.report.text import count_of
from tract.storage.shallow import NAME as SHALLOW

Action: TypeAlias = Literal[
    "make-folder", "make-file", "close-to-others", "write-format", "write-settings", "sign-settings", "salvage-pack", "salvage-loose", "write-mark",
    "move-aside", "write-index", "clear-torn-end", "lengthen-journal", "rebuild-journal", "write-ref-file", "drop-cache",
    "write-shallow", "keep-notes",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RepairStep:
    """One thing to do; *path* is relative to the store."""

    action: Action
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What a repair would do, in order; :func:`run_repair` does it. *lost* says what cannot be had again, by id and first words."""

    path: str
    steps: tuple[RepairStep, ...]
    lost: tuple[str, ...] = ()


_BY_KIND: dict[str, tuple[Action, str]] = {
    "mode": ("close-to-others", "only you may use it"),
    "format-missing": ("write-format", "write it again"),
    "format-damaged": ("write-format", "write it again"),
    "config-missing": ("write-settings", "write the default settings, but let gc drop nothing"),
    "config-damaged": (
        "write-settings",
        "move it to 'aside', and write a new one with the settings that can be read; if those about retention cannot, gc drops nothing",
    ),
    "config-changed": ("sign-settings", "accept the settings as they are"),
    "loose-damaged": ("salvage-loose", "move it to 'aside', and write it again if its content still matches its name"),
    "not-a-file": ("move-aside", "move it to 'aside', where it is not read"),
    "index-missing": ("write-index", "make it again from its pack"),
    "index-damaged": ("write-index", "make it again from its pack"),
    "pack-missing": ("move-aside", "move the index to 'aside': it has no pack"),
    "journal-length": ("lengthen-journal", "write zeros behind it again"),
    "shallow-damaged": ("write-shallow", "write it again: history now ends at the commits that lack something"),
    "shallow-stale": ("write-shallow", "write it again: history now ends at the commits that lack something"),
    "counts-damaged": ("drop-cache", "delete it; what is in it is counted again"),
    "mark-damaged": ("write-mark", "write it again"),
}

_REBUILT_FOR = frozenset(
    {"operation-chain", "operation-missing", "head-missing", "journal-missing", "transaction-damaged", "ref-file-ahead"}
)


def plan_repair(report: FsckReport) -> RepairPlan:
    """Plan the repair of the store of *report*, which is examined once more; nothing is changed."""
    with closing(examine(report.path)) as found:
        return plan_for(found)


def plan_for(found: Examination) -> RepairPlan:
    """Plan the repair of a store that was just examined."""
    return RepairPlan(found.path, steps_for(found), lost_things(found, best_refs(found)))


def steps_for(found: Examination) -> tuple[RepairStep, ...]:
    """The steps for all that was found, in order."""
    # A damaged pack is salvaged first: the index is made for what is left, and the journal from what can be read then.
    steps = [*_layout_steps(found), *_file_steps(found), *_journal_steps(found), *_shallow_steps(found)]
    return tuple(dict.fromkeys(steps))


def _layout_steps(found: Examination) -> Iterator[RepairStep]:
    for problem in found.layout.problems:
        if problem.kind == "missing-file":
            is_lock = problem.path.startswith("locks/")
            yield RepairStep("make-file" if is_lock else "make-folder", problem.path, "make it")


def _file_steps(found: Examination) -> Iterator[RepairStep]:
    damaged = {pack.name: pack for pack in found.packs if pack.is_damaged}
    for name, pack in damaged.items():
        detail = f"copy the {len(pack.found)} objects that can be read into a new pack, and move the old one to 'aside'"
        yield RepairStep("salvage-pack", name, detail)
    for problem in (*found.layout.problems, *found.problems):
        action = _BY_KIND.get(problem.kind)
        if action is not None and problem.path.removesuffix(".idx") + ".pack" not in damaged:
            yield RepairStep(action[0], problem.path, action[1])


def _shallow_steps(found: Examination) -> Iterator[RepairStep]:
    if found.cut_off:
        yield RepairStep(
            "write-shallow", SHALLOW, "write it again: history now ends at the commits that lack something"
        )


def _journal_steps(found: Examination) -> Iterator[RepairStep]:
    refs = best_refs(found)
    mended = mended_lists(found, refs)
    refs = with_mended(refs, mended)
    journal = found.journal
    for name, one in mended.items():
        detail = f"write the list of notes again with {count_of(one.kept, 'note')}; {count_of(len(one.left_out), 'damaged note')}, and what can be read of that, is told in 'aside'"
        yield RepairStep("keep-notes", name, detail)
    if _needs_rebuild(found, refs):
        detail = "move it to 'aside', and begin a new one with everything that can be read"
        yield RepairStep("rebuild-journal", JOURNAL, detail)
        for name in sorted(found.record.refs.keys() | refs.keys()):
            before, after = shown(found.record.refs.get(name)), shown(refs.get(name))
            if before != after:
                yield RepairStep("write-ref-file", name, f"from {before or 'nothing'} to {after or 'nothing'}")
    elif journal is not None and journal.torn:
        detail = f"copy the {len(journal.torn)} bytes of a write that was never completed to 'aside', and clear them"
        yield RepairStep("clear-torn-end", JOURNAL, detail)
    for problem in found.problems:
        if problem.kind.startswith("ref-file-"):
            value = shown(refs.get(problem.path))
            yield RepairStep(
                "write-ref-file", problem.path, f"show {value}" if value else "move it to 'aside': there is no such ref"
            )


def _needs_rebuild(found: Examination, refs: dict[str, RefValue]) -> bool:
    if found.journal is None or found.journal.is_damaged or found.evidence or refs != found.record.refs:
        return True
    # best_refs has handled ref files that are ahead of the operations already; only synced ones count.
    return any(problem.kind in _REBUILT_FOR and problem.severity == "error" for problem in found.problems)
