"""One bit, one cut or one deletion: fsck finds it, and reading never gives what nobody wrote."""

from __future__ import annotations

import random
import shutil
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tract import Tract
from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.fsck.repair import plan_repair, run_repair

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bit-flips"


@pytest.fixture(scope="module")
def flips() -> ModuleType:
    loader = SourceFileLoader("bit_flips", str(SCRIPT))
    spec = spec_from_loader("bit_flips", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


STORES = [(sealed, durability) for sealed in (False, True) for durability in ("full", "process")]
NAMES = [f"{'packs' if sealed else 'journal'}, {durability}" for sealed, durability in STORES]


def sampled(name: str, size: int) -> int:
    """Every bit of HEAD, and some of the others."""
    return 1 if name == "HEAD" else min(160 + size // 15, 2000)


@pytest.mark.parametrize(("sealed", "durability"), STORES, ids=NAMES)
def test_what_is_damaged_is_found_and_never_read_as_something_else_or_in_silence(
    flips: ModuleType, sealed: bool, durability: str, tmp_path: Path
) -> None:
    found = flips.run(flips.make_store(tmp_path, sealed=sealed, durability=durability), sampled)

    assert [] == found.missed
    assert [] == found.wrong
    assert {"flip", "cut", "gone"} == {what for _, what in found.tried}
    assert sum(found.tried.values()) > 150


@pytest.mark.parametrize(("sealed", "durability"), STORES, ids=NAMES)
def test_a_repair_gives_up_nothing_that_can_be_read_and_the_store_works(
    flips: ModuleType, sealed: bool, durability: str, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, sealed=sealed, durability=durability)

    found = flips.run(store, lambda _, size: 100 + size, repairs=True, bits=1)

    assert [] == found.given_up
    with Tract.open(tmp_path) as t:
        t.user("it works")
    assert check_repository(str(store)).is_clean


@pytest.mark.parametrize("sealed", [False, True], ids=["journal", "pack"])
def test_what_is_repaired_is_read_as_it_was(flips: ModuleType, sealed: bool, tmp_path: Path) -> None:
    store = flips.make_store(tmp_path, sealed=sealed)
    expected = flips.read_all(store)
    whole = {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}
    rng = random.Random(5)
    for name, data in whole.items():
        for damage, changed in flips.damages(name, data, 80 + len(data), rng):
            flips.put(store, name, changed)
            left = run_repair(plan_repair(check_repository(str(store))))
            assert {"missing-object"} >= {problem.kind for problem in (*left.errors, *left.warnings)}, damage
            if left.is_clean:
                seen = flips.read_all(store)
                told = seen.keys() - {"refs", "operations"}
                assert {key: expected.get(key) for key in told} == {key: seen[key] for key in told}, damage
            shutil.rmtree(store / "aside", ignore_errors=True)
            flips.restore(store, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("sealed", "durability"), STORES, ids=NAMES)
def test_every_bit_every_length_and_every_file_counts(
    flips: ModuleType, sealed: bool, durability: str, tmp_path: Path
) -> None:
    found = flips.run(flips.make_store(tmp_path, sealed=sealed, durability=durability), lambda *_: 1)

    assert [] == found.missed
    assert [] == found.wrong


def test_a_journal_cut_between_two_transactions_is_noticed_even_where_only_a_tag_is_lost(
    flips: ModuleType, tmp_path: Path
) -> None:
    store = flips.make_store(tmp_path, sealed=False)
    journal = store / "objects/journal"
    before = journal.read_bytes()
    with Tract.open(tmp_path) as t:
        t.tag("kept-nowhere-else")
    journal.write_bytes(before.rstrip(b"\0"))

    with pytest.raises(ObjectCorruptError, match="its last 1 transaction"):
        Tract.open(tmp_path)
