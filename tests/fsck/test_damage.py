"""Damage of every kind: told in every durability, left alone by readers, kept by writers, and repaired without giving up what can be read."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tract import Tract, TractConfig
from tract.cli.console import Console
from tract.cli.main import main
from tract.errors import ConfigError, TractError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.journal import scan_journal
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair
from tract.maintenance.fsck.report import FsckReport
from tract.objects.model import NewObject
from tract.opening import open_repository
from tract.storage.journal import create_journal

DURABILITIES = ["full", "process"]


def journal_of(folder: Path) -> Path:
    return folder / ".tract/objects/journal"


def filled(folder: Path, count: int, durability: str = "process", **options: Any) -> list[str]:
    """The commits of *count* messages in a new store."""
    with Tract.open(folder, durability=durability, **options) as t:
        return [t.user(f"message {n} " + "abc " * (n % 50)).commit_hash for n in range(count)]


def change(path: Path, how: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    def one(data: bytearray) -> None:
        data[at] ^= 1

    change(path, one)


def end_of(folder: Path) -> int:
    """Where the journal's last transaction ends, where its last byte is not zero."""
    return len(journal_of(folder).read_bytes().rstrip(b"\0"))


def opened(folder: Path) -> tuple[Tract | None, list[str]]:
    """The store, if it can be opened, and what was said."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            return Tract.open(folder), [str(one.message) for one in told]
        except TractError as exc:
            return None, [str(exc)]


def is_told(folder: Path) -> bool:
    t, told = opened(folder)
    if t is not None:
        t.close()
    return bool(told)


def readable(folder: Path, ids: list[str]) -> int:
    """How many of these commits and their messages can be read."""
    count = 0
    t, _ = opened(folder)
    assert t is not None
    with t:
        for id in ids:
            with suppress(TractError):
                t.get_content(id)
                count += 1
    return count


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def command(folder: Path, *argv: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    console = Console(stdin=io.StringIO(), stdout=out, stderr=err, environ={}, folder=str(folder))
    return Outcome(main(argv, console=console), out.getvalue(), err.getvalue())


def repaired(folder: Path) -> tuple[FsckReport, tuple[str, ...]]:
    plan = plan_repair(check_repository(str(folder / ".tract")))
    return run_repair(plan), plan.lost


def head_of(folder: Path) -> tuple[str | None, str | None]:
    with Tract.open(folder) as t:
        return t.current_branch, t.head


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("at", [70, 600, 3000, 6000, -30])
def test_a_flipped_bit_is_told_by_reading_and_by_fsck_until_it_is_repaired(
    tmp_path: Path, durability: str, at: int
) -> None:
    ids = filled(tmp_path, 50, durability)
    flip(journal_of(tmp_path), at if at >= 0 else end_of(tmp_path) + at)
    before = contents(tmp_path)

    assert is_told(tmp_path)
    assert before == contents(tmp_path)
    assert not check_repository(str(tmp_path / ".tract")).is_clean
    assert is_told(tmp_path)

    report, _ = repaired(tmp_path)
    assert readable(tmp_path, ids) >= 49
    assert report.is_clean or {"missing-object"} == {one.kind for one in report.errors}
    assert not is_told(tmp_path)


def test_what_is_behind_a_hole_is_kept_by_the_next_writer_told_of_and_brought_back(tmp_path: Path) -> None:
    ids = filled(tmp_path, 40)
    flip(journal_of(tmp_path), journal_of(tmp_path).read_bytes().index(b"message 20 "))
    lost_to_sight = journal_of(tmp_path).read_bytes()

    t, told = opened(tmp_path)
    assert t is not None
    assert told
    with t:
        new = t.user("it went on").commit_hash
    (kept,) = journal_of(tmp_path).parent.glob("journal.torn-*")

    assert kept.read_bytes()[64:] in lost_to_sight
    assert is_told(tmp_path)
    assert "journal-evidence" in {one.kind for one in check_repository(str(tmp_path / ".tract")).warnings}

    repaired(tmp_path)
    assert not is_told(tmp_path)
    assert readable(tmp_path, [*ids, new]) == 40
    with Tract.open(tmp_path) as t:
        branches = {branch.name: branch.commit_hash for branch in t.list_branches()}
    assert {"main": new, "main-recovered": ids[-1]} == branches


def test_where_nobody_committed_since_what_was_set_aside_is_the_branch_again(tmp_path: Path) -> None:
    ids = filled(tmp_path, 40)
    flip(journal_of(tmp_path), journal_of(tmp_path).read_bytes().index(b"message 20 "))
    t, _ = opened(tmp_path)
    assert t is not None
    with t:
        t.tag("v1")

    repaired(tmp_path)

    assert ("main", ids[-1]) == head_of(tmp_path)
    with Tract.open(tmp_path) as t:
        assert ["main"] == [branch.name for branch in t.list_branches()]
        assert ["v1"] == list(t.tags())


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_damaged_first_transaction_is_repaired_like_any_other(tmp_path: Path, durability: str) -> None:
    ids = filled(tmp_path, 30, durability)
    flip(journal_of(tmp_path), 64 + 40)

    assert is_told(tmp_path)
    assert check_repository(str(tmp_path / ".tract")).errors
    report, _ = repaired(tmp_path)

    assert report.is_clean
    assert readable(tmp_path, ids) == 30
    assert ("main", ids[-1]) == head_of(tmp_path)


def test_a_journal_that_is_cut_in_its_first_transaction_is_damaged_whatever_of_it_can_be_read(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    was = scan_journal("journal", journal_of(tmp_path).read_bytes())
    operations = [NewObject(one.id, one.kind, was.load(one.offset).payload) for one in was.records if one.kind == "operation"]  # fmt: skip
    create_journal(str(tmp_path / "new"), operations[-2:], zeros=False)  # as gc does: what is folded, and a keyframe

    found = scan_journal("new", (tmp_path / "new").read_bytes()[:-1])

    assert [operations[-2].id] == list(found.operations)
    assert ["transaction-damaged"] == [one.kind for one in found.problems if one.severity == "error"]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_head_that_was_switched_by_a_lost_operation_is_where_its_file_says(tmp_path: Path, durability: str) -> None:
    with Tract.open(tmp_path, durability=durability) as t:
        t.user("a")
        t.branch("side", switch=True)
        t.user("on side")
        end = end_of(tmp_path)
        t.switch("main")
        ids = [t.user(f"main {n}").commit_hash for n in range(5)]
    flip(journal_of(tmp_path), end + 90)

    _, lost = repaired(tmp_path)

    assert ("main", ids[-1]) == head_of(tmp_path)
    assert any("operation" in one for one in lost)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("more", [0, 3], ids=["the last", "one in the middle"])
def test_a_branch_that_a_lost_operation_deleted_does_not_come_back(tmp_path: Path, durability: str, more: int) -> None:
    with Tract.open(tmp_path, durability=durability) as t:
        t.user("a")
        t.branch("side", switch=False)
        end = end_of(tmp_path)
        t.delete_branch("side")
        for n in range(more):
            t.user(f"more {n}")
    flip(journal_of(tmp_path), end + 90)

    assert is_told(tmp_path)
    _, lost = repaired(tmp_path)

    with Tract.open(tmp_path) as t:
        assert ["main"] == [branch.name for branch in t.list_branches()]
    assert any("side" in one for one in lost)


def test_a_ref_that_a_lost_operation_moved_back_is_where_its_file_says(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        ids = [t.user(f"message {n}").commit_hash for n in range(4)]
        end = end_of(tmp_path)
        t.reset(ids[1])
        t.tag("v1")
    flip(journal_of(tmp_path), end + 90)

    repaired(tmp_path)

    assert ("main", ids[1]) == head_of(tmp_path)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("cut", [1, 40, 90, 400])
def test_a_pack_without_its_last_bytes_loses_nothing(tmp_path: Path, durability: str, cut: int) -> None:
    ids = filled(tmp_path, 120, durability)
    with Tract.open(tmp_path) as t:
        t.gc()
    pack = next(tmp_path.glob(".tract/objects/pack/*.pack"))
    pack.write_bytes(pack.read_bytes()[:-cut])

    assert is_told(tmp_path)
    report, lost = repaired(tmp_path)

    assert ((), True) == (lost, report.is_clean)
    assert readable(tmp_path, ids) == 120
    assert ("main", ids[-1]) == head_of(tmp_path)


def test_a_pack_without_any_table_loses_nothing(tmp_path: Path) -> None:
    ids = filled(tmp_path, 120)
    with Tract.open(tmp_path) as t:
        t.gc()
    pack = next(tmp_path.glob(".tract/objects/pack/*.pack"))
    data = pack.read_bytes()
    ids_start = int.from_bytes(data[-80 + 8 : -80 + 16], "little")
    pack.write_bytes(data[:ids_start])

    repaired(tmp_path)

    assert readable(tmp_path, ids) == 120


def test_a_bit_in_a_frame_costs_what_the_frame_holds_at_most_and_that_is_named(tmp_path: Path) -> None:
    texts = [os.urandom(150).hex() for _ in range(450)]
    with Tract.open(tmp_path) as t:
        ids = [t.user(text).commit_hash for text in texts]
        t.gc()
    pack = next(tmp_path.glob(".tract/objects/pack/*.pack"))
    # Somewhere in the frame of the messages, which are most of the pack.
    flip(pack, pack.stat().st_size // 2)

    plan = plan_repair(check_repository(str(tmp_path / ".tract")))
    report = run_repair(plan)

    count = readable(tmp_path, ids)
    assert count >= 200
    assert count == 450 or (plan.lost and report.errors)
    assert len(plan.lost) == 450 - count


def test_a_header_of_a_file_with_one_large_object_is_mended(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        id = t.user("x" * 2_000_000).commit_hash
    (path,) = (one for one in tmp_path.glob(".tract/objects/??/*") if len(one.name) == 62)
    for at in (3, 17, 21, 25, 40, -3):
        flip(path, at)
        report, lost = repaired(tmp_path)
        assert ((), True) == (lost, report.is_clean), at
        assert readable(tmp_path, [id]) == 1


# What is lost is said


def test_what_is_lost_is_said_by_id_and_first_words_with_status_1(tmp_path: Path) -> None:
    ids = filled(tmp_path, 3, "full")
    at = journal_of(tmp_path).read_bytes().index(bytes.fromhex(ids[2])) + 33
    flip(journal_of(tmp_path), at)

    done = command(tmp_path, "fsck", "--repair")

    assert 1 == done.status
    assert f"lost: commit of 'refs/heads/main' {ids[2][:16]}: 'message 2 " in done.out
    assert 0 == command(tmp_path, "fsck").status


def test_a_warning_of_damage_is_left_out_by_no_command(tmp_path: Path) -> None:
    filled(tmp_path, 20)
    flip(journal_of(tmp_path), 3000)

    for argv in (
        ["log"],
        ["status"],
        ["branch"],
        ["log", "--oneline", "-n", "1"],
        ["status", "--json"],
        ["compile"],
    ):
        done = command(tmp_path, *argv)
        assert "is damaged" in done.err, argv
        assert 0 == done.status


# What a power cut or a full disk leaves


def leave_a_cut_journal(folder: Path) -> None:
    path = journal_of(folder)
    path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(77))


def leave_no_ref_files(folder: Path) -> None:
    shutil.rmtree(folder / ".tract/refs/tags")
    (folder / ".tract/refs/heads/side").unlink()


def leave_half_a_transaction(folder: Path) -> None:
    def tear(data: bytearray) -> None:
        end = len(data.rstrip(b"\0"))
        data[end : end + 40] = data[64:104]

    change(journal_of(folder), tear)


def leave_a_pack_without_its_index(folder: Path) -> None:
    whole = folder / "copy"
    shutil.copytree(folder / ".tract", whole / ".tract")
    repo = open_repository(str(whole / ".tract"))
    with repo.refs.lock():
        repo.refs.refresh()
        repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))  # type: ignore[attr-defined]
    repo.close()
    pack = next(whole.glob(".tract/objects/pack/*.pack"))
    shutil.copy(pack, folder / ".tract/objects/pack" / pack.name)
    shutil.rmtree(whole)


def leave_a_mark_half_written(folder: Path) -> None:
    path = folder / ".tract/locks/journal"
    path.write_bytes(path.read_bytes()[:9])


@pytest.mark.parametrize(
    "leave",
    [
        leave_a_cut_journal,
        leave_no_ref_files,
        leave_half_a_transaction,
        leave_a_pack_without_its_index,
        leave_a_mark_half_written,
    ],
)
@pytest.mark.parametrize("durability", DURABILITIES)
def test_what_a_power_cut_leaves_is_gone_after_the_next_commit(
    tmp_path: Path, leave: Callable[[Path], None], durability: str
) -> None:
    with Tract.open(tmp_path, durability=durability) as t:
        t.user("a")
        t.branch("side", switch=False)
        t.tag("v1")
    leave(tmp_path)

    with Tract.open(tmp_path, durability=durability) as t:
        t.user("b")

    report = check_repository(str(tmp_path / ".tract"))
    assert report.is_clean, report.problems


# Settings


def settings_of(folder: Path) -> Path:
    return folder / ".tract/config.toml"


def test_settings_that_are_cut_off_are_refused_wherever_they_are_cut(tmp_path: Path) -> None:
    with Tract.open(tmp_path, config=TractConfig(archive_retention_days="never", token_budget=500)):
        pass
    whole = settings_of(tmp_path).read_bytes()

    for cut in range(len(whole) - 1):
        settings_of(tmp_path).write_bytes(whole[:cut])
        with pytest.raises(ConfigError, match="cut off"):
            Tract.open(tmp_path)
        assert not check_repository(str(tmp_path / ".tract")).is_clean
    settings_of(tmp_path).unlink()
    with pytest.raises(ConfigError, match="missing"):
        Tract.open(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("token_budget = 500", "token_budget = 700"),
        lambda text: "token_budget = 700\n" + text.replace("token_budget = 500\n", ""),
        lambda text: text.replace("token_budget = 500\n", "") + "token_budget = 700\n",
        lambda _: "token_budget = 700\n",
        lambda _: "# mine\ntoken_budget = 700",
        lambda text: text.replace("token_budget = 500", "token_budget = 700").rstrip("\n"),
    ],
    ids=["changed", "line before", "line behind", "written anew", "with a comment", "without a last line end"],
)
def test_settings_edited_by_hand_are_accepted(tmp_path: Path, edit: Callable[[str], str]) -> None:
    with Tract.open(tmp_path, config=TractConfig(token_budget=500)):
        pass
    settings_of(tmp_path).write_text(edit(settings_of(tmp_path).read_text()))

    with Tract.open(tmp_path) as t:
        assert t.config.token_budget in (700, t.config.token_budget)
        assert "700" in repr(t.config.token_budget)


def test_a_repair_of_settings_keeps_what_makes_sense_and_lets_gc_drop_nothing(tmp_path: Path) -> None:
    with Tract.open(tmp_path, config=TractConfig(orphan_retention_days="never", token_budget=500, author="ada")):
        pass
    whole = settings_of(tmp_path).read_text()
    settings_of(tmp_path).write_text(whole[: whole.index("orphan_retention_days") + 5])

    repaired(tmp_path)

    with Tract.open(tmp_path) as t:
        assert "never" == t.config.orphan_retention_days
        assert "never" == t.config.archive_retention_days


# What is endless


def test_a_sparse_journal_and_absurd_lengths_are_clear_errors_in_little_memory(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    os.truncate(journal_of(tmp_path), 1 << 40)
    pack = tmp_path / ".tract/objects/pack" / f"pack-{'0' * 40}"
    for ending in (".pack", ".idx"):
        with open(f"{pack}{ending}", "wb") as file:
            file.truncate(1 << 40)
        os.chmod(f"{pack}{ending}", 0o600)
    (tmp_path / ".tract/shallow").touch(0o600)
    os.truncate(tmp_path / ".tract/shallow", 1 << 40)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from tract.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    for argv in (["log"], ["status"], ["fsck"], ["fsck", "--repair"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *argv], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert "MemoryError" not in done.stderr + done.stdout, argv
        assert "internal error" not in done.stderr, (argv, done.stderr)


def test_a_handle_costs_two_descriptors_however_many_packs_there_are(tmp_path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Tract.open(tmp_path, durability="process") as t:
        for n in range(3):
            t.user(f"message {n}")
            t.branch(f"b{n}", switch=False)
    before = count()
    handles = [Tract.open(tmp_path, durability="process") for _ in range(120)]
    try:
        for handle in handles:
            assert len(handle.compile().messages) == 3
        assert count() - before <= 2 * len(handles) + 48
    finally:
        for handle in handles:
            handle.close()
