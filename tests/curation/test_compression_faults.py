"""An error at any call to the system while a compression is kept, approved or expanded: all of it happened, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.every_call import Fault, failing
from tests.making import Words, texts
from tract import Tract
from tract.errors import CompressionError, TractError
from tract.maintenance.fsck.check import check_repository

# What may be left behind without harm: the next writer sees to it.
LEFT_BEHIND = {"torn-end", "mark-damaged", "ref-file-behind", "ref-file-missing", "ref-file-damaged", "counts-damaged"}
BEFORE = [f"message {at} with some words" for at in range(6)]
AFTER = ["Σ", BEFORE[-1]]


@pytest.fixture
def folder_in_memory() -> Iterator[Path]:
    """A folder that is synced as fast as memory, where there is one: each test opens a hundred stores."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tract-faults-", dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


def opened(folder: Path, **options: Any) -> Tract:
    return Tract.open(folder, tokenizer=Words(), **{"durability": "process", **options})


def approve(t: Tract) -> None:
    t.approve_compression(t.pending_compressions()[0])


def expand(t: Tract) -> None:
    t.expand(t.compile().commit_hashes[0])


def compress(t: Tract) -> None:
    t.compress(summariser=lambda _: "Σ")


@pytest.mark.parametrize(
    ("prepare", "act", "states"),
    [
        (lambda t: t.compress(content="Σ", auto_commit=False), approve, (BEFORE, AFTER)),
        (lambda t: t.compress(content="Σ"), expand, (AFTER, BEFORE)),
        (lambda _: None, compress, (BEFORE, AFTER)),
    ],
    ids=["approve", "expand", "compress"],
)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_an_error_at_any_call_leaves_all_of_it_or_nothing(
    folder_in_memory: Path,
    prepare: Callable[[Tract], object],
    act: Callable[[Tract], None],
    states: tuple[Any, Any],
    error: str,
) -> None:
    template = folder_in_memory / "template"
    with opened(template) as t:
        t.extend([{"role": "user", "content": text} for text in BEFORE])
        prepare(t)
    at = calls = 0
    while at <= calls:
        folder = folder_in_memory / str(at)
        shutil.copytree(template, folder)
        fault = Fault(at, error)
        is_told = False
        with opened(folder, durability="full") as t, failing(fault), suppress(TractError):
            is_told = True
            act(t)
            is_told = False
        calls = len(fault.calls)
        with opened(folder) as t:
            found = texts(t)
            assert found in states, f"call {at}"
            assert is_told or found == states[1], f"call {at}"
            if found == states[0]:
                act(t)
            elif act is approve:
                with suppress(CompressionError):
                    for pending in t.pending_compressions():
                        t.reject_compression(pending)
            assert texts(t) == states[1]
            assert [] == t.pending_compressions()
        problems = [one for one in check_repository(str(folder / ".tract")).problems if one.kind not in LEFT_BEHIND]
        assert [] == problems, f"call {at}"
        shutil.rmtree(folder)
        at += 1
    assert calls > 5
