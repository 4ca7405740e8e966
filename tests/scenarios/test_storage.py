"""Scenarios 4.3, reclaiming storage, and X.4, a session that never stops, through Python and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.long_run import run
from tract import HistoryCutError, Tract
from tract.maintenance.fsck.check import check_repository


def support_chat(path: Path) -> tuple[list[str], str]:
    """Forty messages of which the first thirty were compressed, one of them pinned and one tagged; the ids, and the compression's."""
    with Tract.open(path) as t:
        ids = [t.user(f"message {n}: " + "what the customer said " * 5).commit_hash for n in range(40)]
        t.annotate(ids[3], "pinned")
        t.compress(content="thirty messages about a late parcel", to_commit=ids[29])
        compression = t.head or ""
        t.tag("audited", ids[5])
    return ids, compression


def there(t: Tract, ids: list[str]) -> list[bool]:
    return [t.repository.objects.contains(bytes.fromhex(id)) for id in ids]


def test_4_3_archives_and_orphans_go_after_windows_of_their_own(tmp_path: Path) -> None:
    ids, compression = support_chat(tmp_path)
    with Tract.open(tmp_path) as t:
        shown = [message.content for message in t.compile().messages]
        kept = t.gc(orphan_retention_days=7, archive_retention_days=30)
        assert (0, ()) == (kept.dropped, kept.archives)
        assert all(there(t, ids))

        planned = t.gc(orphan_retention_days=7, archive_retention_days=0, dry_run=True)
        assert all(there(t, ids))
        done = t.gc(orphan_retention_days=7, archive_retention_days=0)

        assert [(compression, 24)] == [(one.commit, one.messages) for one in done.archives]
        assert planned.archives == done.archives
        assert done.archives[0].size > 0
        # What the tag leads to is there, the pin is in the context, the recent messages are.
        assert [*range(6), *range(30, 40)] == [n for n, is_there in enumerate(there(t, ids)) if is_there]
        assert [f"message {n}" for n in range(6)] == [m.content[:9] for m in t.compile(at_commit="audited").messages]
        with pytest.raises(HistoryCutError, match="was cut on"):
            t.compile(at_commit=ids[35])

    with Tract.open(tmp_path) as t:
        assert shown == [message.content for message in t.compile().messages]
        assert compression == t.log(None)[-1].commit_hash
        t.user("and on it goes")
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_4_3_on_the_command_line(tmp_path: Path, tract: Callable[..., Any]) -> None:
    ids, compression = support_chat(tmp_path)

    dry = tract("gc", "--dry-run", "--archive-retention", "0h")
    assert f"archive of {compression[:10]}" in dry.out
    assert "24 commits, 24 messages, " in dry.out
    assert "orphans: 0 objects" in dry.out
    young = tract("gc", "--archive-retention", "30d", "--json").json
    assert ([], 0) == (young["archives"], young["dropped"])
    done = tract("gc", "--archive-retention", "0", "--json").json

    assert [(compression, 24)] == [(one["commit"], one["messages"]) for one in done["archives"]]
    assert compression[:10] in tract("log", "--oneline").out.splitlines()[-1]
    assert "message 3" in tract("show", ids[3]).out
    refused = tract("branch", "again", ids[35])
    assert (128, True) == (refused.status, "history behind" in refused.err)
    assert 0 == tract("fsck").status
    wrong = tract("gc", "--archive-retention", "soon")
    assert (2, True) == (wrong.status, "days, hours, a size or never" in wrong.err)


@pytest.mark.parametrize("messages", [1000, pytest.param(2000, marks=pytest.mark.slow)])
def test_x_4_an_agent_that_never_stops_stays_within_its_budget_and_its_disk(tmp_path: Path, messages: int) -> None:
    outcome = run(tmp_path, messages, window_days=0, gc_every=2, critical_every=messages // 10, budget=4000)

    assert 10 == outcome.pins  # all of them verbatim, or run() would have raised
    assert outcome.highest <= 4000
    assert outcome.compressions >= messages // 50
    after = [sample.size for sample in outcome.samples if not sample.before_gc]
    half = len(after) // 2
    assert max(after[half:]) < 1.3 * max(after[:half])
    assert () == check_repository(str(tmp_path / ".tract")).problems
