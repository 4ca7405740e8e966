"""A pytest plugin that takes away what Linux has and other systems, macOS before all, do not: loaded before tract is."""

from __future__ import annotations

import fcntl
import os
from typing import Any

import pytest

ASKED = "TRACT_TESTS_WITHOUT_LINUX"
"""In the environment of a process that is to do without."""

GONE = ("fdatasync", "posix_fallocate", "posix_fadvise", "copy_file_range", "memfd_create", "SEEK_DATA")


def without_proc(path: Any, *args: Any, _real: Any = os.readlink, **options: Any) -> Any:
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(path)
    return _real(path, *args, **options)


def take_away() -> None:
    for name in GONE:
        if hasattr(os, name):
            delattr(os, name)
    for name in [name for name in dir(fcntl) if name.startswith(("F_OFD", "F_ADD_SEALS", "F_GETPIPE"))]:
        delattr(fcntl, name)
    os.readlink = without_proc


if ASKED in os.environ:
    take_away()


def _names_descriptors() -> bool:
    try:
        return bool(os.readlink("/proc/self/fd/0"))
    except OSError:
        return False


names_descriptors = pytest.mark.skipif(not _names_descriptors(), reason="only Linux says which file a descriptor is of")
