"""docs/format.md is enough by itself: a reader written from it finds what tract finds."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.format_reader import Store, answers, demand
from tests.making import texts
from tests.sample_store import expected
from tract import RecordContent, ToolIOContent, Tract, TractConfig
from tract.maintenance.fsck.check import check_repository

DOCS = Path(__file__).resolve().parent.parent / "docs"
SAMPLE = DOCS / "samples" / "store"
ANSWERS = json.loads((DOCS / "samples" / "store.json").read_text(encoding="utf-8"))


def test_a_reader_of_the_page_finds_in_the_sample_what_lies_beside_it() -> None:
    assert ANSWERS == answers(Store(SAMPLE))


def test_tract_finds_in_the_sample_what_lies_beside_it_and_no_damage(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / ".tract")

    assert ANSWERS == expected(SAMPLE)
    assert not [one for one in check_repository(str(tmp_path / ".tract")).problems if one.severity == "error"]


def test_the_sample_has_of_everything_one() -> None:
    root = ANSWERS["tracts"]["root"]
    log = [row for branch in root["branches"].values() for row in branch["log"]]

    words = {"append", "edit", "merge", "compress", "record", "reorder", "revert", "weigh-anew"}
    assert words <= {row["operation"] for row in log}
    calls = [call["id"] for message in root["branches"]["main"]["openai"] for call in message.get("tool_calls", ())]
    assert ["call_1", "c1", "same"] == calls  # of three that share an id two are hidden with their results
    assert any(
        '"title":"sail","steps":[0.1,1e+22]' in str(one["content"]) for one in root["branches"]["main"]["openai"]
    )
    assert 2 == len(ANSWERS["tracts"])
    assert (SAMPLE / "shallow").exists()
    assert list((SAMPLE / "objects" / "pack").glob("*.idx"))
    [pack] = (SAMPLE / "objects" / "pack").glob("*.pack")
    assert int.from_bytes(pack.read_bytes()[-64:-60], "little"), "the length of its dictionary"
    nonce = (SAMPLE / "objects" / "journal").read_bytes()[16:24]
    assert nonce == (SAMPLE / "locks" / "journal").read_bytes()[:8], "the mark is about this journal"
    reasons = [said.get("reason") for said in root["notes"]["priority"].values()]
    assert "said by two at once: the later counts" in reasons
    assert "said with knowledge of it" in reasons
    assert list((SAMPLE / "objects").glob("[0-9a-f][0-9a-f]/*"))


def land_beside(t: Tract, folder: Path, chance: random.Random) -> None:
    """Let a batch with a request in it land behind what another handle committed meanwhile."""
    options = {"tract_id": t.tract_id, "on_moved": "append"}
    with Tract.open(folder, **options) as one, Tract.open(folder, **options) as other, one.batch():
        one.user(f"asked {chance.random()}")
        one.compile()
        one.assistant("answered", request={"model": "m", "messages": []}, key=f"b{chance.randrange(10**9)}")
        other.user(f"between {chance.random()}")


def use_tools(t: Tract, chance: random.Random) -> None:
    """An answer with some calls, which may share ids, and results to some; one of all these messages may be hidden."""
    ids = [chance.choice("abc") for _ in range(chance.randrange(1, 4))]
    made = [t.commit(of_calls(chance, ids))]
    for id in ids:
        if chance.random() < 0.2:
            made.append(t.user("between"))
        if chance.random() < 0.8:
            made.append(t.commit(of_result(chance, id)))
    if chance.random() < 0.6:
        t.annotate(chance.choice(made).commit_hash, "skip")


def of_calls(chance: random.Random, ids: list[str]) -> Any:
    match chance.randrange(5):
        case 0:
            return {"type": "function_call", "call_id": ids[0], "name": "f", "arguments": "{}"}
        case 1:
            uses = [{"type": "tool_use", "id": id, "name": "f", "input": {}} for id in ids]
            blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, *uses]
            blocks += [{"type": "text", "text": "so"}] if chance.random() < 0.3 else []
            return {"role": "assistant", "content": blocks}
        case 2:
            return ToolIOContent("f", "call", {"x": chance.choice([1.0, 1e16, 1e-7])}, call_id=ids[0])
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": chance.choice([None, "", "so"]), "tool_calls": calls}


def of_result(chance: random.Random, id: str) -> Any:
    match chance.randrange(4):
        case 0:
            return {"type": "function_call_output", "call_id": id, "output": "1"}
        case 1:
            blocks = [{"type": "tool_result", "tool_use_id": id, "content": "1"}]
            return {"role": "user", "content": blocks + [{"type": "text", "text": "go on"}] * chance.randrange(2)}
        case 2:
            return ToolIOContent("f", "result", "1", call_id=id)
    return {"role": "tool", "tool_call_id": id, "content": "1"}


def grow(folder: Path, chance: random.Random) -> None:
    """Do some of what can be done to a store."""
    tract_id = chance.choice([None, None, "a/b"])
    with Tract.open(folder, tract_id=tract_id, config=TractConfig(tokenizer_encoding="null")) as t:
        for n in range(chance.randrange(1, 40)):
            act = chance.randrange(12)
            if act == 0 and t.head is not None:
                t.commit(RecordContent("k", n, [t.put_blob(bytes([n, chance.randrange(256)]))]))
            elif act == 1 and len(t.compile()) > 3:
                t.edit(chance.choice(t.compile().commit_hashes), {"role": "user", "content": f"edited {n}"})
            elif act == 2 and len(t.compile()) > 3:
                message = chance.choice(t.compile().commit_hashes)
                t.annotate(message, chance.choice(["skip", "normal", "pinned"]), reason=str(n))
            elif act > 9:
                use_tools(t, chance)
            else:
                t.user(f"said {n} {chance.random()}")
        if t.head is not None and chance.random() < 0.5:
            how = chance.choice(["head_snapshot", "full_clone"])
            child = t.spawn("look", name=f"c{chance.randrange(10**9)}", inheritance=how, message="Look there.")
            child.user("found", key=f"k{chance.randrange(10**9)}")
            child.commit(RecordContent("seen", 1, [child.head]))
            if chance.random() < 0.7:
                t.collapse(child, content="It was found.")
        if chance.random() < 0.5:
            land_beside(t, folder, chance)
        if len(t.compile()) > 12 and chance.random() < 0.5:
            t.compress(content=f"summed up {chance.random()}", keep_recent=4)
        if chance.random() < 0.5:
            name = f"b{chance.randrange(10**9)}"
            t.branch(name)
            t.user("on the one")
            main = t.current_branch
            t.switch(name)
            t.user("on the other")
            t.switch(str(main))
            t.merge(name)
        if chance.random() < 0.5:
            t.gc(orphan_retention_days=0, archive_retention_days=chance.choice([None, 0]))


@pytest.mark.parametrize("seed", range(4))
def test_a_reader_of_the_page_finds_in_any_store_what_tract_finds(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        grow(tmp_path, chance)

        assert expected(tmp_path / ".tract") == answers(Store(tmp_path / ".tract"))


def test_the_example_of_the_page_is_a_store(tmp_path: Path) -> None:
    page = (DOCS / "format.md").read_text(encoding="utf-8")
    example = page[page.index("## An example") : page.index("## Packs")]
    dump = "".join(re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)", example, re.MULTILINE))
    journal = bytes.fromhex(dump.replace(" ", ""))
    store = tmp_path / ".tract"
    shutil.copytree(SAMPLE, store, ignore=shutil.ignore_patterns("objects", "refs", "tracts", "shallow", "*HEAD"))
    (store / "objects" / "pack").mkdir(parents=True)
    (store / "objects" / "journal").write_bytes(journal)

    found = answers(Store(store))["tracts"]["root"]
    demand(found, "nothing was read")
    assert ["hello"] == [message["content"] for message in found["branches"]["main"]["openai"]]
    with Tract.open(tmp_path) as t:
        assert ["hello"] == texts(t)
        assert f"{str(t.head)[:8]}…" in example


def test_what_one_large_transaction_brought_is_found_too(tmp_path: Path) -> None:
    with Tract.open(tmp_path, config=TractConfig(author="ada"), durability="process") as t:
        t.extend([{"role": "user", "content": f"message {number} " + "word " * 50} for number in range(200)])
        wanted = texts(t.compile())

    found = answers(Store(tmp_path / ".tract"))

    assert list((tmp_path / ".tract" / "objects" / "pack").glob("*.pack"))
    assert wanted == [message["content"] for message in found["tracts"]["root"]["branches"]["main"]["openai"]]
    assert not [one for one in check_repository(str(tmp_path / ".tract")).problems if one.severity == "error"]
