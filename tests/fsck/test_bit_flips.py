"""One bit, one cut or one deletion: fsck finds it, and reading never gives what nobody wrote."""

from __future__ import annotations

import random
from contextlib import closing
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tract import Tract
from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.check import check_repository, examine
from tract.maintenance.fsck.journal import scan_journal
from tract.maintenance.fsck.repair import run_repair
from tract.maintenance.fsck.repair_plan import plan_repair

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bit-flips"


@pytest.fixture(scope="module")
def flips() -> ModuleType:
    loader = SourceFileLoader("bit_flips", str(SCRIPT))
    spec = spec_from_loader("bit_flips", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


STORES = [
    (what, durability)
    for what in ("journal", "history", "records", "packs", "large transactions")
    for durability in ("full", "process")
]
NAMES = [f"{what}, {durability}" for what, durability in STORES]


def sampled(name: str, size: int) -> int:
    """Every bit of HEAD, and some of the others."""
    return 1 if name == "HEAD" else min(320 + size // 8, 4000)


@pytest.mark.parametrize(("what", "durability"), STORES, ids=NAMES)
def test_what_is_damaged_is_found_and_never_read_as_something_else_or_in_silence(
    flips: ModuleType, what: str, durability: str, tmp_path: Path
) -> None:
    found = flips.run(flips.make_store(tmp_path, what, durability), sampled)

    assert [] == found.missed
    assert [] == found.wrong
    assert {"flip", "cut", "gone"} == {what for _, what in found.tried}
    assert sum(found.tried.values()) > 60


@pytest.mark.parametrize(("what", "durability"), STORES, ids=NAMES)
def test_a_repair_gives_up_nothing_that_can_be_read_and_the_store_works(
    flips: ModuleType, what: str, durability: str, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, what, durability)

    found = flips.run(store, lambda _, size: 200 + 2 * size, repairs=True, bits=1)

    assert [] == found.given_up
    with Tract.open(tmp_path) as t:
        t.user("it works")
    assert check_repository(str(store)).is_clean


@pytest.mark.parametrize("what", ["journal", "packs"])
def test_what_is_repaired_is_read_as_it_was(flips: ModuleType, what: str, tmp_path: Path) -> None:
    store = flips.make_store(tmp_path, what)
    expected = flips.read_all(store)
    folder = flips.Folder(store)
    rng = random.Random(5)
    for name, data in folder.whole.items():
        for damage, changed in flips.damages(name, data, 80 + len(data), rng):
            folder.put(name, changed)
            left = run_repair(plan_repair(check_repository(str(store))))
            assert {"missing-object"} >= {problem.kind for problem in (*left.errors, *left.warnings)}, damage
            if left.is_clean:
                seen = flips.read_all(store)
                told = seen.keys() - flips.PLACES
                assert {key: expected.get(key) for key in told} == {key: seen[key] for key in told}, damage
            folder.restore()


@pytest.mark.slow
@pytest.mark.parametrize(("what", "durability"), STORES, ids=NAMES)
def test_every_bit_every_length_and_every_file_counts(
    flips: ModuleType, what: str, durability: str, tmp_path: Path
) -> None:
    found = flips.run(flips.make_store(tmp_path, what, durability), lambda *_: 1)

    assert [] == found.missed
    assert [] == found.wrong


def test_a_journal_cut_between_two_transactions_is_noticed_even_where_only_a_tag_is_lost(
    flips: ModuleType, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, "journal")
    journal = store / "objects/journal"
    before = journal.read_bytes()
    with Tract.open(tmp_path) as t:
        t.tag("kept-nowhere-else")
    journal.write_bytes(before.rstrip(b"\0"))

    with pytest.raises(ObjectCorruptError, match="its last 1 transaction"):
        Tract.open(tmp_path)


def test_a_journal_cut_behind_any_object_still_has_it(flips: ModuleType, tmp_path: Path) -> None:
    journal = flips.make_store(tmp_path, "history") / "objects/journal"
    whole = journal.read_bytes()
    with closing(examine(str(tmp_path / ".tract"))) as sound:
        assert sound.journal is not None
        records = list(sound.journal.records)
    assert any(whole[one.offset + one.size - 1] == 0 for one in records)  # it looks like what is written ahead

    for one in records:
        cut = scan_journal(str(journal), whole[: one.offset + one.size])
        assert one in cut.records


def every_frame_is_found(store: Path, damaged: bytes, pack: Path) -> None:
    """That fsck reads all of the store whose *pack* has the bytes *damaged*, and a repair keeps it."""
    with closing(examine(str(store))) as before:
        ids = {id for id, place in before.found.items() if place.kind != "operation"}
    pack.write_bytes(damaged)
    with closing(examine(str(store))) as found:
        assert ids <= {id for id, _ in found.found.items()}
    plan = plan_repair(check_repository(str(store)))
    assert () == plan.lost
    assert run_repair(plan).is_clean
    with closing(examine(str(store))) as after:
        assert ids <= {id for id, _ in after.found.items()}


def test_of_a_large_transaction_whose_pack_lost_its_tables_nothing_is_given_up(
    flips: ModuleType, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, "large transactions")
    pack = max(store.glob("objects/pack/*.pack"))

    every_frame_is_found(store, pack.read_bytes()[:-1], pack)


@pytest.mark.parametrize("bit", [3, 8 * 5 + 1, 8 * 100, 8 * 250 + 7])
def test_of_a_pack_with_a_flipped_bit_in_its_dictionary_nothing_is_given_up(
    flips: ModuleType, bit: int, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, "packs")
    pack = max(store.glob("objects/pack/*.pack"), key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[16 + bit // 8] ^= 1 << bit % 8

    every_frame_is_found(store, bytes(data), pack)
