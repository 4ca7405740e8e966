"""A handle that only reads writes nothing at all: no cache, no lock, no ref file; on a read-only disk, and beside a writer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making import Words, make_tract, texts
from tract import (
    ConfigError,
    NotARepositoryError,
    Priority,
    ReadOnlyError,
    SessionError,
    TokenBudgetConfig,
    Tract,
    TractConfig,
)
from tract.history.state import clear_state, write_state


def reading(folder: Path, **options) -> Tract:
    return Tract.open(folder, read_only=True, tokenizer=Words(), **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with make_tract("a", "b", "c", path=tmp_path) as t:
        t.assistant("d", usage={"input_tokens": 9, "output_tokens": 1})
        t.annotate("HEAD~2", Priority.SKIP)
        t.switch("side", create=True)
        t.user("s")
        t.switch("main")
        t.gc()
        t.user("e")
    return tmp_path


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder of the store: mode, time of change and bytes."""
    found = {}
    for path in sorted((folder / ".tract").rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, data)
    return found


CHANGES = {
    "commit": lambda t: t.user("x"),
    "extend": lambda t: t.extend([{"role": "user", "content": "x"}]),
    "edit": lambda t: t.edit("HEAD", "x"),
    "annotate": lambda t: t.annotate("HEAD", Priority.PINNED),
    "usage": lambda t: t.record_usage({"input_tokens": 1}),
    "tag": lambda t: t.tag("v1"),
    "branch": lambda t: t.branch("new"),
    "switch": lambda t: t.switch("side"),
    "reset": lambda t: t.reset("HEAD~1"),
    "clear": lambda t: t.clear(),
    "undo": lambda t: t.undo(),
    "merge": lambda t: t.merge("side", no_ff=True),
    "revert": lambda t: t.revert("HEAD"),
    "compress": lambda t: t.compress(keep_recent=1, content="x", force=True),
    "reorder": lambda t: t.reorder(["HEAD"]),
    "gc": lambda t: t.gc(),
    "state": lambda t: write_state(t.repository, "merge", {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_change_the_store_is_refused_and_leaves_no_trace(name, folder):
    before = snapshot(folder)

    with reading(folder) as t, pytest.raises(ReadOnlyError, match="was opened read-only"):
        CHANGES[name](t)

    assert before == snapshot(folder)


def test_a_dry_run_of_gc_says_what_would_go_and_leaves_no_trace(folder):
    with make_tract(path=folder) as t:
        t.reset("HEAD~1", "hard")
        expected = t.gc(dry_run=True, orphan_retention_days=0).dropped
    before = snapshot(folder)

    with reading(folder) as t:
        assert expected == t.gc(dry_run=True, orphan_retention_days=0).dropped > 0

    assert before == snapshot(folder)


def test_nothing_of_a_batch_lands(folder):
    before = snapshot(folder)

    with reading(folder) as t, pytest.raises(ReadOnlyError), t.batch():
        t.user("x")

    assert before == snapshot(folder)


def look(t: Tract) -> None:
    """Everything a handle can show, tokens of everything counted."""
    context = t.compile()
    assert context.token_count > 0
    assert all(count > 0 for count in context.token_counts)
    t.status()
    assert all(info.token_count >= 0 for info in t.log(records=True))
    t.diff("HEAD~1", "HEAD")
    t.blame()
    t.show("HEAD")
    t.reflog()
    t.list_branches()
    t.tags()
    t.skipped()
    t.undo(dry_run=True)
    t.sent("HEAD")
    t.usage()
    clear_state(t.repository, "merge")


def test_looking_writes_nothing(folder):
    before = snapshot(folder)

    with reading(folder) as t:
        look(t)

    assert before == snapshot(folder)


def test_a_store_without_caches_gets_none_by_being_looked_at(folder):
    shutil.rmtree(folder / ".tract" / "cache")
    (folder / ".tract" / "cache").mkdir()
    (folder / ".tract" / "cache" / "totals").write_bytes(b"damaged")
    before = snapshot(folder)

    with reading(folder) as t:
        look(t)

    assert before == snapshot(folder)


def test_no_system_call_opens_the_store_for_writing(folder):
    looked = textwrap.dedent(
        """
        import os, sys
        writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        changing = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link", "os.symlink"}
        seen = []
        def hook(event, args):
            if event == "open" and ".tract" in str(args[0]) and isinstance(args[2], int) and args[2] & writing:
                seen.append((event, *map(str, args)))
            elif event in changing or event == "fcntl.flock":
                seen.append((event, *map(str, args)))
        from tests.api.test_read_only import look, reading
        from pathlib import Path
        sys.addaudithook(hook)
        with reading(Path(sys.argv[1])) as t:
            look(t)
        assert not seen, seen
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", looked, folder], capture_output=True, text=True, timeout=60, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


def is_traced() -> bool:
    """Whether strace is there, and may look at processes."""
    return shutil.which("strace") is not None and not subprocess.run(["strace", "true"], capture_output=True).returncode


@pytest.mark.skipif(not is_traced(), reason="strace cannot run here")
def test_strace_sees_no_call_that_changes_the_store(folder, tmp_path_factory):
    written = tmp_path_factory.mktemp("strace") / "calls"
    program = "import sys; from pathlib import Path; from tests.api.test_read_only import look, reading\nwith reading(Path(sys.argv[1])) as t: look(t)"
    calls = "open,openat,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,chmod,fchmod,utimensat,truncate,ftruncate,flock,link,symlink"
    traced = ["strace", "-f", "-qq", "-o", written, "-e", f"trace={calls}", sys.executable, "-c", program, folder]
    done = subprocess.run(traced, capture_output=True, text=True, timeout=120, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    lines = [line for line in written.read_text().splitlines() if ".tract" in line]
    reads = [line for line in lines if "O_RDONLY" in line and "O_CREAT" not in line]
    assert lines == reads
    assert lines


@pytest.fixture
def read_only_disk(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder on a file system that is mounted read-only, where this user may mount one."""
    place = tmp_path_factory.mktemp("disk")
    if os.geteuid():
        pytest.skip("only root mounts")
    for command in (["mount", "--bind", folder, place], ["mount", "-o", "remount,ro,bind", place]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            subprocess.run(["umount", place], capture_output=True, check=False)
            pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", place], capture_output=True, check=True)


def test_a_store_on_a_read_only_disk_can_be_looked_at(read_only_disk):
    with reading(read_only_disk) as t:
        look(t)
        with pytest.raises(ReadOnlyError):
            t.user("x")


def test_a_reader_sees_what_a_writer_beside_it_does(folder):
    with reading(folder) as t, make_tract(path=folder) as writer:
        for number in range(20):
            writer.user(str(number))
            assert str(number) == texts(t)[-1]
        writer.gc()
        assert writer.compile().token_count == t.compile().token_count
        writer.compress(keep_recent=2, content="all")
        assert texts(writer) == texts(t)


def test_what_is_not_there_is_not_made(folder, tmp_path_factory):
    with pytest.raises(NotARepositoryError):
        reading(tmp_path_factory.mktemp("empty"))
    with pytest.raises(SessionError):
        reading(folder, tract_id="other")
    with pytest.raises(ReadOnlyError):
        reading(folder, branch="new", create=True)
    with pytest.raises(ConfigError, match="a store in memory cannot be opened read-only"):
        Tract.open(":memory:", read_only=True)


def test_settings_that_are_given_hold_and_are_not_saved(folder):
    before = snapshot(folder)

    with reading(folder, config=TractConfig(token_budget=TokenBudgetConfig(1000))) as t:
        assert 1000 == t.status().token_budget_max

    assert before == snapshot(folder)


def test_a_branch_can_be_read_by_its_name(folder):
    with reading(folder, branch="side") as t:
        assert ("side", "s") == (t.current_branch, texts(t)[-1])


def test_a_dry_run_of_a_compression_is_looking(folder):
    before = snapshot(folder)

    with reading(folder) as t:
        planned = t.compress(keep_recent=1, content="x", force=True, dry_run=True)
        assert None is planned.commit_hash

    assert before == snapshot(folder)
