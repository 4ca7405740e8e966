"""The files in a store's folder, and whether they belong there: every name, its kind, its owner and its mode."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from tract.dataclass import dataclass
from tract.maintenance.fsck.report import Problem, Severity
from tract.storage.files import list_directory

ASIDE = "aside"
"""The folder to which a repair moves things; reads ignore it."""

_REFS = r"(tracts/[^/]+/)?(HEAD|ORIG_HEAD|refs/(heads|tags|notes|archive|remotes|remote-notes)/.+)"
_KNOWN = re.compile(
    rf"format|config\.toml|tracts/[^/]+/(config\.toml|name)|shallow|(tracts/[^/]+/)?state/[^/]+|{_REFS}|locks/(journal|gc|(run|watch)-[0-9a-f]{{8}})|cache/(counts-.+|totals|settled|keys-.+|policies-.+|remote-.+|hooks\.log|hooks/.+)|aside/.+"
    r"|objects/(journal|journal\.torn-\d+|pack/pack-[0-9a-f]{40}\.(pack|idx)|[0-9a-f]{2}/[0-9a-f]{62})"
)
_TEMPORARY = re.compile(r"(.*/)?\.tmp-[^/]*|objects/import-[0-9a-f]+/.+")

# Other missing folders are made again by the code that needs them; writers rely on these.
_NEEDED = ("objects", "objects/pack", "locks", "locks/journal", "locks/gc", "cache", "refs", "refs/heads")


@dataclass(frozen=True, slots=True)
class Layout:
    """The names in a store, relative to it and in order; links and other things that are not files are left out."""

    files: tuple[str, ...]
    directories: tuple[str, ...]
    problems: tuple[Problem, ...]

    def under(self, start: str) -> tuple[str, ...]:
        """The files whose names begin with *start*."""
        return tuple(name for name in self.files if name.startswith(start))


def look_over(store: str) -> Layout:
    """Check every name in the folder *store*; no file is read."""
    files: list[str] = []
    directories: list[str] = []
    problems: list[Problem] = []
    owner = os.lstat(store).st_uid
    for name, found in _names(store):
        problems.extend(_access_problems(name, found, owner))
        if stat.S_ISDIR(found.st_mode):
            directories.append(name)
        else:
            problems.extend(_file_problems(name, found.st_mode))
            if stat.S_ISREG(found.st_mode):
                files.append(name)
    present = {*files, *directories}
    missing = (name for name in _NEEDED if name not in present)
    problems += [
        _problem("missing-file", "warning", name, "it is missing; a repair makes it again, empty") for name in missing
    ]
    return Layout(tuple(files), tuple(directories), tuple(problems))


def _file_problems(name: str, mode: int) -> Iterator[Problem]:
    """The problems of a file, or of something in the place of one."""
    if name.startswith(ASIDE + "/"):
        yield _problem("kept-aside", "note", name, "it was moved out of the way, and is kept")
    elif not stat.S_ISREG(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
        yield _problem("not-a-file", "error", name, f"it is {what}, so it is not read")
    elif _TEMPORARY.fullmatch(name):
        yield _problem("leftover", "note", name, "a killed process left it; nothing needs it")
    elif not _KNOWN.fullmatch(name):
        yield _problem("unknown-file", "note", name, "it does not belong to the store")


def _problem(kind: str, severity: Severity, name: str, detail: str) -> Problem:
    return Problem(kind, severity, "file", path=name, offset=None, detail=detail)


def _names(store: str) -> Iterator[tuple[str, os.stat_result]]:
    yield ".", os.lstat(store)
    stack = [""]
    while stack:
        folder = stack.pop()
        for entry in list_directory(os.path.join(store, folder)):
            name = f"{folder}{entry}"
            try:
                found = os.lstat(os.path.join(store, name))
            except FileNotFoundError:
                continue  # caches are rewritten, and gc goes on, meanwhile
            yield name, found
            if stat.S_ISDIR(found.st_mode):
                stack.append(name + "/")


def _access_problems(name: str, found: os.stat_result, owner: int) -> Iterator[Problem]:
    if found.st_uid != owner:
        detail = f"user {found.st_uid} owns it, not the store's owner ({owner})"
        yield Problem("owner", "error", "file", path=name, offset=None, detail=detail)
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o077:
        detail = f"others may use it: its mode is {stat.S_IMODE(found.st_mode):04o}"
        yield Problem("mode", "warning", "file", path=name, offset=None, detail=detail)
