"""A repair that is killed, at any call that changes the disk, and run again: nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.faults.dying import killed_at
from tract import Tract
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.opening import open_repository


def repair(folder: Path) -> list[str]:
    """Repair the store; the problems that are left."""
    store = str(folder / ".tract")
    report = run_repair(plan_repair(check_repository(store)))
    return sorted(f"{one.kind} {one.subject}" for one in report.problems if one.severity != "note")


def make_store(folder: Path) -> Path:
    """Two packs, and a journal with more; everything was on the disk."""
    for part in range(3):
        with Tract.open(folder, durability="full") as t:
            for at in range(6):
                t.user(f"message {part} {at}")
            t.tag(f"v{part}")
        if part < 2:
            repo = open_repository(str(folder / ".tract"))
            with repo.objects.lock():
                repo.refs.refresh()
                repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))
            repo.close()
    return folder


def texts(folder: Path) -> list[str]:
    with Tract.open(folder) as t:
        return [str(message.content) for message in t.compile().messages]


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def packs(folder: Path) -> list[Path]:
    return sorted((folder / ".tract/objects/pack").glob("*.pack"))


def damage_journal(folder: Path) -> None:
    journal = folder / ".tract/objects/journal"
    flip(journal, journal.read_bytes().rfind(b"v2"))


def damage_everything(folder: Path) -> None:
    first, second = packs(folder)
    flip(first, -1)
    second.with_suffix(".idx").unlink()
    damage_journal(folder)
    (folder / ".tract/refs/tags/v1").write_text("0" * 64 + "\n")
    (folder / ".tract/format").unlink()
    shutil.rmtree(folder / ".tract/locks")


def tear(folder: Path) -> None:
    journal = folder / ".tract/objects/journal"
    data = journal.read_bytes()
    end = len(data.rstrip(b"\0"))
    journal.write_bytes(data[: end - 9] + bytes(9) + data[end:])


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", [damage_journal, damage_everything, tear])
def test_what_a_killed_repair_left_is_repaired_by_the_next(
    tmp_path: Path, damage: Callable[[Path], None], every: int
) -> None:
    damaged = make_store(tmp_path / "damaged")
    damage(damaged)
    whole = Path(shutil.copytree(damaged, tmp_path / "whole"))
    problems = repair(whole)
    expected = texts(whole)
    kept = contents(damaged) & contents(whole)

    number = 0
    while True:
        tried = Path(shutil.copytree(damaged, tmp_path / "tried"))
        if not killed_at(number, partial(repair, tried)):
            break

        assert problems == repair(tried), number
        assert expected == texts(tried), number
        assert kept <= contents(tried), number
        shutil.rmtree(tried)
        number += every

    assert number > 10
