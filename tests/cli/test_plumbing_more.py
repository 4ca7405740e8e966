"""What for-each-ref, merge-base, check-ref-format and update-ref --stdin do beside what git does, and --json of the plumbing."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tract import Tract
from tract.cli.console import Console
from tract.cli.main import main
from tract.errors import LockTimeoutError
from tract.opening import open_repository
from tract.storage.locks import FileLock

HOSTILE = "ok\x1b]52;c;ZXZpbA==\x07 \u202egnp\nsecond"


class Store:
    """A store with three commits on main, the tag v1 at the first and a note, and command lines run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with Tract.open(folder) as t:
            self.ids = [t.user(str(n)).commit_hash for n in range(3)]
            t.tag("v1", self.ids[0])
            t.annotate("HEAD", "pinned")

    def run(self, *argv: str, stdin: str = "", **environ: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        console = Console(stdin=io.StringIO(stdin), stdout=out, stderr=err, environ=environ, folder=str(self.folder))
        status = main(argv, console=console)
        return status, out.getvalue(), err.getvalue()

    def lines(self, *argv: str, stdin: str = "") -> list[str]:
        status, out, err = self.run(*argv, stdin=stdin)
        assert (0, "") == (status, err)
        return out.splitlines()

    def json(self, *argv: str, stdin: str = "") -> list[Any]:
        return [json.loads(line) for line in self.lines(*argv, "--json", stdin=stdin)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


# for-each-ref


def test_every_field_has_its_value(store: Store) -> None:
    (shown,) = store.lines(
        "for-each-ref",
        "--format=%(author)|%(authorname)|%(operation)|%(generation)|%(time)|%(time:unix)|%(time:us)|%(objectname:short)|%(objectname:short=6)",
        "refs/tags",
    )
    with Tract.open(store.folder) as t:
        info = t.log()[-1]

    author, same, operation, generation, time, unix, us, short, shorter = shown.split("|")
    assert (info.author, info.author, "append", "1") == (author, same, operation, generation)
    assert info.created_at.isoformat(timespec="microseconds") == time
    assert int(info.created_at.timestamp()) == int(unix) == int(us) // 1_000_000
    assert (store.ids[0][:10], store.ids[0][:6]) == (short, shorter)


def test_a_subject_is_the_first_line_of_the_message_or_of_what_was_said(store: Store) -> None:
    with Tract.open(store.folder) as t:
        t.user("said\nmore")
        t.tag("said")
        t.commit({"content_type": "dialogue", "role": "user", "text": "x"}, message="about it\nin short")

    assert ["about it", "", "said"] == store.lines(
        "for-each-ref", "--format=%(subject)", "refs/heads", "refs/notes", "refs/tags/said"
    )


def test_values_cannot_break_a_line_or_drive_a_terminal(store: Store) -> None:
    store.run("commit", HOSTILE, TRACT_AUTHOR_NAME=HOSTILE)

    status, out, _ = store.run("for-each-ref", "--format=%(author)|%(subject)|%1b", "refs/heads")

    assert (0, 1, 1) == (status, out.count("\n"), out.count("\x1b"))
    assert "\u202e" not in out


def test_a_zero_byte_can_end_what_scripts_read(store: Store) -> None:
    status, out, _ = store.run("for-each-ref", "--format=%(refname)%00", "refs/heads")

    assert (0, "refs/heads/main\0\n") == (status, out)


def test_refs_are_json_objects_in_the_order_asked_for(store: Store) -> None:
    rows = store.json("for-each-ref", "--sort=generation")

    assert ["refs/notes/priority", "refs/tags/v1", "refs/heads/main"] == [row["ref"] for row in rows]
    assert ("main", store.ids[2], "commit", True, 3) == tuple(
        rows[2][key] for key in ("short", "id", "type", "head", "generation")
    )
    assert 2 == store.run("for-each-ref", "--json", "--format=x")[0]


def test_an_unknown_field_lists_those_there_are(store: Store) -> None:
    status, out, err = store.run("for-each-ref", "--format=%(nosuch\x1b)")

    assert (128, "") == (status, out)
    assert "unknown field 'nosuch\\x1b'; there are refname, " in err


# merge-base and check-ref-format


def test_the_best_common_ancestor_can_be_json(store: Store) -> None:
    assert [{"id": store.ids[0]}] == store.json("merge-base", "HEAD", "v1", "--all")
    assert (1, "", "") == store.run("merge-base", "HEAD", "refs/notes/priority")
    assert 2 == store.run("merge-base", "--is-ancestor", "--all", "HEAD", "v1")[0]


@pytest.mark.parametrize(
    "name",
    [
        "refs/x/y",
        "refs/heads/-x",
        "refs/heads/\u202e",
        "refs/heads/con",
        "refs/heads/" + "a" * 64,
        "x" * 300,
        "tracts/../HEAD",
    ],
)
def test_names_that_git_takes_can_still_be_refused(store: Store, name: str) -> None:
    assert (1, "", "") == store.run("check-ref-format", name)


def test_check_ref_format_needs_no_store(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(stdout=out, stderr=io.StringIO(), environ={}, folder=str(tmp_path))

    assert 0 == main(["check-ref-format", "refs/heads/x"], console=console)
    assert 0 == main(["check-ref-format", "--branch", "x"], console=console)
    assert "x\n" == out.getvalue()


def test_a_bad_branch_name_is_explained(store: Store) -> None:
    status, out, err = store.run("check-ref-format", "--branch", "a b")

    assert (128, "", "tract: 'a b' is not a branch name: it has ' '\n") == (status, out, err)


# update-ref --stdin


def test_a_transaction_is_one_operation(store: Store) -> None:
    store.lines("update-ref", "--stdin", "-m", "both", stdin="create refs/heads/x HEAD\ncreate refs/tags/y HEAD~1\n")

    repo = open_repository(str(store.folder / ".tract"))
    _, operation = next(iter(repo.refs.history()))
    repo.close()
    assert ("both", ["refs/heads/x", "refs/tags/y"]) == (
        operation.reason,
        [change.name for change in operation.changes],
    )


def test_nobody_else_can_write_between_prepare_and_commit(store: Store) -> None:
    locked: list[bool] = []

    class Input(io.StringIO):
        def readline(self, size: int | None = -1) -> str:
            line = super().readline(size)
            if not line:
                return line
            lock = FileLock(str(store.folder / ".tract/locks/journal"))
            try:
                lock.acquire(timeout=0)
                locked.append(False)
            except LockTimeoutError:
                locked.append(True)
            finally:
                lock.close()
            return line

    console = Console(
        stdin=Input("start\ncreate refs/heads/x HEAD\nprepare\ncommit\nstart\n"),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        environ={},
        folder=str(store.folder),
    )

    assert 0 == main(["update-ref", "--stdin"], console=console)
    assert [False, False, False, True, False] == locked


def test_a_transaction_that_fails_lets_go_of_the_lock(store: Store) -> None:
    assert 128 == store.run("update-ref", "--stdin", stdin="start\nprepare\nnonsense\n")[0]

    done = threading.Thread(target=lambda: store.run("update-ref", "refs/heads/x", "HEAD"))
    done.start()
    done.join(10)
    assert store.ids[2] in store.lines("show-ref", "-s", "x")


@pytest.mark.parametrize(
    "text",
    ["update \x1b[2J HEAD\n", "update refs/heads/x \x1b[2J\n", "\x1b[2J\n", "option \x1b[2J\n", "start \x1b\n",
     "create tracts/t/refs/heads/x HEAD\n", "create refs/heads/x refs/notes/priority\n", "delete HEAD\noption no-deref\ndelete HEAD\n",
     "create refs/heads/x HEAD\ncreate refs/heads/X HEAD\n", "update  refs/heads/x HEAD\n", "create refs/heads/x HEAD"],
)  # fmt: skip
def test_hostile_transactions_change_nothing_and_are_one_line(store: Store, text: str) -> None:
    before = store.run("show-ref", "--head")

    status, out, err = store.run("update-ref", "--stdin", stdin=text)

    assert (128, "") == (status, out)
    assert all(char.isprintable() for line in err.splitlines() for char in line)
    assert before == store.run("show-ref", "--head")


def test_update_ref_can_move_head_itself(store: Store) -> None:
    store.lines("update-ref", "--no-deref", "HEAD", "v1", "HEAD")

    assert 1 == store.run("symbolic-ref", "-q", "HEAD")[0]
    assert [store.ids[0], store.ids[2]] == store.lines("rev-parse", "HEAD", "main")


@pytest.mark.parametrize(
    "argv", [("--stdin", "refs/heads/x"), ("--stdin", "-d"), ("-z",), ("-z", "refs/heads/x", "HEAD")]
)
def test_update_ref_stdin_says_how_it_is_used(store: Store, argv: tuple[str, ...]) -> None:
    assert 2 == store.run("update-ref", *argv)[0]


# --json


def test_rev_parse_answers_in_json(store: Store) -> None:
    assert [{"id": store.ids[2], "excluded": False}, {"id": store.ids[0], "excluded": True}] == store.json(
        "rev-parse", "v1.."
    )
    assert [{"ref": "main"}, {"ref": None}] == store.json("rev-parse", "--abbrev-ref", "HEAD", "HEAD~1")


def test_short_takes_a_number_or_none(store: Store) -> None:
    assert [store.ids[2][:7]] == store.lines("rev-parse", "--short=7", "HEAD")
    assert [store.ids[2][:10]] == store.lines("rev-parse", "--short", "HEAD")
    assert [store.ids[2][:4]] == store.lines("rev-parse", "--short=1", "HEAD")
    assert [store.ids[2]] == store.lines("rev-parse", "--short=99", "HEAD")
    assert [{"id": store.ids[2][:8], "excluded": False}] == store.json("rev-parse", "--short=8", "HEAD")
    assert 2 == store.run("rev-parse", "--short=x", "HEAD")[0]
    assert 2 == store.run("rev-parse", "--short=", "HEAD")[0]
    assert "--short" in store.run("rev-parse", "--help")[1]
    assert 2 == store.run("rev-parse", "--nosuch", "--short", "HEAD")[0]


def test_rev_list_answers_in_json(store: Store) -> None:
    assert [{"id": store.ids[2]}, {"id": store.ids[1]}] == store.json("rev-list", "v1..HEAD")
    assert [{"count": 3}] == store.json("rev-list", "--count", "HEAD")
    assert [{"id": store.ids[1], "parents": [store.ids[0]]}] == store.json("rev-list", "--parents", "-1", "HEAD~1")
    commit, blob = store.json("rev-list", "--objects", "v1")
    assert ({"id": store.ids[0]}, True) == (commit, blob["object"])


def test_every_kind_of_object_is_a_json_document(store: Store) -> None:
    with Tract.open(store.folder) as t:
        for n in range(70):
            t.user(f"{n}")
        t.commit({"content_type": "dialogue", "role": "user", "text": HOSTILE}, message=HOSTILE, metadata={"a": [1.0]})
    repo = open_repository(str(store.folder / ".tract"))
    ids = {kind: id.hex() for id, kind in repo.objects.ids()}
    repo.close()

    (commit,) = store.json("cat-file", "-p", "HEAD")
    assert (HOSTILE, {"a": [1.0]}, "append", [store.lines("rev-parse", "HEAD~1")[0]]) == tuple(
        commit[key] for key in ("message", "metadata", "operation", "parents")
    )
    assert {"content_type": "dialogue", "role": "user", "text": HOSTILE} == store.json(
        "cat-file", "-p", commit["content"]
    )[0]["value"]
    for kind, id in ids.items():
        (document,) = store.json("cat-file", "-p", id)
        assert [kind, id] == list(document.values())[:2]
    (tree,) = store.json("cat-file", "-p", "HEAD^{tree}")
    assert {"commit", "blob"} == tree["items"][0].keys() or {"tree", "count"} == tree["items"][0].keys()
    assert [{"id": commit["id"], "type": "commit"}] == store.json("cat-file", "-t", "HEAD")
    assert int(store.lines("cat-file", "-s", "HEAD")[0]) == store.json("cat-file", "-s", "HEAD")[0]["size"]
    for argv in (("-e", "HEAD"), ("blob", "HEAD"), ("--batch-check",)):
        assert 2 == store.run("cat-file", "--json", *argv)[0]


def test_an_operation_is_a_json_document(store: Store) -> None:
    repo = open_repository(str(store.folder / ".tract"))
    last = repo.refs.last
    repo.close()
    assert last is not None

    (operation,) = store.json("cat-file", "-p", last.hex())

    assert ("operation", None) == (operation["type"], operation["refs"])
    assert [("refs/notes/priority", None)] == [(change["ref"], change["old"]) for change in operation["changes"]]


def test_symbolic_ref_and_hash_object_answer_in_json(store: Store) -> None:
    assert [{"name": "HEAD", "ref": "refs/heads/main"}] == store.json("symbolic-ref", "HEAD")
    assert [{"name": "HEAD", "ref": "main"}] == store.json("symbolic-ref", "--short", "HEAD")
    (made,) = store.json("hash-object", "--stdin", "-w", stdin='{"a":1}')
    assert ("blob", 4) == (made["type"], made["size"])
    assert ["blob"] == store.lines("cat-file", "-t", made["id"])
