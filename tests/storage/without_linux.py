"""A pytest plugin that takes away what Linux has and other systems, macOS before all, do not: loaded before tract is."""

from __future__ import annotations

import fcntl
import os
from typing import Any

GONE = ("fdatasync", "posix_fallocate", "posix_fadvise", "copy_file_range", "memfd_create", "sendfile", "SEEK_DATA")


def without_proc(path: Any, *args: Any, _real: Any = os.readlink, **options: Any) -> Any:
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(path)
    return _real(path, *args, **options)


for name in GONE:
    if hasattr(os, name):
        delattr(os, name)
for name in [name for name in dir(fcntl) if name.startswith(("F_OFD", "F_ADD_SEALS", "F_GETPIPE"))]:
    delattr(fcntl, name)
os.readlink = without_proc
