"""The store where the system is another: without what only Linux has, and on a file system that has no upper and lower case."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage import without_linux
from tract import Tract
from tract.errors import DurabilityError, RefNameError, TractError
from tract.maintenance.fsck.check import check_repository
from tract.refs.names import NameTable, fold_name
from tract.storage import files

HERE = Path(__file__).parent


def run_tests(*names: str) -> None:
    """Run those tests of this folder in a process without what only Linux has."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "tests.storage.without_linux",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *(str(HERE / name) for name in names)],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
        env={**os.environ, without_linux.ASKED: "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_store_works_without_what_only_linux_has() -> None:
    run_tests("test_contract.py", "test_repository.py", "../refs/test_ref_files.py")


@pytest.mark.slow
def test_all_tests_of_the_store_pass_without_what_only_linux_has() -> None:
    run_tests(*sorted(path.name for path in HERE.glob("test_*.py") if path.name != Path(__file__).name), "../refs")


def test_what_is_taken_away_is_what_the_store_looks_for() -> None:
    assert {"fdatasync", "SEEK_DATA"} <= {*without_linux.GONE}


def test_a_drive_is_told_to_write_its_own_cache_where_the_system_has_a_call_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(files.fcntl, "fcntl", lambda _fd, command, *_: calls.append(command))

    files.write_file(str(tmp_path / "a"), b"a", sync=True)

    assert [51] == calls


def test_where_the_file_system_does_not_know_that_call_the_other_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> None:
        def call(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(files.fcntl, "fcntl", call)

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    refuse(45 if sys.platform == "darwin" else 95)
    files.write_file(str(tmp_path / "a"), b"a", sync=True)

    refuse(5)
    with pytest.raises(DurabilityError):
        files.write_file(str(tmp_path / "a"), b"a", sync=True)


# Names that are one on some file systems


@pytest.mark.parametrize(
    ("one", "other"),
    [("Main", "main"), ("ÄÖ", "äö"), ("STRASSE", "straße"), ("e\u0301", "é"), ("\u1e9b\u0323", "ṩ"), ("ﬁ", "fi")],
)
def test_names_that_some_file_system_takes_for_one_cannot_be_beside_each_other(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)
    with pytest.raises(RefNameError):
        NameTable([f"refs/heads/{one}"]).check(f"refs/heads/{other}")


def test_branches_and_tracts_whose_names_differ_in_case_only(tmp_path: Path) -> None:
    with Tract.open(tmp_path) as t:
        t.user("a")
        t.branch("draft", switch=False)
        with pytest.raises(TractError):
            t.branch("Draft", switch=False)
    for name in ("Agent", "agent", "AGENT", "é", "e\u0301"):
        with Tract.open(tmp_path, tract_id=name) as t:
            t.user(f"I am {name}")

    folders = [path.name.casefold() for path in (tmp_path / ".tract/tracts").iterdir()]
    assert len(folders) == len(set(folders)) == 5


def mount_without_case(folder: Path) -> Path | None:
    """Mount a file system at *folder*; a folder in it that has no upper and lower case, None where the machine can make none."""
    image = folder.with_suffix(".image")
    makers = (["mkfs.vfat", str(image)], ["mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", str(image)])
    if os.geteuid():
        return None
    for maker in makers:
        with image.open("wb") as file:
            file.truncate(32 * 1024 * 1024)
        if shutil.which(maker[0]) and not subprocess.run(maker, capture_output=True).returncode:
            mounted = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True)
            if not mounted.returncode:
                store = folder / "store"
                store.mkdir()
                subprocess.run(["chattr", "+F", str(store)], capture_output=True)
                (store / "a").touch()
                return store if (store / "A").exists() else None
    return None


@pytest.fixture
def caseless(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "mounted"
    folder.mkdir()
    store = mount_without_case(folder)
    if store is None:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)
        pytest.skip("this machine can mount no file system without upper and lower case")
    yield store
    subprocess.run(["umount", str(folder)], check=False)


def test_a_store_on_a_file_system_without_upper_and_lower_case(caseless: Path) -> None:
    for name in ("Agent", "agent", "é", "e\u0301"):
        with Tract.open(caseless, tract_id=name) as t:
            t.user(f"I am {name}")
            with pytest.raises(TractError):
                t.branch("MAIN", switch=False)
    for name in ("Agent", "agent", "é", "e\u0301"):
        with Tract.open(caseless, tract_id=name) as t:
            assert [f"I am {name}"] == [str(message.content) for message in t.compile().messages]
    assert not [one for one in check_repository(str(caseless / ".tract")).errors if one.kind not in ("owner", "mode")]
