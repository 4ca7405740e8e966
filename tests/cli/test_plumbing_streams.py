"""fast-export, fast-import and verify-pack as command lines."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.plumbing import ByteStore
from tract import Tract
from tract.cli.console import Console
from tract.cli.main import main
from tract.opening import open_repository

ROOT = Path(__file__).resolve().parents[2]


class Store(ByteStore):
    def __init__(self, folder: Path, count: int = 0) -> None:
        super().__init__(folder)
        with Tract.open(folder) as t:
            for n in range(count):
                t.user(f"message {n}")

    def seal(self) -> str:
        """Bring everything into a pack; its path."""
        repo = open_repository(str(self.folder / ".tract"))
        with repo.objects.lock():
            repo.objects.seal(*repo.refs.keyframe(repo.refs.last, "seal"))
        repo.close()
        (name,) = (self.folder / ".tract/objects/pack").glob("*.pack")
        return str(name)


# fast-export and fast-import


def test_a_store_passes_a_pipe_and_is_the_same(tmp_path: Path) -> None:
    source, target = Store(tmp_path / "a", 50), Store(tmp_path / "b")

    status, stream, err = source.run("fast-export", "--all")
    assert (0, "") == (status, err)
    number = json.loads(stream.split(b"\n")[0])["objects"]
    assert (0, b"", f"{number} objects, {number} of them new, and 2 refs\n") == target.run("fast-import", stdin=stream)

    assert source.run("log", "--json") == target.run("log", "--json")


def test_an_import_can_answer_in_json_or_not_at_all(tmp_path: Path) -> None:
    source, target = Store(tmp_path / "a", 1), Store(tmp_path / "b")
    stream = source.run("fast-export", "--operations")[1]

    status, out, err = target.run("fast-import", "--json", stdin=stream)

    assert (0, "") == (status, err)
    assert {"objects": 4, "new": 2, "refs": 2, "operations": 2, "taken": 2} == json.loads(out)
    status, out, err = target.run("fast-import", "-q", stdin=stream)
    assert (0, b"") == (status, out)
    assert "warning: the operations of the stream were left out: this store has a history of its own\n" == err


def test_damage_is_one_line_that_names_the_line(tmp_path: Path) -> None:
    source, target = Store(tmp_path / "a", 1), Store(tmp_path / "b")
    stream = source.run("fast-export")[1].replace(b"message 0", b"message\\u001b1")

    status, out, err = target.run("fast-import", stdin=stream)

    assert (128, b"", 1) == (status, out, err.count("\n"))
    assert err.startswith("tract: line 2 of the stream: what is said of blob ")
    assert err.endswith("; nothing was changed\n")
    assert 128 == target.run("fast-import", stdin=b"\x1b[2J\xff\n")[0]
    assert 128 == target.run("fast-import")[0]
    assert 1 == target.run("show-ref")[0]


def test_a_ref_that_is_elsewhere_needs_force(tmp_path: Path) -> None:
    source, target = Store(tmp_path / "a", 2), Store(tmp_path / "b", 1)
    stream = source.run("fast-export", "main")[1]

    assert 128 == target.run("fast-import", stdin=stream)[0]
    assert 0 == target.run("fast-import", "--force", stdin=stream)[0]
    assert source.run("rev-parse", "HEAD") == target.run("rev-parse", "HEAD")


@pytest.mark.parametrize("argv", [("--all", "main"), ("--operations", "main")])
def test_an_export_of_all_takes_no_revision(tmp_path: Path, argv: tuple[str, ...]) -> None:
    assert 2 == Store(tmp_path, 1).run("fast-export", *argv)[0]


def test_a_revision_that_names_nothing_exports_nothing(tmp_path: Path) -> None:
    assert (128, b"") == Store(tmp_path, 1).run("fast-export", "nosuch")[:2]


def test_a_reader_that_goes_away_leaves_no_traceback(tmp_path: Path) -> None:
    Store(tmp_path, 300)

    done = subprocess.run(
        f"'{sys.executable}' -m tract fast-export | head -n 1",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ("tract 2", "") == (json.loads(done.stdout)["stream"], done.stderr)


# verify-pack


def test_a_pack_that_is_whole_says_nothing_or_lists_its_objects(tmp_path: Path) -> None:
    store = Store(tmp_path, 40)
    pack = store.seal()
    index = pack.removesuffix(".pack") + ".idx"

    assert (0, b"", "") == store.run("verify-pack", pack, index)
    status, out, _ = store.run("verify-pack", "-v", index)
    lines = out.decode().splitlines()
    listed = [line.split(" ") for line in lines if line.count(" ") == 3]
    assert (0, f"{pack}: ok") == (status, lines[-1])
    assert [str(n) for n in range(len(listed))] == [row[3] for row in listed]
    for id, kind, size, _ in listed[::7]:
        assert f"{kind}\n{size}\n" == "".join(store.run("cat-file", flag, id)[1].decode() for flag in ("-t", "-s"))
    assert "blob: 40 objects" == store.run("verify-pack", "-s", pack)[1].decode().splitlines()[0]
    (document,) = map(json.loads, store.run("verify-pack", "--json", pack)[1].splitlines())
    assert (True, 40, []) == (document["ok"], document["blob"], document["problems"])


def test_a_pack_is_checked_without_a_store(tmp_path: Path) -> None:
    pack = Path(Store(tmp_path / "a", 3).seal())
    for ending in (".pack", ".idx"):
        tmp_path.joinpath("copy" + ending).write_bytes(pack.with_suffix(ending).read_bytes())
    console = Console(stdout=io.StringIO(), stderr=io.StringIO(), environ={}, folder=str(tmp_path))

    assert 0 == main(["verify-pack", "copy.pack"], console=console)


def test_damage_of_a_pack_is_one_line_with_its_offset(tmp_path: Path) -> None:
    store = Store(tmp_path, 3)
    pack = Path(store.seal())
    data = pack.read_bytes()
    pack.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])

    status, out, err = store.run("verify-pack", str(pack))

    assert (1, b"", 1) == (status, out, err.count("\n"))
    assert err.startswith("tract: '/")
    assert " is damaged at offset " in err


def test_what_is_missing_is_one_line_and_the_others_are_checked(tmp_path: Path) -> None:
    store = Store(tmp_path, 3)
    pack = store.seal()

    status, out, err = store.run("verify-pack", "-v", "nosuch.pack", pack)
    assert (1, 1) == (status, err.count("\n"))
    assert out.decode().endswith(f"{pack}: ok\n")
    os.unlink(pack.removesuffix(".pack") + ".idx")
    assert 1 == store.run("verify-pack", pack)[0]
    assert 2 == store.run("verify-pack")[0]
    assert 2 == store.run("verify-pack", "--json", "-v", pack)[0]
