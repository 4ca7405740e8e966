"""Token counts on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.objects.model import new_blob
from tract.storage.counts import (
    BlobCount,
    CountsReader,
    Totals,
    add_counts,
    add_totals,
    damaged_at,
    load_totals,
    prune_all_counts,
    prune_counts,
    read_counts,
)

IDS = [new_blob({"n": n}).id for n in range(5000)]


def make_file(folder: Path, *blocks: list[bytes]) -> str:
    path = str(folder / "counts-letters-1")
    for block in blocks:
        add_counts(path, {id: BlobCount(at, at + 1) for at, id in enumerate(block)})
    return path


def every_count(path: str) -> dict[bytes, BlobCount]:
    """The counts of the whole file: they are there when something is asked for that is not."""
    reader = CountsReader(path)
    counts = {}
    for at in range(33):
        counts |= reader.look_up(bytes([at]) * 32)
    return counts


def test_pruning_leaves_what_is_kept(tmp_path):
    path = make_file(tmp_path, IDS[:10], IDS[10:20])

    assert 15 == prune_counts(path, set(IDS[8:13]).__contains__)

    assert {
        IDS[8]: (8, 9, 0, 0),
        IDS[9]: (9, 10, 0, 0),
        IDS[10]: (0, 1, 0, 0),
        IDS[11]: (1, 2, 0, 0),
        IDS[12]: (2, 3, 0, 0),
    } == every_count(path)
    add_counts(path, {IDS[0]: BlobCount(7, 7)})
    assert (7, 7, 0, 0) == every_count(path)[IDS[0]]
    assert [Path(path)] == list(tmp_path.iterdir())


def test_a_file_of_which_nothing_goes_is_not_written(tmp_path):
    path = make_file(tmp_path, IDS)
    before = Path(path).stat()

    assert 0 == prune_counts(path, lambda _: True)

    assert (before.st_ino, before.st_mtime_ns) == (Path(path).stat().st_ino, Path(path).stat().st_mtime_ns)


def test_a_large_file_is_pruned_in_blocks(tmp_path):
    path = make_file(tmp_path, IDS)

    assert 1 == prune_counts(path, lambda id: id != IDS[0])

    assert set(IDS[1:]) == every_count(path).keys()


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_the_newest_are_read_from_the_end_of_a_long_file(tmp_path, rows):
    path = make_file(tmp_path, *(IDS[at : at + rows] for at in range(0, len(IDS), rows)))

    newest = CountsReader(path).look_up(IDS[-1])

    assert 500 < len(newest) < len(IDS) // 5
    assert newest.items() <= every_count(path).items()
    assert set(IDS[-len(newest) :]) == newest.keys()


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_one_count_is_found_by_itself(tmp_path, rows):
    path = make_file(tmp_path, *(IDS[at : at + rows] for at in range(0, len(IDS), rows)))
    every = every_count(path)

    for id in (IDS[0], IDS[rows - 1], IDS[len(IDS) // 2], IDS[-1]):
        found = CountsReader(path).look_up(id)
        assert every[id] == found[id]
        assert len(found) < len(IDS) // 5

    assert len(CountsReader(path).look_up(b"\7" * 32)) < len(IDS) // 5
    assert IDS[3][1:] + b"\7" not in CountsReader(path).look_up(
        IDS[3][1:] + b"\7"
    )  # its bytes are there, but are no row's
    assert {} == CountsReader(str(tmp_path / "missing")).look_up(IDS[0])


def test_all_are_read_after_a_few_that_are_older(tmp_path):
    path = make_file(tmp_path, IDS)
    reader = CountsReader(path)

    found = [reader.look_up(id) for id in IDS[:3]]

    assert set(IDS) == set().union(*found)
    assert {} == reader.look_up(b"\7" * 32)


def test_all_are_read_after_many_that_are_not_there(tmp_path):
    path = make_file(tmp_path, IDS)
    reader = CountsReader(path)

    found = [len(reader.look_up(bytes([n]) * 32)) for n in range(40)]

    assert sum(found) == len(IDS)
    assert found[1:32] == [0] * 31


def test_a_reader_that_starts_again_finds_what_came_since(tmp_path):
    path = make_file(tmp_path, IDS[:10])
    reader = CountsReader(path)
    assert reader.look_up(IDS[0])[IDS[0]] == (0, 1, 0, 0)
    add_counts(path, {IDS[20]: BlobCount(7, 7)})
    assert {} == reader.look_up(IDS[20])

    reader.restart()

    assert (7, 7, 0, 0) == reader.look_up(IDS[20])[IDS[20]]


def test_a_count_whose_block_is_damaged_is_not_found_nor_are_older_ones(tmp_path):
    path = Path(make_file(tmp_path, IDS[:7], IDS[7:14], IDS[14:21]))
    data = bytearray(path.read_bytes())
    data[16 + (8 + 40 * 7) + 8 + 40 + 35] ^= 1
    path.write_bytes(data)

    assert set(IDS[14:21]) == every_count(str(path)).keys()


@pytest.mark.parametrize("at", [-1, -41, -(8 + 40 * 7)])
def test_where_anything_is_wrong_at_the_end_nothing_is_found_until_something_is_added(tmp_path, at):
    path = Path(make_file(tmp_path, *(IDS[at : at + 7] for at in range(0, 4900, 7))))
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)

    assert {} == every_count(str(path))
    add_counts(str(path), {IDS[0]: BlobCount(7, 7)})
    assert {IDS[0]: (7, 7, 0, 0)} == every_count(str(path))


def test_many_at_once_are_written_in_blocks(tmp_path):
    path = Path(make_file(tmp_path, IDS))

    assert 16 + 20 * 8 + 44 * 5000 == path.stat().st_size
    assert set(IDS) == every_count(str(path)).keys()


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

    assert {IDS[1], IDS[2]} == every_count(str(path)).keys()
    prune_all_counts(str(tmp_path / "missing"), lambda _: False)


def is_whole(path):
    wrong = []
    read_counts(path.read_bytes(), lambda at, _: wrong.append(at))
    return not wrong


def test_a_file_whose_maker_died_before_the_first_row_is_whole_and_gets_it(tmp_path):
    counts, totals = tmp_path / "counts-x", tmp_path / "totals"
    for path in (counts, totals):
        path.touch()

    assert ({}, {}) == (every_count(str(counts)), load_totals(str(totals)))
    assert damaged_at(b"") is None

    add_counts(str(counts), {IDS[0]: BlobCount(7, 8)})
    add_totals(str(totals), {bytes(32): Totals(1, 0, 0, 7, False, 0)})
    assert {IDS[0]: (7, 8, 0, 0)} == every_count(str(counts))
    assert {bytes(32): (1, 0, 0, 7, False, 0)} == load_totals(str(totals))
    assert damaged_at(totals.read_bytes()) is None
    assert is_whole(counts)
