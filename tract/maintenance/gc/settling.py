"""Ref files as gc leaves them: they show what the refs hold, and are on the disk.

A ref file is not synced when it is written, for the operations can tell all of it again, and also what it held before.
What gc forgets they cannot tell any more: an old line that a power cut brings back then would prove that an operation was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.objects.model import RefChange
from tract.refs.files import RefFiles, tract_prefixes
from tract.refs.names import HEAD, ORIG_HEAD
from tract.refs.store import RefStore
from tract.storage import files
from tract.storage.store import ObjectStore


class Settling:
    """The ref files of the store in *path*: on the disk as they were when this was made, and in ``finish`` as they are then.

    The first takes its time and needs no lock, the second is for who holds it.
    """

    def __init__(self, path: str, refs: RefStore) -> None:
        self._shown = RefFiles(path, "full")
        self._refs = refs
        folders = list(_folders(self._shown))
        names = [folder + entry for folder in folders for entry in _entries(self._shown, folder)]
        self._sync(names, folders)
        lines = ((name, self._shown.read(name)) for name in names)
        # A power cut brought an old line back, or the file of a ref that is gone.
        self._behind = [name for name, line in lines if line is not None and line[0] != refs.read(name)]

    def finish(self, objects: ObjectStore, names: Sequence[str]) -> None:
        """Write anew what is still behind, and bring that to the disk, and the files of the refs *names*.

        What proves that an operation was lost stays, for fsck.
        """
        for name in self._behind:
            line, value = self._shown.read(name), self._refs.read(name)
            if line is not None and line[0] != value:
                with suppress(ObjectCorruptError, BlobNotFoundError):
                    self._shown.check_against(objects, [name])
                    self._shown.check_held(self._refs, [name])
                    self._shown.write([RefChange(name, None, value)])
        self._shown.close()
        found = [*self._behind, *names]
        self._sync(found, [name[: name.rfind("/") + 1] for name in found])

    def _sync(self, names: Sequence[str], folders: Sequence[str]) -> None:
        for path in map(self._shown.path_of, names):
            if files.is_file(path):
                with suppress(FileNotFoundError):  # it went since
                    files.sync_file(path)
        for path in map(self._shown.path_of, dict.fromkeys(folders)):
            if files.is_directory(path.removesuffix("/")):
                files.sync_directory(path)


def _folders(shown: RefFiles) -> Iterator[str]:
    """Every folder with ref files, a slash at its end: of the store, of its other tracts, and of their refs."""
    for top in ("", *tract_prefixes(shown.path)):
        if not top or files.is_directory(shown.path_of(top.removesuffix("/"))):
            yield top
            yield from _folders_under(shown, f"{top}refs")


def _folders_under(shown: RefFiles, folder: str) -> Iterator[str]:
    if files.is_directory(shown.path_of(folder)):
        yield folder + "/"
        for entry in files.list_directory(shown.path_of(folder)):
            yield from _folders_under(shown, f"{folder}/{entry}")


def _entries(shown: RefFiles, folder: str) -> Sequence[str]:
    if "refs/" not in folder:
        return (HEAD, ORIG_HEAD)
    return [entry for entry in files.list_directory(shown.path_of(folder)) if not entry.startswith(".")]
