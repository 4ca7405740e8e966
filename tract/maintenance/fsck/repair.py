"""Repair: running a plan.

Nothing of possible value is thrown away: a file that is replaced is moved to ``aside/<time>/`` under its own name first.
Only what was proved is restored: objects by their ids, refs by operations and by ref files that name an existing commit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

from tract.config import from_table
from tract.errors import ConfigError, StorageError
from tract.maintenance.fsck.check import check_repository, examine
from tract.maintenance.fsck.contents import salvage_loose
from tract.maintenance.fsck.evidence import best_refs, cuts_of, retold
from tract.maintenance.fsck.examination import Examination
from tract.maintenance.fsck.layout import ASIDE
from tract.maintenance.fsck.note_lists import left_out_rows, mended_lists, with_mended
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.repair_plan import Action, RepairPlan, steps_for
from tract.maintenance.fsck.report import FsckReport
from tract.objects.id import KINDS
from tract.objects.model import NewObject, RefChange, RefValue
from tract.opening import format_text
from tract.refs.names import ref_path
from tract.refs.ref_files import RefFiles
from tract.settings import is_signed, sign_config, write_config
from tract.storage import files
from tract.storage.journal import FIRST_STEP, create_journal
from tract.storage.journal_format import LONGEST, pack_mark
from tract.storage.locks import FileLock
from tract.storage.loose import LooseObjects
from tract.storage.pack_writer import Group, write_pack
from tract.storage.shallow import write_shallow

_LONGEST_SETTING = 4096


def run_repair(plan: RepairPlan) -> FsckReport:
    """Run *plan*, and check the store again: the report has what could not be repaired.

    Writers and gc are kept out meanwhile, and steps that they made unnecessary since the plan are skipped.
    If the process is killed at any point, everything that was there is there or in ``aside``.
    """
    carry_out(plan)
    return check_repository(plan.path)


def carry_out(plan: RepairPlan) -> None:
    """Run *plan* as :func:`run_repair` does, without checking the result."""
    repair = _Repair(plan.path)
    for name in ("locks", "locks/gc", "locks/journal"):
        repair.make_usable(name)
    with ExitStack() as held:
        for name in ("locks/gc", "locks/journal"):
            lock = repair.locks[name] = FileLock(os.path.join(plan.path, name))
            held.callback(lock.close)
            lock.acquire()
        held.callback(repair.forget)
        needed = steps_for(repair.seen()) if plan.steps else ()
        for step in plan.steps:
            if step in needed:
                repair.actions[step.action](step.path)
                repair.forget()


class _Repair:
    """The steps of a plan, as functions of a path relative to the store."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._aside = f"{ASIDE}/{time.time_ns()}"
        self._refs: dict[str, RefValue] | None = None
        self._seen: Examination | None = None
        self.locks: dict[str, FileLock] = {}
        self.actions: dict[Action, Callable[[str], None]] = {
            "make-folder": self.make,
            "make-file": self.make,
            "close-to-others": lambda name: files.close_to_others(self._full(name)),
            "write-format": self._write_format,
            "write-settings": self._write_settings,
            "sign-settings": self._sign_settings,
            "salvage-pack": self._salvage_pack,
            "salvage-loose": self._salvage_loose,
            "write-mark": self._write_mark,
            "move-aside": self._move_aside,
            "write-index": self._write_index,
            "clear-torn-end": self._clear_torn_end,
            "lengthen-journal": self._lengthen_journal,
            "rebuild-journal": self._rebuild_journal,
            "write-ref-file": self._write_ref_file,
            "write-shallow": self._write_shallow,
            "keep-notes": self._keep_notes,
            "drop-cache": lambda name: files.unlink(self._full(name)),
        }

    def seen(self) -> Examination:
        """The store as it is after the last step."""
        if self._seen is None:
            self._seen = examine(self._path, locked=True)
        return self._seen

    def forget(self) -> None:
        """Examine the store again the next time: a step has changed it."""
        if self._seen is not None:
            self._seen.close()
        self._seen = None

    def _full(self, name: str) -> str:
        """The path of the file *name*, or of the file of the ref *name*."""
        return os.path.join(self._path, ref_path(name))

    def make_usable(self, name: str) -> None:
        """Make sure that *name*, the folder of locks or a lock, is of the right kind."""
        is_usable = files.is_directory if name == "locks" else files.is_file
        if not is_usable(self._full(name)):
            self._move_aside(name)
            self.make(name)

    def make(self, name: str) -> None:
        if name.startswith("locks/"):
            files.close(files.open_write(self._full(name)))
        else:
            self._make_folders(name)

    def _make_folders(self, name: str) -> None:
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            files.make_directory(self._full("/".join(parts[:end])))

    def _kept(self, name: str) -> str:
        """The path to which *name* is moved out of the way."""
        kept = f"{self._aside}/{ref_path(name)}"
        self._make_folders(os.path.dirname(kept))
        return self._full(kept)

    def _move_aside(self, name: str) -> None:
        if os.path.lexists(self._full(name)):
            files.rename(self._full(name), self._kept(name))

    def _copy_aside(self, name: str) -> None:
        """Save a copy of a file that is to be replaced: the original never goes missing."""
        if os.path.exists(self._full(name)):
            # A copy, not a second name: a process with the old file open may write to it, and must see that it lost its name.
            try:
                files.write_file(self._kept(name), files.read_file(self._full(name)), sync=True)
            except StorageError:  # it is far too large for its kind
                self._move_aside(name)

    def _write_format(self, name: str) -> None:
        data = files.read_file(self._full(name)) if os.path.exists(self._full(name)) else b""
        lines = data.decode("ascii", "replace").split("\n")
        id = lines[1] if len(lines) > 1 and len(lines[1]) == 32 and not lines[1].strip("0123456789abcdef") else None
        self._copy_aside(name)
        files.write_file(self._full(name), format_text(id), sync=True)

    def _write_settings(self, name: str) -> None:
        """Write the settings whose lines make sense; in case a line about retention is lost, gc drops nothing until the user sets it."""
        import tomllib  # takes long to load, and most checks repair nothing

        self._copy_aside(name)
        data = files.read_file(self._full(name), LONGEST) if os.path.exists(self._full(name)) else b""
        table: dict[str, object] = {"orphan_retention_days": "never", "archive_retention_days": "never"}
        for line in data.decode("utf-8", "replace").split("\n")[:-1]:
            with suppress(ValueError, ConfigError, RecursionError):
                found = tomllib.loads(line[:_LONGEST_SETTING])
                from_table({**table, **found})
                table.update(found)
        write_config(self._full(name), from_table(table))

    def _write_shallow(self, name: str) -> None:
        self._copy_aside(name)
        write_shallow(self._path, cuts_of(self.seen()))

    def _sign_settings(self, name: str) -> None:
        data = files.read_file(self._full(name))
        self._copy_aside(name)
        files.write_file(self._full(name), signed_settings(data), sync=True)

    def _salvage_pack(self, name: str) -> None:
        index = name.removesuffix(".pack") + ".idx"
        files.copy_file(self._full(name), self._kept(name))  # packs never change and may be large
        self._copy_aside(index)
        made = ""
        with closing(PackScan(self._path, name)) as pack:
            if pack.found:
                made = self._write_pack([NewObject(id, *pack.load(at)) for id, (_, at) in pack.found.items()])
        if os.path.basename(made) != os.path.basename(name):
            files.unlink(self._full(index))
            files.unlink(self._full(name))

    def _write_pack(self, objects: list[NewObject]) -> str:
        by_kind = {kind: [new for new in objects if new.kind == kind] for kind in KINDS}
        groups = [Group(kind, [new.id for new in news]) for kind, news in by_kind.items() if news]
        payloads = [new.payload for news in by_kind.values() for new in news]
        return write_pack(self._full("objects/pack"), groups, payloads)

    def _write_index(self, name: str) -> None:
        with closing(PackScan(self._path, name.removesuffix(".idx") + ".pack")) as pack:
            if pack.is_damaged:
                raise StorageError(f"'{pack.name}' is damaged, so no index can be made of it")
            self._copy_aside(name)
            files.write_file(self._full(name), pack.index(), sync=True)

    def _clear_torn_end(self, name: str) -> None:
        journal = self.seen().journal
        if journal is None or not journal.torn:
            return
        files.write_file(self._kept(f"{name}.torn"), journal.torn, sync=True)
        fd = files.open_write(self._full(name), create=False)
        try:
            files.write_at(fd, bytes(len(journal.torn)), journal.end)
            files.sync_data(fd, f"'{name}'", visible=False)
        finally:
            files.close(fd)

    def _lengthen_journal(self, name: str) -> None:
        fd = files.open_write(self._full(name), create=False)
        try:
            size = files.size_of(fd)
            files.write_at(fd, bytes(-size % FIRST_STEP), size)
        finally:
            files.close(fd)

    def _rebuild_journal(self, name: str) -> None:
        """Objects first, journal last: the new journal replaces the old when everything it needs is in packs; then what was set aside from the old one is moved away."""
        found = self.seen()
        refs = best_refs(found)
        mended = mended_lists(found, refs)
        refs = with_mended(refs, mended)
        self._copy_aside(name)
        scans = [*([found.journal] if found.journal is not None else []), *found.evidence]
        objects = [NewObject(record.id, *found.found.read(record.id)) for scan in scans for record in scan.records]
        told, last = retold(found, refs)
        objects.extend([*told, *(new for one in mended.values() for new in one.objects)])
        if objects:
            self._write_pack(list({new.id: new for new in objects}.values()))
        create_journal(self._full(name), (last,))
        self._refs = refs
        for scan in found.evidence:
            if not scan.is_tail:
                self._move_aside(scan.path)

    def _keep_notes(self, name: str) -> None:
        """Tell which notes the list at the ref *name* is to lose, and what can be read of them; the new journal has the new list."""
        import json  # as above

        found = self.seen()
        mended = mended_lists(found, best_refs(found)).get(name)
        rows = left_out_rows(found, mended.left_out) if mended else ()
        lines = [json.dumps(row, default=bytes.hex) + "\n" for row in rows]
        if lines:
            files.write_file(self._kept(f"{name}.left-out"), "".join(lines).encode(), sync=True)

    def _write_mark(self, name: str) -> None:
        self._copy_aside(name)
        journal = self.seen().journal
        if journal is not None:
            self.locks[name].write(pack_mark(*journal.mark))

    def _salvage_loose(self, name: str) -> None:
        obj = salvage_loose(self._path, name)
        self._move_aside(name)
        if obj is not None:
            id = bytes.fromhex(name.removeprefix("objects/").replace("/", ""))
            LooseObjects(self._full("objects")).write(NewObject(id, obj.kind, obj.payload))

    def _write_ref_file(self, name: str) -> None:
        if self._refs is None:
            self._refs = best_refs(self.seen())
        value = self._refs.get(name)
        self._copy_aside(name)
        if value is None:
            files.unlink(self._full(name))
            return
        mirror = RefFiles(self._path, "process")
        try:
            mirror.write([RefChange(name, None, value)])
        finally:
            mirror.close()


def signed_settings(data: bytes) -> bytes:
    """The settings file with a new check line; everything else stays as it is."""
    if is_signed(data):
        return data
    lines = data.splitlines(keepends=True)
    if lines and lines[-1].lstrip(b"# ").startswith(b"check "):
        lines.pop()
    body = b"".join(lines)
    return sign_config(body if not body or body.endswith(b"\n") else body + b"\n")
