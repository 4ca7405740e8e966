"""One bit, one cut or one deletion: fsck finds it, and reading never gives what nobody wrote."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bit-flips"


@pytest.fixture(scope="module")
def flips() -> ModuleType:
    loader = SourceFileLoader("bit_flips", str(SCRIPT))
    spec = spec_from_loader("bit_flips", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def sampled(name: str, size: int) -> int:
    """Every bit of HEAD, and some of the others."""
    return 1 if name == "HEAD" else min(40 + size // 40, 400)


@pytest.mark.parametrize("sealed", [False, True], ids=["journal", "pack"])
def test_what_is_damaged_is_found_and_never_read_as_something_else(
    flips: ModuleType, sealed: bool, tmp_path: Path
) -> None:
    tried, missed, wrong, _ = flips.run(flips.make_store(tmp_path, sealed=sealed), sampled)

    assert [] == missed
    assert [] == wrong
    assert {"flip", "cut", "gone"} == {what for _, what in tried}
    assert sum(tried.values()) > 500


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [False, True], ids=["journal", "pack"])
def test_every_bit_every_length_and_every_file_counts(flips: ModuleType, sealed: bool, tmp_path: Path) -> None:
    _, missed, wrong, _ = flips.run(flips.make_store(tmp_path, sealed=sealed), lambda *_: 1)

    assert [] == missed
    assert [] == wrong
