"""hash-object, cat-file, ls-tree and count-objects: what scripts read of objects, byte for byte."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from tests.cli.plumbing import ByteStore
from tract import Tract
from tract.cli.console import Console
from tract.cli.main import main
from tract.objects.codec import encode, pack
from tract.objects.id import object_id
from tract.objects.model import new_blob, new_object
from tract.opening import open_repository
from tract.repo import Repository

ROOT = Path(__file__).resolve().parents[2]
MISSING = "0" * 64


class Store(ByteStore):
    def line(self, *argv: str) -> str:
        result = self.run(*argv)
        assert (0, 1) == (result.status, len(result.lines)), result
        return result.lines[0]

    def repository(self) -> Repository:
        return open_repository(str(self.folder / ".tract"))


def make_store(folder: Path, *texts: str, **options: object) -> Store:
    with Tract.open(folder, **options) as t:  # type: ignore[arg-type]
        for text in texts:
            t.user(text)
    return Store(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path, "one", "two")


# hash-object


def test_a_json_object_has_the_id_of_its_canonical_encoding(store: Store) -> None:
    result = store.run("hash-object", "--stdin", stdin=b'{"b": 1, "a": [true, null]}')

    expected = object_id("blob", encode({"b": 1, "a": [True, None]})).hex()
    assert (0, f"{expected}\n".encode(), "") == (result.status, result.out, result.err)


def test_hash_object_gives_the_id_that_committing_the_same_gives(store: Store) -> None:
    store.folder.joinpath("blob.json").write_bytes(b'{"content_type":"dialogue","role":"user","text":"two"}')

    assert store.line("rev-parse", "HEAD^{blob}") == store.line("hash-object", "blob.json")


def test_without_w_nothing_is_written_and_with_it_the_object_can_be_read(store: Store) -> None:
    id = store.run("hash-object", "--stdin", stdin=b'{"x":1}').lines[0]
    assert 1 == store.run("cat-file", "-e", id).status

    assert [id] == store.run("hash-object", "-w", "--stdin", stdin=b'{"x":1}').lines

    assert 0 == store.run("cat-file", "-e", id).status
    assert encode({"x": 1}) == store.run("cat-file", "blob", id).out


def test_a_commit_or_a_tree_that_lacks_a_part_is_not_written(store: Store) -> None:
    payload = store.run("cat-file", "commit", "HEAD").out
    content = bytes.fromhex(store.line("rev-parse", "HEAD^{blob}"))
    bad = payload.replace(content, b"\x11" * 32)
    node = pack((0, (b"\x11" * 32,) * 16))

    for kind, data, lacks in (("commit", bad, "its content"), ("tree", node, "its entry")):
        done = store.run("hash-object", "-t", kind, "-w", "--stdin", stdin=data)
        assert (128, b"") == (done.status, done.out)
        assert f"cannot be written: {lacks} 1111111111111111 is not there" in done.err
        assert 0 == store.run("hash-object", "-t", kind, "--stdin", stdin=data).status
    assert 0 == store.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=payload).status


def test_a_commit_that_brings_what_its_operation_cannot_bring_is_not_written_and_no_ref_is_moved_to_one(
    store: Store,
) -> None:
    payload = store.run("cat-file", "commit", "HEAD").out
    content = bytes.fromhex(store.line("rev-parse", "HEAD^{blob}"))
    record = new_blob({"content_type": "record", "kind": "k", "payload": 1})
    raw = new_blob(b"raw")
    torn = new_object("blob", b"\x81\xa1a")
    cases = {
        "is a record": payload.replace(content, record.id),
        "is raw bytes": payload.replace(content, raw.id),
        "cannot be read": payload.replace(content, torn.id),
        "it has no content": payload.replace(b"\xc4\x20" + content, b"\xc0"),
        "is not a record": payload.replace(pack("append"), pack("record")),
    }
    repo = store.repository()
    repo.objects.write_many([record, raw, torn, *(new_object("commit", bad) for bad in cases.values())])
    repo.close()

    for wrong, bad in cases.items():
        written = store.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=bad)
        assert (128, b"") == (written.status, written.out)
        assert "cannot be written: it" in written.err
        assert wrong in written.err
        moved = store.run("update-ref", "refs/heads/main", object_id("commit", bad).hex())
        assert (128, True) == (moved.status, wrong in moved.err)
    assert "two" in store.run("log", "--oneline").lines[0]


def test_hash_object_needs_no_store_unless_it_writes(tmp_path: Path) -> None:
    elsewhere = Store(tmp_path)

    assert 0 == elsewhere.run("hash-object", "--stdin", stdin=b"{}").status
    written = elsewhere.run("hash-object", "-w", "--stdin", stdin=b"{}")
    assert (128, b"") == (written.status, written.out)


def test_inputs_are_hashed_in_order_standard_input_first(store: Store) -> None:
    for name in ("a", "b"):
        store.folder.joinpath(name).write_text(json.dumps({"name": name}))
    ids = [object_id("blob", encode({"name": name})).hex() for name in ("stdin", "b", "a")]

    assert ids == store.run("hash-object", "--stdin", "b", "a", stdin=b'{"name":"stdin"}').lines
    assert ids[1:] == store.run("hash-object", "--stdin-paths", stdin=b"b\na\n").lines
    assert 2 == store.run("hash-object", "--stdin-paths", "a", stdin=b"b\n").status


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[1]", "not a JSON object"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"a":1,"a":2}', "'a' twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":1e999}', "a number too large for a float"),
        (b'{"a":' + b"9" * 30 + b"}", "64 bits"),
        (b'{"a":' + b"9" * 5000 + b"}", "64 bits"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, "nested deeper"),
        (b'{"a":"\xff"}', "not UTF-8"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_blob_is_refused_in_one_line(store: Store, text: bytes, problem: str) -> None:
    result = store.run("hash-object", "-w", "--stdin", stdin=text)

    assert (128, b"", 1) == (result.status, result.out, result.err.count("\n"))
    assert problem in result.err


@pytest.mark.parametrize("name", ["HEAD", "HEAD^{tree}", "HEAD^{blob}"])
def test_a_payload_that_was_printed_hashes_to_its_id(tmp_path: Path, name: str) -> None:
    store = make_store(tmp_path, *map(str, range(40)))
    kind = store.line("cat-file", "-t", name)
    payload = store.run("cat-file", kind, name).out

    result = store.run("hash-object", "--raw", "-t", kind, "--stdin", stdin=payload)

    assert [store.line("rev-parse", name)] == result.lines


def test_every_operation_of_a_store_is_an_operation_to_hash_object(store: Store) -> None:
    listed = store.run("cat-file", "--batch-check", "--batch-all-objects").lines
    operations = [line.split()[0] for line in listed if line.split()[1] == "operation"]
    assert 3 == len(operations)

    for id in operations:
        payload = store.run("cat-file", "operation", id).out
        assert [id] == store.run("hash-object", "-t", "operation", "--stdin", stdin=payload).lines


@pytest.mark.parametrize("kind", ["blob", "tree", "commit", "operation"])
@pytest.mark.parametrize("value", [[], [0, []], [0, [b"x" * 32]], [0, [b"x", b"y"]], [1, [b"x" * 32, 0]], 1, None])
def test_a_payload_of_another_shape_is_refused(store: Store, kind: str, value: object) -> None:
    result = store.run("hash-object", "--raw", "-w", "-t", kind, "--stdin", stdin=encode(value))

    assert (128, b"", 1) == (result.status, result.out, result.err.count("\n"))
    assert f"not a {kind}" in result.err


def test_an_encoding_that_is_not_canonical_is_refused(store: Store) -> None:
    result = store.run("hash-object", "--raw", "--stdin", stdin=b"\x81\xa1a\xcc\x01")

    assert (128, True) == (result.status, "not canonical" in result.err)


@pytest.mark.parametrize("argv", [("nosuch",), (".",), ("-t", "tree", "nosuch")])
def test_a_file_that_cannot_be_read_is_one_line(store: Store, argv: tuple[str, ...]) -> None:
    result = store.run("hash-object", *argv)

    assert (128, b"", 1) == (result.status, result.out, result.err.count("\n"))


# cat-file


def test_a_commit_is_printed_as_header_lines_and_its_message(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        first = t.user("one").commit_hash
        target = t.commit(
            {"role": "user", "content": "x"}, response_to=first, message="why\nnot", metadata={"b": 1, "a": 2}
        )
    store = Store(tmp_path)

    lines = store.run("cat-file", "-p", "HEAD").lines

    author = lines.pop(5)
    assert [
        "operation append",
        f"parent {first}",
        f"content {target.content_hash}",
        f"target {first}",
        "generation 2",
        'metadata {"b": 1, "a": 2}',
        f"open {first} {store.line('rev-parse', first + '^{blob}')}",
        "",
        "why",
        "not",
    ] == lines
    word, _, time = author.split(" ")
    assert ("author", True) == (word, int(time) > 1_600_000_000_000_000)


def test_nothing_in_a_commit_can_make_a_header_line_or_drive_a_terminal(tmp_path: Path) -> None:
    store = make_store(tmp_path, "one")
    hostile = "x 1\nparent " + MISSING + "\x1b]0;y\x07\u202e"
    payload = encode(["weigh", [], None, None, None, [], 1, 1, hostile, "m\x1b[2J\r\x9b", {"\x7f\u202e": "\n\x1b"}])
    id = store.run("hash-object", "-w", "-t", "commit", "--stdin", stdin=payload).lines[0]

    result = store.run("cat-file", "-p", id)

    assert 0 == result.status
    assert not [line for line in result.lines if line.startswith("parent")]
    assert all(char == "\n" or char.isprintable() for char in result.out.decode())


def test_a_blob_is_printed_as_json_that_says_the_same_and_is_safe(store: Store) -> None:
    value = {"z": "日本 \x1b[31m\x9b\x7f\u202e\U000e0041", "a": [1, {"k": None}]}
    id = store.run("hash-object", "-w", "--stdin", stdin=json.dumps(value).encode()).lines[0]

    out = store.run("cat-file", "-p", id).out.decode()

    assert value == json.loads(out)
    assert '  "a": [' == out.splitlines()[2]
    assert "日本" in out
    assert all(char == "\n" or char.isprintable() for char in out)


def test_type_size_and_payload_agree(store: Store) -> None:
    payload = store.run("cat-file", "blob", "HEAD^{blob}").out

    assert "blob" == store.line("cat-file", "-t", "HEAD^{blob}")
    assert str(len(payload)) == store.line("cat-file", "-s", "HEAD^{blob}")
    assert encode({"content_type": "dialogue", "role": "user", "text": "two"}) == payload


def test_an_operation_says_what_it_changed(store: Store) -> None:
    with_newest = store.repository()
    try:
        id, operation = next(iter(with_newest.refs.history()))
    finally:
        with_newest.close()
    head, parent = store.line("rev-parse", "HEAD"), store.line("rev-parse", "HEAD~1")

    lines = store.run("cat-file", "-p", id.hex()).lines

    assert operation.previous is not None
    assert [
        f"previous {operation.previous.hex()}",
        f"actor {operation.actor} {operation.time}",
        f"change refs/heads/main {parent} {head}",
        "",
        "commit",
    ] == lines


def test_an_object_of_another_type_is_not_followed(store: Store) -> None:
    result = store.run("cat-file", "tree", "HEAD")

    assert (128, b"", 1) == (result.status, result.out, result.err.count("\n"))
    assert "is a commit" in result.err


def test_e_tells_a_missing_id_from_a_name_that_means_nothing(store: Store) -> None:
    missing = store.run("cat-file", "-e", MISSING)

    assert (1, b"", "") == (missing.status, missing.out, missing.err)
    assert 0 == store.run("cat-file", "-e", "HEAD").status
    assert 128 == store.run("cat-file", "-e", "nosuch").status


@pytest.mark.parametrize(
    "argv",
    [(), ("-t",), ("HEAD",), ("-t", "-s", "HEAD"), ("nosuch", "HEAD"), ("--batch", "HEAD"), ("--batch-all-objects",)],
)
def test_cat_file_says_how_it_is_used(store: Store, argv: tuple[str, ...]) -> None:
    result = store.run("cat-file", *argv)

    assert (2, b"") == (result.status, result.out)


def test_a_prefix_finds_any_kind_and_says_when_it_is_ambiguous(store: Store) -> None:
    first, second = write_two_with_one_prefix(store)
    longer = next(size for size in range(4, 64) if first[:size] != second[:size])

    assert first == store.line("rev-parse", first[:longer])
    result = store.run("cat-file", "-t", first[:4])
    assert (128, True) == (result.status, "ambiguous" in result.err)
    assert f"{first[:4]} ambiguous\n".encode() == store.run("cat-file", "--batch-check", stdin=first[:4].encode()).out


def write_two_with_one_prefix(store: Store) -> tuple[str, str]:
    seen: dict[str, int] = {}
    for number in range(100_000):
        prefix = object_id("blob", encode({"n": number})).hex()[:4]
        if prefix in seen:
            pair = (seen[prefix], number)
            ids = [
                store.run("hash-object", "-w", "--stdin", stdin=json.dumps({"n": n}).encode()).lines[0] for n in pair
            ]
            return ids[0], ids[1]
        seen[prefix] = number
    raise AssertionError("a hash without collisions")


def test_a_batch_answers_every_name_in_order(store: Store) -> None:
    head = store.line("rev-parse", "HEAD")
    blob = store.line("rev-parse", "HEAD^{blob}")
    commit_payload = store.run("cat-file", "commit", "HEAD").out
    blob_payload = store.run("cat-file", "blob", blob).out

    out = store.run("cat-file", "--batch", stdin=f"HEAD\nnosuch\n\n{MISSING}\n{blob[:12]}".encode() + b"\n\xff\x1b").out

    expected = b"%s commit %d\n%s\n" % (head.encode(), len(commit_payload), commit_payload)
    expected += b"nosuch missing\n missing\n" + MISSING.encode() + b" missing\n"
    expected += b"%s blob %d\n%s\n" % (blob.encode(), len(blob_payload), blob_payload)
    assert expected + b"\xff\x1b missing\n" == out


def test_a_batch_check_of_all_objects_lists_each_once_in_order(store: Store) -> None:
    lines = store.run("cat-file", "--batch-check", "--batch-all-objects").lines

    ids = [line.split()[0] for line in lines]
    assert sorted(set(ids)) == ids
    kinds = sorted(line.split()[1] for line in lines)
    assert ["blob"] * 2 + ["commit"] * 2 + ["operation"] * 3 == kinds


def test_a_terminal_is_not_given_raw_bytes(tmp_path: Path) -> None:
    make_store(tmp_path, "\x1b[2J\x9b")
    terminal = Terminal()
    console = Console(stdin=io.StringIO("HEAD^{blob}\n\x1b\n"), stdout=terminal, environ={}, folder=str(tmp_path))

    assert 0 == main(["cat-file", "--batch"], console=console)

    assert all(char == "\n" or char.isprintable() for char in terminal.getvalue())
    assert "\\x1b[2J" in terminal.getvalue()


def tract_process(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from tract.cli.main import entry; entry()", *argv]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_batch_answers_before_it_is_asked_on_and_sees_what_was_committed_since(store: Store) -> None:
    with tract_process(store.folder, "cat-file", "--batch-check") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("three", "four"):
            make_store(store.folder, text)
            process.stdin.write(b"HEAD\n")
            process.stdin.flush()
            assert store.line("rev-parse", "HEAD") == process.stdout.readline().decode().split()[0]
        _, err = process.communicate()

    assert (0, b"") == (process.returncode, err)


def test_payloads_pass_a_pipe_unharmed(store: Store) -> None:
    with tract_process(store.folder, "cat-file", "commit", "HEAD") as reader:
        payload, _ = reader.communicate()
    with tract_process(store.folder, "hash-object", "-t", "commit", "--stdin") as hasher:
        out, _ = hasher.communicate(payload)

    assert store.line("rev-parse", "HEAD") == out.decode().strip()


def test_plumbing_loads_nothing_heavy(store: Store) -> None:
    script = (
        "import sys; from tract.cli.main import main; status = main(['cat-file', '-p', 'HEAD']);"
        "print(status, [m for m in ('typer', 'click', 'rich', 'tiktoken', 'httpx', 'pydantic', 'tract.api.tract') if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=store.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "0 []" == done.stdout.splitlines()[-1]


# ls-tree


def test_the_whole_context_of_a_commit_is_listed(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        made = [t.user(str(n)) for n in range(50)]
        edit = t.edit(made[3].commit_hash, "other")
    store = Store(tmp_path)

    lines = store.run("ls-tree", "HEAD").lines

    blobs = [edit.content_hash if n == 3 else one.content_hash for n, one in enumerate(made)]
    assert [f"{n} {one.commit_hash} {blobs[n]}" for n, one in enumerate(made)] == lines
    assert [one.commit_hash for one in made] == store.run("ls-tree", "--commits", "HEAD").lines
    first = json.loads(store.run("ls-tree", "--json", "HEAD").lines[0])
    assert {"index": 0, "commit": made[0].commit_hash, "blob": made[0].content_hash} == first


def test_a_tree_lists_its_nodes_or_the_entries_under_them(tmp_path: Path) -> None:
    store = make_store(tmp_path, *map(str, range(80)))
    whole = [line.split(" ", 1)[1] for line in store.run("ls-tree", "HEAD").lines]

    nodes = [line.split() for line in store.run("ls-tree", "HEAD^{tree}").lines]
    entries = store.run("ls-tree", "-r", "HEAD^{tree}").lines

    assert {"tree"} == {kind for kind, _, _ in nodes}
    assert len(entries) == sum(int(count) for _, _, count in nodes)
    assert [f"entry {line}" for line in whole[: len(entries)]] == entries
    assert store.run("ls-tree", nodes[0][1]).lines == entries[: int(nodes[0][2])]
    assert store.run("ls-tree", nodes[0][1]).out == store.run("cat-file", "-p", nodes[0][1]).out


def test_what_is_neither_commit_nor_tree_has_no_entries(store: Store) -> None:
    result = store.run("ls-tree", "HEAD^{blob}")

    assert (128, b"", 1) == (result.status, result.out, result.err.count("\n"))
    assert 128 == store.run("ls-tree", "nosuch").status
    assert 2 == store.run("ls-tree").status


# count-objects


def test_objects_are_counted_where_they_lie(store: Store) -> None:
    store.run("hash-object", "-w", "--stdin", stdin=b'{"x":1}')

    counts = json.loads(store.line("count-objects", "--json"))
    lines = dict(line.split(": ") for line in store.run("count-objects", "-v").lines)

    assert (7, 1, 0) == (counts["journal_objects"], counts["loose_objects"], counts["packed_objects"])
    assert ("1", "7", "0", "0") == (lines["count"], lines["in-journal"], lines["in-pack"], lines["packs"])
    kilobytes = (counts["journal_size"] + counts["loose_size"]) // 1024
    assert f"8 objects, {kilobytes} kilobytes" == store.line("count-objects")
