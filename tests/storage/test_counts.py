"""Token counts on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.maintenance.fsck.store import check_counts
from tract.objects.model import new_blob
from tract.storage.counts import (
    BlobCount,
    add_counts,
    find_count,
    load_counts,
    newest_counts,
    prune_all_counts,
    prune_counts,
)
from tract.storage.totals import Totals, add_totals, damaged_at, load_totals

IDS = [new_blob({"n": n}).id for n in range(5000)]


def make_file(folder: Path, *blocks: list[bytes]) -> str:
    path = str(folder / "counts-letters-1")
    for block in blocks:
        add_counts(path, {id: BlobCount(at, at + 1) for at, id in enumerate(block)})
    return path


def test_pruning_leaves_what_is_kept(tmp_path):
    path = make_file(tmp_path, IDS[:10], IDS[10:20])

    assert 15 == prune_counts(path, set(IDS[8:13]).__contains__)

    assert {IDS[8]: (8, 9), IDS[9]: (9, 10), IDS[10]: (0, 1), IDS[11]: (1, 2), IDS[12]: (2, 3)} == load_counts(path)
    add_counts(path, {IDS[0]: BlobCount(7, 7)})
    assert (7, 7) == load_counts(path)[IDS[0]]
    assert [Path(path)] == list(tmp_path.iterdir())


def test_a_file_of_which_nothing_goes_is_not_written(tmp_path):
    path = make_file(tmp_path, IDS)
    before = Path(path).stat()

    assert 0 == prune_counts(path, lambda _: True)

    assert (before.st_ino, before.st_mtime_ns) == (Path(path).stat().st_ino, Path(path).stat().st_mtime_ns)


def test_a_large_file_is_pruned_in_blocks(tmp_path):
    path = make_file(tmp_path, IDS)

    assert 1 == prune_counts(path, lambda id: id != IDS[0])

    assert set(IDS[1:]) == load_counts(path).keys()


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_the_newest_are_read_from_the_end_of_a_long_file(tmp_path, rows):
    path = make_file(tmp_path, *(IDS[at : at + rows] for at in range(0, len(IDS), rows)))
    every = load_counts(path)

    newest = newest_counts(path)

    assert newest is not None
    assert len(IDS) // 10 < len(newest) < len(IDS) // 5
    assert newest.items() <= every.items()
    assert set(IDS[-len(newest) :]) == newest.keys()


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_one_count_is_found_by_itself(tmp_path, rows):
    path = make_file(tmp_path, *(IDS[at : at + rows] for at in range(0, len(IDS), rows)))
    every = load_counts(path)

    for id in (IDS[0], IDS[rows - 1], IDS[len(IDS) // 2], IDS[-1]):
        assert every[id] == find_count(path, id)

    assert find_count(path, b"\7" * 32) is None
    assert find_count(path, IDS[3][1:] + b"\7") is None  # its bytes are there, but are no row's
    assert find_count(str(tmp_path / "missing"), IDS[0]) is None


def test_a_count_whose_block_is_damaged_is_not_found(tmp_path):
    path = Path(make_file(tmp_path, IDS[:7], IDS[7:14]))
    data = bytearray(path.read_bytes())
    data[16 + 8 + 40 + 35] ^= 1
    path.write_bytes(data)

    assert find_count(str(path), IDS[0]) is None
    assert find_count(str(path), IDS[7]) is not None


def test_the_newest_are_found_after_a_rewrite(tmp_path):
    path = make_file(tmp_path, IDS)
    assert newest_counts(path) is None  # one block, longer than what is looked at
    prune_counts(path, lambda id: id != IDS[0])

    newest = newest_counts(path)

    assert newest is not None
    assert newest.items() <= load_counts(path).items()
    assert IDS[-1] in newest


@pytest.mark.parametrize("at", [0, -1, -41, -(8 + 40 * 7)])
def test_where_anything_is_wrong_at_the_end_the_newest_are_not_read(tmp_path, at):
    path = Path(make_file(tmp_path, *(IDS[at : at + 7] for at in range(0, 4900, 7))))
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)

    assert newest_counts(str(path)) is None


def test_what_was_torn_off_leaves_no_newest_and_a_short_file_is_read_whole(tmp_path):
    path = Path(make_file(tmp_path, IDS[:256], IDS[256:300]))
    assert newest_counts(str(path)) is None
    assert newest_counts(str(tmp_path / "missing")) is None
    path = Path(make_file(tmp_path, IDS[300:556], IDS[556:812], IDS[812:4000]))
    path.write_bytes(path.read_bytes()[:-8])

    assert newest_counts(str(path)) is None


def test_a_damaged_block_hides_what_is_before_it_from_who_reads_the_newest(tmp_path):
    path = Path(make_file(tmp_path, *(IDS[at : at + 7] for at in range(0, 4900, 7))))
    data = bytearray(path.read_bytes())
    data[-(8 + 40 * 7) * 3 - 1] ^= 1
    path.write_bytes(data)

    assert set(IDS[4879:4900]) == (newest_counts(str(path)) or {}).keys()


@pytest.mark.parametrize("data", [b"", b"short", b"tract counts 9\n\0" + bytes(80)])
def test_what_is_no_file_of_counts_is_left_to_who_reads_it(tmp_path, data):
    path = tmp_path / "counts-x"
    path.write_bytes(data)
    (tmp_path / "totals").write_bytes(data)

    prune_all_counts(str(tmp_path), lambda _: False)

    assert data == path.read_bytes() == (tmp_path / "totals").read_bytes()


def test_what_was_torn_off_is_gone_and_the_rest_is_pruned(tmp_path):
    path = Path(make_file(tmp_path, IDS[:3], IDS[3:6]))
    path.write_bytes(path.read_bytes()[:-1])

    prune_all_counts(str(tmp_path), lambda id: id != IDS[0])

    assert {IDS[1], IDS[2]} == load_counts(str(path)).keys()
    prune_all_counts(str(tmp_path / "missing"), lambda _: False)


def test_a_file_whose_maker_died_before_the_first_row_is_whole_and_gets_it(tmp_path):
    counts, totals = tmp_path / "counts-x", tmp_path / "totals"
    for path in (counts, totals):
        path.touch()

    assert ({}, {}) == (load_counts(str(counts)), load_totals(str(totals)))
    assert (({}, []), None) == (check_counts("cache/counts-x", b""), damaged_at(b""))

    add_counts(str(counts), {IDS[0]: BlobCount(7, 8)})
    add_totals(str(totals), {bytes(32): Totals(1, 0, 0, 7, False)})
    assert {IDS[0]: (7, 8)} == load_counts(str(counts))
    assert {bytes(32): (1, 0, 0, 7, False)} == load_totals(str(totals))
    assert ([], None) == (check_counts("cache/counts-x", counts.read_bytes())[1], damaged_at(totals.read_bytes()))
