"""Whatever gc takes, every context is what it was: each message, config, priority, warning and rendering, here and in a fresh handle."""

from __future__ import annotations

import io
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.making import Letters
from tract import CommitInfo, Priority, Tract
from tract.errors import HistoryCutError, TractError
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import DAY, read_options
from tract.maintenance.stream.dump import plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream


def opened(path: Path, tract_id: str = "root") -> Tract:
    named: dict[str, Any] = {} if tract_id == "root" else {"tract_id": tract_id}
    return Tract.open(path, tokenizer=Letters(), durability="process", on_moved="append", verify_cache=True, **named)


def shown(t: Tract, revision: str) -> dict[str, object]:
    """All that is to be seen of the context at *revision*, but for who changed a message, and what a summary stands for: that is history."""
    context = t.compile(at_commit=revision)
    edited = t.compile(at_commit=revision, include_edit_annotations=True)
    return {
        "ids": list(context.commit_hashes),
        "messages": list(context.messages),
        "edited": list(edited.messages),
        "configs": list(context.generation_configs),
        "counts": (list(context.token_counts), context.token_count, context.token_source),
        "sent": (context.to_openai(), context.to_openai_responses(), context.to_anthropic(), context.to_gemini()),
        "warnings": context.warnings,
        "blame": [
            (told(row.introduced), row.content_hash, row.role, row.text, row.generation_config)
            for row in t.blame(revision)
        ],
    }


def told(info: CommitInfo) -> CommitInfo:
    """All of it but the parents, which may go."""
    return replace(info, parent_hash=None, parent_hashes=())


def everything(t: Tract) -> dict[str, object]:
    seen: dict[str, object] = {"tags": t.tags(), "head": (t.head, t.current_branch)}
    seen["branches"] = [(info.name, info.commit_hash) for info in t.list_branches()]
    seen["pinned"], seen["skipped"] = [*map(told, t.pinned())], [*map(told, t.skipped())]
    for name, value in t.repository.local_refs("refs/"):
        if isinstance(value, bytes) and not name.startswith("refs/notes/"):
            try:
                seen[name] = shown(t, value.hex())
            except HistoryCutError:  # a tag on a message whose history went before
                seen[name] = (told(t.get_commit(value.hex())), t.get_content(value.hex()))
    return seen


def a_config(chance: random.Random) -> dict[str, Any] | None:
    return {"model": chance.choice("xyz")} if chance.random() < 0.6 else None


