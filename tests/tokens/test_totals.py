"""Totals that are remembered between processes."""

from __future__ import annotations

from contextlib import closing

from tests.making import Words
from tract import Priority, Tract
from tract.cli.workspace import looking_workspace
from tract.compile.totals import ContextTotals, context_totals
from tract.opening import open_repository
from tract.storage.counts import Totals, add_totals, load_totals


def open_tract(folder) -> Tract:
    return Tract.open(folder, tokenizer=Words(), durability="process")


def figures(t: Tract) -> tuple[int, int, int]:
    status = t.status()
    return status.message_count, status.skipped_count, status.token_count


def test_totals_go_into_a_file_and_come_back(tmp_path):
    path = str(tmp_path / "totals")
    one, two = Totals(1, 2, 3, 2**40, tools=True), Totals(0, 0, 0, 0, tools=False)
    add_totals(path, {b"1" * 32: one})
    add_totals(path, {b"2" * 32: two})

    assert {b"1" * 32: one, b"2" * 32: two} == load_totals(path)


def test_a_damaged_file_is_removed_and_what_was_whole_is_used(tmp_path):
    path = tmp_path / "totals"
    one = Totals(1, 2, 3, 4, tools=False)
    add_totals(str(path), {b"1" * 32: one, b"2" * 32: one})
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)

    assert {b"1" * 32: one} == load_totals(str(path))
    assert not path.exists()
    assert {} == load_totals(str(path))


def test_status_reads_no_context_whose_totals_are_known(tmp_path):
    with open_tract(tmp_path) as t:
        t.extend({"role": "user", "content": f"message {n}"} for n in range(300))
        assert (300, 0, 1803) == figures(t)
        t.user("one more")
        t.compile().token_count  # noqa: B018

    with open_tract(tmp_path) as t:
        assert (301, 0, 1809) == figures(t)
        assert {} == t.repository.decoded.nodes


def test_totals_are_those_of_a_compile_after_anything(tmp_path):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    changes = [
        lambda t: t.user("a"),
        lambda t: t.annotate("HEAD", Priority.SKIP),
        lambda t: t.user("b b"),
        lambda t: t.commit({"role": "assistant", "content": None, "tool_calls": [call]}),
        lambda t: t.annotate("HEAD", Priority.SKIP),
        lambda t: t.tool_result("1", "r"),
        lambda t: t.user("c"),
        lambda t: t.edit("HEAD~3", {"role": "assistant", "content": "no call any more"}),
        lambda t: t.annotate("HEAD~4", Priority.NORMAL),
        lambda t: t.annotate("HEAD~2", Priority.PINNED),
        lambda t: t.record_usage({"input_tokens": 100}),
        lambda t: t.user("d"),
    ]
    for change in changes:
        with open_tract(tmp_path) as t:
            change(t)
            first = figures(t)
        with open_tract(tmp_path) as t:
            context = t.compile()
            assert first == figures(t)
            assert (len(context), context.token_count) == (first[0], first[2])


def estimates(folder) -> tuple[ContextTotals, bool]:
    """What a process that loads no tokenizer says of the context, and whether it read the context for that."""
    with closing(open_repository(str(folder / ".tract"))) as repo:
        space = looking_workspace(repo, print)
        totals = context_totals(space, repo.head()[1])
        return totals, bool(repo.decoded.nodes)


def test_totals_with_estimates_in_them_are_remembered_until_the_tokens_are_counted(tmp_path):
    with Tract.open(tmp_path, durability="process") as t:
        t.extend({"role": "user", "content": f"message {n}"} for n in range(300))

    first, has_read = estimates(tmp_path)
    assert (300, 300, True) == (first.messages, first.estimated, has_read)
    assert (first, False) == estimates(tmp_path)

    with Tract.open(tmp_path, durability="process") as t:
        t.user("one more")
    more, has_read = estimates(tmp_path)
    assert (301, 301, False) == (more.messages, more.estimated, has_read)
    assert more.counted > first.counted

    with Tract.open(tmp_path, durability="process") as t:
        t.annotate("HEAD", Priority.SKIP)
    skipped, has_read = estimates(tmp_path)
    assert (300, 1, 300, True) == (skipped.messages, skipped.skipped, skipped.estimated, has_read)

    with Tract.open(tmp_path, durability="process") as t:
        total = t.compile().token_count
    exact, has_read = estimates(tmp_path)
    assert (300, 0, total, False) == (exact.messages, exact.estimated, exact.tokens.total, has_read)

    with Tract.open(tmp_path, durability="process") as t:
        t.user("not counted yet")
    grown, has_read = estimates(tmp_path)
    assert (301, 1, False) == (grown.messages, grown.estimated, has_read)


def test_estimates_are_worked_out_anew_when_some_tokens_were_counted_since(tmp_path):
    with Tract.open(tmp_path, durability="process") as t:
        t.extend({"role": "user", "content": f"message {n}"} for n in range(20))
    assert 20 == estimates(tmp_path)[0].estimated

    with Tract.open(tmp_path, durability="process") as t:
        assert 3 == t.log(1)[0].token_count

    assert 19 == estimates(tmp_path)[0].estimated
