"""Records: kept, hashed, in the history; never in a context, its tokens or its positions."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.making import Words, texts
from tract import BlobNotFoundError, ContentValidationError, RecordContent, Tract
from tract.maintenance.fsck.check import check_repository
from tract.maintenance.stream.dump import plan_store_export, write_stream
from tract.maintenance.stream.load import import_stream


def make_tract(path: str | Path = ":memory:") -> Tract:
    """A tract with a message, a record that needs a blob, and another message."""
    t = Tract.open(path, tokenizer=Words(), verify_cache=True)
    t.user("a")
    t.commit(RecordContent("state", {"z": 1, "a": [None]}, [t.put_blob(b"\x00bytes")]))
    t.user("b")
    return t


def steps(t: Tract, **options: Any) -> list[str]:
    return [str(info.operation) for info in t.log(None, **options)]


def is_clean(folder: Path) -> bool:
    return check_repository(str(folder / ".tract")).is_clean


def test_a_record_is_in_the_history_and_in_no_context() -> None:
    t = make_tract()

    assert ["a", "b"] == texts(t)
    assert (2, 0) == (t.status().message_count, t.records()[0].token_count)
    assert t.compile().token_count == t.compile(at_commit="HEAD").token_count
    assert ["append", "append"] == [str(row.introduced.operation) for row in t.blame()]
    assert "record" == str(t.get_commit("HEAD~1").operation)
    assert ["append", "append"] == steps(t)
    assert ["append", "record", "append"] == steps(t, records=True)
    assert ["record"] == steps(t, op_filter="record")
    assert 1 == len(t.log(1))


def test_a_record_comes_back_as_it_was_with_the_bytes_it_needs() -> None:
    t = make_tract()

    (record,) = t.records("state")

    content = t.get_content(record.commit_hash)
    assert ("state", ["z", "a"]) == (content.kind, list(content.payload))
    assert b"\x00bytes" == t.get_blob(content.refs[0])
    assert content == t.show(record.commit_hash).content
    assert not t.show(record.commit_hash).changes
    assert [] == t.records("other")


def test_a_dict_can_say_a_record() -> None:
    t = make_tract()

    t.commit({"content_type": "record", "kind": "line", "payload": "x", "refs": [t.get_commit("HEAD").commit_hash]})

    assert ["line", "state"] == [t.get_content(info.commit_hash).kind for info in t.records()]
    assert [t.get_commit("HEAD~1").commit_hash] == list(t.get_content("HEAD").refs)
    assert 1 == len(t.records(limit=1))


@pytest.mark.parametrize(
    ("record", "options", "error"),
    [
        (RecordContent("k", {}, ["0" * 64]), {}, BlobNotFoundError),
        (RecordContent("k", {}, "text"), {}, ContentValidationError),
        (RecordContent("k", b"bytes"), {}, ContentValidationError),
        (RecordContent("k", 2**70), {}, ContentValidationError),
        (RecordContent(5, {}), {}, ContentValidationError),  # type: ignore[arg-type]
        (RecordContent("k", {}), {"generation_config": {"model": "m"}}, ContentValidationError),
        (RecordContent("k", {}), {"operation": "edit", "response_to": "HEAD"}, ContentValidationError),
    ],
)
def test_what_is_no_record_is_refused(record: Any, options: dict[str, Any], error: type[Exception]) -> None:
    t = make_tract()
    head = t.head

    with pytest.raises(error):
        t.commit(record, **options)

    assert head == t.head


def test_an_edit_of_head_on_a_record_means_the_message_before_it() -> None:
    t = make_tract()
    t.commit(RecordContent("k", 1))
    t.commit(RecordContent("k", 2))

    t.edit("HEAD", "B")
    t.annotate("HEAD~1", "pinned")

    assert ["a", "B"] == texts(t)
    assert ["B"] == [info.message or "B" for info in t.pinned()]


def test_bisect_asks_about_no_record() -> None:
    t = make_tract()
    good = t.head
    for n in range(6):
        t.commit(RecordContent("k", n))
        t.user(str(n))

    asked: list[int] = []
    bad = t.bisect(str(good), "HEAD", lambda context: asked.append(len(context)) or "3" not in str(context.to_openai()))

    assert "append" == str(bad.operation)
    assert len(asked) <= 3


def test_replays_carry_records_along_and_merges_bring_them_by_history() -> None:
    t = make_tract()
    t.branch("side", source="HEAD~2")
    t.switch("side")
    t.user("c")
    t.commit(RecordContent("mine", 1, [t.put_blob(b"needed")]))
    t.rebase("main")

    assert (["a", "b", "c"], ["mine", "state"]) == (texts(t), kinds(t))
    assert b"needed" == t.get_blob(t.get_content(t.records("mine")[0].commit_hash).refs[0])
    t.switch("main")
    t.user("d")
    t.merge("side")
    assert (["a", "b", "d", "c"], {"mine", "state"}) == (texts(t), set(kinds(t)))
    t.branch("other", source="HEAD~2")
    t.switch("other")
    t.cherry_pick(t.log(None, start="main", op_filter="record")[0].commit_hash)
    assert "mine" == kinds(t)[0]


def kinds(t: Tract) -> list[str]:
    return [t.get_content(info.commit_hash).kind for info in t.records()]


def test_a_batch_with_records_lands_and_a_failed_one_leaves_none(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        with t.batch():
            t.user("c")
            t.commit(RecordContent("k", 1, [t.put_blob(bytes([n])) for n in range(50)]))
        with pytest.raises(ZeroDivisionError), t.batch():
            t.commit(RecordContent("k", 1 / 0))
        assert ["k", "state"] == kinds(t)
        assert 50 == len(t.get_content(t.records("k")[0].commit_hash).refs)
    assert is_clean(tmp_path)


def test_gc_keeps_what_a_record_needs_and_drops_it_with_the_record(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        alone = t.put_blob(b"nobody needs it")
        needed = t.get_content(t.records()[0].commit_hash).refs[0]
        t.gc(orphan_retention_days=0)
        assert b"\x00bytes" == t.get_blob(needed)
        with pytest.raises(BlobNotFoundError):
            t.get_blob(alone)

        t.reset("HEAD~2", mode="hard")
        t.gc(orphan_retention_days=0)
        with pytest.raises(BlobNotFoundError):
            t.get_blob(needed)
    assert is_clean(tmp_path)


def test_a_compression_stands_for_no_record_and_gc_of_its_archive_keeps_them(tmp_path: Path) -> None:
    with make_tract(tmp_path) as t:
        refs = [t.put_blob(bytes([n])) for n in range(40)]
        for n in range(3):
            t.user(f"c{n}")
            t.commit(RecordContent("k", n, refs))
        t.compress(content="summary", keep_recent=1)
        t.user("d")
        t.commit(RecordContent("k", 3))
        t.user("e")
        t.compress(content="again", keep_recent=1)
        before = kinds(t)
        t.gc(orphan_retention_days=0, archive_retention_days=0)

        assert ["k", "k", "k", "k", "state"] == before == kinds(t)
        assert [3, 2, 1, 0] == [t.get_content(info.commit_hash).payload for info in t.records("k")]
        assert refs == list(t.get_content(t.records("k")[1].commit_hash).refs)
        assert b"\x07" == t.get_blob(refs[7])
        t.gc(orphan_retention_days=0, archive_retention_days=0)
        assert before == kinds(t)
    assert is_clean(tmp_path)


def test_records_pass_a_stream(tmp_path: Path) -> None:
    with make_tract(tmp_path / "a") as t:
        t.user("c")
        t.compress(content="summary", keep_recent=1)
        out = io.BytesIO()
        write_stream(t.repository, plan_store_export(t.repository), out.write)
        kept = kinds(t)
    with Tract.open(tmp_path / "b") as t:
        import_stream(t.repository, io.BytesIO(out.getvalue()))
    with Tract.open(tmp_path / "b") as t:
        assert (kept, b"\x00bytes") == (kinds(t), t.get_blob(t.get_content(t.records()[0].commit_hash).refs[0]))
    assert is_clean(tmp_path / "b")


def test_records_that_name_a_growing_list_cost_one_chunk_each(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t, t.batch():
        refs: list[str] = []
        for n in range(120):
            refs.append(t.put_blob(b"message %d" % n))
            t.commit(RecordContent("checkpoint", n, refs))
    with Tract.open(tmp_path) as t:
        found = [kind for _, kind in t.repository.objects.ids()]
        assert 120 == found.count("commit")
        assert found.count("tree") <= 2 * 120 // 8
        assert refs == list(t.get_content("HEAD").refs)
    assert is_clean(tmp_path)


def test_a_record_may_come_first(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        t.commit(RecordContent("k", 1))
        assert ([], 0) == (texts(t), t.status().message_count)
        t.user("a")
        assert ["a"] == texts(t)
    assert is_clean(tmp_path)


def test_records_are_found_by_their_key() -> None:
    t = make_tract()
    one = t.commit(RecordContent("state", 1), key="one")
    t.user("a message", key="two")

    assert [one] == t.records(key="one")
    assert [one] == t.records("state", key="one")
    assert [] == t.records("other", key="one") == t.records(key="two") == t.records(key="three")
    for options in ({"key": ""}, {"limit": -1}):
        with pytest.raises(ContentValidationError):
            t.records(**options)  # type: ignore[arg-type]