def call_tool(t: Tract, number: int) -> None:
    call = {"id": f"c{number}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    t.commit({"role": "assistant", "content": None, "tool_calls": [call]}, generation_config={"model": "tool"})
    t.tool_result(f"c{number}", f"result {number}")


ACTIONS = (
    "say " * 6 + "tool compress compress edit edit edit config priority priority branch switch merge reset tag "
    "reorder expand undo restore revert drop-branch"
).split()


def act(t: Tract, chance: random.Random, number: int) -> None:
    what = chance.choice(ACTIONS)
    ids = list(t.compile().commit_hashes)
    names = [info.name for info in t.list_branches()]
    if what == "say" or len(ids) < 3:
        t.commit({"content_type": "dialogue", "role": "user", "text": f"m{number}"}, generation_config=a_config(chance))
    elif what == "tool":
        call_tool(t, number)
    elif what == "compress":
        t.compress(content=f"summary {number}", keep_recent=chance.randrange(4), force=True)
    elif what == "edit":
        t.edit(chance.choice(ids), chance.choice(["on", "off", f"edited {number}"]), generation_config=a_config(chance))
    elif what == "priority":
        t.annotate(chance.choice(ids), chance.choice(list(Priority)), reason=f"why {number}")
    elif what == "branch":
        t.branch(f"b{number}", switch=True)
    elif what == "switch":
        t.switch(chance.choice(names))
    elif what == "merge":
        t.merge(chance.choice(names), strategy=chance.choice(["ours", "theirs"]))
    elif what == "reset":
        t.reset(f"HEAD~{chance.randrange(1, 4)}", mode=chance.choice(["soft", "hard"]))
    elif what == "tag":
        t.tag(f"t{number}", chance.choice(["HEAD", *ids]))
    elif what == "reorder":
        t.reorder([chance.choice(ids)], after=chance.choice(ids))
    elif what == "expand":
        t.expand(chance.choice(ids))
    elif what == "restore":
        t.restore(chance.choice(ids), chance.choice([0, -1, -2]))
    elif what == "revert":
        t.revert(f"HEAD~{chance.randrange(3)}")
    elif what == "drop-branch":
        t.delete_branch(chance.choice(names), force=True)
    else:
        t.undo()


@pytest.mark.parametrize("seed", range(10))
def test_no_context_changes_whatever_gc_takes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    number = 0
    taken = 0
    for _ in range(5):
        with opened(tmp_path) as t:
            for _ in range(16):
                number += 1
                try:
                    act(t, chance, number)
                except TractError:
                    continue  # nothing to undo, merge, expand or move: what is refused changes nothing
            before = everything(t)
            window = chance.choice(["never", 0, 0, "2k"])
            days = chance.choice([0.0, 1.0])
            now = time.time() + chance.choice([0, 2]) * DAY
            taken += collect(t.repository, read_options(t.repository, orphans=days, archives=window), now=now).dropped
            assert before == everything(t)
        with opened(tmp_path) as t:
            assert before == everything(t)
        report = check_repository(str(tmp_path / ".tract"))
        assert () == tuple(one for one in report.problems if one.severity != "note")
    assert taken


def configured(path: Path) -> tuple[Tract, str, str]:
    """Six messages, all with a config; the tract, the fifth, and the edit that gave it other words and another config."""
    t = opened(path)
    said = [{"content_type": "dialogue", "role": "user", "text": text} for text in "abcdef"]
    ids = [t.commit(content, generation_config={"model": "m"}).commit_hash for content in said]
    return t, ids[4], t.edit(ids[4], "E", generation_config={"model": "z"}).commit_hash


def has(t: Tract, commit: str) -> bool:
    return t.repository.objects.contains(bytes.fromhex(commit))


def gc_now(t: Tract) -> None:
    t.gc(orphan_retention_days=0, archive_retention_days=0)


def test_an_edit_with_a_config_of_its_own_stays_while_its_words_are_shown(tmp_path: Path) -> None:
    t, message, edit = configured(tmp_path)
    t.compress(content="abcd", keep_recent=2)

    for _ in range(2):
        gc_now(t)
        for each in (t, opened(tmp_path)):
            assert [None, {"model": "z"}, {"model": "m"}] == list(each.compile().generation_configs)
            assert {"model": "z"} == each.blame()[1].generation_config
        assert () == check_repository(str(tmp_path / ".tract")).problems

    t.edit(message, "other words")
    gc_now(t)
    t.user("g")
    t.compress(content="all", keep_recent=1)
    gc_now(t)
    assert not has(t, edit)
    assert edit.encode() not in (tmp_path / ".tract" / "shallow").read_bytes()


def test_an_orphaned_edit_stays_where_its_words_were_taken_over(tmp_path: Path) -> None:
    t, message, edit = configured(tmp_path)
    t.branch("side")
    t.reset("HEAD~1", mode="hard")
    t.restore(message, edit)
    t.delete_branch("side", force=True)
    assert {"model": "z"} == t.compile().generation_configs[4]

    gc_now(t)

    assert {"model": "z"} == opened(tmp_path).compile().generation_configs[4]
    assert "E" == t.get_content(edit).text
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_edits_that_said_the_same_all_stay_and_the_newest_is_shown(tmp_path: Path) -> None:
    t, message, edit = configured(tmp_path)
    t.edit(message, "e", generation_config={"model": "y"})
    newest = t.edit(message, "E", generation_config={"model": "x"}).commit_hash
    t.compress(content="abcd", keep_recent=2)

    gc_now(t)

    assert {"model": "x"} == t.compile().generation_configs[1]
    assert (True, True) == (has(t, edit), has(t, newest))


def test_a_stream_takes_an_edit_that_stayed_along(tmp_path: Path) -> None:
    t, _, _ = configured(tmp_path / "here")
    t.compress(content="abcd", keep_recent=2)
    gc_now(t)
    written = io.BytesIO()
    write_stream(t.repository, plan_store_export(t.repository), written.write)
    there = opened(tmp_path / "there")

    import_stream(there.repository, io.BytesIO(written.getvalue()))

    assert everything(t) == everything(opened(tmp_path / "there"))
    assert () == check_repository(str(tmp_path / "there" / ".tract")).problems
