"""A store that may not be written can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tract import StorageError, Tract

NOBODY = 65534


def look_and_try(folder: Path) -> str:
    """Read the store in *folder*, then try to commit; what that failed with."""
    with Tract.open(folder) as t:
        assert ["hello"] == [m.content for m in t.compile().messages]
        assert 1 == len(t.log())
        with pytest.raises(StorageError) as caught:
            t.user("more")
    return str(caught.value)


def test_a_store_without_the_right_to_write_is_read_and_refuses_commits(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("it needs root, to become another user who may only read")
    with Tract.open(tmp_path) as t:
        t.user("hello")
        assert t.compile().token_count
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")) or parent == tmp_path.parent:
            parent.chmod(0o755)
    read_end, write_end = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(write_end, look_and_try(tmp_path).encode())
        except BaseException as exc:  # noqa: BLE001  # the parent's assertion shows it
            os.write(write_end, repr(exc).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end) as pipe:
        answer = pipe.read()

    assert f"the store cannot be used: '{tmp_path}/.tract/locks/journal' Permission denied" == answer
