"""Random histories, compressed and collected at random: no ref's context changes, and nothing that stays lacks anything."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.making import Letters
from tract import HistoryCutError, Priority, Tract
from tract.errors import TractError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import DAY, read_options


def opened(path: Path) -> Tract:
    return Tract.open(path, tokenizer=Letters(), durability="process", on_moved="append", verify_cache=True)


def seen(t: Tract) -> dict[str, object]:
    """What each branch and tag shows: ids and texts of its context."""
    shown: dict[str, object] = {}
    for name, value in t.repository.local_refs("refs/"):
        if isinstance(value, bytes) and not name.startswith("refs/notes/"):
            try:
                compiled = t.compile(at_commit=value.hex())
            except HistoryCutError:  # a tag on a message whose history went before
                shown[name] = t.get_content(value.hex())
                continue
            shown[name] = (compiled.commit_hashes, [message.content for message in compiled.messages])
    return shown


def step(t: Tract, chance: random.Random, number: int) -> None:
    what = chance.choice(("say " * 6 + "compress pin compress branch switch merge reset tag edit expand undo").split())
    ids = t.compile().commit_hashes
    branches = [info.name for info in t.list_branches()]
    if what == "say" or len(ids) < 3:
        t.user(f"message {number}")
    elif what == "pin":
        t.annotate(chance.choice(ids), Priority.PINNED)
    elif what == "compress":
        t.compress(content=f"summary {number}", keep_recent=chance.randrange(3), force=True)
    elif what == "branch":
        t.branch(f"b{number}", switch=True)
    elif what == "switch":
        t.switch(chance.choice(branches))
    elif what == "merge":
        t.merge(chance.choice(branches), strategy="ours")
    elif what == "reset":
        t.reset(f"HEAD~{chance.randrange(1, 4)}", mode=chance.choice(["soft", "hard"]))
    elif what == "tag":
        t.tag(f"t{number}", chance.choice(ids))
    elif what == "edit":
        t.edit(chance.choice(ids), f"edited {number}")
    elif what == "expand":
        t.expand(chance.choice(ids))
    else:
        t.undo()


@pytest.mark.parametrize("seed", range(12))
def test_collecting_archives_changes_no_context(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    number = 0
    for _ in range(6):
        with opened(tmp_path) as t:
            for _ in range(14):
                number += 1
                try:
                    step(t, chance, number)
                except TractError:
                    continue  # nothing to undo, merge or expand: what is refused changes nothing
            before = seen(t)
            window = chance.choice(["never", 0, 2, "0.6k"])
            days = chance.choice([0.0, 1.0, 3.0])
            options = read_options(t.repository, orphans=days, archives=window)
            collect(t.repository, options, now=time.time() + chance.choice([0, 1, 2.5]) * DAY)
            assert before == seen(t)
            t.log(None)
            t.reflog()
        report = check_repository(str(tmp_path / ".tract"))
        assert () == tuple(one for one in report.problems if one.severity != "note"), number
        with opened(tmp_path) as t:
            assert before == seen(t)
